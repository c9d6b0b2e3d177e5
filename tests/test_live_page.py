"""The live page of a service, in a real browser, beside what the model and its trace say."""

from __future__ import annotations

import base64
import contextlib
import io
import math
import re
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from gridcnn import FittedModel, datasets, explain, fit, predict
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.render import live
from gridcnn.render.one_script import module_names, one_script

HOSTILE = "<img src=x onerror=window.hacked=1>"
QUICK: dict[str, Any] = {"validation_fraction": 0.0, "cache": False, "refit": False}
X = [[(0.22, 0.2), (0.78, 0.8)], [(0.8, 0.2), (0.2, 0.8)]]
O = [[(0.5 + 0.3 * math.cos(at * math.pi / 12), 0.5 + 0.3 * math.sin(at * math.pi / 12)) for at in range(25)]]  # noqa: E741


@pytest.fixture(scope="module")
def models() -> dict[str, FittedModel]:
    letters = datasets.load("xo").take(range(600))
    tones = datasets.load("tones").take(range(120))
    english = [f"the film was {word} {at}" for at in range(8) for word in ("good", "bad")]
    chinese = [f"这部电影{word}看{end}" for end in ("。", "!", "吧", "啊", "的", "了") for word in ("真好", "不好")]
    return {
        "letters": fit(ImageAdapter(), letters.items, letters.labels, {"epochs": 3, "kernels": (8, 16), **QUICK}),
        "tones": fit(AudioAdapter(sample_rate=tones.sample_rate), tones.items, tones.labels,
                     {"epochs": 1, "kernels": (4, 6), **QUICK}),
        "series": fit(ArrayAdapter(axes=("channels", "time")), np.random.default_rng(0).normal(size=(20, 2, 12)),
                      ["a", "b"] * 10, {"epochs": 1, "kernels": (4,), **QUICK}),
        "english": fit(TextAdapter(length=8), english, ["praise", "<i>complaint</i>"] * 8, {"epochs": 3, **QUICK}),
        "chinese": fit(TextAdapter(length=12, tokens="character"), chinese, ["好", "坏"] * 6, {"epochs": 3, **QUICK}),
    }  # fmt: skip


class Service:
    """The service in a thread, which can be stopped and started again at the same port."""

    def __init__(self, models: dict[str, FittedModel], **options: Any) -> None:
        self.models, self.options, self.port = models, options, 0

    def start(self) -> None:
        import uvicorn

        from gridcnn.serve.app import make_app
        from gridcnn.serve.server import bound

        taken = bound("127.0.0.1", self.port)
        self.port = taken.getsockname()[1]
        self.server = uvicorn.Server(
            uvicorn.Config(make_app(self.models, **self.options), log_level="error", timeout_graceful_shutdown=1)
        )
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [taken]}, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.02)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@pytest.fixture(scope="module")
def service(models: dict[str, FittedModel]) -> Iterator[Service]:
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    running = Service(models)
    running.start()
    yield running
    running.stop()


class Live:
    """The live page in a tab, with what it complained of and what it asked for."""

    def __init__(self, browser: Any, service: Service, model: str, width: int = 1280, **options: Any) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        script = options.pop("script", None)
        context = browser.new_context(viewport={"width": width, "height": 900}, locale="en-US", **options)
        self.page = context.new_page()
        self.page.set_default_timeout(60_000)
        if script:
            self.page.add_init_script(script)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(f"{service.address}#{model}")
        self.page.wait_for_selector(f"body[data-ready={model}]")

    def draw(self, strokes: Sequence[Sequence[tuple[float, float]]]) -> None:
        pad = self.page.locator("#pad")
        pad.scroll_into_view_if_needed()
        bounds = pad.bounding_box()
        for stroke in strokes:
            for at, (x, y) in enumerate(stroke):
                self.page.mouse.move(bounds["x"] + x * bounds["width"], bounds["y"] + y * bounds["height"], steps=2)
                if at == 0:
                    self.page.mouse.down()
            self.page.mouse.up()

    def answer(self) -> tuple[str, float]:
        """Return the label and the probability (in percent) at the top, once it is there."""
        self.page.wait_for_selector("#answer-now:not([aria-busy=true]) .answer")
        text = self.page.locator("#answer-now .answer").inner_text()
        label, _, chance = text.replace("\N{NO-BREAK SPACE}%", "").replace(" %", "").rpartition(" ")
        return label, float(chance.strip("<>"))

    def pixels(self) -> np.ndarray:
        """Return the picture that the network sees."""
        source = self.page.locator("#input img").get_attribute("src")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))

    def point(self, selector: str, cell: tuple[int, int], sizes: tuple[int, int]) -> float:
        box = self.page.locator(selector)
        box.scroll_into_view_if_needed()
        bounds = box.bounding_box()
        (y, x), (rows, columns) = cell, sizes
        self.page.mouse.move(
            bounds["x"] + (x + 0.5) * bounds["width"] / columns, bounds["y"] + (y + 0.5) * bounds["height"] / rows
        )
        return float(self.page.locator("#inspector").get_attribute("data-value"))

    def close(self) -> None:
        self.page.context.close()


