"""What the page shows, in a real browser, beside what the trace says."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from gridcnn import GridClassifier, datasets, explain
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.errors import ConfigurationError, ItemError
from gridcnn.render.explain_page import explain_page

HOSTILE = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
QUICK: dict[str, Any] = {"epochs": 1, "validation_fraction": 0.0, "cache": False}
TWICE: dict[str, Any] = {"convs_per_block": 2, "pool_after": 2, "pool_size": 2, "kernel_sizes": (3,), "head": "flatten"}


@pytest.fixture(scope="module")
def digits() -> tuple[GridClassifier, np.ndarray]:
    data = datasets.load("digits").take(range(120))
    classifier = GridClassifier(adapter=ImageAdapter(), kernels=(5, 20), **TWICE, **QUICK).fit(data.items, data.labels)
    return classifier, data.items[7]


@pytest.fixture(scope="module")
def sentences() -> tuple[GridClassifier, str]:
    data = datasets.load("word_order").take(range(80))
    classifier = GridClassifier(adapter=TextAdapter(), kernels=(6,), **QUICK).fit(data.items, data.labels)
    return classifier, data.items[3]


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> tuple[GridClassifier, Path]:
    data = datasets.load("tones").take(range(16))
    adapter = AudioAdapter(sample_rate=data.sample_rate)
    classifier = GridClassifier(adapter=adapter, kernels=(4, 6), **QUICK).fit(data.items, data.labels)
    path = tmp_path_factory.mktemp("tones") / f"{HOSTILE.replace('/', '')}.wav"  # a file name cannot hold a slash
    soundfile.write(path, data.items[0], data.sample_rate)
    return classifier, path


class Opened:
    """A page in the browser, with what it complained of and what it asked for."""

    def __init__(self, browser: Any, folder: Path, html: str, width: int = 1280) -> None:
        place = folder / "why.html"
        place.write_text(html, encoding="utf-8")
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.page.set_default_timeout(60_000)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(place.as_uri())
        self.page.wait_for_selector("html[data-drawn=yes]")
        self.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        self.own = place.as_uri()

    def point(self, selector: str, cell: tuple[int, int], sizes: tuple[int, int]) -> float:
        """Move the mouse onto a cell of a map and return the number that the page then shows."""
        box = self.page.locator(selector)
        box.scroll_into_view_if_needed()
        bounds = box.bounding_box()
        (y, x), (rows, columns) = cell, sizes
        self.page.mouse.move(
            bounds["x"] + (x + 0.5) * bounds["width"] / columns, bounds["y"] + (y + 0.5) * bounds["height"] / rows
        )
        return self.shown()

    def shown(self) -> float:
        return float(self.page.locator("#inspector").get_attribute("data-value"))

    def lit(self, selector: str) -> list[float]:
        """Return top, height, left and width of the mark on a map, in percent of it."""
        style = self.page.locator(f"{selector} .mark").get_attribute("style")
        return [float(re.search(rf"{side}: ([\d.]+)%", style)[1]) for side in ("top", "height", "left", "width")]


def map_of(group: int, stage: int, kernel: int) -> str:
    return f'.group[data-group="{group}"] .map[data-stage="{stage}"][data-kernel="{kernel}"]'


def data_of(html: str) -> dict[str, Any]:
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])
    return {**data["layers"], **data}


def numbers(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["numbers"]), "<f4").reshape(packed["shape"])


def test_hover_shows_the_numbers_of_the_trace(browser: Any, tmp_path: Path, digits: Any) -> None:
    classifier, item = digits
    html = explain_page(classifier, item)
    trace, groups = explain.trace(classifier, item), data_of(html)["groups"]
    opened = Opened(browser, tmp_path, html)

    for number, group in enumerate(groups):
        for at, stage in enumerate(group["stages"]):
            step = trace[stage["step"]]
            sizes, last = step.output.shape[1:], len(group["maps"]) - 1
            for kernel, cell in ((0, (0, 0)), (last, (sizes[0] - 1, sizes[1] // 2))):
                value = step.output[(group["maps"][kernel] - 1, *cell)]
                assert opened.point(map_of(number, at, kernel), cell, sizes) == pytest.approx(value, rel=1e-5, abs=1e-6)
    assert opened.complaints == []


def test_the_sum_that_is_written_out_adds_up(browser: Any, tmp_path: Path, digits: Any) -> None:
    classifier, item = digits
    html = explain_page(classifier, item)
    deep = next(at for at, group in enumerate(data_of(html)["groups"]) if len(group["channels"]) < group["n_channels"])
    sizes = tuple(data_of(html)["groups"][deep]["stages"][0]["sizes"])
    opened = Opened(browser, tmp_path, html)

    for group, cell, extent in ((0, (3, 4), (8, 8)), (deep, (1, 1), sizes)):
        value = opened.point(map_of(group, 0, 0), cell, extent)
        rows = opened.page.locator("#sums .ledger tr").all()
        titles = [row.locator("td").nth(1).get_attribute("title") for row in rows]
        labels = [row.locator("td").first.inner_text() for row in rows]
        terms = [float(titles[at]) for at in range(labels.index("sum"))]
        scale = rows[labels.index("sum") + 1].locator("td").nth(1).inner_text().removeprefix("× ").replace("−", "-")
        shift = float(titles[labels.index("+ its shift")])
        assert sum(terms) * float(scale) + shift == pytest.approx(value, abs=0.005)  # the scale is shown rounded
    assert any("not drawn" in label for label in labels)


def test_the_patch_lights_up_in_the_layer_below(browser: Any, tmp_path: Path, digits: Any) -> None:
    classifier, item = digits
    opened = Opened(browser, tmp_path, explain_page(classifier, item))
    trace = explain.trace(classifier, item)

    opened.point(map_of(0, 0, 0), (4, 2), (8, 8))
    rows, columns = trace.steps[0].below[0].patch((4, 2))
    assert opened.lit("#input") == [12.5 * rows.start, 37.5, 12.5 * columns.start, 37.5]

    pool = trace["block 1 pool"]
    opened.point(map_of(1, 2, 1), (1, 3), pool.output.shape[1:])
    assert opened.lit(map_of(1, 1, 1)) == [25, 25, 75, 25]  # two of eight cells, from the second and the sixth on


def test_arrow_keys_move_from_cell_to_cell_and_map_to_map(browser: Any, tmp_path: Path, digits: Any) -> None:
    classifier, item = digits
    html = explain_page(classifier, item)
    group = data_of(html)["groups"][0]
    maps = explain.trace(classifier, item)[group["stages"][0]["step"]].output
    opened = Opened(browser, tmp_path, html)
    opened.point(map_of(0, 0, 0), (2, 2), (8, 8))
    opened.page.locator(map_of(0, 0, 0)).focus()

    before = opened.page.evaluate("[shown.current.y, shown.current.x]")
    opened.page.keyboard.press("ArrowUp" if before[0] else "ArrowDown")
    after = opened.page.evaluate("[shown.current.y, shown.current.x]")
    assert abs(after[0] - before[0]) == 1
    assert opened.shown() == pytest.approx(maps[(group["maps"][0] - 1, *after)], rel=1e-5)

    opened.page.keyboard.press("PageDown")
    assert opened.page.evaluate("document.activeElement.dataset.stage") == "1"
    opened.page.keyboard.press("ArrowLeft")
    assert opened.page.locator("#live").inner_text().startswith(f"kernel {group['maps'][0]} ReLU")


def test_votes_add_up_to_the_logit(browser: Any, tmp_path: Path, digits: Any) -> None:
    classifier, item = digits
    label = str(classifier.classes_[4])
    html = explain_page(classifier, item, label=label)
    votes = explain.contributions(explain.trace(classifier, item), label)
    column = data_of(html)["column"]
    opened = Opened(browser, tmp_path, html)

    assert opened.page.locator("#sum").inner_text().split(": ")[1].startswith(f"{votes.logit:.3f}".replace("-", "−"))
    rows, wide = -(-len(votes.features) // column["in_a_row"]), column["in_a_row"]
    entry = votes.strongest_for[0].index
    shown = opened.point('[data-part="votes"]', divmod(entry, wide), (rows, wide))
    assert shown == pytest.approx(votes.strongest_for[0].product, rel=1e-5)
    assert opened.page.locator("#supporting li").count() == len(votes.strongest_for)


def test_the_words_under_a_kernel_light_up(browser: Any, tmp_path: Path, sentences: Any) -> None:
    classifier, sentence = sentences
    html = explain_page(classifier, sentence)
    trace, group = explain.trace(classifier, sentence), data_of(html)["groups"][0]
    opened = Opened(browser, tmp_path, html)

    kernel, step = 2, trace[group["stages"][0]["step"]]
    value = opened.point(map_of(0, 0, kernel), (0, 3), (1, step.output.shape[1]))
    assert value == pytest.approx(step.output[group["maps"][kernel] - 1, 3], rel=1e-5)
    words = trace.coordinates[0].words[step.below[group["maps"][kernel] - 1].patch((3,))[0]]
    assert opened.page.locator("aside .word.lit").all_inner_texts() == [word for word in words if word]
    assert opened.complaints == []


def test_a_sound_plays_and_a_cursor_follows(browser: Any, tmp_path: Path, tones: Any) -> None:
    opened = Opened(browser, tmp_path, explain_page(*tones))

    opened.page.evaluate(
        "async () => { await sound.play(); await new Promise((done) => sound.addEventListener('timeupdate', done)); }"
    )
    place = opened.page.locator("#input .cursor").get_attribute("style")
    assert float(re.search(r"left: ([\d.]+)%", place)[1]) > 0
    assert opened.complaints == []


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_leaves_the_page_and_nothing_is_cut_off(
    browser: Any, tmp_path: Path, tones: Any, sentences: Any, digits: Any, width: int
) -> None:
    for classifier, item in (tones, sentences, digits):
        opened = Opened(browser, tmp_path, explain_page(classifier, item), width)
        assert [url for url in opened.requests if not url.startswith("data:")] == [opened.own]
        assert opened.page.locator("#sound").is_visible() == (classifier is tones[0])
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        assert opened.complaints == []


def test_hostile_text_is_shown_and_never_run(browser: Any, tmp_path: Path, tones: Any, sentences: Any) -> None:
    classifier, path = tones
    for html, text in (
        (explain_page(classifier, path), path.name),
        (explain_page(sentences[0], HOSTILE), HOSTILE),
        (explain_page(*sentences, name=f"{HOSTILE}</title>"), HOSTILE),
    ):
        opened = Opened(browser, tmp_path, html)
        assert text in opened.page.locator("header").inner_text()
        assert opened.page.evaluate("window.hacked") is None
        assert opened.complaints == []


def test_a_page_of_64_pixels_in_colour_stays_below_3_mb() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
    classifier = GridClassifier(adapter=ImageAdapter(), **QUICK).fit(pictures, list("ab") * 4)

    assert len(explain_page(classifier, pictures[0]).encode()) < 3_000_000


def test_what_is_too_large_to_draw_is_left_out_and_said(
    browser: Any, tmp_path: Path, digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("drawn_kernels", "explain_page", "live"):  # fewer cells than 8 × 8, more than 4 × 4
        monkeypatch.setattr(f"gridcnn.render.{module}.LARGEST_MAP", 20)
    monkeypatch.setattr("gridcnn.render.live.LONGEST_COLUMN", 9)
    html = explain_page(*digits)
    opened = Opened(browser, tmp_path, html)

    assert "The maps of block 1 convolution 1, block 1 convolution 2 have more than 20 cells, too many to draw" in html
    assert "entries, too many to draw: shown are the strongest votes." in html
    groups, trace = data_of(html)["groups"], explain.trace(*digits)
    assert [group["block"] for group in groups] == [2, 2]
    value = trace["block 2 norm 1"].output[groups[0]["maps"][0] - 1, 1, 2]
    assert opened.point(map_of(0, 0, 0), (1, 2), (4, 4)) == pytest.approx(value, rel=1e-5)
    assert "5 maps that are not drawn" in opened.page.locator("#sums").inner_text()
    assert opened.page.locator("#supporting li").count() > 0
    assert opened.complaints == []


def test_of_a_large_input_fewer_kernels_are_drawn(digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridcnn.render.drawn_kernels.MOST_CELLS", 1_000)
    html = explain_page(*digits)

    drawn = {len(group["maps"]) for group in data_of(html)["groups"]}
    assert len(drawn) == 1
    assert drawn < {1, 2, 3, 4}
    assert f"only the {drawn.pop()} strongest kernels of each convolution are drawn" in html


def test_a_sentence_of_unknown_words_is_said_to_be_one(sentences: Any) -> None:
    assert "knows none of these words" in explain_page(sentences[0], "xylophonic zygotes")


@pytest.mark.parametrize(("scaling", "said"), [("channel", False), ("both", True)])
@pytest.mark.parametrize("axes", [("time",), ("channels", "time"), ("channels", "height", "width")])
def test_channels_that_come_twice_are_said(axes: tuple[str, ...], scaling: str, said: bool) -> None:
    arrays = np.random.default_rng(0).normal(size=(8, 3, 8, 8)[: len(axes) + 1])
    classifier = GridClassifier(adapter=ArrayAdapter(axes=axes, scaling=scaling), kernels=(3,), **QUICK)
    html = explain_page(classifier.fit(arrays, list("ab") * 4), arrays[0])
    assert ("twice: by the mean" in html) == said


def test_a_series_is_drawn_with_the_numbers_of_the_trace(browser: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    series = rng.normal(size=(20, 2, 30))
    adapter = ArrayAdapter(axes=("channels", "time"), units={"time": "s"})
    classifier = GridClassifier(adapter=adapter, kernels=(3, 3), **QUICK).fit(series, list("ab") * 10)
    html = explain_page(classifier, series[0])
    trace, group = explain.trace(classifier, series[0]), data_of(html)["groups"][1]
    opened = Opened(browser, tmp_path, html)

    step = trace[group["stages"][0]["step"]]
    value = opened.point(map_of(1, 0, 1), (0, 5), (1, step.output.shape[1]))
    assert value == pytest.approx(step.output[group["maps"][1] - 1, 5], rel=1e-5)
    assert opened.complaints == []


def test_the_attribution_of_the_explained_class_is_packed_as_it_is(digits: Any) -> None:
    classifier, item = digits
    trace = explain.trace(classifier, item)
    label = str(classifier.classes_[0])
    packed = numbers(data_of(explain_page(classifier, item, label=label))["attribution"])

    np.testing.assert_allclose(packed, explain.attribute(trace, label), rtol=1e-5, atol=1e-7)


def test_what_cannot_be_read_or_is_no_class_is_refused(digits: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    Image.new("L", (8, 8)).save(broken)
    broken.write_bytes(broken.read_bytes()[:40])

    with pytest.raises(ItemError, match=r"broken\.png"):
        explain_page(digits[0], broken)
    with pytest.raises(ConfigurationError, match="no class 'eleven'; there are"):
        explain_page(*digits, label="eleven")
