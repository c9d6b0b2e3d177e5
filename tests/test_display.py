"""How a person reads a probability: by one rule on terminals, pages and in notebooks; files keep the number."""

from __future__ import annotations

import io
import json
import math
import shutil
import subprocess
from importlib import resources
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from gridcnn.display import percentage
from gridcnn.model import EpochRecord
from gridcnn.predictions import Predictions
from gridcnn.render.html import _percent
from gridcnn.training.progress import PlainProgress

SHARES = [0.0, 1e-12, 0.00009, 0.0001, 0.0004, 0.0006, 0.5, 0.999, 0.9994, 0.9996, 0.9999, 0.99996, 1 - 1e-12, 1.0]
SHOWN = ["0.0 %", "<0.01 %", "<0.01 %", "0.01 %", "0.04 %", "0.1 %", "50.0 %", "99.9 %", "99.9 %", "99.96 %", "99.99 %",
         ">99.99 %", ">99.99 %", "100.0 %"]  # fmt: skip


def test_what_is_below_one_is_never_all_and_what_is_above_zero_never_nothing() -> None:
    assert [percentage(share) for share in SHARES] == SHOWN


def test_pages_follow_the_same_rule() -> None:
    assert [_percent(share).replace("\N{NO-BREAK SPACE}", " ") for share in SHARES] == SHOWN
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    code = resources.files("gridcnn.render").joinpath("front", "numbers.js").read_text(encoding="utf-8")
    code += f"\nconsole.log(JSON.stringify({SHARES}.map(percent)));"
    done = subprocess.run(["node", "--input-type=module", "-e", code], capture_output=True, text=True, check=True)
    assert [each.replace("\N{NO-BREAK SPACE}", " ") for each in json.loads(done.stdout)] == SHOWN


def test_a_notebook_shows_percentages_of_answers() -> None:
    found = Predictions(
        ["a", "b"], np.array([[0.99999, 0.00001], [np.nan, np.nan]]), ["", "broken"], np.array([1.5, 2])
    )

    shown = found._repr_html_()
    assert "<td>&gt;99.99 %</td>" in shown or "<td>>99.99 %</td>" in shown
    assert "1.5" in shown
    assert "100.0" not in shown
    assert found.to_frame()["p(1.5)"][0] == 0.99999


def test_a_training_in_one_step_is_not_called_an_epoch() -> None:
    said = io.StringIO()
    progress = PlainProgress(Console(file=said, width=200))
    network: Any = SimpleNamespace(several=False)
    for epochs, steps in ((1, 1), (1, 7)):
        progress.on_start(epochs, steps)
        progress.on_epoch(EpochRecord(1, 0.5, 0.75, math.nan, math.nan, 0.0, 1.0, 40.0), network)

    assert said.getvalue().splitlines() == [
        "in one step  loss 0.5000  accuracy 0.750  40 samples/s",
        "epoch 1/1  loss 0.5000  accuracy 0.750  40 samples/s  0 s left",
    ]