@contextlib.contextmanager
def opened(*arguments: Any, **options: Any) -> Iterator[Live]:
    page = Live(*arguments, **options)
    yield page
    page.close()


# ---- drawing ------------------------------------------------------------------------------------------------------


def test_an_x_and_an_o_that_are_drawn_are_told_apart(browser: Any, service: Service) -> None:
    with opened(browser, service, "letters") as page:
        assert "Nothing is drawn yet" in page.page.locator("#answer-now").inner_text()
        page.draw(X)
        assert page.answer()[0] == "X"
        page.page.locator("#clear").click()
        assert "Nothing is drawn yet" in page.page.locator("#answer-now").inner_text()
        page.draw(O)
        assert page.answer()[0] == "O"
        assert page.complaints == []
        assert all(url.startswith((service.address, "data:")) for url in page.requests)


def test_the_answer_is_that_of_predict_and_hovering_shows_the_trace(
    browser: Any, service: Service, models: dict[str, FittedModel]
) -> None:
    model = models["letters"]
    with opened(browser, service, "letters") as page:
        page.draw(X)
        label, chance = page.answer()
        pixels = page.pixels()
        asked = predict(model, pixels[None])
        assert (label, chance) == (asked.labels[0], pytest.approx(100 * asked.probabilities.max(), abs=0.06))

        trace, groups = explain.trace(model, pixels), live.layers(model)["groups"]
        for number, group in enumerate(groups):
            for at, stage in enumerate(group["stages"]):
                step = trace[stage["step"]]
                rows, columns = step.output.shape[1:]
                cell, kernel = (rows // 3, columns // 2), number % 3
                shown = page.point(
                    f'.group[data-group="{number}"] .map[data-stage="{at}"][data-kernel="{kernel}"]',
                    cell,
                    (rows, columns),
                )
                assert shown == pytest.approx(step.output[(group["maps"][kernel] - 1, *cell)], rel=1e-4, abs=1e-5)
        assert page.complaints == []


def test_the_sum_behind_a_cell_follows_the_drawing(browser: Any, service: Service) -> None:
    with opened(browser, service, "letters") as page:
        page.draw(X[:1])
        page.answer()
        before = page.point('.group[data-group="0"] .map[data-stage="0"][data-kernel="0"]', (16, 16), (32, 32))
        page.page.evaluate("scrollTo(0, 0)")
        page.page.locator("#clear").focus()  # the mouse stays where it is
        page.page.keyboard.press("Enter")
        page.page.locator("#pad").focus()
        page.page.keyboard.press(" ")
        page.page.keyboard.press("ArrowLeft")
        page.page.keyboard.press(" ")
        page.answer()
        assert float(page.page.locator("#inspector").get_attribute("data-value")) != before


def test_a_drawing_looks_to_the_model_like_its_training_data(
    browser: Any, service: Service, models: dict[str, FittedModel]
) -> None:
    with opened(browser, service, "letters") as page:
        page.draw([[(0.05, 0.05), (0.25, 0.3)], [(0.25, 0.05), (0.05, 0.3)]])  # small, in a corner
        page.answer()
        pixels = page.pixels()
        assert pixels.shape == (32, 32)
        assert pixels[0].max() == 0  # light on dark, as in training
        rows, columns = (np.flatnonzero(pixels.max(axis=axis) > 127) for axis in (1, 0))
        assert abs(rows.mean() - 15.5) < 1.5
        assert abs(columns.mean() - 15.5) < 1.5
        assert 18 <= max(np.ptp(rows), np.ptp(columns)) <= 26
        page.page.locator("#fit").uncheck()
        page.answer()
        assert np.flatnonzero(page.pixels().max(axis=1) > 127).max() < 14


def test_a_letter_is_drawn_with_the_keys_alone(browser: Any, service: Service) -> None:
    with opened(browser, service, "letters") as page:
        page.page.locator("#pad").focus()
        for key in ("ArrowUp", "ArrowLeft"):
            for _ in range(7):
                page.page.keyboard.press(key)
        page.page.keyboard.press(" ")
        for _ in range(14):
            page.page.keyboard.press("ArrowRight")
            page.page.keyboard.press("ArrowDown")
        page.page.keyboard.press(" ")
        for _ in range(14):
            page.page.keyboard.press("ArrowLeft")
        page.page.keyboard.press(" ")
        for _ in range(14):
            page.page.keyboard.press("ArrowRight")
            page.page.keyboard.press("ArrowUp")
        assert page.answer()[0] == "X"
        page.page.keyboard.press("Delete")
        page.page.wait_for_selector("#answer-now .none")


def test_a_picture_is_uploaded_and_one_is_taken(browser: Any, service: Service, tmp_path: Path) -> None:
    item = datasets.load("xo").items[1500]
    Image.fromarray(item).save(tmp_path / f"{HOSTILE.replace('/', '')}.png")
    Image.new("L", (40, 40), 90).save(tmp_path / "plain.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with opened(browser, service, "letters") as page:
        page.page.set_input_files("#picture-file", tmp_path / f"{HOSTILE.replace('/', '')}.png")
        assert page.answer()[0] == datasets.load("xo").labels[1500]
        page.page.set_input_files("#picture-file", tmp_path / "plain.png")
        page.page.wait_for_selector("#answer-now .none")
        assert "of one colour" in page.page.locator("#answer-now").inner_text()
        page.page.get_by_role("button", name="Camera").click()
        page.page.get_by_role("button", name="Take the picture").click()
        page.answer()
        page.page.set_input_files("#picture-file", tmp_path / "broken.png")
        page.page.wait_for_selector(".banner:has-text('cannot be read')")
        page.page.set_input_files("#picture-file", tmp_path / "plain.png")
        page.page.wait_for_selector(".banner", state="hidden")
        page.page.set_input_files("#picture-file", tmp_path / "broken.png")
        page.page.wait_for_selector(".banner:has-text('cannot be read')")
        page.page.select_option("#model", "tones")
        page.page.wait_for_selector("body[data-ready=tones]")
        assert page.page.locator(".banner").is_hidden()
        assert page.page.evaluate("window.hacked") is None
        assert page.complaints == []


def test_a_picture_that_is_not_square_is_shown_in_its_proportions(
    browser: Any, service: Service, models: dict[str, FittedModel], tmp_path: Path
) -> None:
    wide = np.full((30, 90), 255, dtype=np.uint8)
    wide[:, :45] = 120
    Image.fromarray(wide).save(tmp_path / "wide.png")
    with opened(browser, service, "letters") as page:
        hint = page.page.locator(".pad-hint")
        assert hint.inner_text() == "Draw here"
        page.page.set_input_files("#picture-file", tmp_path / "wide.png")
        asked = predict(models["letters"], wide[None])
        assert page.answer() == (asked.labels[0], pytest.approx(100 * asked.probabilities.max(), abs=0.06))
        assert hint.is_hidden()
        rows = page.page.evaluate(
            "(() => { const pad = document.querySelector('#pad'), pen = pad.getContext('2d'); return Array.from("
            "{ length: pad.height }, (_, y) => pen.getImageData(Math.round(pad.width / 4), y, 1, 1).data[0]); })()"
        )
        assert np.mean(np.array(rows) == 120) == pytest.approx(1 / 3, abs=0.02)  # the rest is paper
        page.page.locator("#clear").click()
        assert hint.is_visible()


# ---- sounds and sentences -----------------------------------------------------------------------------------------


def test_a_sound_is_uploaded_recorded_and_silence_is_said(
    browser: Any, service: Service, models: dict[str, FittedModel], tmp_path: Path
) -> None:
    tones = datasets.load("tones").take(range(130))
    for name, waveform in (("tone", tones.items[125]), ("silence", np.zeros(8000, dtype=np.float32))):
        soundfile.write(tmp_path / f"{name}.wav", waveform, tones.sample_rate)
    with opened(browser, service, "tones") as page:
        page.page.set_input_files("#sound-file", tmp_path / "tone.wav")
        asked = predict(models["tones"], [str(tmp_path / "tone.wav")])
        assert page.answer() == (asked.labels[0], pytest.approx(100 * asked.probabilities.max(), abs=0.06))
        assert page.page.locator("#input img").count() == 1
        assert page.page.locator("audio:visible").count() == 1

        page.page.set_input_files("#sound-file", tmp_path / "silence.wav")
        page.page.wait_for_selector("#answer-now .none")
        assert "silence" in page.page.locator("#answer-now").inner_text()

        page.page.locator("#record").click()
        page.page.wait_for_selector("#record[aria-pressed=true]")
        page.page.wait_for_timeout(1500)  # the fake microphone beeps once a second
        page.page.locator("#record").click()
        page.answer()
        assert page.complaints == []


def test_a_sentence_is_answered_as_it_is_typed(browser: Any, service: Service, models: dict[str, FittedModel]) -> None:
    with opened(browser, service, "english") as page:
        page.page.locator("#sentence").press_sequentially("the film was bad")
        asked = predict(models["english"], ["the film was bad"])
        assert page.answer() == (asked.labels[0], pytest.approx(100 * asked.probabilities.max(), abs=0.06))
        page.page.fill("#sentence", f"the film {HOSTILE} was")
        page.page.wait_for_selector("#answer-now .cautions")
        assert "words of this window are unknown" in page.page.locator("#answer-now").inner_text()
        page.page.fill("#sentence", "the film was zyx qwv")
        page.page.wait_for_selector("#answer-now:has-text('2 of 5 words are unknown')")
        page.page.fill("#sentence", "zyx qwv")
        page.page.wait_for_selector("#answer-now .none")
        assert "knows none of these words" in page.page.locator("#answer-now").inner_text()
        page.page.fill("#sentence", "  ")
        page.page.wait_for_selector("#answer-now .none:has-text('Nothing is written')")
        assert page.page.evaluate("window.hacked") is None
        assert page.page.locator("main img, main i i").count() == 0
        assert page.complaints == []


def test_a_chinese_sentence_is_answered_in_chinese(
    browser: Any, service: Service, models: dict[str, FittedModel]
) -> None:
    with opened(browser, service, "chinese") as page:
        page.page.select_option("#language", "zh")
        assert page.page.locator("html").get_attribute("lang") == "zh-Hans"
        page.page.fill("#sentence", "这部电影真好看")
        asked = predict(models["chinese"], ["这部电影真好看"])
        assert page.answer() == (asked.labels[0], pytest.approx(100 * asked.probabilities.max(), abs=0.06))
        page.point('.group[data-group="0"] .map[data-stage="0"][data-kernel="0"]', (0, 2), (1, 12))
        assert "卷积核" in page.page.locator("#sums").inner_text()
        for label in page.page.locator(".strip-words .upright").all():
            bounds = label.bounding_box()
            assert min(bounds["width"], bounds["height"]) >= 12  # px: none is cut
        assert page.page.locator(".strip-words .upright").count() == 9  # and the marks at both ends
        assert page.page.locator(".input-section p").inner_text().startswith("每个字是网络学到的")
        page.page.reload()
        page.page.wait_for_selector("body[data-ready=chinese]")
        assert page.page.locator("html").get_attribute("lang") == "zh-Hans"  # it is remembered
        assert page.complaints == []


def test_what_was_drawn_outlives_a_change_of_language(browser: Any, service: Service) -> None:
    with opened(browser, service, "letters") as page:
        page.draw(X)
        before, ink = page.answer(), page.pixels().mean()
        page.page.select_option("#language", "zh")
        assert page.answer() == before
        page.draw([[(0.5, 0.1), (0.5, 0.9)]])  # on top of it
        page.answer()
        assert page.pixels().mean() > ink


def test_the_numbers_of_a_series_are_pasted(browser: Any, service: Service, models: dict[str, FittedModel]) -> None:
    series = np.random.default_rng(1).normal(size=(2, 12)).round(3)
    with opened(browser, service, "series") as page:
        assert "Paste numbers: the answer and every layer follow." in page.page.locator("header").inner_text()
        page.page.get_by_role("button", name="An example").click()
        page.answer()
        page.page.select_option("#language", "zh")
        about = page.page.locator(".input-section p").inner_text()
        assert about.startswith("12 格排成一行，2 个通道，经过标准化。")
        assert re.search("[A-Za-z]", about) is None
        page.page.select_option("#language", "en")
        page.page.fill("#numbers", "1, 2, 3")
        page.page.wait_for_selector(".banner:has-text('24 numbers are expected, and there are 3.')")
        page.page.fill("#numbers", "\n".join(", ".join(map(str, row)) for row in series))
        asked = predict(models["series"], series[None])
        assert page.answer() == (asked.labels[0], pytest.approx(100 * asked.probabilities.max(), abs=0.06))
        assert page.page.locator(".banner").is_hidden()
        assert page.complaints == []


# ---- servers and tabs ---------------------------------------------------------------------------------------------


def test_the_page_outlives_its_server(browser: Any, models: dict[str, FittedModel]) -> None:
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    service = Service({"letters": models["letters"]})
    service.start()
    with opened(browser, service, "letters") as page:
        page.draw(X)
        assert page.answer()[0] == "X"
        service.stop()
        page.page.locator("#clear").click()
        page.draw(O)
        page.page.wait_for_selector(".banner:has-text('does not answer')")
        assert page.page.locator("#answer-now").inner_text() == "No answer yet."  # that of the X is gone
        page.page.select_option("#language", "zh")
        assert page.page.locator("#answer-now").inner_text() == "还没有答案。"
        service.start()
        try:
            page.page.wait_for_selector(".banner", state="hidden")
            assert page.answer()[0] == "O"
        finally:
            service.stop()


def test_two_tabs_at_once_get_their_own_answers(browser: Any, service: Service) -> None:
    with opened(browser, service, "letters") as one, opened(browser, service, "letters") as other:
        for stroke_of_one, stroke_of_other in zip(X, [O[0][:13], O[0][12:]], strict=True):
            one.draw([stroke_of_one])
            other.draw([stroke_of_other])
        assert one.answer()[0] == "X"
        assert other.answer()[0] == "O"


def test_a_late_answer_never_takes_the_place_of_a_newer_one(browser: Any, service: Service) -> None:
    first_is_late = """
      const real = window.fetch; let asked = 0;
      window.fetch = async (url, options = {}) => {
        if (!String(url).endsWith("/explain") || asked++) return real(url, options);
        const answer = await real(url, { ...options, signal: undefined }), body = await answer.text();
        await new Promise((done) => setTimeout(done, 4000));
        window.late = true;
        return new Response(body, { status: answer.status, headers: answer.headers });
      };
    """
    with opened(browser, service, "english", script=first_is_late) as page:
        page.page.fill("#sentence", "the film was good")
        page.page.wait_for_timeout(1700)
        page.page.fill("#sentence", "the film was bad")
        newer = page.answer()
        assert "bad" in page.page.locator("#input").inner_text()
        page.page.wait_for_timeout(3500)
        assert page.page.evaluate("window.late") is True
        assert page.answer() == newer
        assert "bad" in page.page.locator("#input").inner_text()


def test_a_service_with_a_token_asks_for_it(browser: Any, models: dict[str, FittedModel]) -> None:
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    service = Service({"letters": models["letters"]}, token="open sesame")
    service.start()
    try:
        page = browser.new_page()
        page.goto(service.address)
        page.fill(".banner input", "open barley")
        page.keyboard.press("Enter")
        page.wait_for_selector(".banner:has-text('This token was not accepted')")
        assert page.locator(".banner input").input_value() == "open barley"
        page.fill(".banner input", "open sesame")
        page.keyboard.press("Enter")
        page.wait_for_selector("body[data-ready=letters]")
        assert page.locator(".banner").is_hidden()
        page.close()
    finally:
        service.stop()


# ---- how it looks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "zh")])
def test_nothing_is_cut_off_on_a_phone(browser: Any, service: Service, scheme: str, language: str) -> None:
    with opened(browser, service, "letters", width=400, color_scheme=scheme) as page:
        page.page.select_option("#language", language)
        page.draw(O)
        page.answer()
        for model in ("letters", "tones", "english"):
            page.page.evaluate(f"location.hash = '{model}'")
            page.page.wait_for_selector(f"body[data-ready={model}]")
            assert page.page.evaluate("document.documentElement.scrollWidth") <= 400
        assert page.complaints == []


def test_every_control_is_reached_with_tab_and_shows_its_focus(browser: Any, service: Service) -> None:
    with opened(browser, service, "letters") as page:
        reached = []
        for _ in range(12):
            page.page.keyboard.press("Tab")
            reached.append(page.page.evaluate("document.activeElement.id || document.activeElement.textContent"))
            outline = page.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", reached[-1]
        expected = ["model", "language", "pad", "Pen", "Eraser", "clear", "Camera"]
        assert [name for name in reached if name in expected] == expected


# ---- what the page is made of -------------------------------------------------------------------------------------


def test_every_sentence_is_there_in_both_languages() -> None:
    code = live.files()["static/words.js"].decode()
    english, chinese = re.split(r"const CHINESE", code)[:2]
    keys = [set(re.findall(r"(?:^  |, )(\w+): (?=[\"`(\[{])", part, re.MULTILINE)) for part in (english, chinese)]
    assert len(keys[0]) > 100
    assert keys[0] - keys[1] == set()


def test_chinese_sentences_have_chinese_punctuation() -> None:
    chinese = (
        live.files()["static/words.js"].decode().partition("const CHINESE")[2].partition("export const LANGUAGES")[0]
    )
    assert re.findall(r"[\u4e00-\u9fff}][,;:!?(][\u4e00-\u9fff“$]", chinese) == []


def test_the_example_of_a_row_keeps_the_spread_of_its_numbers() -> None:
    rows = 1_000_000 + np.random.default_rng(0).normal(size=(40, 6))
    model = fit(ArrayAdapter(axes=("time",)), rows, ["a", "b"] * 20, {"epochs": 1, "kernels": (4,), **QUICK})
    example = live.layers(model)["takes"]["example"]
    assert len(example) == 6
    assert np.std(example) > 0.1


def test_no_class_is_hidden_and_no_share_is_rounded_to_nothing(browser: Any, service: Service) -> None:
    with opened(browser, service, "letters") as page:
        shown = page.page.evaluate(
            """async () => {
                const { percent } = await import(new URL("static/numbers.js", document.baseURI).href);
                const { load, fill, shown } = await import(new URL("static/state.js", document.baseURI).href);
                const { showAnswer } = await import(new URL("static/answer.js", document.baseURI).href);
                shown.layers = { ...shown.layers, classes: [..."abcdef"] };
                shown.values = { probabilities: [0.99996, 1e-5, 1e-5, 1e-5, 1e-5, 0], cautions: [], n_windows: 1 };
                showAnswer();
                const shares = [0.00004, 0.0002, 0.12345, 0.9996, 1].map(percent);
                return [document.querySelector("#answer-now").innerText, shares];
            }"""
        )
        assert "and 1 more class." in shown[0]
        assert [share.replace("\N{NO-BREAK SPACE}", " ") for share in shown[1]] == [
            "<0.01 %", "0.02 %", "12.3 %", "99.96 %", "100.0 %"]  # fmt: skip


def test_the_files_of_the_page_ask_for_nothing_from_elsewhere() -> None:
    for name, content in live.files().items():
        assert re.findall(r"(?:https?:)?//[a-z]+\.[a-z]", content.decode()) == [], name


def test_one_script_holds_each_module_once_and_no_import() -> None:
    script = one_script("page.js")
    assert not re.search(r"^(import|export) ", script, re.MULTILINE)
    names = module_names("page.js")
    assert names[-1] == "page.js"
    assert all(script.count(f"\n// {name}\n") == 1 for name in names)


def test_the_kernels_of_a_live_page_stay_the_same_and_are_the_heaviest(models: dict[str, FittedModel]) -> None:
    model = models["letters"]
    groups = live.layers(model)["groups"]
    assert [group["maps"] for group in groups] == [group["maps"] for group in live.layers(model)["groups"]]
    last = groups[-1]
    network = model.network.backbone
    weights = network.output.weight.detach().numpy().reshape(2, last["n_maps"], -1)
    norms = np.sqrt(np.square(weights).sum(axis=(0, 2)))
    ends = [np.linalg.norm(kernel) for kernel in explain.trace(model, np.zeros((32, 32), np.uint8))[
        f"block {last['block']} convolution {last['number']}"].kernels]  # fmt: skip
    scale = np.abs(explain.trace(model, np.zeros((32, 32), np.uint8))[last["stages"][0]["step"]].scale_and_shift[0])
    expected = np.argsort(-norms * ends * scale, kind="stable")[: len(last["maps"])] + 1
    assert last["maps"] == expected.tolist()


def test_the_values_of_an_item_are_those_of_its_trace(models: dict[str, FittedModel]) -> None:
    item = datasets.load("xo").items[0]
    model = models["letters"]
    values, groups, trace = live.maps(model, item), live.layers(model)["groups"], explain.trace(model, item)
    assert values["probabilities"] == pytest.approx(predict(model, item[None]).probabilities[0], abs=1e-6)
    for group, maps in zip(groups, values["maps"], strict=True):
        for stage, packed in zip(group["stages"], maps, strict=True):
            if packed is not None:
                assert packed["shape"] == [len(group["maps"]), *trace[stage["step"]].output.shape[1:]]
    assert values["logits"] == pytest.approx(trace.logits)
    assert values["unknown"] is None
