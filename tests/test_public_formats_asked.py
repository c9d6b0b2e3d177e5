"""Sets as they are published, as inputs of predict, embed and detect: a parquet file, shards, files that are listed."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

import gridcnn
from gridcnn.adapters import AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.datasets import load

Run = Callable[..., Any]

FILES = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), shade).save(file, "PNG")
    return file.getvalue()


def hum(pitch: float, seconds: float = 1.0) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.sin(np.arange(int(8000 * seconds)) * pitch) / 2, 8000, format="WAV")
    return file.getvalue()


def shard(path: Path, contents: list[bytes | None], name: str = "image") -> Path:
    cells = [None if content is None else {"bytes": content, "path": f"{at}"} for at, content in enumerate(contents)]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({name: pa.array(cells, FILES)}), path)
    return path


@pytest.fixture(scope="module")
def of_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    digits = load("digits").take(range(60))
    model = tmp_path_factory.mktemp("model") / "m.safetensors"
    gridcnn.save(gridcnn.fit(ImageAdapter(), digits.items, digits.labels, {"epochs": 1, "kernels": (2,)}), model)
    return model


@pytest.fixture(scope="module")
def of_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tmp_path_factory.mktemp("model") / "m.safetensors"
    texts = [f"{word} tea {at}" for word in ("good", "bad") for at in range(20)]
    labels = ["praise"] * 20 + ["complaint"] * 20
    gridcnn.save(gridcnn.fit(TextAdapter(), texts, labels, {"epochs": 1, "kernels": (2,)}), model)
    return model


@pytest.fixture(scope="module")
def of_sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    sounds = [folder / f"{at}.wav" for at in range(24)]
    for at, sound in enumerate(sounds):
        sound.write_bytes(hum((0.2, 1.2)[at % 2] + at / 200))
    labels = [("low", "high")[at % 2] for at in range(24)]
    parameters = {"epochs": 3, "kernels": (2,)}
    gridcnn.save(gridcnn.fit(AudioAdapter(duration=0.5), sounds, labels, parameters), folder / "m.safetensors")
    return folder / "m.safetensors"


def test_predict_answers_the_pictures_in_a_parquet_file_row_by_row(run: Run, of_pictures: Path, tmp_path: Path) -> None:
    table = shard(tmp_path / "a.parquet", [picture(9), None, b"no picture"])

    run("predict", of_pictures, table, "-o", tmp_path / "answers.csv")

    rows = pd.read_csv(tmp_path / "answers.csv")
    assert rows["item"].tolist() == [f"{table}, row {row}" for row in (1, 2, 3)]
    assert rows["prediction"].notna().tolist() == [True, False, False]
    assert rows["error"][1].endswith("no image")


@pytest.mark.parametrize("command", ["predict", "embed"])
def test_a_folder_of_shards_is_answered_shard_by_shard(
    run: Run, of_pictures: Path, tmp_path: Path, command: str
) -> None:
    places = [shard(tmp_path / f"set/data/train-0000{at}-of-2.parquet", [picture(9), picture(at)]) for at in range(2)]

    assert run(command, of_pictures, tmp_path / "set", "-o", tmp_path / "a.csv").code == 0

    assert pd.read_csv(tmp_path / "a.csv")["item"].tolist() == [f"{it}, row {row}" for it in places for row in (1, 2)]


def test_plain_bytes_are_items_of_the_column_that_is_named(run: Run, of_pictures: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"raw": [picture(1), picture(2)]}), tmp_path / "a.parquet")

    assert run("predict", of_pictures, tmp_path / "a.parquet", "--path", "raw", "-o", tmp_path / "a.csv").code == 0
    assert pd.read_csv(tmp_path / "a.csv")["error"].isna().all()


def test_files_that_metadata_list_are_answered_in_the_folder_or_as_the_rows(
    run: Run, of_pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "pets/train").mkdir(parents=True)
    for name in ("b.png", "a.png"):
        (tmp_path / "pets/train" / name).write_bytes(picture(len(name)))
    listing = tmp_path / "pets/train/metadata.csv"
    listing.write_text("file_name,label\nb.png,x\na.png,y\n")

    assert run("predict", of_pictures, tmp_path / "pets", "-o", tmp_path / "a.csv").code == 0
    assert run("predict", of_pictures, listing, "-o", tmp_path / "b.csv").code == 0

    names = [[Path(item).name for item in pd.read_csv(tmp_path / each)["item"]] for each in ("a.csv", "b.csv")]
    assert names == [["a.png", "b.png"], ["b.png", "a.png"]]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_texts_in_shards_are_answered(run: Run, of_texts: Path, tmp_path: Path, suffix: str) -> None:
    (tmp_path / "set").mkdir()
    for part in ("test", "train"):
        frame = pd.DataFrame({"text": [f"good {part}", f"bad {part}"], "label": ["praise", "complaint"]})
        path = tmp_path / f"set/{part}{suffix}"
        frame.to_parquet(path) if suffix == ".parquet" else frame.to_csv(path, index=False)

    assert run("predict", of_texts, tmp_path / "set", "-o", tmp_path / "a.csv").code == 0
    assert pd.read_csv(tmp_path / "a.csv")["item"].tolist() == ["good test", "bad test", "good train", "bad train"]


def test_recordings_in_shards_are_searched_for_events(run: Run, of_sounds: Path, tmp_path: Path) -> None:
    table = shard(tmp_path / "set/test-0.parquet", [hum(0.2, 4), None, hum(1.2, 4)], name="audio")

    for source in (tmp_path / "set", table):
        done = run("detect", of_sounds, source, "--min-confidence", "0.5", "-o", tmp_path / "e.csv")
        assert done.code == 0, done.err
        assert "1 of 3 items could not be read" in done.err
        events = pd.read_csv(tmp_path / "e.csv")
        assert set(events["path"]) == {f"{table}, row 1", f"{table}, row 3"}
        (tmp_path / "e.csv").unlink()
    assert pd.read_csv(tmp_path / "e.csv.skipped.csv")["reason"].tolist() == ["no audio"]
