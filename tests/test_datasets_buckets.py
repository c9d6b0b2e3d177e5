"""Training and scoring on sets in a bucket: each file is fetched once, and what is wrong is said in one line."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image
from pyarrow import fs

import gridcnn
from gridcnn import stored
from gridcnn.adapters import ImageAdapter
from gridcnn.cli.columns import Columns
from gridcnn.cli.sources import read_labelled
from gridcnn.datasets import load_manifest
from gridcnn.datasets.remote import RemoteFile, Stat, filesystem_of
from gridcnn.errors import DataError, ItemError, NotFetchedError
from gridcnn.pipeline.encode import encode_items
from gridcnn.stored import as_path
from gridcnn.training.fit import fit

CHANGED = 1_700_000_000 * 10**9


@pytest.fixture(scope="module")
def bucket(beside: Callable[[str], ModuleType]) -> Iterator[str]:
    """A bucket of a storage that answers as S3 does."""
    of_s3 = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
             "AWS_EC2_METADATA_DISABLED": "true"}  # fmt: skip
    with pytest.MonkeyPatch.context() as patch, beside("storage").storage() as address:
        patch.setenv("AWS_ENDPOINT_URL", address)
        for name, value in of_s3.items():
            patch.setenv(name, value)
        filesystem, _ = filesystem_of("s3://pets/x")
        fs.S3FileSystem(endpoint_override=address.removeprefix("http://"), scheme="http", access_key="key",
                        secret_key="secret", allow_bucket_creation=True).create_dir("pets")  # fmt: skip
        del filesystem
        yield "s3://pets"


@pytest.fixture(autouse=True)
def _fresh_shelf() -> Iterator[None]:
    """Keep nothing from one test to the next."""
    stored._shelf.cache_clear()
    yield
    stored._shelf.cache_clear()


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file is fetched."""
    counted: Counter[str] = Counter()
    before = RemoteFile.copy_to

    def copy_to(self: RemoteFile, place: Path) -> None:
        counted[self.name] += 1
        before(self, place)

    monkeypatch.setattr(RemoteFile, "copy_to", copy_to)
    return counted


def put(url: str, content: bytes) -> None:
    filesystem, path = filesystem_of(url)
    with filesystem.open_output_stream(path) as file:
        file.write(content)


def picture(label: str, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 90, (10, 10), dtype=np.uint8)
    pixels[:, 3 if label == "cat" else 7] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def tone(pitch: float) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.sin(np.arange(4000) * pitch) / 2, 8000, format="WAV")
    return file.getvalue()


@pytest.fixture(scope="module")
def pets(bucket: str) -> str:
    """Class folders, a manifest and a parquet file of the same 40 pictures, of which one is damaged."""
    contents = {f"{label}/{at:02}.png": picture(label, at) for label in ("cat", "dog") for at in range(20)}
    contents["dog/07.png"] = b"nonsense"
    for name, content in contents.items():
        put(f"{bucket}/clips/{name}", content)
    put(f"{bucket}/clips/cat/.hidden.png", b"")
    names = sorted(contents)
    rows = pd.DataFrame({"path": [f"clips/{name}" for name in names], "label": [name[:3] for name in names]})
    put(f"{bucket}/manifest.csv", rows.to_csv(index=False).encode())
    buffer = io.BytesIO()
    pq.write_table(pa.table({"raw": [contents[name] for name in names], "label": [name[:3] for name in names]}), buffer)
    put(f"{bucket}/clips.parquet", buffer.getvalue())
    for part in ("train", "test"):
        put(f"{bucket}/shards/data/{part}-00000-of-00001.parquet", buffer.getvalue())
    return bucket


SOURCES = [
    ("clips/", []),
    ("manifest.csv", ["--path", "path"]),
    ("clips.parquet", ["--path", "raw"]),
    ("shards", ["--path", "raw", "--label", "label"]),
]


