"""Prediction by many processes gives the rows that one process gives, whatever happens to processes and nodes."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gridcnn import GridClassifier
from gridcnn.adapters import ImageAdapter, TableAdapter, TextAdapter
from gridcnn.cli import main
from gridcnn.cli.answers import columns_of
from gridcnn.cli.columns import Columns
from gridcnn.cli.formats import Parquet
from gridcnn.cli.on_workers import Reading, _rows
from gridcnn.datasets import sampling
from gridcnn.datasets.remote import RemoteFile
from gridcnn.errors import ConfigurationError, DataError

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install '.[scale]'")

from gridcnn.scale import shards  # noqa: E402  (they need Ray)
from gridcnn.scale.predicting import Job, answered  # noqa: E402
from gridcnn.scale.session import connected  # noqa: E402

OBJECTS = 128 * 2**20  # bytes
SOON_LOST = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000, "health_check_failure_threshold": 3}
"""When a node counts as lost that does not answer: the defaults are made for large clusters."""


@pytest.fixture(scope="module")
def cluster(
    only_ray: None, tmp_path_factory: pytest.TempPathFactory, beside: Callable[[str], ModuleType]
) -> Iterator[Any]:
    """Two nodes, and a storage that answers as S3 does."""
    from ray.cluster_utils import Cluster

    of_s3 = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
             "AWS_EC2_METADATA_DISABLED": "true", "RAY_USAGE_STATS_ENABLED": "0"}  # fmt: skip
    with pytest.MonkeyPatch.context() as patch, beside("storage").storage() as address:
        of_s3["AWS_ENDPOINT_URL"] = address
        for name, value in of_s3.items():
            patch.setenv(name, value)
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))  # workers import from here first, and should not from sources
        head = {"num_cpus": 2, "object_store_memory": OBJECTS, "_system_config": SOON_LOST}
        started = Cluster(initialize_head=True, head_node_args=head)
        started.add_node(num_cpus=2, object_store_memory=OBJECTS)
        ray.init(started.address, log_to_driver=False, logging_level="ERROR")
        patch.undo()
        for name, value in of_s3.items():
            patch.setenv(name, value)
        yield started
        ray.shutdown()
        started.shutdown()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and 40 pictures, of which two cannot be read."""
    folder = tmp_path_factory.mktemp("pictures")
    pixels = np.random.default_rng(0).integers(0, 255, (38, 12, 12), dtype=np.uint8)
    pixels[::2] //= 3
    (folder / "clips" / "inner").mkdir(parents=True)
    for at, each in enumerate(pixels):
        Image.fromarray(each).save(folder / "clips" / ("inner" if at % 3 else "") / f"{at:02d}.png")
    (folder / "clips" / "05.png").write_bytes(b"nonsense")
    (folder / "clips" / "empty.png").write_bytes(b"")
    classifier = GridClassifier(adapter=ImageAdapter(), epochs=2, kernels=(4,), cache=False, random_state=0)
    classifier.fit(pixels, list("ab" * 19)).save(folder / "m.safetensors")
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and a csv of texts, of which one is missing."""
    folder = tmp_path_factory.mktemp("texts")
    written = [f"{word} film number {at}" for at in range(60) for word in ("good", "bad")]
    rows = [*written, None, "a text\nof two lines", "größer", written[0]]
    pd.DataFrame({"text": rows}).to_csv(folder / "t.csv", index=False)
    classifier = GridClassifier(adapter=TextAdapter(), epochs=1, kernels=(3,), cache=False, random_state=0)
    classifier.fit(written, ["a", "b"] * 60).save(folder / "m.safetensors")
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and a table of series, one of whose cells is no number."""
    folder = tmp_path_factory.mktemp("table")
    random, time = np.random.default_rng(0), np.linspace(0, 6, 20)
    numbers = [np.sin(time * (1 + at % 2)) + 0.1 * random.standard_normal(20) for at in range(60)]
    rows = pd.DataFrame(numbers, columns=[f"t{at}" for at in range(20)])
    classifier = GridClassifier(
        adapter=TableAdapter(ordering="assume"), epochs=1, kernels=(3,), cache=False, random_state=0
    )
    classifier.fit(rows, ["a", "b"] * 30).save(folder / "m.safetensors")
    rows = rows.astype(object)
    rows.iloc[7, 3] = "x"
    rows.to_csv(folder / "t.csv", index=False)
    return folder


