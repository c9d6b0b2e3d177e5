"""A page with a model inside: the answers of `predict` and the values of a trace, also when the server is gone."""

from __future__ import annotations

import base64
import copy
import functools
import http.server
import json
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from gridcnn import datasets, fit
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.adapters.array_settings import fixed_kernels
from gridcnn.errors import ConfigurationError, ExportError
from gridcnn.export import site as sites
from gridcnn.export import web_runtime
from gridcnn.export.exported_model import ExportedModel
from gridcnn.inference import predict
from gridcnn.model import FittedModel
from gridcnn.render import live

pytest.importorskip("onnx", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")

QUICK: dict[str, Any] = {"epochs": 1, "validation_fraction": 0.0, "cache": False}
TOLERANCE = 1e-4
RATE = 8_000

CROSS = [[(0.2, 0.2), (0.8, 0.8)], [(0.8, 0.2), (0.2, 0.8)]]
RING = [[(0.5 + 0.3 * math.cos(at / 10 * math.pi), 0.5 + 0.3 * math.sin(at / 10 * math.pi)) for at in range(21)]]


LISTEN = """
const post = Worker.prototype.postMessage, asked = { open: 0, since: 0, given: null };
globalThis.asked = asked;
Worker.prototype.postMessage = function (message) {
    if (!this.heard) this.heard = this.addEventListener("message", () => { asked.open -= 1; }) || true;
    Object.assign(asked, { open: asked.open + 1, since: performance.now(), given: message.given });
    post.call(this, message);
};
"""
"""Notes what the model is given, and whether it has answered."""

# ---- models, folders, a browser -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawings() -> FittedModel:
    data = datasets.load("xo").take(range(600))
    return fit(ImageAdapter(), data.items, data.labels, {**QUICK, "epochs": 4})


@pytest.fixture(scope="module")
def tones() -> FittedModel:
    data = datasets.load("tones").take(range(24))
    settings = {**QUICK, "kernels": (4, 6)}
    return fit(AudioAdapter(sample_rate=RATE, duration=0.5), data.items, data.labels, settings)


@pytest.fixture(scope="module")
def sentences() -> FittedModel:
    data = datasets.load("word_order").take(range(200))
    return fit(TextAdapter(), data.items, data.labels, {**QUICK, "kernels": (8,)})


@pytest.fixture(scope="module")
def series() -> FittedModel:
    random = np.random.default_rng(0)
    rows, labels = random.normal(size=(60, 3, 40)), np.arange(60) % 2
    rows[labels == 1, :, 10:14] += 3
    return fit(ArrayAdapter(axes=("channels", "time")), rows, labels, {**QUICK, "kernels": (5, 7)})


@pytest.fixture(scope="module")
def unequal() -> tuple[FittedModel, np.ndarray]:
    """Return a network of fixed kernels, and the series of unequal length that it learned from."""
    random, fast = np.random.default_rng(0), np.arange(40) % 2
    rows = np.sin(2 * np.pi * np.arange(60) / np.where(fast, 5.0, 9.0)[:, None]) + random.normal(0, 0.5, (40, 60))
    rows[np.arange(60) >= random.integers(40, 61, (40, 1))] = np.nan
    settings = {**fixed_kernels(60), "kernels": (84,), "validation_fraction": 0.0, "refit": False}
    return fit(ArrayAdapter(), rows, fast, settings), rows.astype(np.float32)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose files have the names of the runtime's, for tests in which nothing runs it."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in web_runtime.FILES:
        (folder / name).write_bytes(name.encode())
    return folder


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class Site:
    """The page of a folder in a browser, with its server, and what it complained of and asked for."""

    def __init__(self, browser: Any, folder: Path) -> None:
        handler = functools.partial(Silent, directory=str(folder.parent))  # not at the root: addresses are relative
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.root = f"http://127.0.0.1:{self._server.server_port}/"
        self.address = f"{self.root}{folder.name}/"
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="en")
        self.page.set_default_timeout(60_000)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.add_init_script(LISTEN)
        self.page.goto(self.address)
        self.loaded = time.perf_counter()
        self.page.wait_for_selector("body[data-ready][data-able]")

    def lose_server(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def draw(self, strokes: list[list[tuple[float, float]]]) -> None:
        """Draw on the empty pad with the mouse."""
        self.page.locator("#clear").click()
        bounds, mouse = self.page.locator("#pad").bounding_box(), self.page.mouse
        for first, *others in strokes:
            mouse.move(*place(bounds, first))
            mouse.down()
            for point in others:
                mouse.move(*place(bounds, point), steps=3)
            mouse.up()

    def answer(self, label: str) -> None:
        """Wait until the answer is a label."""
        shown = "document.querySelector('#answer-now .answer b')"
        self.page.wait_for_function(f"label => {shown} && {shown}.textContent === label", arg=label)

    def given(self) -> dict[str, Any]:
        """Return what the model was given last, as soon as it has answered and nothing follows."""
        self.page.wait_for_function("() => asked.open === 0 && asked.since && performance.now() - asked.since > 500")
        given = self.page.evaluate("({ ...asked.given, pixels: [...(asked.given.pixels || [])] })")
        return dict(given)

    def values(self) -> dict[str, Any]:
        """Return what the page shows, as soon as it shows the answer to what it was given last."""
        self.given()
        self.page.wait_for_selector("#answer-now:not([aria-busy=true]) .answer")
        values = self.page.evaluate(
            """async () => {
                const { shown } = await import(new URL("static/state.js", document.baseURI).href), { values } = shown;
                const list = (packed) => packed && { shape: packed.shape, numbers: [...packed.values] };
                const maps = values.maps.map((stages) => stages.map(list));
                return { ...values, grid: list(values.grid), column: list(values.column), maps };
            }"""
        )
        return dict(values)


def place(bounds: dict[str, float], point: tuple[float, float]) -> tuple[float, float]:
    return bounds["x"] + point[0] * bounds["width"], bounds["y"] + point[1] * bounds["height"]


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[[FittedModel], Site]]:
    """Return what exports a model and opens its page, and see that the page asks nobody else and has no complaint."""
    packages = os.environ.get("GRIDCNN_NODE_MODULES", "")
    if not Path(packages, "onnxruntime-web").is_dir():
        pytest.skip("GRIDCNN_NODE_MODULES names no folder with onnxruntime-web: see .ci/run")
    pages: list[Site] = []

    def open_page(model: FittedModel) -> Site:
        sites.export_site(model, tmp_path / "page", name="a <model>", runtime=packages)
        pages.append(Site(browser, tmp_path / "page"))
        return pages[-1]

    yield open_page
    for each in pages:
        each.page.close()
        each.lose_server()
        assert each.complaints == []
        assert [url for url in each.requests if not url.removeprefix("blob:").startswith(each.root)] == []


