"""Models with several labels an item at the command line: names of scores, events, background, reviews, going on."""

from __future__ import annotations

import csv
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from gridcnn import FittedModel, fit, predict, save
from gridcnn.adapters import ArrayAdapter, TextAdapter
from gridcnn.datasets import load_manifest
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.evaluation.candidates import choose_candidates
from gridcnn.evaluation.label_sets import score_label_sets
from gridcnn.evaluation.label_sets_report import make_label_set_report
from gridcnn.export.card import model_card
from tests.test_multilabel import planted

Run = Callable[..., Any]
WORDS = {"weather": ["rain", "storm", "sunny", "wind", "cloud"], "food": ["bread", "soup", "apple", "cheese", "rice"]}


def sentences(n: int, seed: int = 0, words: dict[str, list[str]] | None = None) -> tuple[list[str], list[list[str]]]:
    """Return sentences about some of the topics, and which: some are about none."""
    rng, words = np.random.default_rng(seed), words or WORDS
    items, labels = [], []
    for _ in range(n):
        own = [name for name in words if rng.random() < 0.5]
        said = [str(rng.choice(words[name])) for name in own for _ in range(2)]
        filler = [str(each) for each in rng.choice(["we", "saw", "it", "today", "and", "then"], 5)]
        items.append(" ".join(rng.permutation([*said, *filler])))
        labels.append(own)
    return items, labels


@pytest.fixture(scope="module")
def model() -> FittedModel:
    return fit(TextAdapter(), *sentences(160), {"epochs": 3})


@pytest.fixture
def news(tmp_path: Path) -> Path:
    items, labels = sentences(160)
    place = tmp_path / "news.csv"
    pd.DataFrame({"text": items, "topics": ["|".join(each) for each in labels]}).to_csv(place, index=False)
    return place


# ---- the name of the score ------------------------------------------------------------------------------------------


def test_the_ranking_precision_is_called_so_in_progress_history_and_trackers(
    run: Run, news: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []

    class SummaryWriter:
        def __init__(self, folder: str) -> None:
            pass

        def add_scalar(self, name: str, value: float, step: int) -> None:
            logged.append(name)

        def flush(self) -> None:
            pass

    fake = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = SummaryWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    command = ("train", news, "--text", "text", "--labels", "topics", "--epochs", 2)
    done = run(*command, "--log", "tensorboard:logs", "-o", tmp_path / "m.safetensors")
    assert done.code == 0, done.err
    assert "validation ranking precision" in done.err
    assert "accuracy" not in done.err
    with (tmp_path / "m.history.csv").open(newline="") as file:
        columns = csv.DictReader(file).fieldnames
    assert columns == [
        "epoch", "loss", "ranking_precision", "validation_loss", "validation_ranking_precision", "learning_rate",
        "seconds", "samples_per_second",
    ]  # fmt: skip
    assert {name.partition("/")[2] for name in logged} == {*columns} - {"epoch", "seconds"}


def test_a_model_card_leads_with_the_mean_average_precision(model: FittedModel) -> None:
    report = make_label_set_report(model, *sentences(60, seed=1), source="held.csv")
    card = model_card(model, name="topics", evaluation=report)
    assert 'metrics:\n- "average_precision"' in card
    assert f"value: {report.scores.mean_average_precision:.4f}" in card
    assert f"| held-out items of held.csv | {report.scores.mean_average_precision:.4f} |" in card
    assert "| all labels right |" in card
    assert "of every label of every item" in card
    weather = next(row for row in report.scores.classes if row.name == "weather")
    assert f"| weather | {weather.average_precision:.3f} | {weather.threshold:.2f} |" in card
    assert "accuracy" not in card.replace("accuracy alone is misleading", "")


def test_push_scores_a_model_of_several_labels_for_its_card(
    run: Run, model: FittedModel, news: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(model, tmp_path / "m.safetensors")
    cards: list[str] = []

    def upload(place: Any, repository: str, *, evaluation: Any, **others: Any) -> Any:
        cards.append(model_card(model, name=repository, evaluation=evaluation))
        return types.SimpleNamespace(files=["README.md"], url="https://hub/me/topics", without_onnx="")

    monkeypatch.setattr("gridcnn.export.hub.push", upload)
    done = run("push", tmp_path / "m.safetensors", "me/topics", "--test", news, "--text", "text", "--labels", "topics")
    assert done.code == 0, done.err
    assert "held-out items of news.csv" in cards[0]
    assert "160 of the 160 items were used in training" in cards[0]


# ---- reviews --------------------------------------------------------------------------------------------------------


class Page:
    """An open review page."""

    def __init__(self, browser: Any, place: Path) -> None:
        self.page = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True).new_page()
        self.page.set_default_timeout(30_000)
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(place.as_uri())
        self.page.wait_for_selector("html[data-drawn=yes]")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).inner_text())

    def on(self) -> list[str]:
        """Return the labels that are switched on."""
        return [str(each) for each in self.page.locator("#keys [aria-pressed=true] .called").all_inner_texts()]

    def saved(self, place: Path) -> Path:
        with self.page.expect_download() as download:
            self.page.click("#save")
        download.value.save_as(place)
        return place


