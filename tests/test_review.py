"""The review page, worked as a person works it: by keys, in a browser; and what is saved, trained with."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from gridcnn import datasets, fit, load, predict, save
from gridcnn.adapters import AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.datasets import load_manifest
from gridcnn.datasets.members import Member
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.evaluation.candidates import choose_candidates
from gridcnn.segments import Segment

QUICK: dict[str, Any] = {"epochs": 2, "cache": False, "kernels": (4,)}
HOSTILE = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
Run = Callable[..., Any]


def stripes(label: str, light: int, seed: int) -> np.ndarray:
    """Draw upright or level stripes, faint on a light or dark ground."""
    rng = np.random.default_rng(seed)
    wave = 25 * ((np.arange(16) + rng.integers(4)) % 4 < 2)
    grid = np.tile(wave, (16, 1)) if label == "upright" else np.tile(wave[:, None], (1, 16))
    return np.clip(light + grid + rng.integers(0, 12, (16, 16)), 0, 255).astype(np.uint8)


def folder_of(place: Path, count: int, start: int) -> dict[str, str]:
    """Write pictures of both kinds, light and dark alike, and return the kind of each by its name."""
    place.mkdir()
    truth = {}
    for at in range(count):
        label = ("upright", "level")[at % 2]
        name = f"{at:03}.png"
        Image.fromarray(stripes(label, (20, 190)[at // 2 % 2], start + at)).save(place / name)
        truth[name] = label
    return truth


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Train a model on pictures whose light gives their kind away, and write new ones, where it does not."""
    root = tmp_path_factory.mktemp("world")
    pictures = [stripes(label, light, at) for at in range(12) for label, light in (("upright", 190), ("level", 20))]
    model = fit(ImageAdapter(), pictures, ["upright", "level"] * 12, {**QUICK, "epochs": 6})
    save(model, root / "m.safetensors")
    return root, folder_of(root / "new", 16, 100)


class Page:
    """An open review page."""

    def __init__(self, browser: Any, place: Path, width: int = 1280) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True)
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.place = place
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.open()

    def open(self) -> None:
        self.page.goto(self.place.as_uri())
        self.page.wait_for_selector("html[data-drawn=yes]")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).inner_text())

    def saved(self, place: Path) -> Path:
        with self.page.expect_download() as download:
            self.page.click("#save")
        download.value.save_as(place)
        assert download.value.suggested_filename == "labels.csv"
        return place