def numbers(packed: Any) -> np.ndarray:
    if isinstance(packed["numbers"], str):
        return np.frombuffer(base64.b64decode(packed["numbers"]), "<f4").reshape(packed["shape"])
    return np.reshape(packed["numbers"], packed["shape"])


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compare what a page shows with `gridcnn.render.live.maps`."""
    for name in ("window", "n_windows", "n_copies", "unknown"):
        assert found[name] == expected[name], name
    for name in ("probabilities", "logits"):
        np.testing.assert_allclose(found[name], expected[name], atol=TOLERANCE, err_msg=name)
    for name in ("grid", "column"):
        np.testing.assert_allclose(numbers(found[name]), numbers(expected[name]), atol=TOLERANCE, err_msg=name)
    assert [len(stages) for stages in found["maps"]] == [len(stages) for stages in expected["maps"]]
    for shown, traced in zip(found["maps"], expected["maps"], strict=True):
        for one, other in zip(shown, traced, strict=True):
            assert (one is None) == (other is None)
            if other is not None:
                np.testing.assert_allclose(numbers(one), numbers(other), atol=TOLERANCE)


# ---- the folder -----------------------------------------------------------------------------------------------------


def test_a_folder_has_the_page_the_model_its_card_and_the_runtime(
    series: FittedModel, tmp_path: Path, runtime: Path
) -> None:
    written = sites.export_site(series, tmp_path / "page", name="waves", licence="mit", runtime=runtime)
    files = {
        str(path.relative_to(tmp_path / "page")): path for path in (tmp_path / "page").rglob("*") if path.is_file()
    }
    assert {"index.html", "layers.json", "model.onnx", "README.md", "static/site.js"} < set(files)
    assert written == sum(path.stat().st_size for name, path in files.items() if not name.startswith("runtime"))
    layers = json.loads(files["layers.json"].read_text("utf-8"))
    assert (layers["name"], layers["classes"], layers["n_copies"]) == ("waves", ["0", "1"], 1)
    assert layers["input"] == {"kind": "curve", "measured": 3}
    card = files["README.md"].read_text("utf-8")
    assert 'license: "mit"' in card
    assert "gridcnn predict model.onnx rows.csv\n```" in card
    for name in web_runtime.FILES:
        assert files[f"runtime/{name}"].read_text() == name


def test_the_model_of_a_page_answers_many_items_at_once(
    drawings: FittedModel, tones: FittedModel, tmp_path: Path, runtime: Path
) -> None:
    letters, sounds = datasets.load("xo").items[700:705], datasets.load("tones").items[30:38]
    page = tmp_path / "page"
    several = [np.tile(sound, times) for sound, times in zip(sounds, [1, 2, 5, 1] * 2, strict=True)]
    for model, items in ((drawings, letters), (tones, several)):
        sites.export_site(model, page, name="many", runtime=runtime)  # the second takes the place of the first
        found = ExportedModel(page / "model.onnx").predict(items)
        np.testing.assert_allclose(found.probabilities, predict(model, items).probabilities, atol=1e-5)


def test_a_page_asks_for_nothing_outside_its_folder(series: FittedModel, tmp_path: Path, runtime: Path) -> None:
    sites.export_site(series, tmp_path, name="waves", runtime=runtime)
    html = (tmp_path / "index.html").read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    allowed = policy[1].replace("&#39;", "'")
    assert allowed.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';")
    assert "unsafe-inline" not in allowed
    addresses = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert all(address.startswith(("static/", "data:,")) for address in addresses)
    for address in addresses:
        assert address == "data:," or (tmp_path / address).is_file()
    for script in (tmp_path / "static").glob("*.js"):
        assert "http://" not in script.read_text("utf-8")
        assert "https://" not in script.read_text("utf-8")


def test_a_page_of_drawings_is_small(drawings: FittedModel, tmp_path: Path, runtime: Path) -> None:
    assert sites.export_site(drawings, tmp_path, name="xo", runtime=runtime) < 3 * 2**20


def test_pages_that_would_show_other_numbers_are_not_written(
    monkeypatch: pytest.MonkeyPatch, series: FittedModel, tmp_path: Path, runtime: Path
) -> None:
    maps = live.maps

    def other(model: Any, item: Any) -> dict[str, Any]:
        values = maps(model, item)
        return {**values, "logits": [logit + 0.01 for logit in values["logits"]]}

    monkeypatch.setattr(live, "maps", other)
    with pytest.raises(ExportError, match=r"logits differ by 0\.01"):
        sites.export_site(series, tmp_path / "page", name="waves", runtime=runtime)
    assert not (tmp_path / "page").exists()


def test_an_item_of_which_rounding_decides_does_not_keep_a_page_from_being_written(
    unequal: tuple[FittedModel, np.ndarray], tmp_path: Path, runtime: Path
) -> None:
    model, rows = copy.deepcopy(unequal[0]), unequal[1]
    for branch in model.network.backbone.blocks[0].convs[0]:  # type: ignore[index]
        torch.nn.init.zeros_(branch.bias)
    flat = np.full(60, 0.1, np.float32)  # whose contrasts are 0 but for rounding
    assert [sites._hangs_on_rounding(model, item) for item in (flat, rows[0])] == [True, False]
    sites.export_site(model, tmp_path, name="waves", items=np.stack([flat, rows[0]]), runtime=runtime)
    assert (tmp_path / "index.html").is_file()


def test_items_to_compare_with_that_cannot_be_read_are_refused(
    tmp_path: Path, tones: FittedModel, runtime: Path
) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(ExportError, match="none of the items"):
        sites.export_site(tones, tmp_path / "page", name="tones", items=[tmp_path / "broken.wav"], runtime=runtime)


def test_a_folder_that_cannot_be_made_is_one_clear_line(series: FittedModel, tmp_path: Path, runtime: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        sites.export_site(series, tmp_path / "file" / "page", name="waves", runtime=runtime)
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("name", ["index.html", "README.md", "photograph.jpg", "layers.json"])
def test_a_folder_with_other_files_stays_as_it_is(
    series: FittedModel, tmp_path: Path, runtime: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "layers", lambda _: pytest.fail("the work began before the folder was looked at"))
    (tmp_path / name).write_text('{"mine": 1}')
    with pytest.raises(ConfigurationError, match="is not empty, and gridcnn wrote no site there: name a new folder"):
        sites.export_site(series, tmp_path, name="waves", runtime=runtime)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {name: '{"mine": 1}'}


def test_an_empty_folder_under_version_control_takes_a_site(series: FittedModel, tmp_path: Path, runtime: Path) -> None:
    (tmp_path / ".git").mkdir()
    sites.export_site(series, tmp_path, name="waves", runtime=runtime)
    assert (tmp_path / "index.html").is_file()


def test_a_model_whose_items_a_page_cannot_ask_for_is_refused(
    series: FittedModel, tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ArrayAdapter, "trial_items", lambda *_: [])
    with pytest.raises(ConfigurationError, match="a page cannot ask for a series"):
        sites.export_site(series, tmp_path / "page", name="waves", runtime=runtime)
    assert not (tmp_path / "page").exists()


# ---- in a browser, with the server gone -----------------------------------------------------------------------------


def test_what_is_drawn_is_recognised_with_the_server_gone(opened: Any, drawings: FittedModel) -> None:
    site = opened(drawings)
    site.draw(CROSS)
    site.answer("X")
    seconds = time.perf_counter() - site.loaded
    print(f"first answer {seconds:.2f} s after the page was loaded")
    assert seconds < 60  # a busy machine; see docs/static-site.md for the measured time
    site.lose_server()
    site.draw(RING)
    site.answer("O")
    site.draw(CROSS)
    site.answer("X")
    assert site.page.locator(".banner").is_hidden()


def test_a_drawing_shows_the_values_of_its_trace(opened: Any, drawings: FittedModel) -> None:
    site = opened(drawings)
    site.lose_server()
    site.draw(RING)
    site.answer("O")
    given = site.given()
    item = np.array(given["pixels"], dtype=np.uint8).reshape(given["height"], given["width"])
    expected = live.maps(drawings, item)
    assert_same(site.values(), expected)
    first = numbers(expected["maps"][0][0])[0]
    box = site.page.locator('.group[data-group="0"] .map[data-stage="0"][data-kernel="0"]').first
    box.scroll_into_view_if_needed()
    y, x = (int(at) for at in np.unravel_index(first.argmax(), first.shape))
    rows, columns = first.shape
    site.page.mouse.move(*place(box.bounding_box(), ((x + 0.5) / columns, (y + 0.5) / rows)))
    assert float(site.page.locator("#inspector").get_attribute("data-value")) == pytest.approx(first[y, x], abs=1e-4)


def test_a_long_sound_is_read_and_its_window_can_be_heard(opened: Any, tones: FittedModel, tmp_path: Path) -> None:
    length = tones.adapter.samples_
    pitch = np.repeat([300.0, 900.0, 2500.0], length)
    soundfile.write(tmp_path / "long.wav", 0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE), RATE, subtype="FLOAT")
    site = opened(tones)
    site.lose_server()
    site.page.set_input_files("#sound-file", tmp_path / "long.wav")
    site.page.wait_for_selector("#answer-now .answer b")
    found, expected = site.values(), live.maps(tones, tmp_path / "long.wav")
    assert_same(found, expected)
    for axis, traced in zip(found["axes"], expected["axes"], strict=True):
        np.testing.assert_allclose(axis["low"], traced["low"], atol=1e-4)
        np.testing.assert_allclose(axis["high"], traced["high"], atol=1e-4)
    assert found["input"]["hertz"] == [list(mark) for mark in expected["input"]["hertz"]]
    assert [text for text, _ in found["input"]["times"]] == [text for text, _ in expected["input"]["times"]]
    np.testing.assert_allclose(
        [at for _, at in found["input"]["times"]], [at for _, at in expected["input"]["times"]], atol=1e-6
    )
    seconds = site.page.evaluate(
        "async () => { const sound = document.querySelector('#sound'); while (!(sound.duration > 0)) "
        "await new Promise((done) => setTimeout(done, 20)); return sound.duration; }"
    )
    assert seconds == pytest.approx(length / RATE, abs=1e-3)


def test_sentences_tell_their_unknown_words(opened: Any, sentences: FittedModel) -> None:
    site = opened(sentences)
    site.lose_server()
    for text in ("the book was not bad, naïve Çok", "好 the paper seemed honest " * 8):
        site.page.locator("textarea").fill(text)
        expected = live.maps(sentences, text)
        found = site.values()
        assert_same(found, expected)
        assert found["axes"][0]["words"] == expected["axes"][0]["words"]
        assert found["input"]["words"] == [list(word) for word in expected["input"]["words"]]


def test_the_numbers_of_a_series_are_pasted(opened: Any, series: FittedModel) -> None:
    site = opened(series)
    site.lose_server()
    item = np.random.default_rng(5).normal(size=(3, 40)).astype(np.float32)
    assert "Paste numbers" in site.page.locator("header").inner_text()
    site.page.fill("#numbers", "\n".join(" ".join(map(str, row)) for row in item))
    assert_same(site.values(), live.maps(series, item))


def test_a_series_that_ends_early_is_pasted_without_what_it_lacks(
    opened: Any, unequal: tuple[FittedModel, np.ndarray]
) -> None:
    model, rows = unequal
    site, item = opened(model), next(row for row in rows if np.isnan(row).any())
    site.page.fill("#numbers", " ".join(map(str, item[~np.isnan(item)])))
    assert site.values()["probabilities"] == pytest.approx(predict(model, item[None]).probabilities[0], abs=TOLERANCE)
    site.page.get_by_role("button", name="An example").click()
    example = np.full(60, np.nan, np.float32)
    example[:58] = live.layers(model)["takes"]["example"]
    assert site.values()["probabilities"] == pytest.approx(
        predict(model, example[None]).probabilities[0], abs=TOLERANCE
    )


def test_a_page_that_is_opened_as_a_file_says_what_to_do(
    browser: Any, series: FittedModel, tmp_path: Path, runtime: Path
) -> None:
    sites.export_site(series, tmp_path, name="waves", runtime=runtime)
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    page.wait_for_selector("text=Serve its folder")
    assert "python -m http.server" in page.locator("body").inner_text()
    page.close()


def test_a_page_that_lacks_a_file_says_so_and_recovers(opened: Any, drawings: FittedModel, tmp_path: Path) -> None:
    site = opened(drawings)
    model = tmp_path / "page" / "model.onnx"
    model.rename(tmp_path / "elsewhere")
    site.page.goto("about:blank")
    site.page.goto(site.address)
    site.page.wait_for_selector(".banner:not([hidden])")
    (tmp_path / "elsewhere").rename(model)
    site.page.wait_for_selector("body[data-ready]")
    site.draw(CROSS)
    site.answer("X")