def alone(folder: Path, source: str, *options: str) -> pd.DataFrame:
    """Return the rows that one process writes."""
    output = folder / "alone.parquet"
    output.unlink(missing_ok=True)
    main_of = [str(folder / "m.safetensors"), source, "-o", str(output), *options]
    with contextlib.suppress(SystemExit):
        main(["predict", *main_of])
    return pq.read_table(output).to_pandas()


def together(folder: Path) -> pd.DataFrame:
    """Return the rows in the shards of a folder, after its manifest was checked."""
    manifest = json.loads((folder / "manifest.json").read_text())
    parts = [pq.read_table(folder / shard["name"]).to_pandas() for shard in manifest["shards"]]
    assert [shard["rows"] for shard in manifest["shards"]] == list(map(len, parts))
    rows = pd.concat(parts, ignore_index=True)
    assert manifest["rows"] == len(rows)
    assert manifest["failed"] == rows["error"].notna().sum() == len(pd.read_csv(folder / "skipped.csv"))
    return rows


def assert_same(rows: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert list(rows) == list(expected)
    for name in expected:
        if name.startswith("p("):
            np.testing.assert_allclose(rows[name].astype(float), expected[name].astype(float), atol=1e-5)
        else:
            assert rows[name].fillna("").tolist() == expected[name].fillna("").tolist(), name


def test_pictures_get_the_rows_that_one_process_gives(
    cluster: Any, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures)
    monkeypatch.setattr(shards, "ROWS", 16)
    expected = alone(pictures, "clips")

    with contextlib.suppress(SystemExit):
        main(["predict", "m.safetensors", "clips", "-o", str(tmp_path / "out"), "--workers", "2"])

    rows = together(tmp_path / "out")
    assert_same(rows, expected)
    assert rows["error"].notna().sum() == 2
    assert len(list((tmp_path / "out").glob("part-*.parquet"))) > 1


def test_texts_get_the_rows_that_one_process_gives(cluster: Any, texts: Path, tmp_path: Path) -> None:
    expected = alone(texts, str(texts / "t.csv"), "--abstain", "0.5")

    main_of = [str(texts / "m.safetensors"), str(texts / "t.csv"), "-o", str(tmp_path / "out"), "--workers", "2"]
    with contextlib.suppress(SystemExit):
        main(["predict", *main_of, "--abstain", "0.5"])

    rows = together(tmp_path / "out")
    assert_same(rows, expected)
    assert rows["error"].notna().sum() == 1


def test_rows_of_a_table_get_the_rows_that_one_process_gives(cluster: Any, table: Path, tmp_path: Path) -> None:
    expected = alone(table, str(table / "t.csv"))

    main_of = [str(table / "m.safetensors"), str(table / "t.csv"), "-o", str(tmp_path / "out"), "--workers", "1"]
    with contextlib.suppress(SystemExit):
        main(["predict", *main_of])

    rows = together(tmp_path / "out")
    assert_same(rows, expected)
    assert rows["error"].notna().sum() == 1


def test_pictures_in_parquet_get_the_rows_that_one_process_gives(cluster: Any, pictures: Path, tmp_path: Path) -> None:
    files = sorted((pictures / "clips").glob("*.png"))
    cells = [{"bytes": file.read_bytes(), "path": file.name} for file in files] + [{"bytes": None, "path": None}]
    pq.write_table(pa.table({"image": cells}), tmp_path / "t.parquet", row_group_size=5)
    expected = alone(pictures, str(tmp_path / "t.parquet"))

    main_of = [str(pictures / "m.safetensors"), str(tmp_path / "t.parquet"), "-o", str(tmp_path / "out")]
    with contextlib.suppress(SystemExit):
        main(["predict", *main_of, "--workers", "1"])

    rows = together(tmp_path / "out")
    assert_same(rows, expected)
    assert rows["error"].notna().sum() == 3


# ---- a remote storage -----------------------------------------------------------------------------------------------


def sent(place: Path, bucket: str) -> str:
    """Send a folder to a bucket of the storage."""
    from pyarrow import fs

    storage = fs.S3FileSystem(
        endpoint_override=os.environ["AWS_ENDPOINT_URL"].partition("//")[2],
        scheme="http",
        region="us-east-1",
        allow_bucket_creation=True,
    )
    storage.create_dir(bucket)
    fs.copy_files(str(place), f"{bucket}/{place.name}", destination_filesystem=storage)
    return f"s3://{bucket}/{place.name}"


def fetched(name: str, place: Path) -> Path:
    from pyarrow import fs

    from gridcnn.datasets.remote import filesystem_of

    storage, path = filesystem_of(name)
    place.mkdir()
    fs.copy_files(path, str(place), source_filesystem=storage)
    return place


def test_a_folder_in_a_bucket_gets_the_rows_of_the_same_folder_on_a_disk(
    cluster: Any, pictures: Path, tmp_path: Path
) -> None:
    expected = alone(pictures, str(pictures / "clips"))
    url = sent(pictures / "clips", "bucket-a")

    with contextlib.suppress(SystemExit):
        main(["predict", str(pictures / "m.safetensors"), f"{url}/", "-o", "s3://bucket-a/out/", "--workers", "2"])

    rows = together(fetched("s3://bucket-a/out", tmp_path / "out"))
    expected["item"] = [name.replace(str(pictures / "clips"), url) for name in expected["item"]]
    assert_same(rows, expected)


def test_a_manifest_in_a_bucket_names_files_relative_to_itself(cluster: Any, pictures: Path, tmp_path: Path) -> None:
    place = tmp_path / "set"
    place.mkdir()
    (place / "one.png").write_bytes((pictures / "clips" / "00.png").read_bytes())
    (place / "list.csv").write_text("path,note\none.png,a\nmissing.png,b\n,c\n")
    url = sent(place, "bucket-b")
    one = alone(pictures, str(place / "one.png"))

    with contextlib.suppress(SystemExit):
        main(["predict", str(pictures / "m.safetensors"), f"{url}/list.csv", "-o", str(tmp_path / "out"), "--workers",
              "1"])  # fmt: skip

    rows = together(tmp_path / "out")
    assert rows["item"].tolist() == [f"{url}/one.png", f"{url}/missing.png", f"{url}/list.csv, row 4"]
    assert rows["p(a)"][0] == pytest.approx(one["p(a)"][0], abs=1e-5)
    assert "no such file" in rows["error"][1]
    assert rows["error"][2] == "no path"


def test_texts_in_a_bucket_are_read_from_their_table(cluster: Any, texts: Path, tmp_path: Path) -> None:
    place = tmp_path / "set"
    place.mkdir()
    (place / "t.csv").write_bytes((texts / "t.csv").read_bytes())
    url = sent(place, "bucket-c")
    expected = alone(texts, str(place / "t.csv"))

    main_of = [str(texts / "m.safetensors"), f"{url}/t.csv", "-o", str(tmp_path / "out"), "--workers", "1"]
    with contextlib.suppress(SystemExit):
        main(["predict", *main_of])

    expected["item"] = [name.replace(str(place), url) for name in expected["item"]]
    assert_same(together(tmp_path / "out"), expected)


def test_check_samples_a_table_in_a_bucket_without_reading_it_all(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "set"
    place.mkdir()
    steps = np.random.default_rng(0).standard_normal((60_000, 24)).cumsum(axis=1)
    columns = {f"t{at}": steps[:, at] for at in range(24)}
    pq.write_table(pa.table(columns), place / "t.parquet", row_group_size=2_000, use_dictionary=False)
    url = sent(place, "bucket-d")
    monkeypatch.setattr(sampling, "SMALL", 2**20)
    monkeypatch.setattr(sampling, "GROUPS", 3)
    read: list[int] = []

    class Counting(io.BufferedReader):
        def read(self, *size: Any) -> bytes:
            content = super().read(*size)
            read.append(len(content))
            return content

    opened = RemoteFile.open
    monkeypatch.setattr(RemoteFile, "open", lambda self, mode="rb": Counting(opened(self).detach(), 2**16))

    with pytest.raises(SystemExit) as ended:
        main(["check", f"{url}/t.parquet", "--json"])

    assert ended.value.code == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rows"] == 60_000
    assert any("the beginnings of row groups" in each for each in report["warnings"])
    assert 0 < sum(read) < (place / "t.parquet").stat().st_size / 3


# ---- faults ---------------------------------------------------------------------------------------------------------

N_ITEMS = 800


def many(folder: Path, place: Path) -> tuple[Job, pd.DataFrame]:
    """Return a job of many small units, and the rows that one process gives."""
    from gridcnn.bundle import load

    lines = place / "lines.txt"
    lines.write_text("".join(f"{'good' if at % 3 else 'bad'} film number {at}\n" for at in range(N_ITEMS)))
    reading = Reading((str(lines),), Columns(), str(place))
    model = (folder / "m.safetensors").read_bytes()
    assert load(folder / "m.safetensors").classes.tolist() == ["a", "b"]
    return Job(model, reading, 1, _rows, {}, unit=16), alone(folder, str(lines))


def rows_of(folder: Path, parts: list[bytes]) -> pd.DataFrame:
    from gridcnn.bundle import load

    schema = Parquet([column for column, _ in columns_of(load(folder / "m.safetensors").rule())]).schema
    batches = [pa.ipc.read_record_batch(pa.py_buffer(part), schema) for part in parts]
    return pa.Table.from_batches(batches).to_pandas()


def workers_of(cluster: Any) -> list[int]:
    """Return the processes on the nodes of this cluster that compute answers."""
    parents = {each.process.pid for node in cluster.list_all_nodes() for each in node.all_processes["raylet"]}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"MapWorker" in (folder / "cmdline").read_bytes():
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                found += [int(folder.name)] if parent in parents else []
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc")
def test_a_worker_that_is_killed_loses_and_doubles_nothing(cluster: Any, texts: Path, tmp_path: Path) -> None:
    job, expected = many(texts, tmp_path)
    parts, killed = [], []

    for part in answered(job, 2):
        if not killed:
            killed = workers_of(cluster)[:1]
            os.kill(killed[0], signal.SIGKILL)
        parts.append(part.rows)

    assert len(parts) == -(-N_ITEMS // 16)
    assert_same(rows_of(texts, parts), expected)


def test_a_node_that_is_lost_loses_and_doubles_nothing(cluster: Any, texts: Path, tmp_path: Path) -> None:
    job, expected = many(texts, tmp_path)
    parts, removed = [], []

    for part in answered(job, 4):
        if not removed:
            removed = list(cluster.worker_nodes)
            cluster.remove_node(removed[0], allow_graceful=False)
        parts.append(part.rows)

    assert len([node for node in ray.nodes() if node["Alive"]]) == 1
    assert_same(rows_of(texts, parts), expected)


def test_a_full_object_store_loses_and_doubles_nothing(cluster: Any, texts: Path, tmp_path: Path) -> None:
    class Filling:
        def __init__(self) -> None:
            self.held = [ray.put(np.ones(OBJECTS // 8, dtype=np.uint8)) for _ in range(16)]

        def count(self) -> int:
            return len(self.held)

    job, expected = many(texts, tmp_path)
    filling = ray.remote(num_cpus=0)(Filling).remote()
    assert ray.get(filling.count.remote()) == 16  # twice what there is room for

    parts = [part.rows for part in answered(job, 2)]

    assert ray.get(filling.count.remote()) == 16
    ray.kill(filling)
    assert_same(rows_of(texts, parts), expected)


# ---- what is refused ------------------------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line of a command that is refused."""
    with pytest.raises(SystemExit) as ended:
        main(["predict", *arguments])
    said = capsys.readouterr().err.strip()
    assert ended.value.code == 2
    assert len(said.splitlines()) == 1
    return said


def test_a_missing_extra_is_named_with_its_command(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)

    said = refused(capsys, str(pictures / "m.safetensors"), str(pictures / "clips"), "-o", str(tmp_path / "o"),
                   "--workers", "2")  # fmt: skip

    assert "pip install 'gridcnn[scale]'" in said
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_a_cluster_that_does_not_answer_is_named(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)

    with pytest.raises(ConfigurationError, match=r"no Ray cluster answers at .*127\.0\.0\.1:1.*ray start --head"):
        connected(address, 1).__enter__()


def test_more_workers_than_the_cluster_has_are_refused(cluster: Any) -> None:
    with pytest.raises(ConfigurationError, match="too few for 99 workers: ask for at most --workers"):
        connected(None, 99).__enter__()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs a path that one process alone has")
def test_a_file_that_only_this_machine_sees_is_named(
    cluster: Any, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = os.dup2(os.open(pictures / "clips" / "00.png", os.O_RDONLY), 199)
    try:
        said = refused(capsys, str(pictures / "m.safetensors"), f"/proc/self/fd/{kept}", "-o", str(tmp_path / "o"),
                       "--workers", "1")  # fmt: skip
    finally:
        os.close(kept)

    assert "does not see /proc/self/fd/199: put it on a storage that all nodes share" in said
    assert not (tmp_path / "o").exists()


def test_credentials_that_do_not_open_a_bucket_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(403)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    try:
        with pytest.raises(DataError, match=r"these credentials do not open it: set AWS_ACCESS_KEY_ID"):
            RemoteFile("s3://bucket/t.csv").is_file()
    finally:
        server.shutdown()


def test_writing_to_a_storage_needs_workers(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, str(pictures / "m.safetensors"), str(pictures / "clips"), "-o", "s3://bucket/out/")

    assert "s3://bucket/out/ is written by workers: say how many, such as --workers 1" in said


def test_a_whole_result_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")

    with pytest.raises(ConfigurationError, match="holds a result already"):
        shards.place_of(str(tmp_path))


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")

    with pytest.raises(ConfigurationError, match=r"holds other files, such as thesis\.txt"):
        shards.place_of(str(tmp_path))


def test_a_full_disk_under_the_shards_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place = shards.place_of(str(tmp_path / "out"))
    monkeypatch.setattr(shards, "replacing", full)

    with pytest.raises(ConfigurationError, match=r"out cannot be written to \(No space left on device\): make room"):
        place.write("part-00000.parquet", b"rows")


def test_a_result_that_an_error_ends_has_no_manifest(tmp_path: Path) -> None:
    schema = pa.schema([("item", pa.string())])
    rows = pa.record_batch([["a"]], schema=schema).serialize().to_pybytes()

    def write() -> None:
        with shards.Shards(shards.place_of(str(tmp_path)), schema, {}) as writing:
            writing.add(rows, [])
            raise KeyError

    with pytest.raises(KeyError):
        write()

    assert not (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "name it with -o FOLDER"),
        (["-o", "out", "--format", "csv"], "--format csv does not go with --workers"),
        (["-o", "out", "--threads", "2"], "--threads does not go with --workers"),
    ],
)
def test_options_that_do_not_go_with_workers_are_refused(
    pictures: Path, capsys: pytest.CaptureFixture[str], options: list[str], expected: str
) -> None:
    assert expected in refused(capsys, str(pictures / "m.safetensors"), "clips", "--workers", "2", *options)