@pytest.mark.parametrize(("source", "options"), SOURCES)
def test_a_set_in_a_bucket_is_trained_on_and_each_file_is_fetched_once(
    pets: str, run: Any, tmp_path: Path, fetched: Counter[str], source: str, options: list[str]
) -> None:
    done = run(
        "train", f"{pets}/{source}", *options, "--epochs", "4", "--kernels", "4", "-o", tmp_path / "m.safetensors"
    )

    assert done.code == 0, done.err
    assert set(fetched.values()) == {1}
    assert f"{pets}/clips/dog/07.png" in done.err or ".parquet, row 28" in done.err
    assert "gridcnn-" not in done.err
    model = gridcnn.load(tmp_path / "m.safetensors")
    assert model.class_names == ["cat", "dog"]


@pytest.mark.usefixtures("only_ray")
def test_workers_fetch_their_shares(pets: str, run: Any, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install '.[scale]'")
    command = ["train", f"{pets}/manifest.csv", "--path", "path", "--epochs", "4", "--kernels", "4", "--workers", "2"]
    done = run(*command, "-o", tmp_path / "m.safetensors")

    assert done.code == 0, done.err
    model = gridcnn.load(tmp_path / "m.safetensors")
    assert f"{pets}/clips/dog/07.png" in done.err
    assert model.summary["training_items"] >= 30


def test_items_of_a_folder_are_those_of_the_same_folder_here(pets: str, tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / "clips" / label).mkdir(parents=True)
        for at in range(20):
            with as_path(RemoteFile(f"{pets}/clips/{label}/{at:02}.png")) as path:
                (tmp_path / f"clips/{label}/{at:02}.png").write_bytes(path.read_bytes())
    here, there = (read_labelled(f"{place}/clips", Columns(), on_error="skip") for place in (tmp_path, pets))
    settings = {"epochs": 3, "kernels": (4,), "on_error": "skip", "cache": False, "random_state": 0}
    models = [fit(ImageAdapter(), each.items, each.labels, settings) for each in (here, there)]

    assert [str(item).removeprefix(pets) for item in there.items] == [
        str(item).removeprefix(str(tmp_path)) for item in here.items
    ]
    assert (there.name, there.labels.tolist()) == (here.name, here.labels.tolist())  # type: ignore[union-attr]
    np.testing.assert_array_equal(*(gridcnn.predict(each, here.items[:5]).probabilities for each in models))


def test_what_is_encoded_is_not_fetched_again(pets: str, tmp_path: Path, fetched: Counter[str]) -> None:
    items = [RemoteFile(f"{pets}/clips/cat/{at:02}.png", Stat(100, CHANGED)) for at in range(20)]
    adapter = ImageAdapter(size=10).fit(items)
    first = encode_items(adapter, items, cache=tmp_path)
    fetched.clear()
    stored._shelf.cache_clear()
    again = encode_items(adapter, items, cache=tmp_path)
    changed = [RemoteFile(item.name, Stat(101, CHANGED)) for item in items]

    np.testing.assert_array_equal(again.windows, first.windows)
    assert not fetched
    assert len(encode_items(adapter, changed, cache=tmp_path).windows) == 20
    assert set(fetched.values()) == {1}


def test_what_did_not_come_is_tried_again_the_next_time(
    pets: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [RemoteFile(f"{pets}/clips/cat/{at:02}.png", Stat(100, CHANGED)) for at in range(20)]
    adapter = ImageAdapter(size=10).fit(items)
    stored._shelf.cache_clear()
    before = RemoteFile.save
    with monkeypatch.context() as broken:

        def save(self: RemoteFile, *places: Path) -> Path:
            if self.name.endswith("03.png"):
                raise DataError(f"{self.name} cannot be read: the line is down.")
            return before(self, *places)

        broken.setattr(RemoteFile, "save", save)
        partly = encode_items(adapter, items, cache=tmp_path, on_error="skip")
    whole = encode_items(adapter, items, cache=tmp_path, on_error="skip")

    assert [each.item for each in partly.skipped] == [f"{pets}/clips/cat/03.png"]
    assert partly.skipped[0].reason.endswith("cannot be read: the line is down.")
    assert (len(partly.windows), partly.key) == (19, None)
    assert len(whole.windows) == 20


def test_files_that_are_missing_are_left_out_by_the_rows_that_name_them(pets: str, tmp_path: Path) -> None:
    names = ["clips/cat/00.png", "clips/cat/99.png", f"{pets}/clips/dog/01.png"]
    pd.DataFrame({"path": names, "label": list("aab")}).to_csv(tmp_path / "m.csv", index=False)
    put(f"{pets}/few.csv", (tmp_path / "m.csv").read_bytes())
    data = load_manifest(RemoteFile(f"{pets}/few.csv"), path_column="path", label="label", on_error="skip")

    assert list(map(str, data.items)) == [f"{pets}/clips/cat/00.png", f"{pets}/clips/dog/01.png"]
    assert [(each.row, each.reason) for each in data.skipped] == [(3, f"no such file: {pets}/clips/cat/99.png")]
    with pytest.raises(NotFetchedError, match="no such file, folder or bucket"), as_path(RemoteFile(f"{pets}/no.png")):
        pass


def test_a_manifest_here_may_name_files_there(pets: str, tmp_path: Path) -> None:
    pd.DataFrame({"path": [f"{pets}/clips/cat/00.png"]}).to_csv(tmp_path / "m.csv", index=False)

    assert list(map(str, load_manifest(tmp_path / "m.csv", path_column="path").items)) == [f"{pets}/clips/cat/00.png"]


def test_repeats_in_a_bucket_are_one_item(bucket: str) -> None:
    for at in range(12):
        put(f"{bucket}/twice/a/{at}.png", picture("cat", at % 6))
        put(f"{bucket}/twice/b/{at}.png", picture("dog", at))
    data = read_labelled(f"{bucket}/twice", Columns(), on_error="skip")
    model = fit(ImageAdapter(), data.items, data.labels, {"epochs": 1, "kernels": (2,)})

    assert len(data) == 24
    assert len(model.fingerprints) == 18


def test_texts_and_tables_are_fetched_and_sounds_are_cut(bucket: str, run: Any, tmp_path: Path) -> None:
    words = {"good": "lovely fine great", "bad": "awful poor dull"}
    for label, some in words.items():
        for at in range(12):
            put(f"{bucket}/reviews/{label}/{at}.txt", f"{some} film number {at}".encode())
    steps = np.random.default_rng(0).standard_normal((60, 32)).cumsum(axis=1)
    table = pd.DataFrame(steps, columns=[f"t{at}" for at in range(32)]).assign(label=list("ab") * 30)
    put(f"{bucket}/series.csv", table.to_csv(index=False).encode())
    put(f"{bucket}/long.wav", tone(0.2))
    put(f"{bucket}/parts.csv", b"path,label,from,to\nlong.wav,a,0,0.1\nlong.wav,b,0.2,0.3\nlong.wav,b,0.2,9\n")
    texts = read_labelled(f"{bucket}/reviews/", Columns(), on_error="skip")
    parts = read_labelled(f"{bucket}/parts.csv", Columns("label", path="path", start="from", end="to"), on_error="skip")

    assert sorted(texts.items)[0] == "awful poor dull film number 0"
    assert read_labelled(f"{bucket}/series.csv", Columns(), on_error="skip").items.shape == (60, 32)
    assert list(map(str, parts.items)) == [f"{bucket}/long.wav, 0 to 0.1 s", f"{bucket}/long.wav, 0.2 to 0.3 s"]
    assert "after 0.5 s" in parts.skipped[0].reason


def test_a_model_is_scored_on_a_bucket(pets: str, run: Any, tmp_path: Path) -> None:
    model = tmp_path / "m.safetensors"
    command = ["train", f"{pets}/clips", "--epochs", "6", "--kernels", "4", "-q", "-o", model]
    assert run(*command).code == 0
    done = run("evaluate", model, f"{pets}/manifest.csv", "--path", "path", "--json")

    assert done.code == 0, done.err
    assert '"n_items": 39' in done.out
    assert f"{pets}/clips/dog/07.png" in done.out


@pytest.mark.parametrize("source", ["clips/", "manifest.csv", "clips.parquet"])
def test_a_bucket_is_answered_without_workers(
    pets: str, run: Any, tmp_path: Path, fetched: Counter[str], source: str
) -> None:
    model = tmp_path / "m.safetensors"
    items = [Image.open(io.BytesIO(picture(label, at))) for label in ("cat", "dog") for at in range(20)]
    gridcnn.save(fit(ImageAdapter(), items, ["cat"] * 20 + ["dog"] * 20, {"epochs": 6, "kernels": (4,)}), model)
    options = ["--path", "raw"] if source.endswith("parquet") else []
    done = run("predict", model, f"{pets}/{source}", *options, "-o", tmp_path / "a.csv")
    rows = pd.read_csv(tmp_path / "a.csv")

    assert done.code == 0, done.err
    assert {n for name, n in fetched.items() if name.endswith(".png")} <= {1}
    assert rows["item"][0] in (f"{pets}/clips/cat/00.png", f"{pets}/clips.parquet, row 1")
    assert rows["prediction"][:20].tolist() == ["cat"] * 20
    assert rows["error"].notna().sum() == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("s3://nowhere/clips/", "no such file"),
        ("{pets}/nothing.csv", "no such file or folder: check the spelling"),
        ("{pets}/clips/cat", "but expected"),
    ],
)
def test_what_is_not_there_is_said_in_one_line_before_work_starts(
    pets: str, run: Any, tmp_path: Path, source: str, message: str
) -> None:
    done = run("train", source.format(pets=pets), "-o", tmp_path / "m.safetensors")

    assert done.code == 2
    assert message in done.err
    assert source.format(pets=pets).rstrip("/") in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert "gridcnn-" not in done.err


