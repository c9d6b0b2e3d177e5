"""Pictures and sounds in columns of bytes: read where they lie, in their order, at flat memory, and never mistaken."""

from __future__ import annotations

import io
import os
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
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
from gridcnn import stored
from gridcnn.adapters import AudioAdapter, ImageAdapter
from gridcnn.cli.columns import Columns
from gridcnn.cli.sources import read_labelled
from gridcnn.datasets import load, load_manifest, shards
from gridcnn.datasets.shards import Cell, Shard
from gridcnn.errors import DataError, ItemError
from gridcnn.pipeline.encode import encode_items
from gridcnn.pipeline.fingerprint import fingerprint
from gridcnn.stored import as_path
from gridcnn.training.fit import fit


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def wav(seconds: float, pitch: float = 0.2) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.sin(np.arange(round(8000 * seconds)) * pitch) / 2, 8000, format="WAV")
    return file.getvalue()


def noisy(seed: int) -> bytes:
    return png(np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8))


def write(path: Path, contents: list[bytes | None], rows_of_a_group: int = 1000, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"raw": pa.array(contents, pa.binary()), **columns})
    pq.write_table(table, path, row_group_size=rows_of_a_group)
    return path


def content(item: Any) -> bytes:
    with as_path(item) as path:
        return Path(path).read_bytes()


@pytest.fixture(scope="module")
def digits() -> tuple[list[bytes], list[str]]:
    data = load("digits")
    assert data.labels is not None
    few = np.flatnonzero(np.isin(data.labels, [0, 1, 7]))[:360]
    pictures = [png((np.asarray(data.items[at]) / np.max(data.items[at]) * 255).astype(np.uint8)) for at in few]
    return pictures, [f"digit {data.labels[at]}" for at in few]


# ---- an item --------------------------------------------------------------------------------------------------------


def test_a_cell_can_be_printed_hashed_pickled_and_sorted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [noisy(at) for at in range(12)])
    items = load_manifest(path, path_column="raw").items
    again = pickle.loads(pickle.dumps(items))

    assert str(items[6]) == f"{path}, row 7"
    assert (again, len({*items, *again})) == (items, 12)
    assert sorted([*items[6:], *items[:6]], key=Cell.identity) == items
    assert [content(item) for item in again] == [noisy(at) for at in range(12)]


def test_a_file_made_of_a_cell_stays_while_it_is_read_and_then_only_with_a_few_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "KEPT_NEAR", 3)
    stored._shelf.cache_clear()
    items = load_manifest(write(tmp_path / "a.parquet", [noisy(at) for at in range(9)]), path_column="raw").items
    with as_path(items[0]) as first:
        for item in items[1:]:
            with as_path(item) as path:
                assert path.is_file()
        assert first.is_file()
        assert len(list(first.parent.iterdir())) == 3
    stored._shelf.cache_clear()


def test_threads_that_come_first_share_what_they_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = stored.temporary_folder
    made: list[Path] = []

    def slowly(*given: Any) -> Path:
        time.sleep(0.05)
        made.append(before(*given))
        return made[-1]

    monkeypatch.setattr(stored, "temporary_folder", slowly)
    monkeypatch.setattr(stored, "MEMORY", tmp_path / "none")
    stored._shelf.cache_clear()
    items = load_manifest(write(tmp_path / "a.parquet", [noisy(at) for at in range(8)]), path_column="raw").items
    with ThreadPoolExecutor(8) as threads:
        read = list(threads.map(content, items))
    stored._shelf.cache_clear()

    assert read == [noisy(at) for at in range(8)]
    assert len(made) == 1


# ---- reading --------------------------------------------------------------------------------------------------------


def test_rows_in_their_order_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    before = shards.rows_at_once
    monkeypatch.setattr(shards, "rows_at_once", lambda *given: begun.append(given[2]) or before(*given))
    monkeypatch.setattr(shards, "AT_ONCE", 1000)
    monkeypatch.setattr(shards, "KEPT", 1)
    monkeypatch.setattr(shards, "ROWS_KEPT", 1)
    path = write(tmp_path / "a.parquet", [noisy(at) for at in range(60)], rows_of_a_group=20)
    shard = Shard.of(path, "raw")
    monkeypatch.setattr(stored, "KEPT_NEAR", 1)
    stored._shelf.cache_clear()

    assert [content(Cell(shard, row)) for row in range(1, 61)] == [noisy(at) for at in range(60)]
    assert begun == [0, 1, 2]
    assert content(Cell(shard, 21)) == noisy(20)
    assert begun == [0, 1, 2, 1]
    stored._shelf.cache_clear()


