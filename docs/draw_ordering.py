"""Draw the figures of docs/ordering-check.md: `GRIDCNN_DATA=… python docs/draw_ordering.py`."""

import os
from pathlib import Path

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from gridcnn.ordering import check_order
from gridcnn.render.ordering_plots import draw

here = Path(__file__).parent
tables = Path(os.environ["GRIDCNN_DATA"]) / "ordering"
rng = np.random.default_rng(0)


def load(name: str) -> np.ndarray:
    """Return one of the shared tables."""
    return np.load(tables / f"{name}.npz")["X"]


grades, spectra = load("syn_grades2"), load("spec_Tecator")
trait = rng.normal(size=(300, 1)) * np.where(np.arange(20) % 2, -1, 1)
survey = np.clip(np.round(3 + trait + rng.normal(size=(300, 20))), 1, 5)
cells = load("tab_breast_cancer30")
distance = squareform(1 - np.abs(np.corrcoef(cells, rowvar=False)), checks=False)
tree = hierarchy.optimal_leaf_ordering(hierarchy.average(distance), distance)
for name, table in {
    "shuffled": spectra[:, rng.permutation(spectra.shape[1])],
    "grouped": grades,
    "laid-out": survey,
    "sorted": cells[:, hierarchy.leaves_list(tree)],
    "spectra": spectra,
    "digits": load("img_digits64"),
}.items():
    report = check_order(table)
    draw(report).savefig(here / f"ordering-{name}.png", dpi=80)
    print(name, report.verdict, report.test, report.figure_data["family"])