def test_other_commands_explain_one_item_or_say_that_they_read_files_here(pets: str, run: Any, tmp_path: Path) -> None:
    model = tmp_path / "m.safetensors"
    items = [Image.open(io.BytesIO(picture(label, at))) for label in ("cat", "dog") for at in range(8)]
    gridcnn.save(fit(ImageAdapter(), items, ["cat"] * 8 + ["dog"] * 8, {"epochs": 1, "kernels": (4,)}), model)
    done = run("explain", model, f"{pets}/clips/cat/00.png", "-o", tmp_path / "why.html")

    assert done.code == 0, done.err
    assert "00.png" in (tmp_path / "why.html").read_text(encoding="utf-8")
    assert "copy it first" in run("review", model, f"{pets}/clips/", "-o", tmp_path / "r").err


@pytest.mark.parametrize("name", ["..", "a/../b", "a//b"])
def test_names_that_lead_elsewhere_are_refused(bucket: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from gridcnn.datasets import outline

    monkeypatch.setattr(outline, "listed_below", lambda folder: [RemoteFile(f"{bucket}/x/{name}")])

    with pytest.raises(DataError, match="no file of this machine can be called so"):
        outline.Outline(RemoteFile(f"{bucket}/x"))


def test_an_item_that_cannot_be_decoded_is_named_by_its_url(pets: str) -> None:
    with pytest.raises(ItemError, match="dog/07.png: not a picture") as error:
        ImageAdapter().preview(RemoteFile(f"{pets}/clips/dog/07.png"))

    assert str(error.value).startswith(pets)
    assert "gridcnn-" not in str(error.value)