def test_threads_that_read_in_any_order_get_their_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "AT_ONCE", 1000)
    monkeypatch.setattr(shards, "KEPT", 3000)
    monkeypatch.setattr(shards, "OPEN", 2)
    places = [write(tmp_path / f"{at}.parquet", [noisy(50 * at + it) for it in range(50)], 16) for at in range(3)]
    every = [
        (Cell(Shard.of(path, "raw"), row + 1), 50 * at + row) for at, path in enumerate(places) for row in range(50)
    ]
    order = np.random.default_rng(0).permutation(len(every)).tolist()
    with ThreadPoolExecutor(8) as threads:
        read = list(threads.map(lambda at: content(every[at][0]), order))

    assert read == [noisy(every[at][1]) for at in order]


def test_no_more_than_some_rows_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "AT_ONCE", 20_000)
    monkeypatch.setattr(shards, "KEPT", 30_000)
    monkeypatch.setattr(shards, "ROWS_KEPT", 6)
    large = [np.random.default_rng(at).bytes(5000) for at in range(200)]  # of one row group, a million bytes
    shard = Shard.of(write(tmp_path / "a.parquet", large), "raw")
    held = []
    for row in range(1, 201):
        assert shards._reader(shard).cell(row)[1] == large[row - 1]
        held.append(sum(batch.nbytes for _, batch in shards._reader(shard)._kept))

    assert 30_000 < max(held) <= 60_000
    monkeypatch.setattr(shards, "ROWS_KEPT", 100)
    monkeypatch.setattr(shards, "MOST_KEPT", 60_000)
    held = []
    for row in range(1, 201):
        shards._reader(shard).cell(row)
        held.append(sum(batch.nbytes for _, batch in shards._reader(shard)._kept))
    assert max(held) <= 60_000


# ---- what may be wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["changed", "rewritten at once", "gone", "cut"])
def test_a_shard_that_is_no_longer_what_it_was_is_an_error_of_the_item(tmp_path: Path, how: str) -> None:
    path = write(tmp_path / "a.parquet", [noisy(at) for at in range(5)])
    state = path.stat()
    items = load_manifest(path, path_column="raw").items
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:100])
    else:
        write(path, [noisy(9 - at) for at in range(5)])
        if how == "rewritten at once":
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))

    with pytest.raises(ItemError, match="no such file|was changed after its rows were listed") as error:
        content(items[1])
    assert str(error.value).startswith(f"{path}, row 2: ")
    assert "\n" not in str(error.value)


def test_damaged_and_missing_bytes_are_items_that_are_left_out(tmp_path: Path) -> None:
    contents = [noisy(0), None, b"", noisy(1)[:60], *(noisy(at) for at in range(2, 12))]
    path = write(tmp_path / "a.parquet", contents, label=list("ababababababab"))
    data = load_manifest(path, path_column="raw", label="label", on_error="skip")
    model = fit(ImageAdapter(), data.items, data.labels, {"epochs": 1, "kernels": (2,), "on_error": "skip"})

    assert [(each.row, each.reason) for each in data.skipped] == [(2, "no raw"), (3, "no raw")]
    assert [each.item for each in model.skipped] == [f"{path}, row 4"]
    with pytest.raises(ItemError, match="row 2: no raw"):
        content(Cell(Shard.of(path, "raw"), 2))


def test_sounds_among_pictures_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [*(noisy(at) for at in range(20)), wav(0.1)])
    data = load_manifest(path, path_column="raw", on_error="skip")

    assert [each.row for each in data.skipped] == [21]
    assert data.skipped[0].reason.startswith("expected a picture, got ")


def test_shards_of_different_columns_are_refused_by_the_name_of_the_one_that_differs(tmp_path: Path) -> None:
    write(tmp_path / "set/train-0.parquet", [noisy(1)], label=["a"])
    write(tmp_path / "set/train-1.parquet", [noisy(1)], kind=["a"])

    with pytest.raises(DataError, match=r"train-1\.parquet: no column 'label'"):
        read_labelled(str(tmp_path / "set"), Columns(path="raw", label="label"), on_error="skip")


