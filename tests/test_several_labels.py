"""Models with several labels an item at the command line: names of scores, events, background, reviews, going on."""

from __future__ import annotations

import csv
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.special import logit

from gridcnn import FittedModel, datasets, fit, predict, save, tune
from gridcnn.adapters import ArrayAdapter, TextAdapter
from gridcnn.cli.background import with_background
from gridcnn.cli.event_scores import annotated_events
from gridcnn.datasets import Dataset, load_manifest
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.evaluation.candidates import choose_candidates
from gridcnn.evaluation.label_sets import score_label_sets
from gridcnn.evaluation.label_sets_report import make_label_set_report
from gridcnn.export.card import model_card
from gridcnn.inference.event_finding import without_doubtful
from gridcnn.segments import Event, Segment
from gridcnn.training.judging import Judged
from gridcnn.tuning.records import from_plain
from gridcnn.tuning.records import plain as as_plain
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


# ---- a search -------------------------------------------------------------------------------------------------------


def test_trials_are_judged_by_the_mean_average_precision(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    items, labels = sentences(120, seed=2)
    quick = {"epochs": 2, "folds": 1, "random_state": 0}
    tuned = tune(TextAdapter(), items, labels, quick, trials=2)
    assert tuned.several
    assert tuned.usual is not None
    assert tuned.model is not None
    plain_fit = fit(TextAdapter(), items, labels, {**quick, "refit": False})
    assert tuned.usual.accuracy == pytest.approx(plain_fit.scores["validation_mean_average_precision"])
    rows = pd.DataFrame({"text": items, "topics": ["|".join(each) for each in labels]})
    rows["split"] = ["train"] * 80 + ["validation"] * 20 + ["test"] * 20
    rows.to_csv(tmp_path / "a.csv", index=False)
    command = ("tune", tmp_path / "a.csv", "--text", "text", "--labels", "topics", "--split", "split", "--trials", 2)
    done = run(*command, "--epochs", 1, "-o", tmp_path / "m.safetensors")
    assert done.code == 0, done.err
    assert "test: mean average precision" in done.out
    assert "mean average precision" in done.err
    page = (tmp_path / "m.tuning.html").read_text(encoding="utf-8")
    assert "mean average precision on the items held out with the settings taken" in page
    assert "accuracy" not in page


@pytest.mark.parametrize("hit", [[1.0, 0.0, 1.0], [1.0, 0.5833, 0.0]])
def test_a_study_keeps_how_right_each_item_was(hit: list[float]) -> None:
    one = Judged(np.arange(3), np.array(hit), np.array([0.1, 2.0, 0.3]))
    assert from_plain(as_plain(one)).hit.tolist() == hit


# ---- events that overlap --------------------------------------------------------------------------------------------


def calls(*times: tuple[float, float, str], file: str = "a.wav") -> Dataset:
    items = [Segment(file, start, end) for start, end, _ in times]
    labels, groups = (np.array([str(each[at]) for each in times]) for at in (2, 0))
    return Dataset(items, labels, "sound", groups=groups)


def stretches(data: Dataset) -> list[tuple[float, float, tuple[str, ...]]]:
    assert data.labels is not None
    return sorted((each.start, each.end, labels) for each, labels in zip(data.items, data.labels, strict=True))


def test_overlapping_annotations_become_stretches_with_the_labels_that_are_heard_there() -> None:
    found = datasets.as_label_sets(calls((0, 6, "rain"), (2, 4, "dog"), (5, 8, "owl"), (9, 10, "dog")))
    assert stretches(found) == [
        (0, 2, ("rain",)),
        (2, 4, ("dog", "rain")),
        (4, 5, ("rain",)),
        (5, 6, ("owl", "rain")),
        (6, 8, ("owl",)),
        (9, 10, ("dog",)),
    ]
    told = "3 of 4 annotations overlap others: they are 6 stretches of time, 2 of them with several labels"
    assert told in found.notes
    assert found.groups is not None
    assert found.groups.tolist() == ["0", "0", "0", "0", "5", "9"]


def test_what_is_too_short_to_be_heard_alone_is_left_out_and_a_short_call_within_another_is_not() -> None:
    found = datasets.as_label_sets(calls((0, 3, "rain"), (0.1, 3, "owl"), (5, 8, "rain"), (6, 6.2, "dog")))
    assert len(found.annotated) == 4  # where background is not drawn
    assert stretches(found) == [
        (0.1, 3, ("owl", "rain")),
        (5, 6, ("rain",)),
        (pytest.approx(5.6), pytest.approx(6.6), ("dog", "rain")),  # a window around it
        (6.2, 8, ("rain",)),
    ]


def test_calls_of_one_kind_that_overlap_are_one_and_files_are_kept_apart() -> None:
    assert stretches(datasets.as_label_sets(calls((0, 3, "dog"), (2, 5, "dog")))) == [(0, 5, ("dog",))]
    one, other = calls((0, 3, "dog")), calls((1, 4, "owl"), file="b.wav")
    both = Dataset([*one.items, *other.items], np.array(["dog", "owl"]), "sound")
    assert stretches(datasets.as_label_sets(both)) == [(0, 3, ("dog",)), (1, 4, ("owl",))]
    with pytest.raises(DataError, match="labelled segments"):
        datasets.as_label_sets(Dataset(["a"], np.array(["b"]), "text"))


RATE = 8_000


def tone(frequency: float, seconds: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * frequency * np.arange(int(RATE * seconds)) / RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two recordings with low and high tones, many at the same time, and a table of Raven beside each."""
    root = tmp_path_factory.mktemp("recordings")
    for number, name in enumerate(("first", "second")):
        rng = np.random.default_rng(number)
        sound = rng.normal(scale=0.01, size=RATE * 240).astype(np.float32)
        rows = ["Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tAnnotation"]
        for at in range(40):
            for label, frequency in (("low", 600), ("high", 2_400)):
                if rng.random() < 0.75:
                    start = 6 * at + rng.uniform(0.5, 2.0)
                    sound[int(RATE * start) :][: RATE * 2] += tone(frequency, 2)
                    rows.append(f"{len(rows)}\tWaveform 1\t1\t{start:.3f}\t{start + 2:.3f}\t{label}")
        (root / name).mkdir()
        soundfile.write(root / name / f"{name}.wav", sound, RATE)
        (root / name / f"{name}.selections.txt").write_text("\n".join(rows) + "\n")
    return root


def test_overlapping_events_are_learned_from_raven_tables_and_found(run: Run, recordings: Path, tmp_path: Path) -> None:
    model, held = tmp_path / "m.safetensors", recordings / "second"
    options = ("--epochs", 8, "--kernels", "8,16", "--mels", 32, "--no-refit", "-q", "-o", model)
    done = run("train", recordings / "first", "--annotations", "raven", "--labels", "Annotation", *options)
    assert done.code == 0, done.err
    assert "annotations overlap others" in done.err
    assert "segments without a label are drawn" in done.err
    scored = run("evaluate", model, held, "--annotations", "raven", "--events", "--json")
    assert scored.code == 0, scored.err
    values = json.loads(scored.out)["classes"]
    table = (held / "second.selections.txt").read_text()
    assert {name: values[name]["annotated"] for name in ("low", "high")} == {
        name: table.count(f"\t{name}\n") for name in ("low", "high")
    }
    assert values["low"]["f1"] > 0.85
    assert values["high"]["f1"] > 0.85
    sets = run("evaluate", model, held, "--annotations", "raven", "--json")
    assert json.loads(sets.out)["mean_average_precision"] > 0.95
    found = run("detect", model, held / "second.wav", "-o", tmp_path / "found.csv")
    assert "no background class" not in found.err


def test_rows_of_a_csv_with_one_label_each_overlap_as_annotations_do(
    run: Run, recordings: Path, tmp_path: Path
) -> None:
    wav = recordings / "first" / "first.wav"
    rows = ["path,begin,end,kind"]
    rows += [f"{wav},{at},{at + 2},low\n{wav},{at + 1},{at + 3},high" for at in range(0, 80, 8)]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    columns = ("--path", "path", "--start", "begin", "--end", "end", "--labels", "kind", "--no-background", "--dry-run")
    shown = run("train", tmp_path / "a.csv", *columns)
    assert "20 of 20 annotations overlap others: they are 30 stretches of time, 10 of them with several" in shown.err
    (tmp_path / "a.csv").write_text("\n".join([*rows, f"{wav},100,102,low|high"]))
    whole = run("train", tmp_path / "a.csv", *columns)
    assert "overlap others" not in whole.err  # a row with several labels says all about its segment
    assert "read 21 items" in whole.out


def test_an_event_beneath_a_longer_one_of_another_label_needs_more_confidence() -> None:
    rain, owl = Event("a.wav", 0, 6, "rain", 0.7), Event("a.wav", 8, 9, "owl", 0.65)
    doubtful, sure = Event("a.wav", 1, 3, "dog", 0.85), Event("a.wav", 3, 5, "owl", 0.95)
    beside = Event("a.wav", 5.5, 8, "dog", 0.65)  # a fifth of it is beneath the rain
    usual = {"rain": 0.6, "dog": 0.6, "owl": 0.6}
    assert without_doubtful([owl, rain, doubtful, sure, beside], usual) == [rain, sure, beside, owl]
    assert doubtful in without_doubtful([rain, doubtful], {**usual, "dog": 0.3})


def test_events_of_rows_with_several_labels_go_on_from_row_to_row(model: FittedModel) -> None:
    sets = np.empty(3, dtype=object)
    sets[:] = [("dog",), ("dog", "owl"), ()]
    data = Dataset([Segment("a.wav", 0, 2), Segment("a.wav", 2, 3), Segment("a.wav", 4, 5)], sets, "sound")
    found = annotated_events(data, model)
    assert [(each.start, each.end, each.label) for each in found] == [(0, 3, "dog"), (2, 3, "owl")]


# ---- background -----------------------------------------------------------------------------------------------------


class Reader:
    """Knows that recordings are of 100 s."""

    def length_of(self, path: str) -> float:
        return 100.0

    def located(self, lengths: list[float], gaps: list[float]) -> tuple[Any, int]:
        return self, 0


def test_background_of_several_labels_is_drawn_without_a_label() -> None:
    data = datasets.as_label_sets(calls((0, 3, "dog"), (2, 5, "owl")))
    drawn, _, name, _ = with_background({"train": data}, data, "background", Reader(), 0)  # type: ignore[arg-type]
    assert name is None
    assert drawn.labels is not None
    assert drawn.labels.tolist()[:3] == [("dog",), ("dog", "owl"), ("owl",)]
    assert set(drawn.labels.tolist()[3:]) == {()}
    assert len(drawn) > 20
    assert all(each.start >= 5 for each in drawn.items[3:])


def test_a_label_that_names_the_background_is_taken_out_of_the_sets() -> None:
    sets = np.empty(3, dtype=object)
    sets[:] = [("dog",), ("quiet",), ("dog", "owl")]
    data = Dataset(["a", "b", "c"], sets, "text")
    learning, _, name, _ = with_background({"train": data}, data, "quiet", Reader(), 0)  # type: ignore[arg-type]
    assert name is None
    assert learning.labels is not None
    assert learning.labels.tolist() == [("dog",), (), ("dog", "owl")]
    with pytest.raises(ConfigurationError, match="there is no class 'nothing'"):
        with_background({"train": data}, data, "nothing", Reader(), 0)  # type: ignore[arg-type]
