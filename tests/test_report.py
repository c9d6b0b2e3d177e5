"""What a report says of answers whose scores are known beforehand."""

from __future__ import annotations

import dataclasses
import re
from html import unescape
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from gridcnn import GridClassifier, datasets
from gridcnn.adapters import AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.calibration import calibrate
from gridcnn.cli import main
from gridcnn.errors import DataError, Skipped
from gridcnn.evaluation.item_map import ItemMap
from gridcnn.evaluation.report import make_report
from gridcnn.render.drawn_map import drawn_map
from gridcnn.render.report_page import report_page

QUICK: dict[str, Any] = {"epochs": 2, "validation_fraction": 0.0, "cache": False, "kernels": (4,)}
HOSTILE = "<script>alert(1)</script>"


def shade(level: int, seed: int) -> np.ndarray:
    return (level + np.random.default_rng(seed).integers(0, 40, (8, 8))).astype(np.uint8)


@pytest.fixture(scope="module")
def shades() -> GridClassifier:
    """Tell dark from light; a picture of middle brightness is a doubtful case."""
    pictures = [shade(level, seed) for seed in range(12) for level in (0, 200)]
    settings = {**QUICK, "epochs": 8}
    return GridClassifier(adapter=ImageAdapter(), **settings).fit(pictures, ["dark", "light"] * 12)


def test_scores_of_known_answers(shades: GridClassifier) -> None:
    pictures = [shade(0, 50 + seed) for seed in range(8)] + [shade(200, 60), shade(200, 61)]
    report = make_report(shades, pictures, ["dark"] * 8 + ["light", "dark"])

    assert report.scores.accuracy == 0.9
    assert report.interval == pytest.approx((0.59585, 0.98212), abs=1e-5)  # Wilson 1927, nine of ten
    assert report.n_mistakes == 1
    assert [(each.truth, each.prediction) for each in report.mistakes] == [("dark", "light")]
    assert str(report).startswith("accuracy           0.9000 on 10 items (95 % interval 0.5958 to 0.9821)")


def test_mistakes_come_surest_first_and_hits_most_doubtful_first(shades: GridClassifier) -> None:
    pictures = [shade(level, seed) for seed, level in enumerate((0, 60, 110, 150, 200, 210, 30, 90))]
    labels = shades.predict(pictures).tolist()
    wrong = ["light" if label == "dark" else "dark" for label in labels]
    confidence = np.sort(shades.predict_proba(pictures).max(axis=1))

    sure = [each.confidence for each in make_report(shades, pictures, wrong).mistakes]
    doubtful = [each.confidence for each in make_report(shades, pictures, labels).hits]
    np.testing.assert_allclose(sure, confidence[::-1])
    np.testing.assert_allclose(doubtful, confidence)


def test_calibration_error_is_the_distance_of_confidence_and_accuracy() -> None:
    confidence = np.array([0.95] * 10 + [0.65] * 10)
    hit = np.array([True] * 9 + [False] + [True] * 4 + [False] * 6)
    found = calibrate(hit, confidence)

    assert found.error == pytest.approx(0.5 * 0.05 + 0.5 * 0.25)
    assert found.counts == [10, 10]
    assert found.accuracy == [0.4, 0.9]


def test_certainty_counts_in_the_last_bin() -> None:
    assert calibrate(np.array([True, False]), np.array([1.0, 1.0])).error == 0.5