# ---- training -------------------------------------------------------------------------------------------------------


def test_repeats_in_several_shards_are_one_item(tmp_path: Path) -> None:
    contents = [noisy(at % 12) for at in range(24)]
    data = [load_manifest(write(tmp_path / f"{at}.parquet", contents), path_column="raw") for at in range(2)]
    items, labels = [*data[0].items, *data[1].items], ["ab"[at % 2] for at in range(48)]
    model = fit(ImageAdapter(), items, labels, {"epochs": 1, "kernels": (2,), "refit": False})

    assert len(model.fingerprints) == 12


def test_the_cache_knows_the_items_of_a_shard_that_moved_and_of_no_other(tmp_path: Path) -> None:
    first, other = ([noisy(seed + at) for at in range(6)] for seed in (0, 1))
    places = [write(tmp_path / f"{at}.parquet", contents) for at, contents in enumerate([first, first, other])]
    prints = [fingerprint(load_manifest(path, path_column="raw").items, tmp_path / "cache") for path in places]

    assert prints[0] == prints[1] != prints[2]
    assert fingerprint([Cell(Shard.of(places[0], "raw"), 1)], tmp_path / "cache") != fingerprint(
        [Cell(Shard.of(places[0], "raw"), 1)], tmp_path / "cache"
    )  # whose content nobody has seen


def test_windows_of_cells_are_those_of_files_and_come_from_the_cache(tmp_path: Path) -> None:
    contents = [wav(0.3, 0.1 + at / 20) for at in range(8)]
    for at, each in enumerate(contents):
        (tmp_path / f"{at}.wav").write_bytes(each)
    files = [tmp_path / f"{at}.wav" for at in range(8)]
    cells = load_manifest(write(tmp_path / "a.parquet", contents), path_column="raw").items
    adapter = AudioAdapter().fit(cells)
    encoded = [encode_items(adapter, items, cache=tmp_path / "cache") for items in (files, cells, cells)]

    assert adapter.state() == AudioAdapter().fit(files).state()
    for each in encoded[1:]:
        np.testing.assert_array_equal(each.windows, encoded[0].windows)
        np.testing.assert_array_equal(each.fingerprints, encoded[0].fingerprints)
    assert encoded[1].key == encoded[2].key


def test_shards_of_one_class_each_train_as_well_as_mixed_ones(
    tmp_path: Path, digits: tuple[list[bytes], list[str]]
) -> None:
    pictures, labels = digits
    write(tmp_path / "test.parquet", pictures[240:])
    test = load_manifest(tmp_path / "test.parquet", path_column="raw").items
    by_class = sorted(range(240), key=labels.__getitem__)
    mixed = np.random.default_rng(0).permutation(240).tolist()
    accuracies = {}
    for name, order in (("by class", by_class), ("mixed", mixed)):
        for at, some in enumerate(np.array_split(order, 3)):
            write(tmp_path / name / f"train-{at}.parquet", [pictures[it] for it in some],
                  label=[labels[it] for it in some])  # fmt: skip
        data = read_labelled(str(tmp_path / name), Columns(path="raw", label="label"), on_error="skip")
        model = fit(ImageAdapter(), data.items, data.labels, {"epochs": 8, "kernels": (8,)})
        accuracies[name] = np.mean(gridcnn.predict(model, test).labels == labels[240:])

    assert min(accuracies.values()) > 0.9
    assert abs(accuracies["by class"] - accuracies["mixed"]) < 0.05


def test_segments_of_recordings_in_a_column_are_items(tmp_path: Path) -> None:
    recordings = [wav(4, 0.2), wav(4, 1.2)]
    rows = [(at % 2, at / 4) for at in range(12)]
    path = write(
        tmp_path / "a.parquet",
        [recordings[which] for which, _ in rows],
        start=[start for _, start in rows],
        end=[start + 0.5 for _, start in rows],
        label=[("low", "high")[which] for which, _ in rows],
    )
    data = read_labelled(str(path), Columns("label", path="raw", start="start", end="end"), on_error="skip")
    model = fit(AudioAdapter(), data.items, data.labels, {"epochs": 2, "kernels": (2,)})

    assert str(data.items[1]) == f"{path}, row 2, 0.25 to 0.75 s"
    assert len(data) == 12
    assert gridcnn.predict(model, data.items[:2]).errors == ["", ""]