def test_ten_items_labelled_by_keys_make_the_model_better(
    browser: Any, run: Run, world: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    root, truth = world
    folder_of(tmp_path / "held", 40, 500)
    held = [f"held/{at:03}.png,{('upright', 'level')[at % 2]}" for at in range(40)]
    (tmp_path / "held.csv").write_text("path,label\n" + "\n".join(held))

    def accuracy(model: Path) -> float:
        done = run("evaluate", model, tmp_path / "held.csv", "--path", "path", "--json")
        return float(json.loads(done.out)["accuracy"])

    done = run(
        "review", root / "m.safetensors", root / "new", "-o", tmp_path / "r", "--strategy", "different", "--most", 10
    )
    assert done.code == 0
    page = Page(browser, tmp_path / "r" / "index.html")
    n_wrong = 0
    for _ in range(10):
        label, answer = truth[page.text("#card .name")], page.text("#card .said-by b")
        n_wrong += label != answer
        page.press("Enter" if label == answer else {"level": "1", "upright": "2"}[label])
    assert page.text("#count") == "10 of 10 labelled"
    labels = page.saved(tmp_path / "labels.csv")
    frame = pd.read_csv(labels)
    assert list(frame.columns) == ["path", "label"]
    assert len(frame) == 10
    assert all(truth[Path(path).name] == label for path, label in zip(frame.path, frame.label, strict=True))
    assert n_wrong  # or there was nothing to learn
    train = ["--epochs", 40, "--kernels", 8, "--no-cache", "-q", "-o", tmp_path / "m2.safetensors"]
    assert run("train", labels, "--path", "path", *train).code == 0

    before, after = accuracy(root / "m.safetensors"), accuracy(tmp_path / "m2.safetensors")
    assert before <= 0.7
    assert after >= 0.9
    assert page.complaints == []
    assert page.requests == [page.place.as_uri()] or all(
        url.startswith(("file:", "data:", "blob:")) for url in page.requests
    )


def test_keys_skip_go_back_correct_by_name_and_add_a_class(
    browser: Any, run: Run, world: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    root, _ = world
    run("review", root / "m.safetensors", root / "new", "-o", tmp_path / "r.html", "--most", 6)
    page = Page(browser, tmp_path / "r.html")
    names = []

    def name() -> str:
        names.append(page.text("#card .name"))
        return names[-1]

    name()
    page.press("ArrowRight")  # skipped
    name()
    page.page.keyboard.type("upr")
    assert page.text("#found button >> nth=0").startswith("upright")
    page.press("Enter")
    name()
    page.page.keyboard.type("wavy")
    page.press("Enter")  # no such class: nothing is labelled by accident
    assert page.text("#count").startswith("1 of 6 labelled")
    page.press("Shift+Enter")
    name()
    page.press("3")  # the new class has a key
    page.press("ArrowLeft")
    assert page.text("#card .name") == names[3]
    assert "you said wavy" in page.text("#card .said-by")
    page.press("Delete")
    assert page.text("#count") == "2 of 6 labelled, 1 skipped"
    page.press("ArrowLeft", "ArrowLeft", "ArrowLeft", "Enter")  # the skipped one is confirmed after all
    first = str(page.page.evaluate("document.querySelector('#card .said-by b').textContent"))
    assert first  # the second item again
    assert page.text("#count") == "3 of 6 labelled"
    frame = pd.read_csv(page.saved(tmp_path / "labels.csv"))
    assert [Path(path).name for path in frame.path] == names[:3]
    assert frame.label.tolist()[1:] == ["upright", "wavy"]
    assert all(Path(path).is_absolute() for path in frame.path)


def test_progress_outlives_the_page(browser: Any, run: Run, world: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    root, _ = world
    run("review", root / "m.safetensors", root / "new", "-o", tmp_path / "r", "--most", 5)
    page = Page(browser, tmp_path / "r" / "index.html")
    page.press("Enter", "ArrowRight", "2")
    third = page.text("#card .name")
    page.open()

    assert page.text("#card .name") == third
    assert page.text("#count") == "2 of 5 labelled, 1 skipped"
    page.page.evaluate("localStorage.setItem(Object.keys(localStorage)[0], '{\"labels\": 5}')")
    page.open()  # what is stored there may be anything
    assert page.text("#count") == "0 of 5 labelled"


def test_texts_and_names_of_strangers_stay_text_and_come_back_unchanged(browser: Any, run: Run, tmp_path: Path) -> None:
    texts = [f"{word} film number {at}" for at in range(20) for word in ("good", "bad")]
    save(fit(TextAdapter(), texts, [HOSTILE, 'a "b", c'] * 20, QUICK), tmp_path / "t.safetensors")
    odd = [HOSTILE, 'he said "no", twice', "one\ntwo\r\nthree", " white space ", "sep=;", "半分", "a;b\tc", "</script>"]
    pd.DataFrame({"words": odd, "site": [f"s,{at}" for at in range(8)]}).to_csv(tmp_path / "new.csv", index=False)
    command = ["review", tmp_path / "t.safetensors", tmp_path / "new.csv", "--text", "words", "--group", "site"]
    done = run(*command, "-o", tmp_path / "r.html")
    assert done.code == 0, done.err
    assert "gridcnn train labels.csv --text text --group group -o t-2.safetensors" in done.err
    page = Page(browser, tmp_path / "r.html")
    page.press(*["Enter"] * 8)
    labels = page.saved(tmp_path / "labels.csv")

    assert page.page.evaluate("window.hacked") is None
    assert page.complaints == []
    read = load_manifest(labels, text="text", label="label", group="group")
    expected = load_manifest(tmp_path / "new.csv", text="words", group="site")
    assert read.groups is not None
    assert dict(zip(read.items, read.groups, strict=True)) == dict(zip(expected.items, expected.groups, strict=True))
    answers = predict(load(tmp_path / "t.safetensors"), read.items).labels
    assert list(read.labels) == list(answers)


def test_labels_of_files_in_an_archive_can_be_trained_on(
    browser: Any, run: Run, world: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    root, _ = world
    archive = shutil.make_archive(str(tmp_path / "new"), "zip", root, "new")
    done = run("review", root / "m.safetensors", archive, "-o", tmp_path / "r.html", "--most", 4)
    assert done.code == 0, done.err
    page = Page(browser, tmp_path / "r.html")
    page.press(*["Enter"] * 4)
    labels = page.saved(tmp_path / "labels.csv")
    read = load_manifest(labels, path_column="path", label="label")

    assert [type(each) for each in read.items] == [Member] * 4
    assert all(str(each).startswith(f"{archive}/new/") for each in read.items)
    assert list(read.labels) == list(predict(load(root / "m.safetensors"), read.items).labels)


def test_rows_of_numbers_are_saved_under_their_names_and_trained_with(browser: Any, run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    waves = pd.DataFrame(np.sin(np.arange(20) * rng.uniform(0.2, 0.9, (30, 1)))).add_prefix("t")
    labels = ["slow", "fast"] * 15
    waves.assign(label=labels).to_csv(tmp_path / "rows.csv", index=False)
    waves.to_csv(tmp_path / "new.csv", index=False)
    options = ["--epochs", 1, "--kernels", 3, "--ordering", "assume", "-q"]
    assert run("train", tmp_path / "rows.csv", "-o", tmp_path / "m.safetensors", *options).code == 0
    done = run("review", tmp_path / "m.safetensors", tmp_path / "new.csv", "-o", tmp_path / "r.html", "--most", 12)
    assert done.code == 0, done.err
    page = Page(browser, tmp_path / "r.html")
    assert page.page.locator("#card img").count() == 1
    page.press(*["1", "2"] * 6)
    saved = pd.read_csv(page.saved(tmp_path / "labels.csv"))

    assert list(saved.columns) == [*waves.columns, "label"]
    for row in saved.drop(columns="label").to_numpy():
        assert np.isclose(waves.to_numpy(), row, rtol=0, atol=1e-12).all(axis=1).any()
    assert run("train", tmp_path / "labels.csv", "-o", tmp_path / "m2.safetensors", *options).code == 0


def test_sounds_can_be_heard_and_seen(browser: Any, run: Run, tmp_path: Path) -> None:
    data = datasets.load("tones").take(range(16))
    model = fit(AudioAdapter(sample_rate=data.sample_rate), data.items, data.labels, QUICK)
    save(model, tmp_path / "s.safetensors")
    (tmp_path / "new").mkdir()
    for at in range(4):
        soundfile.write(tmp_path / "new" / f"{at}{HOSTILE.replace('/', '')}.wav", data.items[at], data.sample_rate)
    (tmp_path / "new" / "bad.wav").write_bytes(b"no sound")
    done = run("review", tmp_path / "s.safetensors", tmp_path / "new", "-o", tmp_path / "r.html")
    assert done.code == 0
    assert "1 item is left out" in done.err
    assert "bad.wav" in done.err
    page = Page(browser, tmp_path / "r.html")

    page.page.wait_for_function("document.querySelector('audio').readyState >= 2")
    assert page.page.evaluate("document.querySelector('#card img').naturalWidth") > 10
    page.press(" ")
    page.page.wait_for_function("!document.querySelector('audio').paused || document.querySelector('audio').ended")
    assert page.page.evaluate("window.hacked") is None
    assert page.complaints == []


def test_a_digit_that_is_the_name_of_a_class_is_its_key(browser: Any, run: Run, tmp_path: Path) -> None:
    data = datasets.load("digits").take(range(100))
    save(fit(ImageAdapter(), data.items, data.labels, QUICK), tmp_path / "d.safetensors")
    (tmp_path / "new").mkdir()
    for at in range(10):
        Image.fromarray(np.asarray(data.items[at] * 15, dtype=np.uint8)).save(tmp_path / "new" / f"{at}.png")
    run("review", tmp_path / "d.safetensors", tmp_path / "new", "-o", tmp_path / "r.html")
    page = Page(browser, tmp_path / "r.html")
    assert page.page.locator("#keys .called").all_inner_texts() == list("0123456789")
    page.press(*"9876543210")

    assert pd.read_csv(page.saved(tmp_path / "labels.csv")).label.tolist() == list(range(10))[::-1]
    assert page.complaints == []


def test_a_held_key_and_a_shortcut_of_the_browser_label_nothing_more(
    browser: Any, run: Run, world: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    root, _ = world
    run("review", root / "m.safetensors", root / "new", "-o", tmp_path / "r.html", "--most", 5)
    page = Page(browser, tmp_path / "r.html")
    page.page.keyboard.down("Enter")
    page.page.keyboard.down("Enter")  # repeats
    page.page.keyboard.up("Enter")
    page.press("Control+Enter")

    assert page.text("#count") == "1 of 5 labelled"


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits_its_window(
    browser: Any, run: Run, world: tuple[Path, dict[str, str]], tmp_path: Path, width: int
) -> None:
    root, _ = world
    run("review", root / "m.safetensors", root / "new", "-o", tmp_path / "r.html")
    page = Page(browser, tmp_path / "r.html", width)

    assert page.page.evaluate("document.documentElement.scrollWidth") <= width


# ---- without a browser ---------------------------------------------------------------------------------------------


def test_strategies_choose_the_surest_the_least_certain_and_the_different() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.45, 0.55], [0.2, 0.8], [np.nan, np.nan]])
    vectors = np.array([[1, 0], [1, 0], [0, 1], [1, 1], [1, 0.01], [np.nan, np.nan]], dtype=np.float32)

    assert choose_candidates("confident", probabilities, 4) == [0, 1, 4, 3]
    assert choose_candidates("uncertain", probabilities, 2) == [3, 2]
    assert choose_candidates("different", probabilities, 3, vectors) == [2, 0, 3]
    assert len(choose_candidates("different", probabilities, 9, vectors)) == 4  # the copy of a chosen item is not
    assert choose_candidates("confident", probabilities[5:], 4) == []
    with pytest.raises(ConfigurationError, match="expected one of"):
        choose_candidates("best", probabilities, 3)


def page_data(place: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', place.read_text(), re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


@pytest.mark.parametrize("strategy", ["confident", "uncertain", "different"])
def test_each_strategy_and_number_reaches_the_page(
    run: Run, world: tuple[Path, dict[str, str]], tmp_path: Path, strategy: str
) -> None:
    root, truth = world
    run("review", root / "m.safetensors", root / "new", "-o", tmp_path / "r.html", "--strategy", strategy, "--most", 4)
    shown = page_data(tmp_path / "r.html")["candidates"]
    paths = sorted((root / "new").iterdir())
    probabilities = predict(load(root / "m.safetensors"), paths).probabilities
    largest = [each["ranked"][0][1] for each in shown]

    assert len(shown) == 4
    assert {each["name"] for each in shown} <= truth.keys()
    if strategy == "uncertain":
        assert largest == sorted(largest)
        assert largest == pytest.approx(np.sort(probabilities.max(axis=1))[:4], abs=1e-4)
    if strategy == "confident":
        expected = [paths[at].name for at in choose_candidates("confident", probabilities, 4)]
        assert [each["name"] for each in shown] == expected


def test_a_name_that_no_csv_can_hold_is_left_out_and_said(
    run: Run, world: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    root, _ = world
    (tmp_path / "new").mkdir()
    try:
        shutil.copy(root / "new" / "000.png", bytes(tmp_path / "new") + b"/caf\xe9.png")
    except OSError:
        pytest.skip("this file system holds UTF-8 names only")
    shutil.copy(root / "new" / "001.png", tmp_path / "new")
    done = run("review", root / "m.safetensors", tmp_path / "new", "-o", tmp_path / "r.html")

    assert [each["name"] for each in page_data(tmp_path / "r.html")["candidates"]] == ["001.png"]
    assert "no UTF-8" in done.err


def test_what_cannot_be_reviewed_is_refused(run: Run, world: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    root, _ = world
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    nothing = run("review", root / "m.safetensors", bad, "-o", tmp_path / "r.html")
    grouped = run("review", root / "m.safetensors", root / "new", "-o", tmp_path / "r.html", "--group", "site")

    assert (nothing.code, "the only item cannot be read" in nothing.err) == (2, True)
    assert (grouped.code, "is no file of rows" in grouped.err) == (2, True)
    assert not (tmp_path / "r.html").exists()
    over = run("review", root / "m.safetensors", root / "new" / "000.png", "-o", root / "new" / "000.png")
    assert over.code == 2


def test_parts_of_recordings_are_items_of_their_own(tmp_path: Path) -> None:
    from gridcnn.cli.asking import Asked, Source
    from gridcnn.cli.columns import Columns
    from gridcnn.cli.labelled_rows import LabelledRows
    from gridcnn.cli.segmented import in_parts

    place = tmp_path / "d.csv"
    place.write_text("path,from,to\nn.wav,0.5,2\nn.wav,3,2\nn.wav,x,4\n")
    whole = Source("d.csv", lambda: iter([Asked("n.wav", Path("/n.wav"), row) for row in (2, 3, 4)]), 3, place)
    silence = tmp_path / "n.wav"
    soundfile.write(silence, np.zeros(40_000), 8_000)
    reader = AudioAdapter(duration=1.0).fit([str(silence)])
    (parts,) = in_parts([whole], Columns(start="from", end="to"), reader)
    good, turned, worded = parts.items()
    with pytest.raises(DataError, match="no column 'begin'"):
        in_parts([whole], Columns(start="begin", end="to"), reader)

    assert (good.item, good.name) == (Segment("/n.wav", 0.5, 2), "/n.wav, 0.5 to 2 s")
    assert "begins at 0 or later and ends after that, got 3.0 to 2.0" in str(turned.item)
    assert "row 4: expected where the part begins and ends, in seconds, samples or words, such as 12.5; got 'x'" in str(
        worded.item
    )
    rows = LabelledRows(AudioAdapter(), Columns())
    cells = rows.cells([(whole, good)])
    assert cells == [{"path": "/n.wav", "begin": "0.5", "end": "2"}]
    assert rows.training(cells) == "--path path --start begin --end end --no-background"


def test_times_are_shown_to_the_millisecond_and_saved_so_that_the_same_samples_are_read() -> None:
    from gridcnn.cli.asking import Asked, Source
    from gridcnn.cli.columns import Columns
    from gridcnn.cli.labelled_rows import LabelledRows
    from gridcnn.render.preview import name_of

    part = Segment("/night/n.wav", 10 / 3, 10 / 3 + 1 / 7)
    rows = LabelledRows(AudioAdapter(), Columns())
    (cells,) = rows.cells([(Source("night", lambda: iter(()), 1, None), Asked(str(part), part))])

    assert name_of(part) == "n.wav, 3.333 to 3.476 s"
    assert name_of(Segment("n.wav", 0.0001, 0.0002)) == "n.wav, 0.0001 to 0.0002 s"
    assert all(len(cells[name]) <= 9 for name in ("begin", "end"))
    for rate in (8_000, 44_100, 192_000):
        assert [round(float(cells[name]) * rate) for name in ("begin", "end")] == [
            round(time * rate) for time in (part.start, part.end)
        ]


def test_seconds_of_what_has_none_are_refused(run: Run, world: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("path,from,to\nn.png,0.5,2\n")
    command = ["review", world[0] / "m.safetensors", tmp_path / "d.csv", "-o", tmp_path / "r.html", "--start", "from"]

    assert "belong together" in run(*command).err
    assert "a picture has none" in run(*command, "--end", "to").err


def test_the_modules_of_the_page_are_javascript(tmp_path: Path) -> None:
    from gridcnn.render.one_script import one_script

    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    (tmp_path / "page.cjs").write_text(one_script("review.js"))
    assert subprocess.run(["node", "--check", tmp_path / "page.cjs"], check=False).returncode == 0
