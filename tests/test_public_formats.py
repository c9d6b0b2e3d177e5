"""Sets as they are published: parquet with bytes, folders with metadata, shards, the hub, and compressed tables."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import json
import lzma
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

from gridcnn.cli import main
from gridcnn.cli.columns import Columns
from gridcnn.cli.sources import located, read_labelled
from gridcnn.datasets import load_manifest
from gridcnn.datasets.annotations import read_annotations
from gridcnn.datasets.hub_folder import hub_files, load_hub_folder
from gridcnn.datasets.tables import read_table
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.export.hub_datasets import DatasetName, fetch_dataset, is_dataset_name
from gridcnn.stored import as_path

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), shade).save(file, "PNG")
    return file.getvalue()


def sound(pitch: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.sin(np.arange(800) * pitch / 100) / 2, 8000, format="WAV")
    return file.getvalue()


def described(features: dict[str, Any]) -> dict[bytes, bytes]:
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


CLASSES = {"_type": "ClassLabel", "names": ["cat", "dog"]}


def shard(
    path: Path, labels: list[int], *, name: str = "image", make: Callable[[int], bytes] = picture, shade: int = 0
) -> Path:
    """Write a parquet file as `datasets` of Hugging Face does."""
    cells = [{"bytes": make(shade + at + 1), "path": f"{at}.png"} for at in range(len(labels))]
    table = pa.table({name: pa.array(cells, IMAGE), "label": pa.array(labels, pa.int64())})
    kind = {"_type": "Image" if make is picture else "Audio"}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(described({name: kind, "label": CLASSES})), path)
    return path


def content(item: Any) -> bytes:
    with as_path(item) as path:
        return Path(path).read_bytes()


# ---- bytes in a column ----------------------------------------------------------------------------------------------


def test_bytes_of_pictures_are_items_with_named_classes(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.parquet", [0, 1, 1])
    data = load_manifest(path, path_column="image", label="label")

    assert data.modality == "image"
    assert data.labels is not None
    assert data.labels.tolist() == ["cat", "dog", "dog"]
    assert [content(item) for item in data.items] == [picture(1), picture(2), picture(3)]
    assert [str(item) for item in data.items] == [f"{path}, row {row}" for row in (1, 2, 3)]


def test_bytes_of_sounds_are_items(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.parquet", [0, 1], name="audio", make=sound)
    data = load_manifest(path, path_column="audio", label="label")

    assert data.modality == "sound"
    assert soundfile.read(io.BytesIO(content(data.items[1])))[0].shape == (800,)


def test_plain_bytes_are_told_by_their_content(tmp_path: Path) -> None:
    pq.write_table(pa.table({"raw": [picture(1), picture(2)], "label": ["x", "y"]}), tmp_path / "a.parquet")

    assert load_manifest(tmp_path / "a.parquet", path_column="raw", label="label").modality == "image"


def test_a_cell_without_bytes_may_name_a_file(tmp_path: Path) -> None:
    (tmp_path / "there.png").write_bytes(picture(9))
    cells = [{"bytes": picture(1), "path": None}, {"bytes": None, "path": "there.png"}, {"bytes": None, "path": None},
             None, {"bytes": b"", "path": "x.png"}]  # fmt: skip
    pq.write_table(pa.table({"image": pa.array(cells, IMAGE), "label": list("abcde")}), tmp_path / "a.parquet")
    data = load_manifest(tmp_path / "a.parquet", path_column="image", label="label", on_error="skip")

    assert [content(item) for item in data.items] == [picture(1), picture(9)]
    assert [each.row for each in data.skipped] == [3, 4, 5]


def test_a_name_in_the_file_leads_nowhere(tmp_path: Path) -> None:
    names = ["../../x.png", "/etc/y.png", "a\0b.png", "c.png/../../d", "e" * 5000 + ".png", "f.p/g"]
    cells = [{"bytes": picture(at), "path": name} for at, name in enumerate(names)]
    pq.write_table(pa.table({"image": pa.array(cells, IMAGE)}), tmp_path / "a.parquet")
    items = load_manifest(tmp_path / "a.parquet", path_column="image").items

    with contextlib.ExitStack() as opening:
        paths = [opening.enter_context(as_path(item)) for item in items]
    assert len({path.parent for path in paths}) == 1
    assert all(re.fullmatch(r"\d+(\.png)?", path.name) for path in paths)


def test_a_class_number_without_a_name_is_a_bad_row_and_minus_one_is_no_label(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.parquet", [0, 2, -1, 1])
    data = load_manifest(path, path_column="image", label="label", on_error="skip")

    assert data.labels is not None
    assert data.labels.tolist() == ["cat", "dog"]
    assert [(each.row, each.reason) for each in data.skipped] == [
        (2, "label is class number 2, and there are 2 names"), (3, "no label")
    ]  # fmt: skip


@pytest.mark.parametrize("said", [b"{", b"[]", b'{"info": 3}', b'{"info": {"features": [1]}}', b"\xff", b"[" * 100_000])
def test_metadata_that_say_nothing_are_passed_over(tmp_path: Path, said: bytes) -> None:
    table = pa.table({"text": ["a", "b"], "label": [0, 1]}).replace_schema_metadata({b"huggingface": said})
    pq.write_table(table, tmp_path / "a.parquet")

    assert load_manifest(tmp_path / "a.parquet", text="text", label="label").labels.tolist() == [0, 1]  # type: ignore[union-attr]


def test_damaged_parquet_with_bytes_is_an_error_of_one_line(tmp_path: Path) -> None:
    whole = shard(tmp_path / "a.parquet", [0, 1] * 20).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(40):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            damaged[at] ^= int(rng.integers(1, 256))
        (tmp_path / "b.parquet").write_bytes(damaged)
        try:
            load_manifest(tmp_path / "b.parquet", path_column="image", label="label", on_error="skip")
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017


# ---- folders --------------------------------------------------------------------------------------------------------


def test_shards_are_parts_by_their_names(tmp_path: Path) -> None:
    for number in range(2):
        shard(tmp_path / f"data/train-0000{number}-of-00002.parquet", [0, 1, 0], shade=10 * number)
    shard(tmp_path / "data/test-00000-of-00001-0123456789abcdef.parquet", [1, 0])
    shard(tmp_path / "data/unsupervised-00000-of-00001.parquet", [-1, -1])
    (tmp_path / "README.md").write_text("# A set")
    data = load_hub_folder(tmp_path)

    assert data.split is not None
    assert data.split.tolist() == ["train"] * 6 + ["test"] * 2 or data.split.tolist() == ["test"] * 2 + ["train"] * 6
    assert len(data.part("train")) == 6
    assert data.counts == {"cat": 5, "dog": 3}
    assert any("'unsupervised' are no parts" in note for note in data.notes)


def test_a_test_part_without_labels_is_left_out(tmp_path: Path) -> None:
    shard(tmp_path / "train.parquet", [0, 1])
    shard(tmp_path / "test.parquet", [-1, -1])
    data = load_hub_folder(tmp_path)

    assert data.split is not None
    assert data.split.tolist() == ["train"] * 2
    assert "test.parquet has no labels, and is left out" in data.notes


def test_parts_may_be_folders_of_shards(tmp_path: Path) -> None:
    for part in ("train", "test"):
        shard(tmp_path / f"default/{part}/0000.parquet", [0, 1])

    assert set(load_hub_folder(tmp_path).split) == {"train", "test"}  # type: ignore[arg-type]


def test_one_of_several_sets_has_to_be_chosen(tmp_path: Path) -> None:
    for name in ("full", "small"):
        shard(tmp_path / f"{name}/train-00000-of-00001.parquet", [0, 1])

    with pytest.raises(DataError, match="2 sets are in it, 'full', 'small'"):
        load_hub_folder(tmp_path)
    assert len(load_hub_folder(tmp_path / "small")) == 2


def test_texts_and_classes_are_found_without_being_named(tmp_path: Path) -> None:
    table = pa.table({"idx": [0, 1], "sentence": ["so good", "so bad"], "label": [1, 0]})
    features = {"sentence": {"_type": "Value"}, "label": {"_type": "ClassLabel", "names": ["no", "yes"]}}
    pq.write_table(table.replace_schema_metadata(described(features)), tmp_path / "train.parquet")
    data = load_hub_folder(tmp_path)

    assert (data.items, data.labels.tolist()) == (["so good", "so bad"], ["yes", "no"])  # type: ignore[union-attr]


def test_what_is_not_clear_is_asked_for(tmp_path: Path) -> None:
    features = {"coarse": CLASSES, "fine": CLASSES}
    table = pa.table({"a": ["x", "y"], "b": ["x", "y"], "coarse": [0, 1], "fine": [1, 0]})
    pq.write_table(table.replace_schema_metadata(described(features)), tmp_path / "train.parquet")

    with pytest.raises(DataError, match="say which column holds the items.*'a', 'b', 'coarse', 'fine'"):
        load_hub_folder(tmp_path)
    with pytest.raises(DataError, match="say which column holds the classes"):
        load_hub_folder(tmp_path, text="a")
    assert load_hub_folder(tmp_path, text="a", label="fine").labels.tolist() == ["dog", "cat"]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_metadata_list_the_files_beside_them(tmp_path: Path, kind: str) -> None:
    for part in ("train", "test"):
        (tmp_path / part / "deep").mkdir(parents=True)
        names = ["a.png", "deep/b.png"]
        for name in names:
            (tmp_path / part / name).write_bytes(picture(5))
        rows = [{"file_name": name, "label": label} for name, label in zip(names, ("cat", "dog"), strict=True)]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        if kind == "csv":
            text = "file_name,label\n" + "".join(f"{row['file_name']},{row['label']}\n" for row in rows)
        (tmp_path / part / f"metadata.{kind}").write_text(text)
    data = load_hub_folder(tmp_path)

    assert data.split is not None
    assert sorted(data.split) == ["test", "test", "train", "train"]
    assert data.counts == {"cat": 2, "dog": 2}
    assert all(Path(item).is_file() for item in data.items)


def test_folders_of_class_folders_stay_what_they_are(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(picture(3))
    (tmp_path / "metadata.csv").write_text("id,weather\n1,rain\n")
    (tmp_path / "answers.parquet").write_bytes(b"")

    assert hub_files(tmp_path) is None
    assert read_labelled(str(tmp_path), Columns(), on_error="skip").counts == {"cat": 1, "dog": 1}


def test_columns_that_a_folder_of_shards_cannot_have_are_refused(tmp_path: Path) -> None:
    shard(tmp_path / "train.parquet", [0, 1])

    with pytest.raises(ConfigurationError, match="--start, --end: for one csv or parquet file"):
        read_labelled(str(tmp_path), Columns(start="a", end="b"), on_error="skip")


def test_a_parquet_file_that_says_what_it_is_needs_no_flags(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.parquet", [0, 1, 1])
    data = read_labelled(str(path), Columns(), on_error="skip")

    assert (data.modality, data.counts) == ("image", {"cat": 1, "dog": 2})
    numbers = pa.table({"a": [1.0, 2, 3], "b": [1.0, 2, 3], "label": ["x", "y", "x"]})
    pq.write_table(numbers, tmp_path / "numbers.parquet")
    assert read_labelled(str(tmp_path / "numbers.parquet"), Columns(), on_error="skip").modality == "table"


# ---- compressed tables ----------------------------------------------------------------------------------------------


def packed(kind: str, content: bytes) -> bytes:
    if kind == "zst":
        return bytes(pa.Codec("zstd").compress(content, asbytes=True))
    return {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[kind](content)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst"])
def test_compressed_tables_are_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.csv.{kind}"
    path.write_bytes(packed(kind, b"text,label\ngood,yes\nbad,no\n"))
    assert load_manifest(path, text="text", label="label").items == ["good", "bad"]
    path.write_bytes(packed(kind, b"start,end,label\n1,2,x\n"))
    assert read_annotations(path)[0].label == "x"


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst"])
def test_damaged_or_huge_compressed_tables_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.csv.{kind}"
    whole = packed(kind, b"text,label\n" + b"good,yes\n" * 1000)
    for content in (b"", b"no such thing at all", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(DataError, match="damaged|cannot be read|no rows"):
            read_table(path, None)
    path.write_bytes(packed(kind, b"a\n" + b"\n" * 70_000_000))
    with pytest.raises(DataError, match="unpacks to more than 50 times its size"):
        read_table(path, None)


# ---- the hub --------------------------------------------------------------------------------------------------------

constants = pytest.importorskip("huggingface_hub.constants", reason="huggingface_hub is not installed")
SHA = "1" * 40


class Hub(ThreadingHTTPServer):
    """A stand-in that holds one data set, me/pets."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Answers what is asked of the hub when a data set is downloaded."""

    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        if re.fullmatch(r"/api/datasets/me/pets(/revision/[\w%]+)?", path):
            siblings = [{"rfilename": name, "size": len(data)} for name, data in self.server.files.items()]
            return self._answer(200, json.dumps({"id": "me/pets", "sha": SHA, "siblings": siblings}).encode())
        found = re.fullmatch(rf"/datasets/me/pets/resolve/{SHA}/(.+)", path)
        if found is None or found[1] not in self.server.files:
            return self._answer(404, X_Error_Code="RepoNotFound")
        data = self.server.files[found[1]]
        return self._answer(200, data, ETag=f'"{hashlib.sha256(data).hexdigest()}"', X_Repo_Commit=SHA)

    do_HEAD = do_GET  # noqa: N815


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    standing_in = Hub()
    thread = threading.Thread(target=standing_in.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_ENDPOINT", standing_in.address)
    yield standing_in
    standing_in.shutdown()
    standing_in.server_close()
    thread.join()


def test_shards_of_a_set_on_the_hub_are_read(hub: Hub, tmp_path: Path) -> None:
    for part, labels in (("train", [0, 1, 1]), ("test", [0])):
        name = f"data/{part}-00000-of-00001.parquet"
        hub.files[name] = shard(tmp_path / part / "x.parquet", labels).read_bytes()
    hub.files |= {"README.md": b"# pets", "pets.py": b"import os", "notes.csv": b"a,b\n1,2\n"}
    data = read_labelled("hf://datasets/me/pets", Columns(), on_error="skip")

    assert (data.name, data.counts) == ("pets", {"cat": 2, "dog": 2})
    assert len(data.part("test")) == 1
    assert not [line for line in hub.asked if line.endswith((".py", ".md", ".csv"))]
    asked = len(hub.asked)
    read_labelled("hf://datasets/me/pets", Columns(), on_error="skip")
    assert not [line for line in hub.asked[asked:] if line.startswith("GET /datasets")]


def test_pictures_that_metadata_list_are_downloaded_with_them(hub: Hub) -> None:
    hub.files = {"train/1.png": picture(1), "train/2.png": picture(2), "train/run.sh": b"",
                 "train/metadata.csv": b"file_name,label\n1.png,cat\n2.png,dog\n"}  # fmt: skip

    assert read_labelled("hf://datasets/me/pets", Columns(), on_error="raise").counts == {"cat": 1, "dog": 1}


def test_a_revision_and_a_file_may_be_named(hub: Hub, tmp_path: Path) -> None:
    hub.files = {f"{name}/train.parquet": shard(tmp_path / f"{name}.parquet", [0, 1]).read_bytes() for name in "ab"}

    assert located("hf://datasets/me/pets@v1/a").name == "a"
    assert located("hf://datasets/me/pets/b/train.parquet").is_file()
    assert "GET /api/datasets/me/pets/revision/v1" in hub.asked
    assert not [line for line in hub.asked if line.startswith("GET /datasets") and "/a/" in line and "b/" in line]


@pytest.mark.parametrize(
    "name", ["../../evil.parquet", "a\\..\\b.parquet", "/etc/x.parquet", "C:/x.parquet", ".git/x.parquet"]
)
def test_names_on_the_hub_that_lead_elsewhere_are_never_asked_for(hub: Hub, name: str) -> None:
    hub.files = {name: b"x"}

    with pytest.raises(DataError, match=r"no parquet, csv, jsonl, picture or sound is in it.*refs%2Fconvert%2Fparquet"):
        fetch_dataset("hf://datasets/me/pets")
    assert len(hub.asked) == 1


def test_a_set_that_is_larger_than_the_disk_is_not_begun(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.files = {"train.csv": b"text,label\n"}
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Room", (), {"free": 10}))

    with pytest.raises(DataError, match="has room for"):
        fetch_dataset("hf://datasets/me/pets")
    assert len(hub.asked) == 1


def test_a_set_that_is_not_there_is_an_error_of_one_line(hub: Hub) -> None:
    with pytest.raises(DataError, match="there is no such repository") as error:
        fetch_dataset("hf://datasets/me/none")
    assert "\n" not in str(error.value)
    hub.shutdown()
    hub.server_close()
    with pytest.raises(DataError, match="the hub cannot be reached"):
        fetch_dataset("hf://datasets/me/pets")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf://datasets/me/pets", DatasetName("me/pets")),
        ("hf:/datasets/me/pets/", DatasetName("me/pets")),
        ("hf://datasets/me/pets@refs%2Fpr%2F1/default", DatasetName("me/pets", "refs/pr/1", "default")),
    ],
)  # fmt: skip
def test_a_name_has_a_repository_a_revision_and_what_is_inside(text: str, expected: DatasetName) -> None:
    assert is_dataset_name(text)
    assert DatasetName.parse(text) == expected == DatasetName.parse(str(expected))