# ---- commands -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, digits: tuple[list[bytes], list[str]]) -> Path:
    from gridcnn.cli import main

    folder = tmp_path_factory.mktemp("trained")
    pictures, labels = digits
    for name, some in (("train", slice(0, 240)), ("test", slice(240, None))):
        write(folder / f"set/{name}.parquet", pictures[some], label=labels[some])
    command = ["train", folder / "set", "--path", "raw", "--label", "label", "--epochs", "4", "--kernels", "8",
               "--compare", "-o", folder / "m.safetensors"]  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, command)))
    assert ended.value.code == 0
    return folder


def test_nothing_is_unpacked_and_nothing_stays(trained: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = trained / "rooms"
    rooms.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(rooms))
    monkeypatch.setattr(stored, "MEMORY", rooms)
    stored._shelf.cache_clear()
    done = run("evaluate", trained / "m.safetensors", trained / "set", "--path", "raw", "--label", "label", "--json")
    left = [each for each in rooms.rglob("*") if each.is_file() and each.name != ".in-use"]
    stored._shelf.cache_clear()

    assert done.code == 0, done.err
    assert '"accuracy": 0.9' in done.out or '"accuracy": 1.0' in done.out
    assert len(left) <= stored.KEPT_NEAR < 120


def test_answers_of_rows_have_their_names_and_are_those_of_files(trained: Path, run: Any, tmp_path: Path) -> None:
    table = trained / "set/test.parquet"
    for at, each in enumerate(pq.read_table(table)["raw"].to_pylist()[:20]):
        (tmp_path / f"pictures/{at:02}.png").parent.mkdir(exist_ok=True)
        (tmp_path / f"pictures/{at:02}.png").write_bytes(each)
    model = trained / "m.safetensors"
    assert run("predict", model, table, "--path", "raw", "-o", tmp_path / "rows.csv").code == 0
    assert run("predict", model, tmp_path / "pictures", "-o", tmp_path / "files.csv").code == 0
    rows, files = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("rows", "files"))

    assert rows["item"][6] == f"{table}, row 7"
    np.testing.assert_allclose(rows[:20].filter(like="p(").to_numpy(), files.filter(like="p(").to_numpy(), atol=1e-5)


@pytest.mark.parametrize(
    "command",
    [
        ("explain", "MODEL", "TABLE", "--row", "7", "--path", "raw", "-o", "OUT/why.html"),
        ("report", "MODEL", "TABLE", "--path", "raw", "--label", "label", "-o", "OUT/report.html"),
        ("audit", "TABLE", "--path", "raw", "--label", "label", "--quick", "-o", "OUT/audit.html"),
        ("embed", "MODEL", "TABLE", "--path", "raw", "-o", "OUT/vectors.parquet"),
    ],
)
def test_commands_read_rows_of_bytes(trained: Path, run: Any, tmp_path: Path, command: tuple[str, ...]) -> None:
    places = {"MODEL": trained / "m.safetensors", "TABLE": trained / "set/test.parquet"}
    done = run(*(places.get(each, each.replace("OUT", str(tmp_path))) for each in command))

    assert done.code == 0, done.err
    assert any(tmp_path.iterdir())


def test_a_row_is_explained_by_the_name_that_answers_give_it(run: Any, tmp_path: Path, trained: Path) -> None:
    cells = [{"bytes": noisy(at), "path": None} for at in range(3)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(cells, kind)}), tmp_path / "a.parquet")
    done = run("explain", trained / "m.safetensors", f"{tmp_path / 'a.parquet'}, row 2", "-o", tmp_path / "why.html")

    assert done.code == 0, done.err
    assert "a.parquet, row 2" in (tmp_path / "why.html").read_text(encoding="utf-8")
    assert "has no row 9" in run("explain", trained / "m.safetensors", tmp_path / "a.parquet", "--row", "9",
                                 "-o", tmp_path / "no.html").err  # fmt: skip


def test_a_review_says_why_it_needs_files(trained: Path, run: Any, tmp_path: Path) -> None:
    done = run("review", trained / "m.safetensors", trained / "set/test.parquet", "--path", "raw", "-o", tmp_path / "r")

    assert done.code == 2
    assert "holds its files inside" in done.err