def test_keys_switch_labels_on_and_off_and_train_accepts_what_is_saved(
    browser: Any, run: Run, model: FittedModel, tmp_path: Path
) -> None:
    save(model, tmp_path / "m.safetensors")
    asked = ["rain and storm today", "rain and storm with soup and bread", "we saw it then", "soup and apple today"]
    pd.DataFrame({"text": asked}).to_csv(tmp_path / "new.csv", index=False)
    command = ("review", tmp_path / "m.safetensors", tmp_path / "new.csv", "--text", "text", "-o", tmp_path / "r.html")
    done = run(*command)
    assert done.code == 0, done.err
    assert "gridcnn train labels.csv --text text --labels labels -o m-2.safetensors" in done.err
    page = Page(browser, tmp_path / "r.html")
    expected: dict[str, list[str]] = {}

    def now() -> str:
        return page.text("#card blockquote")

    for _ in range(4):
        given = {"rain": "weather" in page.on(), "soup": "food" in page.on()}
        assert given == {"rain": "rain" in now(), "soup": "soup" in now()}  # the answer is switched on
        if "rain" in now() and "soup" in now():
            page.press("1")  # food off
            assert page.on() == ["weather"]
            page.press("1", "2")  # and on, and weather off
            expected[now()] = ["food"]
        elif "we saw" in now():
            page.page.keyboard.type("sport")
            page.press("Shift+Enter")
            assert page.on() == ["sport"]
            page.page.keyboard.type("wea")
            page.press("Enter")
            expected[now()] = ["weather", "sport"]
        elif "apple" in now():
            page.press("0")
            expected[now()] = []
        else:
            expected[now()] = ["weather"]
        page.press("Enter")
    assert "no label" in page.text("#card")
    assert page.text("#count") == "4 of 4 labelled"
    page.press("ArrowLeft")
    page.page.reload()
    page.page.wait_for_selector("html[data-drawn=yes]")
    assert sorted(page.on()) == sorted(expected[now()])
    labels = page.saved(tmp_path / "labels.csv")
    read = load_manifest(labels, text="text", labels="labels")
    assert read.labels is not None
    assert dict(zip(read.items, map(list, read.labels), strict=True)) == expected
    assert page.complaints == []
    more = tmp_path / "more.csv"
    items, sets = sentences(60, seed=3)
    rows = pd.DataFrame({"text": items, "labels": ["|".join(each) for each in sets]})
    pd.concat([pd.read_csv(labels), rows]).to_csv(more, index=False)
    trained = run(
        "train", more, "--text", "text", "--labels", "labels", "--epochs", 1, "-o", tmp_path / "m2.safetensors"
    )
    assert trained.code == 0, trained.err
    assert "3 labels, of which an item may have several: food" in trained.out


def test_names_that_hold_a_separator_are_saved_as_lists(browser: Any, run: Run, tmp_path: Path) -> None:
    words = {"Salt Lake, UT": WORDS["weather"], "a|b": WORDS["food"]}
    save(fit(TextAdapter(), *sentences(160, words=words), {"epochs": 3}), tmp_path / "m.safetensors")
    asked = ["rain and storm with soup and bread", "we saw it then", "rain and storm today"]
    pd.DataFrame({"text": asked}).to_csv(tmp_path / "new.csv", index=False)
    run("review", tmp_path / "m.safetensors", tmp_path / "new.csv", "--text", "text", "-o", tmp_path / "r.html")
    page = Page(browser, tmp_path / "r.html")
    page.press("Enter", "Enter", "Enter")
    read = load_manifest(page.saved(tmp_path / "labels.csv"), text="text", labels="labels")
    assert read.labels is not None
    found = dict(zip(read.items, map(sorted, read.labels), strict=True))
    assert found == dict(zip(asked, [["Salt Lake, UT", "a|b"], [], ["Salt Lake, UT"]], strict=True))


