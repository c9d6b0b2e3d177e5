"""Notebooks: a bar that is drawn anew, and reports that show themselves with their text escaped."""

from __future__ import annotations

import copy
import math
import pickle
import sys
import types
from typing import Any

import numpy as np
import pytest

import gridcnn
from gridcnn.adapters import ImageAdapter, TextAdapter
from gridcnn.datasets import load
from gridcnn.display import as_table, as_text, printable
from gridcnn.evaluation.axes import check_grids
from gridcnn.evaluation.metrics import evaluate
from gridcnn.evaluation.report import make_report
from gridcnn.training.notebook import NotebookProgress, notebook_progress

DIGITS = load("digits").take(range(60))
QUICK: dict[str, Any] = {"epochs": 2, "kernels": (2,), "refit": False}


class Kernel:
    """Stands for IPython in a notebook, and keeps what is shown in a cell."""

    def __init__(self, *, in_notebook: bool = True) -> None:
        self.states: list[str] = []
        shell = types.SimpleNamespace(kernel=object() if in_notebook else None)
        self.module = types.ModuleType("IPython")
        self.module.get_ipython = lambda: shell  # type: ignore[attr-defined]
        self.module.display = types.SimpleNamespace(HTML=lambda text: text, display=self.display)  # type: ignore[attr-defined]

    def display(self, text: str, *, display_id: bool) -> Any:
        assert display_id
        return types.SimpleNamespace(update=self.states.append)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setitem(sys.modules, "IPython", made.module)
    return made


def test_a_training_in_a_notebook_moves_one_bar_and_says_what_it_does(kernel: Kernel, capsys: Any) -> None:
    classifier = gridcnn.GridClassifier(ImageAdapter(), callbacks=[gridcnn.Progress()], **QUICK)
    classifier.fit(DIGITS.items, DIGITS.labels)

    last = kernel.states[-1]
    assert "epoch 2/2" in last
    record = classifier.history_[-1]
    assert f"accuracy {record.accuracy:.3f}, validation {record.validation_accuracy:.3f}" in last
    assert "split: 50 items to train on" in last
    done, most = (last.partition(f" {name}='")[2].partition("'")[0] for name in ("value", "max"))
    assert done == most
    assert capsys.readouterr().err == ""


def test_a_bar_is_not_drawn_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    now, drawn = [10.0], list[str]()
    monkeypatch.setattr("gridcnn.training.notebook.time.perf_counter", lambda: now[0])
    bar = NotebookProgress(drawn.append)
    bar.on_start(10, 100)
    for _ in range(100):
        now[0] += 1 / 128
        bar.on_step(8)

    assert len(drawn) == 1 + 3  # at the start, and four times a second
    assert "value='96'" in drawn[-1]
    assert "1,024 samples/s" in drawn[-1]


def test_text_of_others_is_escaped_in_the_bar() -> None:
    drawn = list[str]()
    NotebookProgress(drawn.append).on_message("class <script> has 1 item\x1b")

    assert "&lt;script&gt; has 1 item\\x1b" in drawn[-1]


def test_elsewhere_progress_is_lines_on_standard_error(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "IPython", Kernel(in_notebook=False).module)  # a terminal
    assert notebook_progress() is None

    gridcnn.fit(ImageAdapter(), DIGITS.items, DIGITS.labels, QUICK, callbacks=[gridcnn.Progress()])

    said = capsys.readouterr()
    assert "epoch 2/2" in said.err
    assert said.out == ""


def test_progress_can_be_copied_with_its_classifier(kernel: Kernel) -> None:
    progress = gridcnn.Progress()
    progress.on_message("a")

    for copied in (copy.deepcopy(progress), pickle.loads(pickle.dumps(progress))):
        copied.on_message("b")
        assert ">b<" in kernel.states[-1]
        assert ">a<" not in kernel.states[-1]


def test_reports_show_themselves_with_their_text_escaped() -> None:
    scores = evaluate(["<b>", "x", "?"], ["<b>", "<b>", "x"], ["<b>", "x"])
    shown = scores._repr_html_()

    assert "<td style='text-align:left'>&lt;b&gt;</td><td>0.5000</td><td>1.0000</td>" in shown
    assert "1 of ?" in shown
    assert "<b>" not in shown


def test_reports_on_a_model_have_the_scores_of_each_class() -> None:
    model = gridcnn.fit(ImageAdapter(), DIGITS.items, DIGITS.labels, QUICK)
    report = make_report(model, DIGITS.items, DIGITS.labels)
    embeddings = gridcnn.embed(model, DIGITS.items[:3])

    assert f"accuracy           {report.scores.accuracy:.4f} on 60 items" in report._repr_html_()
    assert report._repr_html_().count("<tr>") == 1 + 10
    assert embeddings.model in embeddings._repr_html_()
    assert f"3 of {embeddings.vectors.shape[1]} numbers" in embeddings._repr_html_()


def test_verdicts_on_order_have_their_colour_and_their_evidence() -> None:
    noise = np.random.default_rng(0).normal(size=(200, 12))
    report = gridcnn.check_order(noise)
    axes = gridcnn.check_axes(noise.reshape(200, 3, 4))
    grids = check_grids(ImageAdapter(), DIGITS.items)

    assert "#1a7f37" not in report._repr_html_()
    assert f"<b>{report.verdict.upper()}: " in report._repr_html_()
    assert "array 200 × 3 × 4" in axes._repr_html_()
    assert f"<b>{grids.verdict.upper()}: " in grids._repr_html_()


def test_scores_of_models_without_order_are_a_table() -> None:
    table = np.random.default_rng(0).normal(size=(80, 6))
    found = gridcnn.score_alternatives(table, (table[:, 0] > 0).astype(int))

    assert f"<td style='text-align:left'>{found.scores[0].model}</td>" in found._repr_html_()
    assert f"{found.chance:.1%}" in found._repr_html_()


def test_findings_of_an_audit_are_a_table() -> None:
    texts = [f"good <i> tea {at}" for at in range(20)] + [f"bad tea {at}" for at in range(20)]
    labels = ["praise"] * 20 + ["complaint"] * 20
    found = gridcnn.audit(TextAdapter(), [*texts, texts[0]], [*labels, "complaint"], checks=("copies",))
    nothing = gridcnn.audit(TextAdapter(), texts, labels, checks=("copies",))

    assert "<td style='text-align:left'>error</td>" in found._repr_html_()
    assert nothing._repr_html_() == "<p>40 items, and nothing was found.</p>"


@pytest.mark.parametrize(
    ("value", "cell"),
    [(1234, "<td>1,234</td>"), (0.25, "<td>0.2500</td>"), (math.nan, "<td>nan</td>"),
     (True, "<td style='text-align:left'>True</td>"), ("<", "<td style='text-align:left'>&lt;</td>")],
)  # fmt: skip
def test_cells_are_written_as_what_they_are(value: object, cell: str) -> None:
    assert cell in as_table(["<a>"], [[value]])
    assert "<th>&lt;a&gt;</th>" in as_table(["<a>"], [[value]])


def test_the_first_line_of_a_text_is_bold_and_control_characters_are_escaped() -> None:
    assert as_text("A<\nb<").endswith("<b>A&lt;</b>\nb&lt;</pre>")
    assert printable("a\x1b[31m\n") == "a\\x1b[31m\\n"
