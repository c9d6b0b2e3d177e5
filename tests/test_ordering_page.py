"""The page of an ordering report: one file that shows each picture and the whole text, and runs nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gridcnn import check_axes, check_order, datasets
from gridcnn.adapters import ImageAdapter
from gridcnn.evaluation.axes import check_grids
from gridcnn.render.ordering_page import ordering_page
from gridcnn.render.ordering_plots import draw

HOSTILE = "<script>alert(1)</script> & $x^2$"


def waves(n: int = 200) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.cumsum(rng.normal(size=(n, 20)), axis=1)


def page_of(report: Any) -> str:
    html = ordering_page(report)
    assert html.startswith("<!doctype html>")
    assert "<script" not in html
    assert "script-src &#39;none&#39;" in html
    assert "src=" not in html.replace("-src", "")
    return html


def test_the_page_of_a_table_has_its_verdict_picture_and_text() -> None:
    report = check_order(waves())
    html = page_of(report)

    assert f"Ordering check: {report.verdict}" in html
    assert report.verdict == "ordered"
    assert html.count("<svg") == 1
    assert "similarity, given order" in html
    assert "<pre>ORDERED:" in html


def test_the_page_of_an_array_has_a_picture_for_each_axis() -> None:
    report = check_axes(waves(200).reshape(200, 4, 5))
    html = page_of(report)

    assert html.count("<svg") == sum(bool(axis.figure_data) for axis in report.axes)
    assert "<h2>Axis 2</h2>" in html


def test_the_page_of_grids_names_their_axes() -> None:
    html = page_of(check_grids(ImageAdapter(), datasets.load("digits").take(range(300)).items))

    assert "<h2>height, 8 cells</h2>" in html
    assert "<h2>width, 8 cells</h2>" in html
    assert html.count("<svg") >= 2


def test_names_of_columns_are_text_and_nothing_else() -> None:
    table = (
        pd.DataFrame(waves(120))
        .rename(columns={0: HOSTILE})
        .assign(constant=1.0)
        .rename(columns={"constant": HOSTILE + "2"})
    )
    html = page_of(check_order(table))

    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; $x^2$2" in html
    assert "alert(1)</script>" not in html


def test_a_report_without_a_statistic_is_drawn_in_words() -> None:
    report = check_order(np.tile(np.arange(3.0), (8, 1)))

    assert "similar" not in report.figure_data
    assert any("no statistic was measured" in text.get_text() for text in draw(report).texts)
    assert "no statistic was measured" in page_of(report)