def test_the_least_certain_items_are_those_near_a_threshold() -> None:
    probabilities = np.array([[0.9, 0.1], [0.31, 0.05], [0.5, 0.05], [0.02, 0.02]])
    thresholds = np.array([0.3, 0.5])
    assert choose_candidates("uncertain", probabilities, 2, thresholds=thresholds) == [1, 2]
    assert choose_candidates("uncertain", probabilities, 1) == [3]


# ---- going on from a model ------------------------------------------------------------------------------------------

SPORT = {"sport": ["goal", "match", "team", "score", "ball"]}


def test_a_model_keeps_its_labels_and_learns_new_ones(model: FittedModel) -> None:
    items, labels = sentences(200, seed=5, words={**WORDS, **SPORT})
    after = fit(TextAdapter(), items, labels, {"epochs": 4}, start=model)
    assert after.classes.tolist() == ["food", "sport", "weather"]
    assert after.several
    held = sentences(100, seed=6, words={**WORDS, **SPORT})
    scores = score_label_sets(after, *held).scores
    assert all(row.average_precision is not None and row.average_precision > 0.9 for row in scores.classes)
    assert after.summary["from"]["new_classes"] == ["sport"]


def test_labels_that_no_new_item_has_are_answered_as_before(model: FittedModel) -> None:
    wet = {"wet": ["rain", "soup"]}
    items, labels = sentences(80, seed=5, words=wet)
    after = fit(TextAdapter(), items, labels, start=model)
    assert after.classes.tolist() == ["food", "weather", "wet"]
    short = ["rain and storm today", "soup and bread", "we saw it then", "soup in the rain"]  # of one window
    before, now = (logit(predict(each, short).probabilities) for each in (model, after))
    scale = after.certainty.temperature / model.certainty.temperature
    np.testing.assert_allclose(now[:, :2] * scale, before, atol=1e-3)
    assert after.thresholds is not None
    assert model.thresholds is not None
    np.testing.assert_array_equal(after.thresholds[:2], model.thresholds)
    row = score_label_sets(after, *sentences(60, seed=6, words=wet)).scores.classes[2]
    assert row.average_precision is not None
    assert row.average_precision > 0.9


def test_a_series_solved_in_one_step_goes_on_with_several_labels() -> None:
    series, target = planted(200)
    solved = {
        "solved": True,
        "kernels": (84,),
        "kernel_sizes": (9,),
        "batch_norm": False,
        "pool_size": 1,
        "dilations": (1, 2),
    }
    first = fit(ArrayAdapter(axes=("length",)), series[:100], target[:100], solved)
    after = fit(ArrayAdapter(axes=("length",)), series[100:], target[100:], start=first)
    held = planted(100, seed=9)
    assert after.recipe["solved"]
    assert score_label_sets(after, *held).scores.mean_average_precision > 0.8


def test_labels_in_numbers_that_do_not_fit_the_model_to_go_on_from_are_refused(model: FittedModel) -> None:
    items, labels = sentences(60)
    matrix = np.array([[name in each for name in ("food", "weather")] for each in labels], dtype=int)
    assert fit(TextAdapter(), items, matrix, {"epochs": 1}, start=model).classes.tolist() == ["food", "weather"]
    with pytest.raises(DataError, match="3 columns without names"):
        fit(TextAdapter(), items, np.hstack([matrix, matrix[:, :1]]), {"epochs": 1}, start=model)
    one = fit(TextAdapter(), items, ["a" if each else "b" for each in labels], {"epochs": 1})
    with pytest.raises(ConfigurationError, match="gives one"):
        fit(TextAdapter(), items, labels, {"epochs": 1}, start=one)


def test_the_command_goes_on_and_info_says_how(run: Run, model: FittedModel, tmp_path: Path) -> None:
    save(model, tmp_path / "m.safetensors")
    assert "--labels COLUMN -o OUTPUT" in run("info", tmp_path / "m.safetensors").out
    items, labels = sentences(60, seed=5, words={**WORDS, **SPORT})
    place = tmp_path / "more.csv"
    pd.DataFrame({"text": items, "topics": ["|".join(each) for each in labels]}).to_csv(place, index=False)
    command = ("train", place, "--text", "text", "--labels", "topics", "--from", tmp_path / "m.safetensors")
    done = run(*command, "--epochs", 1, "-o", tmp_path / "n.safetensors")
    assert done.code == 0, done.err
    assert "with a new class: sport" in done.err
