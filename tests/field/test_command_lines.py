"""Random command lines on small inputs, some of them damaged: no traceback, and no success without an answer.

By default the same few run; `GRIDCNN_FUZZ=2000 pytest tests/field/test_command_lines.py` runs as many others.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

N_EXAMPLES = int(os.environ.get("GRIDCNN_FUZZ", "60"))

SOURCES = {
    "pictures": ("image", ()),
    "sounds": ("sound", ()),
    "texts.csv": ("text", ("--text", "text")),
    "texts.jsonl": ("text", ("--text", "text")),
    "list.csv": ("image", ("--path", "path")),
    "rows.csv": ("table", ()),
    "rows.parquet": ("table", ()),
    "xo": ("image", ()),
}
MODELS = {"image": "pictures", "sound": "sounds", "text": "texts.csv", "table": "rows.csv"}
"""What each tiny model is trained on, by what it reads."""

NUMBERS = [
    "0",
    "1",
    "2",
    "3",
    "-1",
    "0.5",
    "1e-3",
    "nan",
    "inf",
    "-inf",
    "1e99",
    "99999999999999999999",
    "x",
    "",
    "٣",
    "1,2",
]
OPTIONS: dict[str, list[str]] = {
    "--epochs": NUMBERS, "--batch-size": NUMBERS, "--learning-rate": NUMBERS, "--kernel-learning-rate": NUMBERS,
    "--weight-decay": NUMBERS, "--label-smoothing": NUMBERS, "--adversarial": NUMBERS, "--patience": NUMBERS,
    "--augment-strength": NUMBERS,
    "--kernels": [*NUMBERS, "4,8", "none", "4,,8", "-4,8"], "--kernel-sizes": [*NUMBERS, "3,5", "2", "999"],
    "--convs-per-block": NUMBERS, "--pool-after": NUMBERS, "--pool": ["max", "average", "min", ""],
    "--pool-size": NUMBERS, "--dense": [*NUMBERS, "8", "none"], "--dropout": NUMBERS,
    "--head": ["flatten", "global_max", "tail", ""], "--validation-fraction": NUMBERS,
    "--seed": NUMBERS, "--jobs": NUMBERS, "--threads": ["0", "1", "-1", "x", "2"],
    "--device": ["cpu", "cuda", "mps", "auto", "tpu", "cpu:9", ""], "--class-weight": ["balanced", "x", ""],
    "--image-size": ["8", "8x9", "0", "-1", "32.5", "1x1", "x", "9999999", "8x8x8", ""],
    "--sample-rate": NUMBERS, "--duration": [*NUMBERS, "0.001", "0.05"], "--mels": NUMBERS, "--hop": NUMBERS,
    "--tokens": ["word", "character", "auto", "byte", ""],
    "--vectors": ["HERE/garbage", "HERE/missing", "HERE/texts.csv"],
    "--time": ["1s", "0s", "1", "-5m", "nan", "x", ""], "--ordering": ["assume", "check", "x"],
    "--on-error": ["skip", "raise", "x"], "--group": ["label", "group", "x", ""], "--split": ["split", "label", "x"],
    "--label": ["label", "text", "x", "", "a"], "--text": ["text", "label", "x", ""], "--path": ["path", "x", ""],
    "--encoding": ["utf-8", "utf-16", "ascii", "x", ""], "--split-part": ["test", "train", "x", ""],
    "--adapter": ["ImageAdapter", "TextAdapter", "TableAdapter", "x", ""], "--row": NUMBERS, "--class": ["a", "x", ""],
    "--compare": [], "--json": [], "--quiet": [], "--no-augment": [], "--refit": [], "--no-cache": [], "--dry-run": [],
    "--strategy": ["confident", "uncertain", "different", "x"], "--most": NUMBERS, "--top": NUMBERS, "--resume": [],
    "--start": ["label", "path", "x"], "--end": ["label", "x"], "--format": ["csv", "jsonl", "parquet", "x"],
    "--png": [], "--help": [], "--nonsense": [],
}  # fmt: skip
COMMANDS = ["train", "predict", "evaluate", "explain", "report", "check", "embed", "search", "review"]


class World(NamedTuple):
    """A folder of small inputs and tiny models."""

    root: Path
    scratch: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    for label, start in (("a", 0.1), ("b", 0.4)):
        for kind in ("pictures", "sounds"):
            (root / kind / label).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 99 if label == "a" else 255, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "pictures" / label / f"{number}.png")
            wave = 0.3 * np.sin(start * np.arange(800) + rng.uniform(0, 6))
            soundfile.write(root / "sounds" / label / f"{number}.wav", wave, 8000)
    texts = [("good film" if number % 2 else "bad film", "ab"[number % 2]) for number in range(12)]
    (root / "texts.csv").write_text(
        "text,label\n" + "".join(f"{text} {n},{label}\n" for n, (text, label) in enumerate(texts))
    )
    (root / "texts.jsonl").write_text("\n".join(json.dumps({"text": text, "label": label}) for text, label in texts))
    paths = [f"pictures/{label}/{number}.png,{label}" for label in "ab" for number in range(4)]
    (root / "list.csv").write_text("path,label\n" + "\n".join(paths))
    import pandas as pd

    waves = pd.DataFrame(np.sin(np.arange(12) * rng.uniform(0.2, 0.4, (24, 1))).cumsum(axis=1)).add_prefix("c")
    waves["label"] = ["a", "b"] * 12
    waves.to_csv(root / "rows.csv", index=False)
    waves.to_parquet(root / "rows.parquet")
    (root / "garbage").write_bytes(rng.integers(0, 256, 500, dtype=np.uint8).tobytes())
    (root / "empty.csv").write_bytes(b"")
    scratch = tmp_path_factory.mktemp("scratch")
    for reads, source in MODELS.items():
        options = (*SOURCES[source][1], *(("--ordering", "assume") if reads == "table" else ()))
        done = ended(
            "train", root / source, *options, "-o", root / f"{reads}.safetensors", "--epochs", 1, "--kernels", 4
        )
        assert done[0] == 0, done
        done = ended("embed", root / f"{reads}.safetensors", root / source, "-o", root / f"{reads}.vectors.parquet")
        assert done[0] == 0, done
    return World(root, scratch)


def ended(*arguments: object) -> tuple[int, str, str]:
    """Run a command line in this process; return its exit code and what it printed."""
    from contextlib import redirect_stderr, redirect_stdout

    from gridcnn.cli import main

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    code = end.value.code
    return code if isinstance(code, int) else 0, out.getvalue(), err.getvalue()


def damaged(draw: Callable[[Any], Any], place: Path, scratch: Path) -> Path:
    """Return a copy of a file or folder in which some bytes are changed, cut off or put in."""
    copy = scratch / place.name
    if copy.is_dir():
        shutil.rmtree(copy)
    if place.is_dir():
        shutil.copytree(place, copy)
        files = sorted(path for path in copy.rglob("*") if path.is_file())
        chosen = [draw(st.sampled_from(files))]
    else:
        shutil.copy(place, copy)
        chosen = [copy]
    for file in chosen:
        content = bytearray(file.read_bytes())
        for _ in range(draw(st.integers(1, 3))):
            at = draw(st.integers(0, len(content)))
            how = draw(st.sampled_from(["cut", "change", "insert", "repeat"]))
            piece = draw(
                st.sampled_from([b"\0", b"\n", b",", b'"', b"nan", b"-3.4e38", b"\xff\xfe", b"\xe9", b"a" * 99])
            )
            content[at:] = {
                "cut": b"", "change": piece + content[at + len(piece) :], "insert": piece + content[at:],
                "repeat": content[at:] * 2,
            }[how]  # fmt: skip
        file.write_bytes(bytes(content))
    return copy


@st.composite
def command_lines(draw: Callable[[Any], Any], world: World) -> list[str]:
    """Draw a command with mostly sensible arguments, and some that are not."""
    command = draw(st.sampled_from(COMMANDS))
    name = draw(st.sampled_from(list(SOURCES)))
    reads, columns = SOURCES[name]
    place = world.root / name if name != "xo" else Path(name)
    if draw(st.integers(0, 9)) == 0:
        place = draw(
            st.sampled_from([world.root / "garbage", world.root / "empty.csv", world.root / "missing", Path("-")])
        )
    elif name != "xo" and draw(st.booleans()):
        place = damaged(draw, place, world.scratch)
    line = [command]
    if command == "search":
        vectors = world.root / f"{reads}.vectors.parquet"
        line.append(str(damaged(draw, vectors, world.scratch) if draw(st.integers(0, 4)) == 0 else vectors))
    if command in ("predict", "evaluate", "explain", "report", "embed", "review"):
        model = world.root / f"{reads if draw(st.integers(0, 5)) else draw(st.sampled_from(list(MODELS)))}.safetensors"
        line.append(str(damaged(draw, model, world.scratch) if draw(st.integers(0, 9)) == 0 else model))
    if command in ("explain", "predict", "search") and place.is_dir() and draw(st.booleans()):
        place = sorted(path for path in place.rglob("*.*") if path.is_file())[0]
    line.append(str(place))
    line += columns if draw(st.integers(0, 7)) else ()
    if command == "train":
        line += ["-o", str(world.scratch / "new.safetensors"), "--epochs", "1", "--kernels", "4"]
        line += ["--ordering", "assume"] if reads == "table" and draw(st.booleans()) else []
    elif command in ("explain", "report", "review"):
        line += ["-o", str(world.scratch / "page.html")]
    elif command == "embed":
        line += ["-o", str(world.scratch / draw(st.sampled_from(["e.parquet", "e.csv", "e.jsonl"])))]
    if command in ("explain", "search") and place.suffix:
        line += ["--row", draw(st.sampled_from(["2", "3", "99"]))]
    for option in draw(st.lists(st.sampled_from(list(OPTIONS)), max_size=2)):
        line.append(option)
        if values := OPTIONS[option]:
            line.append(draw(st.sampled_from(values)).replace("HERE", str(world.root)))
    return line


def answered(line: list[str], out: str) -> bool:
    """Whether a command that ended well has given an answer, and every number of it is one."""
    if "--help" in line:
        return bool(out)
    if line[0] == "predict":
        rows = list(csv.DictReader(io.StringIO(out)))
        good = [row for row in rows if not row["error"]]
        numbers = [float(cell) for row in good for name, cell in row.items() if name.startswith("p(")]
        return bool(good) and all(row["prediction"] for row in good) and all(map(math.isfinite, numbers))
    if line[0] == "evaluate" and "--json" in line:
        return math.isfinite(json.loads(out)["accuracy"])
    if line[0] in ("train", "evaluate"):
        return bool(out) and "nan" not in out.lower().replace("nan 1", "")
    return True


def test_random_command_lines_end_well(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand people, each in a hurry."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"good film\nbad film\n")))

    @settings(
        max_examples=N_EXAMPLES,
        deadline=None,
        derandomize="GRIDCNN_FUZZ" not in os.environ,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(command_lines(world))
    def try_one(line: list[str]) -> None:
        code, out, err = ended(*line)
        said = f"{' '.join(line)}\n{out}\n{err}"
        assert "Traceback" not in err, said
        assert code != 70, said
        if code == 0:
            assert answered(line, out), said

    try_one()


@pytest.mark.parametrize("command", ["train", "check"])
@pytest.mark.parametrize("seed", ["-1", "4294967296", "99999999999999999999"])
def test_a_seed_out_of_range_is_refused(world: World, command: str, seed: str) -> None:
    """The fuzz drew it."""
    line = [command, str(world.root / "pictures"), "--seed", seed]
    code, _, err = ended(*line, *(["-o", str(world.scratch / "s.safetensors")] if command == "train" else []))
    assert code == 2
    assert "fault of gridcnn" not in err
