"""Draw the pictures of docs/ordering-check.md: `GRIDCNN_DATA=… python docs/draw_ordering.py`."""

import os
from pathlib import Path

import numpy as np

from gridcnn.ordering import check_order

here = Path(__file__).parent
tables = Path(os.environ["GRIDCNN_DATA"]) / "ordering"
for name, table in (("grades", "syn_grades2"), ("spectra", "spec_Tecator"), ("digits", "img_digits64")):
    report = check_order(np.load(tables / f"{table}.npz")["X"])
    report.plot().savefig(here / f"ordering-{name}.png", dpi=80)
    print(name, report.verdict)
