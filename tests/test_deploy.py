"""Exported models in Python, Node.js and a browser, run as examples/deploy/README.md says, answer as gridcnn does."""

from __future__ import annotations

import ast
import functools
import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from gridcnn import datasets, fit
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.inference import predict

onnx = pytest.importorskip("onnx", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")

from gridcnn.export.onnx_file import export_onnx  # noqa: E402

DEPLOY = Path(__file__).parent.parent / "examples" / "deploy"
COMMANDS = re.findall(
    r"^(?:python predict\.py|node predict\.mjs) .+$", (DEPLOY / "README.md").read_text(), re.MULTILINE
)
PAGES = re.findall(r"\?model=(\w+)\.onnx", (DEPLOY / "README.md").read_text())
QUICK: dict[str, Any] = {"epochs": 2, "validation_fraction": 0.0, "cache": False}
TOLERANCE = 1e-4
ODD_TEXTS = [
    "",
    "   ",
    "Çok GÜZEL — naïve café 👍🏽, 电影很好!",
    "don't can't won't it's",
    "a\u0301 İ ß ﬀ №  ½",
    "word " * 90,
]

Answer = tuple[str, dict[str, float]]


def draw(folder: Path) -> None:
    """Draw a digit in colours, on a picture whose sides are not those of the grid; one half clear, and one turned."""
    digit = Image.fromarray(datasets.load("digits").items[7]).resize((53, 37), Image.Resampling.BILINEAR)
    colours = np.random.default_rng(0).integers(0, 40, (37, 53, 3))
    coloured = Image.fromarray(np.clip(np.array(digit)[..., None] - colours, 0, 255).astype(np.uint8))
    coloured.save(folder / "digit.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter
    coloured.save(folder / "turned.jpg", quality=95, exif=turned)
    coloured.putalpha(digit)
    coloured.save(folder / "clear.png")


def record(folder: Path, samples: np.ndarray, rate: int) -> None:
    """Save a sound of another length than the items of training; and one of two channels."""
    soundfile.write(folder / "tone.wav", 0.7 * samples[:6001], rate)
    soundfile.write(folder / "stereo.wav", np.stack([samples, 0.3 * samples[::-1]], axis=1), rate)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the folder of examples, with the packages of Node.js if they are installed."""
    folder = tmp_path_factory.mktemp("deploy") / "deploy"
    shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns("node_modules"))
    packages = os.environ.get("GRIDCNN_NODE_MODULES", "")
    if Path(packages, "onnxruntime-node").is_dir():
        (folder / "node_modules").symlink_to(packages, target_is_directory=True)
    return folder


@pytest.fixture(scope="session")
def answers(folder: Path) -> Callable[[str, Any], Answer]:
    """Return what answers an item as `gridcnn predict` does, by the model of one kind, exporting it the first time."""

    @functools.cache
    def trained(kind: str) -> Any:
        adapter: Any
        if kind == "series":
            X = np.random.default_rng(0).normal(size=(60, 2, 24)).cumsum(axis=2)
            items, labels, adapter = (
                X,
                np.where(X[:, 0, -1] > X[:, 0, 0], "up", "down"),
                ArrayAdapter(axes=("channels", "time")),
            )
            (folder / "series.json").write_text(json.dumps(X[3].tolist()))
        else:
            data = datasets.load(kind)
            items, labels = data.items[:160], np.asarray(data.labels[:160])
            adapter = {"digits": ImageAdapter, "word_order": TextAdapter}.get(
                kind, lambda: AudioAdapter(sample_rate=8000)
            )()
        if kind == "digits":
            draw(folder)
        if kind == "tones":
            record(folder, np.asarray(data.items[0]), 8000)
        if kind == "word_order":
            labels = np.array([{"praise": "éloge 👍"}.get(str(each), str(each)) for each in labels])
        model = fit(adapter, items, labels, {"kernels": (8, 16), **QUICK})
        export_onnx(model, folder / f"{kind}.onnx")
        return model

    def answer(kind: str, item: Any) -> Answer:
        model = trained(kind)
        if kind == "series":
            item = np.array(json.loads((folder / item).read_text()))
        elif kind != "word_order":
            item = folder / item
        found = predict(model, [item])
        return str(found.labels[0]), dict(zip(model.class_names, found.probabilities[0].tolist(), strict=True))

    return answer


def parsed(output: str) -> Answer:
    label, *rows = output.strip().split("\n")
    return label, {name: float(share) for share, name in (row.split("  ", 1) for row in rows)}


def assert_same(found: Answer, expected: Answer) -> None:
    assert found[0] == expected[0]
    assert list(found[1]) == list(expected[1])
    assert np.abs(np.subtract(list(found[1].values()), list(expected[1].values()))).max() <= TOLERANCE


def run_command(command: list[str], folder: Path) -> str:
    program, *rest = command
    if program == "node":
        if shutil.which("node") is None or not (folder / "node_modules").exists():
            pytest.skip("GRIDCNN_NODE_MODULES names no folder with onnxruntime-node, or node is missing: see .ci/run")
    else:
        program = sys.executable
    done = subprocess.run(
        [program, *rest], cwd=folder, capture_output=True, encoding="utf-8", timeout=120, check=False,
        env={**os.environ, "PYTHONUTF8": "1", "PYTHONPATH": ""},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_guide_shows_every_kind_of_item_in_every_runtime() -> None:
    kinds = ["digits", "series", "tones", "word_order"]

    assert sorted(shlex.split(each)[2] for each in COMMANDS) == [f"{kind}.onnx" for kind in kinds for _ in range(2)]
    assert sorted(PAGES) == ["digits", "tones", "word_order"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_guide_answers_as_gridcnn_does(command: str, folder: Path, answers: Any) -> None:
    words = shlex.split(command)
    expected = answers(Path(words[2]).stem, words[3])

    assert_same(parsed(run_command(words, folder)), expected)


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Serve the folder on the loopback."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def opened(browser: Any, address: str, folder: Path) -> Iterator[Callable[[str], Any]]:
    """Return what opens the page with a model in Chromium, and checks that it complains of nothing."""
    if not (folder / "node_modules").exists():
        pytest.skip("GRIDCNN_NODE_MODULES names no folder with onnxruntime-web: see .ci/run")
    complaints: list[str] = []
    pages: list[Any] = []

    def open_page(kind: str) -> Any:
        page = browser.new_page()
        pages.append(page)
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}/index.html?model={kind}.onnx")
        page.wait_for_function("document.getElementById('answer').textContent === 'ready'")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert complaints == []


def shown(page: Any) -> Answer:
    """Wait for an answer, return it, and clear it."""
    page.wait_for_function("!['ready', ''].includes(document.getElementById('answer').textContent)")
    text = page.evaluate("document.getElementById('answer').textContent")
    page.evaluate("document.getElementById('answer').textContent = ''")
    return parsed(text)


@pytest.mark.parametrize(
    ("kind", "items"), [("digits", ["digit.png", "turned.jpg", "clear.png"]), ("tones", ["tone.wav", "stereo.wav"])]
)
def test_the_page_answers_files_as_gridcnn_does(
    kind: str, items: list[str], folder: Path, answers: Any, opened: Any
) -> None:
    expected = [answers(kind, item) for item in items]
    page = opened(kind)
    for item, each in zip(items, expected, strict=True):
        page.set_input_files("#file", folder / item)
        assert_same(shown(page), each)
    page.close()


def test_the_page_answers_texts_of_all_scripts_as_gridcnn_does(answers: Any, opened: Any) -> None:
    expected = [answers("word_order", text) for text in ODD_TEXTS]
    page = opened("word_order")
    for text, each in zip(ODD_TEXTS, expected, strict=True):
        page.evaluate("(text) => { const it = document.getElementById('text'); it.value = text; it.onchange(); }", text)
        assert_same(shown(page), each)
    page.close()


@pytest.mark.parametrize("program", ["python predict.py", "node predict.mjs"])
@pytest.mark.parametrize(("kind", "item"), [("digits", "turned.jpg"), ("tones", "stereo.wav")])
def test_programs_turn_pictures_upright_and_mix_channels(
    program: str, kind: str, item: str, folder: Path, answers: Any
) -> None:
    expected = answers(kind, item)

    assert_same(parsed(run_command([*program.split(), f"{kind}.onnx", item], folder)), expected)


@pytest.mark.parametrize("program", ["python predict.py", "node predict.mjs"])
def test_programs_answer_texts_of_all_scripts_as_gridcnn_does(program: str, folder: Path, answers: Any) -> None:
    for text in ODD_TEXTS[2:5]:
        expected = answers("word_order", text)
        assert_same(parsed(run_command([*program.split(), "word_order.onnx", text], folder)), expected)


@pytest.mark.parametrize("kind", ["digits", "series", "tones", "word_order"])
def test_tools_of_onnx_can_check_a_model_and_infer_its_shapes(kind: str, folder: Path, answers: Any) -> None:
    answers(kind, {"digits": "digit.png", "series": "series.json", "tones": "tone.wav"}.get(kind, "words"))
    code = "import onnx, sys; onnx.shape_inference.infer_shapes_path(sys.argv[1], sys.argv[2])"  # it has crashed
    done = subprocess.run([sys.executable, "-c", code, f"{kind}.onnx", "inferred.onnx"], cwd=folder, check=False)

    assert done.returncode == 0
    onnx.checker.check_model(onnx.load(folder / "inferred.onnx"), full_check=True)


@pytest.mark.parametrize("name", ["predict.py", "predict.mjs", "index.html"])
def test_a_consumer_is_short_and_knows_nothing_of_gridcnn(name: str) -> None:
    lines = (DEPLOY / name).read_text(encoding="utf-8").splitlines()

    assert len(lines) < 40
    assert max(map(len, lines)) <= 121
    assert not any("gridcnn" in line for line in lines)


def test_the_python_consumer_imports_only_what_the_guide_names() -> None:
    tree = ast.parse((DEPLOY / "predict.py").read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert imported - sys.stdlib_module_names == {"numpy", "onnxruntime", "PIL", "soundfile"}


def test_packages_of_the_example_have_exact_versions() -> None:
    packages = json.loads((DEPLOY / "package.json").read_text(encoding="utf-8"))["dependencies"]

    assert set(packages) == {"onnxruntime-node", "onnxruntime-web", "sharp"}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in packages.values())


@pytest.mark.parametrize("program", ["python predict.py", "node predict.mjs"])
def test_programs_refuse_a_sound_of_another_rate(program: str, folder: Path, answers: Any) -> None:
    answers("tones", "tone.wav")
    soundfile.write(folder / "fast.wav", np.zeros(4000), 16000)
    name, *rest = program.split()
    if name == "node" and not (folder / "node_modules").exists():
        pytest.skip("GRIDCNN_NODE_MODULES names no folder with onnxruntime-node: see .ci/run")
    command = [sys.executable if name == "python" else name, *rest, "tones.onnx", "fast.wav"]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=120, check=False)

    assert done.returncode != 0
    assert "8000" in done.stderr
    assert "fast.wav" in done.stderr
    assert done.stdout == ""