@pytest.mark.parametrize(
    "text", ["hf://datasets/", "hf://datasets/me", "hf://datasets/me/pets/../x", "hf://datasets/me/pets@../x",
             "hf://datasets/me/pe ts", "hf://datasets/me/pets/a\\b", "hf://datasets/me/pets/a\n"],
)  # fmt: skip
def test_a_name_of_another_form_is_refused_before_anything_is_asked(hub: Hub, text: str) -> None:
    with pytest.raises(ConfigurationError):
        fetch_dataset(text)
    assert hub.asked == []


def test_a_name_of_a_model_is_no_set(hub: Hub) -> None:
    with pytest.raises(ConfigurationError, match="hf://datasets/USER/NAME"):
        read_labelled("hf://me/birds", Columns(), on_error="skip")


def test_train_learns_from_a_set_on_the_hub(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def shaded(number: int) -> bytes:
        file = io.BytesIO()
        pixels = np.random.default_rng(number).integers(0, 60, (8, 8), dtype=np.uint8) + 150 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
        return file.getvalue()

    labels = [(at + 1) % 2 for at in range(40)]
    hub.files["data/train.parquet"] = shard(tmp_path / "x.parquet", labels, make=shaded).read_bytes()
    output = tmp_path / "m.safetensors"
    with pytest.raises(SystemExit) as ended:
        main(["train", "hf://datasets/me/pets", "-o", str(output), "--epochs", "2", "--kernels", "4", "-q"])

    assert ended.value.code == 0
    assert output.is_file()
    assert "2 classes: cat 20, dog 20" in capsys.readouterr().out
