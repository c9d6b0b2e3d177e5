"""Draw the figures of docs/ordering-check.md: `GRIDCNN_DATA=… python docs/draw_ordering.py`."""

import os
from pathlib import Path

import numpy as np

from gridcnn.ordering import check_order
from gridcnn.render.ordering_plots import draw

here = Path(__file__).parent
tables = Path(os.environ["GRIDCNN_DATA"]) / "ordering"
for name, table in (("grades", "syn_grades2"), ("spectra", "spec_Tecator"), ("digits", "img_digits64")):
    report = check_order(np.load(tables / f"{table}.npz")["X"])
    draw(report).savefig(here / f"ordering-{name}.png", dpi=80)
    print(name, report.verdict)
