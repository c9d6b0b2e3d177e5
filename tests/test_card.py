"""The model card: what it tells, what it says is unknown, and names that look like markup."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.stats
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gridcnn import datasets, fit
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.evaluation.report import make_report
from gridcnn.export.card import model_card
from gridcnn.export.markdown import plain, table, yaml_string
from gridcnn.model import FittedModel

QUICK: dict[str, Any] = {"epochs": 1, "kernels": (4,), "random_state": 0}
NASTY = {
    0: "a|b",
    1: "`rm -rf`",
    2: "yes: [no]",
    3: "<script>alert(1)</script>",
    4: "two\nlines",
    5: "*雪* 😀",
    6: "# --- #",
}
PLACEHOLDERS = re.compile(
    r"\b(todo|tbd|fixme|n/a|none|nan|unknown|lorem|your|more information needed)\b|\{\w*\}|…\.", re.I
)


@pytest.fixture(scope="module")
def digits() -> Any:
    return datasets.load("digits").take(range(300))


@pytest.fixture(scope="module")
def model(digits: Any) -> FittedModel:
    return fit(ImageAdapter(), digits.items[:200], digits.labels[:200], QUICK)


@pytest.fixture(scope="module")
def nasty(digits: Any) -> FittedModel:
    labels = np.array([NASTY.get(int(label), f"class {label}") for label in digits.labels[:200]])
    return fit(ImageAdapter(), digits.items[:200], labels, QUICK)


def metadata_of(card: str) -> dict[str, Any]:
    start, front, _ = card.split("---\n", 2)
    assert start == ""
    read: dict[str, Any] = yaml.safe_load(front)
    return read


def section(card: str, title: str) -> str:
    found = re.search(rf"^#+ {title}\n(.*?)(?=^#+ |\Z)", card, re.DOTALL | re.MULTILINE)
    assert found is not None, title
    return found[1].strip()


def cells(markdown: str) -> list[list[str]]:
    """Return the text of the cells of all tables, as a reader sees them."""
    shown = MarkdownIt("commonmark").enable("table").render(markdown)
    rows = re.findall(r"<tr>(.*?)</tr>", shown, re.DOTALL)
    return [[html.unescape(cell) for cell in re.findall(r"<t[dh]>(.*?)</t[dh]>", row, re.DOTALL)] for row in rows]


def test_the_metadata_is_what_the_hub_reads(model: FittedModel) -> None:
    read = metadata_of(model_card(model, name="digits", licence="MIT", onnx="model.onnx"))
    (entry,) = read.pop("model-index")

    assert read == {
        "library_name": "gridcnn",
        "license": "mit",
        "pipeline_tag": "image-classification",
        "tags": ["gridcnn", "convolutional-network", "onnx"],
        "metrics": ["accuracy"],
    }
    assert entry["name"] == "digits"
    (result,) = entry["results"]
    assert result["task"] == {"type": "image-classification"}
    assert result["metrics"] == [{"type": "accuracy", "value": round(model.scores["validation_accuracy"], 4)}]


def test_a_licence_that_the_hub_does_not_know_keeps_its_name(model: FittedModel) -> None:
    read = metadata_of(model_card(model, name="x", licence='My "own": licence #1'))

    assert read["license"] == "other"
    assert read["license_name"] == 'My "own": licence #1'


def test_without_a_licence_the_card_says_that_none_was_stated(model: FittedModel) -> None:
    card = model_card(model, name="x")

    assert "license" not in metadata_of(card)
    assert "none was stated" in section(card, "Intended use")


@pytest.mark.parametrize(
    ("adapter", "task"), [(TextAdapter(), "text-classification"), (ArrayAdapter(), "tabular-classification")]
)
def test_the_task_is_that_of_the_adapter(model: FittedModel, adapter: Any, task: str) -> None:
    assert adapter.task == task


def test_the_data_are_counted(model: FittedModel) -> None:
    read = cells(section(model_card(model, name="x"), "Data"))

    assert ["training items", "180"] in read
    assert ["validation items", "20"] in read
    assert ["left out because they could not be read", "0"] in read
    counts = model.summary["class_counts"]
    assert [[name, str(count)] for name, count in counts.items()] == read[-len(counts) :]


def test_the_interval_is_wilsons(model: FittedModel) -> None:
    known = replace(model, scores={"test_accuracy": 0.9, "test_items": 200, "test_items_trained_on": 3})
    low, high = scipy.stats.binomtest(180, 200).proportion_ci(method="wilson")
    row = cells(section(model_card(known, name="x"), "Scores"))[-1]

    assert row[1:4] == ["0.9000", f"{low:.4f} to {high:.4f}", "200"]
    assert row[4] == "3 of these items were used in training as well"


def test_a_score_on_an_unknown_number_of_items_has_no_interval(model: FittedModel) -> None:
    known = replace(model, scores={"test_accuracy": 0.9})

    assert cells(section(model_card(known, name="x"), "Scores"))[-1][2:4] == ["not known", "not known"]


def test_what_was_not_measured_is_said_to_be_unmeasured(model: FittedModel) -> None:
    card = model_card(replace(model, scores={}), name="x")

    assert "was not measured" in section(card, "Scores")
    assert section(card, "Calibration").startswith("Not measured")
    assert section(card, "Beside a classic baseline").startswith("Not measured")
    assert "model-index" not in metadata_of(card)


def test_an_evaluation_brings_calibration_the_baseline_and_each_class(model: FittedModel, digits: Any) -> None:
    seen = (digits.items[:200], digits.labels[:200])
    report = make_report(model, digits.items[200:], digits.labels[200:], train=seen, source="new|digits")
    card = model_card(model, name="x", evaluation=report)
    last = [row for row in cells(section(card, "Scores")) if row[0] == "held-out items of new|digits"]

    assert last[0][1:4] == [f"{report.scores.accuracy:.4f}", "{:.4f} to {:.4f}".format(*report.interval), "100"]
    assert f"error {report.calibration.error:.4f}" in section(card, "Calibration")
    assert report.baseline is not None
    assert report.baseline.name in section(card, "Beside a classic baseline")
    three = report.scores.classes[3]
    row = ["3", f"{three.precision:.3f}", f"{three.recall:.3f}", f"{three.f1:.3f}", str(three.support)]
    assert row in cells(section(card, "Scores"))
    assert metadata_of(card)["model-index"][0]["results"][0]["metrics"][0]["value"] == report.scores.accuracy


def test_the_baseline_that_training_measured_stands_beside_the_model(model: FittedModel) -> None:
    stored = {"name": "SVM", "part": "test", "accuracy": 0.95, "network": 0.9, "verdict": "The baseline wins."}
    told = section(model_card(replace(model, scores={"baseline": stored}), name="x"), "Beside a classic baseline")

    assert told == "Accuracy of SVM 0.9500, of the network 0.9000, on the test items. The baseline wins."


def test_a_model_that_was_trained_on_everything_says_so(model: FittedModel) -> None:
    card = model_card(replace(model, summary={**model.summary, "refit": True}), name="x")

    assert "trained on the validation items as well" in section(card, "Data")
    assert "once more on all items" in section(card, "Scores")


def test_limits_are_those_that_the_adapter_tells(digits: Any) -> None:
    large = [np.tile(each, (40, 40)) for each in digits.items[:20]]
    model = fit(ImageAdapter(size=8), large, digits.labels[:20], {**QUICK, "validation_fraction": 0})
    limits = section(model_card(replace(model, interrupted=True), name="x"), "Limits")

    assert model.adapter.remarks()
    assert all(plain(each) in limits for each in model.adapter.remarks())
    assert "ended early" in limits


def test_the_commands_name_the_model(model: FittedModel) -> None:
    running = section(model_card(model, name="x", source="hf://me/my-model", onnx="model.onnx"), "How to run it")

    assert "gridcnn predict hf://me/my-model" in running
    assert 'onnxruntime.InferenceSession("model.onnx")' in running
    compile(running.split("```python\n")[1].split("```")[0], "card", "exec")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("/data/a-person/trec_test.csv", "held-out items of trec_test.csv"),
        ("C:\\Users\\a-person\\birds\\", "held-out items of birds"),
        ("../a-person/held out/", "held-out items of held out"),
        ("digits", "held-out items of digits"),
        ("..", "held-out items"),
        ("", "held-out items"),
    ],
)
def test_no_folder_of_the_machine_is_named(model: FittedModel, digits: Any, source: str, told: str) -> None:
    report = make_report(model, digits.items[200:220], digits.labels[200:220], source=source)
    card = model_card(model, name="x", evaluation=report)

    assert told in [row[0] for row in cells(section(card, "Scores"))]
    assert "a-person" not in card
    assert metadata_of(card)["model-index"][0]["results"][0]["dataset"]["name"] == told


def test_the_card_in_an_exported_file_is_of_that_file(model: FittedModel) -> None:
    told = section(model_card(model, name="x", source="x.onnx", onnx="x.onnx", precision="int8"), "How to run it")

    assert "gridcnn predict x.onnx new/" in told
    assert 'pip install ".[export]"' in told
    assert "safetensors" not in told
    assert "gridcnn serve" not in told
    assert 'onnxruntime.InferenceSession("x.onnx")' in told
    assert "with 8 bits" in told
    assert "`gridcnn export --check SOURCE` measures it" in told


@pytest.mark.parametrize(("precision", "said"), [("float32", "at most 0.0001"), ("float16", "weights in 16 bits")])
def test_the_precision_of_the_file_is_said(model: FittedModel, precision: str, said: str) -> None:
    told = section(model_card(model, name="x", onnx="x.onnx", precision=precision), "How to run it")

    assert said in told
    assert ("not quite those of the trained model" in told) == (precision != "float32")


def test_the_card_says_what_the_file_takes(model: FittedModel) -> None:
    told = section(model_card(model, name="x", onnx="x.onnx"), "How to run it")
    sounds = datasets.load("tones").take(range(20))
    adapter = AudioAdapter(sample_rate=8000).fit(sounds.items)

    assert "`pictures`, uint8 `(batch, height, width, 1 or 3)`" in told
    assert "a fourth channel (alpha) would be ignored" in told
    assert "at 8,000 Hz" in adapter.describe_input()
    assert "float32 `(batch, samples)`" in adapter.describe_input()
    assert TextAdapter().describe_input() == "`text`, strings `(batch,)`"


def test_the_card_has_no_placeholder(model: FittedModel, nasty: FittedModel, digits: Any) -> None:
    report = make_report(model, digits.items[200:], digits.labels[200:])
    cards = [
        model_card(model, name="x"),
        model_card(nasty, name="x", licence="mit", onnx="model.onnx"),
        model_card(model, name="x", evaluation=report, purpose="To read digits."),
        model_card(replace(model, scores={}, summary={}, history=(), recipe={}), name="x"),
        model_card(model, name="x", source="hf://me/x"),
        model_card(model, name="x", source="x.onnx", onnx="x.onnx", precision="int8"),
    ]

    found = [PLACEHOLDERS.findall(card.replace("none was stated", "").replace("none of these", "")) for card in cards]
    assert found == [[]] * len(cards)


def test_classes_that_look_like_markup_are_shown_as_they_are(nasty: FittedModel) -> None:
    card = model_card(nasty, name="<b>x</b> | `y`", licence="mit")
    shown = [row[0] for row in cells(section(card, "Data"))][-len(nasty.classes) :]

    assert [each.replace("\\n", "\n") for each in shown] == nasty.class_names
    assert metadata_of(card)["model-index"][0]["name"] == "<b>x</b> | `y`"
    rendered = MarkdownIt("commonmark").enable("table").render(card.split("---\n", 2)[2])
    assert "<script" not in rendered
    assert "<b>" not in rendered
    assert rendered.count("<h1>") == 1


def test_many_classes_are_listed_by_the_most_and_the_least_frequent(model: FittedModel) -> None:
    counts = {f"c{number}": number for number in range(1, 251)}
    told = section(model_card(replace(model, summary={**model.summary, "class_counts": counts}), name="x"), "Data")
    rows = [row for row in cells(told) if re.fullmatch(r"c\d+", row[0])]

    assert len(rows) == 100
    assert rows[0] == ["c250", "250"]
    assert rows[-1] == ["c1", "1"]
    assert "of 250 classes" in told


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec=None)))
def test_any_string_survives_the_metadata(text: str) -> None:
    expected = text.encode("utf-8", "backslashreplace").decode()

    assert yaml.safe_load(f"a: {yaml_string(text)}\n") == {"a": expected}


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["C", "Z"]), min_size=1))
def test_any_name_is_one_cell_and_reads_as_it_is(name: str) -> None:
    assert cells(table(("class", "n"), [(plain(name), "1")]))[-1] == [name, "1"]