def test_items_that_cannot_be_read_are_listed_and_not_counted(shades: GridClassifier, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.fromarray(shade(0, 1)).save(good)
    bad.write_bytes(b"no picture")
    report = make_report(shades, [good, bad], ["dark", "dark"], skipped=[Skipped("notes.txt", "no picture")])

    assert report.scores.n_items == 1
    assert [Path(each.item).name for each in report.skipped] == ["notes.txt", "bad.png"]
    assert "2 held-out items could not be read" in report_page(report)
    with pytest.raises(DataError, match="the only item cannot be read"):
        make_report(shades, [bad], ["dark"])


def test_items_of_classes_that_training_lacked_are_not_scored(shades: GridClassifier) -> None:
    report = make_report(shades, [shade(0, 1), shade(200, 2), shade(90, 3)], ["dark", "light", HOSTILE])
    html = report_page(report)

    assert report.scores.n_items == 2
    assert "Not scored, because training had no such class" in html
    assert HOSTILE not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; (1)" in html


def test_a_baseline_that_is_better_is_said_to_be() -> None:
    sentences = [f"{word} thing number {n}" for n in range(40) for word in ("good", "bad")]
    labels = np.array(["praise", "complaint"] * 40)
    without_bag = {"dense": (4,)}  # which would tell them apart without a training
    untrained = GridClassifier(adapter=TextAdapter(), learning_rate=1e-9, **without_bag, **QUICK).fit(sentences, labels)
    report = make_report(untrained, sentences, labels, train=(sentences, labels))

    assert report.baseline is not None
    assert report.baseline.baseline == 1.0
    assert "The baseline wins: TF-IDF" in report_page(report)
    assert "The baseline wins" in str(report)


def test_sentences_are_shown_as_text(tmp_path: Path) -> None:
    data = datasets.load("word_order").take(range(40))
    classifier = GridClassifier(adapter=TextAdapter(), **QUICK).fit(data.items, data.labels)
    html = report_page(
        make_report(classifier, [HOSTILE, *data.items[:5]], data.labels[:6], name=HOSTILE, source=HOSTILE)
    )

    assert HOSTILE not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
    assert "script-src 'none'" in unescape(html)


def test_sounds_can_be_played_and_stay_small() -> None:
    data = datasets.load("tones").take(range(24))
    adapter = AudioAdapter(sample_rate=data.sample_rate)
    classifier = GridClassifier(adapter=adapter, **QUICK).fit(data.items, data.labels)
    html = report_page(make_report(classifier, data.items, data.labels))

    clips = re.findall(r'<audio [^>]*src="data:audio/mpeg;base64,([^"]*)"', html)
    assert 12 <= len(clips) <= 24
    assert max(map(len, clips)) < 20_000
    assert html.count('<img src="data:image/png') == len(clips)


def test_a_class_may_be_called_as_a_column_of_the_predictions() -> None:
    pictures = [shade(level, seed) for seed in range(12) for level in (0, 200)]
    classifier = GridClassifier(adapter=ImageAdapter(), **{**QUICK, "epochs": 8}).fit(pictures, ["error", "item"] * 12)

    assert make_report(classifier, pictures, ["error", "item"] * 12).scores.accuracy == 1.0


NAMES = ["", "1", "prediction", "two\nlines", "a, b", HOSTILE]


def test_a_class_may_have_any_name() -> None:
    pictures = [shade(40 * at, seed) for seed in range(8) for at in range(6)]
    labels = NAMES * 8
    classifier = GridClassifier(adapter=ImageAdapter(), **{**QUICK, "epochs": 12}).fit(pictures, labels)
    report = make_report(classifier, pictures, labels, train=(pictures, labels))
    html = report_page(report)

    assert [row.name for row in report.scores.classes] == sorted(NAMES)
    assert report.scores.accuracy == pytest.approx(np.mean(classifier.predict(pictures) == np.array(labels)))
    assert [row.support for row in report.scores.classes] == [8] * 6
    assert not report.scores.unseen
    assert "a, b" in html
    assert HOSTILE not in html


def test_items_that_were_trained_on_are_counted_and_said(shades: GridClassifier, tmp_path: Path) -> None:
    learned = [shade(level, seed) for seed in range(3) for level in (0, 200)]
    new = [shade(level, 70 + seed) for seed in range(2) for level in (0, 200)]
    path = tmp_path / "renamed.png"
    Image.fromarray(learned[0]).save(path)  # the same pixels, from elsewhere

    unknown = make_report(shades, new, ["dark", "light"] * 2)
    assert (unknown.n_trained_on, unknown.accuracy_on_others, unknown.warning) == (0, None, "")
    assert "used in training" not in report_page(unknown)

    known = make_report(shades, [path, *learned[1:]], ["dark", "light"] * 3)
    assert (known.n_trained_on, known.accuracy_on_others) == (6, None)
    said = "6 of the 6 items were used in training (by their content), so these scores say little about new items."
    assert str(known).startswith(f"warning: {said}\n")
    assert said in report_page(known)

    mostly = make_report(shades, [*learned, *new], [*["dark", "light"] * 3, "dark", "dark", "dark", "light"])
    assert (mostly.n_trained_on, mostly.accuracy_on_others) == (6, 0.75)
    assert "so these scores say little about new items; accuracy on the other 4: 0.7500." in report_page(mostly)

    hardly = make_report(shades, [learned[0], *new], ["dark", "dark", "light", "dark", "light"])
    assert (
        hardly.warning == "1 of the 5 items was used in training (by their content); accuracy on the other 4: 1.0000."
    )


def test_trained_items_of_an_unknown_class_are_not_counted_as_scored(shades: GridClassifier) -> None:
    report = make_report(shades, [shade(0, 0), shade(200, 0)], ["dark", "grey"])

    assert (report.scores.n_items, report.n_trained_on) == (1, 1)


def test_a_report_says_how_the_model_was_set(shades: GridClassifier) -> None:
    settings = make_report(shades, [shade(0, 90)], ["dark"]).configuration

    assert settings["Input"]["adapter"] == "ImageAdapter"
    assert settings["Network"]["kernels"] == (4,)
    assert (settings["Training"]["epochs"], settings["Training"]["validation_fraction"]) == (8, 0.0)


def test_forty_classes_are_told_by_the_pairs_that_are_confused(shades: GridClassifier) -> None:
    labels = [f"class {n:02}" for n in range(40)]
    pictures = [shade(6 * n, n) for n in range(40)]
    classifier = GridClassifier(adapter=ImageAdapter(), **QUICK).fit(pictures, labels)
    html = report_page(make_report(classifier, pictures, labels))

    assert "40 classes are too many to draw as a matrix" in html
    assert '<table class="confusion">' not in html
    assert '<table class="confusion">' in report_page(make_report(shades, pictures[:1], ["dark"]))


def test_the_versions_at_training_stand_beside_those_in_use(shades: GridClassifier) -> None:
    versions = {"torch": "1.2.3", "Python": "3.6"}
    older = dataclasses.replace(shades.model_, summary={**shades.summary_, "versions": versions})
    html = report_page(make_report(older, [shade(0, 1), shade(200, 2)], ["dark", "light"]))

    assert shades.summary_["versions"]["torch"] == metadata.version("torch")
    assert "<dt>trained with</dt><dd>torch 1.2.3, Python 3.6</dd>" in html
    assert f"torch {metadata.version('torch')}" in html


def test_the_page_needs_nothing_else(shades: GridClassifier) -> None:
    html = report_page(make_report(shades, [shade(0, 1), shade(200, 2)], ["dark", "light"]))

    assert "http:" not in html.replace("http-equiv", "")
    assert "https:" not in html
    assert "<script" not in html
    assert 'aria-label="Loss over 8 epochs"' in html


def test_the_command_saves_the_page_and_fits_the_baseline(
    tmp_path: Path, shades: GridClassifier, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("train", "test"):
        for label, level in (("dark", 0), ("light", 200)):
            (tmp_path / part / label).mkdir(parents=True)
            for seed in range(6):
                Image.fromarray(shade(level, seed)).save(tmp_path / part / label / f"{seed}.png")
    shades.save(tmp_path / "m.safetensors")
    page = tmp_path / "pages" / "report.html"
    held_out, learned = str(tmp_path / "test"), str(tmp_path / "train")
    with pytest.raises(SystemExit) as ended:
        main(["report", str(tmp_path / "m.safetensors"), held_out, "--train", learned, "-o", str(page)])

    assert not ended.value.code
    assert "accuracy           1.0000 on 12 items" in capsys.readouterr().out
    assert "The network and the baseline (pixels" in page.read_text(encoding="utf-8")


def test_a_recording_of_several_windows_gives_its_first(tmp_path: Path) -> None:
    data = datasets.load("tones").take(range(8))
    adapter = AudioAdapter(sample_rate=data.sample_rate, duration=0.4)
    classifier = GridClassifier(adapter=adapter, **QUICK).fit(data.items, data.labels)
    long = tmp_path / "long.wav"
    soundfile.write(long, np.tile(data.items[0], 3), data.sample_rate)

    html = report_page(make_report(classifier, [long], [data.labels[0]]))
    assert "the first 0.4 s" in html
    assert "long.wav" in html


# ---- the map of items ----------------------------------------------------------------------------------------------


def test_items_that_are_alike_lie_near_each_other_on_the_map(shades: GridClassifier) -> None:
    pictures = [shade(level, 70 + seed) for seed in range(30) for level in (0, 200)]
    report = make_report(shades, pictures, ["dark", "light"] * 30)
    found = report.item_map

    assert found is not None
    assert (found.method, len(found.points), found.classes, found.neighbours_alike) == (
        "t-SNE",
        60,
        ["dark", "light"],
        1,
    )
    dark, light = found.points[::2], found.points[1::2]
    apart = np.linalg.norm(dark.mean(axis=0) - light.mean(axis=0))
    assert apart > 2 * np.linalg.norm(dark - dark.mean(axis=0), axis=1).mean()
    assert found.points.min() >= 0
    assert found.points.max() <= 1
    np.testing.assert_array_equal(make_report(shades, pictures, ["dark", "light"] * 30).item_map.points, found.points)


def test_a_point_says_name_true_class_and_answer(shades: GridClassifier, tmp_path: Path) -> None:
    places = [tmp_path / f"{at}{HOSTILE.replace('/', '')}.png" for at in range(4)]
    for at, place in enumerate(places):
        Image.fromarray(shade(200 * (at % 2), at)).save(place)
    html = report_page(make_report(shades, places, ["dark", "light", "dark", "dark"]))

    said = [unescape(each) for each in re.findall(r"<title>(.*?)</title>", html, re.DOTALL)]
    assert f"{places[0].name}\ndark" in said
    assert f"{places[3].name}\nis dark, said light" in said
    assert "<script" not in html
    assert "Placed by principal components" in html


def test_a_map_of_very_many_items_draws_some_evenly(shades: GridClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridcnn.evaluation.item_map.MOST_PLACED", 10)
    pictures = [shade(200 * (at % 2), at) for at in range(24)]
    html = report_page(make_report(shades, pictures, ["dark", "light"] * 12))

    assert "Drawn are 10 of the 24 items" in html
    assert len(re.findall(r'<circle class="c\d" cx', html)) == 10


@pytest.mark.parametrize("n_items", [1, 2, 3, 4])
def test_few_or_equal_items_have_a_map_or_none(shades: GridClassifier, n_items: int) -> None:
    report = make_report(shades, [shade(0, 1)] * n_items, ["dark"] * n_items)

    assert (report.item_map is None) == (n_items < 3)
    assert report.item_map is None or np.isfinite(report.item_map.points).all()
    assert "What it finds alike" in report_page(report) or n_items < 3


def test_names_on_the_map_cover_few_points_and_no_other_name() -> None:
    random = np.random.default_rng(0)
    centres = np.array([(0.2, 0.2), (0.22, 0.24), (0.8, 0.3), (0.5, 0.85)])
    points = np.concatenate([centre + random.normal(0, 0.04, (60, 2)) for centre in centres])
    truth = np.repeat(["long_name_of_a_class", "another_long_name", "c", "d"], 60).tolist()
    found = ItemMap(points, truth, truth, truth, sorted(set(truth)), "t-SNE", len(truth), 1.0)
    drawn = drawn_map(found)
    assert drawn is not None
    covered = 0
    for label in drawn["labels"]:
        half = 4 * len(label["name"])
        assert half - 1 <= label["x"] <= drawn["width"] - half + 1
        covered += sum(
            abs(point["x"] - label["x"]) < half and abs(point["y"] - label["y"] + 4) < 8 for point in drawn["points"]
        )
        for other in drawn["labels"]:
            near = abs(other["x"] - label["x"]) < half + 4 * len(other["name"]) and abs(other["y"] - label["y"]) < 18
            assert other is label or not near
    assert covered <= 5  # of 240; at the medians, 33
