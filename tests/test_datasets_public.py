import functools
import gzip
import http.server
import io
import os
import tarfile
import threading
import zipfile

import numpy as np
import pytest

from gridcnn.datasets import available, load
from gridcnn.errors import DataError

real = pytest.mark.skipif("GRIDCNN_DATA" not in os.environ, reason="GRIDCNN_DATA is not set")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Serve a folder over HTTP, and read nothing that lies on this machine already."""
    monkeypatch.delenv("GRIDCNN_DATA", raising=False)
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    options = {"download": True, "cache": tmp_path / "cache", "address": f"http://127.0.0.1:{server.server_port}"}
    yield folder, options
    server.shutdown()
    server.server_close()


def idx(array):
    sizes = np.array(array.shape, ">u4").tobytes()
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes())


def write_idx_set(folder):
    pictures = np.arange(3 * 28 * 28).reshape(3, 28, 28) % 251
    (folder / "train-images-idx3-ubyte.gz").write_bytes(idx(pictures[:2]))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(idx(np.array([7, 2])))
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(idx(pictures[2:]))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(np.array([9])))
    return pictures


def write_tar(path, **members):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def test_idx_files_become_pictures(mirror):
    folder, options = mirror
    pictures = write_idx_set(folder)
    dataset = load("mnist", **options)
    assert np.array_equal(dataset.items, pictures)
    assert dataset.labels.tolist() == [7, 2, 9]
    assert dataset.split.tolist() == ["train", "train", "test"]
    assert load("fashion-mnist", split="test", **options).labels.tolist() == ["ankle boot"]


def test_a_second_load_needs_no_network(mirror):
    folder, options = mirror
    write_idx_set(folder)
    load("mnist", **options)
    assert len(load("mnist", cache=options["cache"])) == 3


def test_cifar10_is_read_from_its_binary_version(mirror):
    folder, options = mirror
    record = np.concatenate([[3], np.full(1024, 10), np.full(1024, 20), np.full(1024, 30)]).astype(np.uint8).tobytes()
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    members = {f"cifar-10-batches-bin__{name}.bin": record for name in names}
    write_tar(folder / "cifar-10-binary.tar.gz", **members)
    dataset = load("cifar10", **options)
    assert dataset.items.shape == (6, 32, 32, 3)
    assert dataset.items[0, 5, 5].tolist() == [10, 20, 30]
    assert dataset.labels.tolist() == ["cat"] * 6
    assert len(dataset.part("test")) == 1


def test_fsdd_is_unpacked_and_its_names_are_read(mirror):
    folder, options = mirror
    with zipfile.ZipFile(folder / "master.zip", "w") as archive:
        for name in ("7_theo_4.wav", "7_theo_5.wav", "0_george_12.wav"):
            archive.writestr(f"free-spoken-digit-dataset-master/recordings/{name}", b"RIFF")
    dataset = load("fsdd", **options)
    assert [path.name for path in dataset.items] == ["0_george_12.wav", "7_theo_4.wav", "7_theo_5.wav"]
    assert dataset.labels.tolist() == [0, 7, 7]
    assert dataset.groups.tolist() == ["george", "theo", "theo"]
    assert dataset.split.tolist() == ["train", "test", "train"]
    assert load("fsdd", cache=options["cache"]).items == dataset.items


def test_esc50_is_read_with_its_folds(mirror):
    folder, options = mirror
    with zipfile.ZipFile(folder / "master.zip", "w") as archive:
        table = "filename,fold,target,category,esc10,src_file,take\n1-100032-A.wav,1,0,dog,True,100032,A\n"
        archive.writestr("ESC-50-master/meta/esc50.csv", table)
        archive.writestr("ESC-50-master/audio/1-100032-A.wav", b"RIFF")
    dataset = load("esc50", **options)
    assert dataset.items[0].is_file()
    assert (dataset.modality, dataset.labels.tolist(), dataset.groups.tolist()) == ("sound", ["dog"], ["1"])


def test_trec_is_read_with_its_six_kinds(mirror):
    folder, options = mirror
    train = "DESC:manner How did serfdom develop ?\nHUM:ind Who was Beyoncé ?\n"
    (folder / "train_5500.label").write_bytes(train.encode("latin-1"))
    (folder / "TREC_10.label").write_bytes(b"NUM:dist How far is it ?\n")
    dataset = load("trec", **options)
    assert dataset.items == ["How did serfdom develop ?", "Who was Beyoncé ?", "How far is it ?"]
    assert dataset.labels.tolist() == ["DESC", "HUM", "NUM"]
    assert dataset.split.tolist() == ["train", "train", "test"]


def test_mr_is_read_without_a_split(mirror):
    folder, options = mirror
    members = {
        "rt-polaritydata__rt-polarity.neg": b"dull . \n",
        "rt-polaritydata__rt-polarity.pos": b"br\xfbl\xe9e . \nfine",
    }
    write_tar(folder / "rt-polaritydata.tar.gz", **members)
    dataset = load("mr", **options)
    assert dataset.items == ["dull .", "brûlée .", "fine"]
    assert dataset.labels.tolist() == ["negative", "positive", "positive"]
    assert dataset.split is None


@pytest.mark.parametrize("name", ["mnist", "cifar10", "fsdd", "trec", "mr"])
def test_a_download_that_is_something_else_is_named(mirror, name):
    folder, options = mirror
    for file in (
        "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz", "cifar-10-binary.tar.gz", "master.zip", "train_5500.label", "TREC_10.label",
        "rt-polaritydata.tar.gz",
    ):  # fmt: skip
        (folder / file).write_text("<html>sorry</html>")
    with pytest.raises(DataError, match="delete that folder and download it again"):
        load(name, **options)


def test_a_failed_download_says_where_to_put_the_file(mirror):
    _, options = mirror
    with pytest.raises(DataError, match=r"could not be downloaded .*put it at .*rt-polaritydata\.tar\.gz"):
        load("mr", **options)
    assert not list(options["cache"].rglob("*.gz"))


def test_a_set_that_is_not_there_says_how_to_get_it(mirror):
    _, options = mirror
    with pytest.raises(DataError, match=r"GRIDCNN_DATA \(not set\).*Pass download=True to get it from https://"):
        load("mnist", cache=options["cache"])
    with pytest.raises(DataError, match=r"Set GRIDCNN_DATA to a folder that holds it"):
        load("sst2", **options)


def test_every_address_is_https():
    assert all(row.source.startswith(("https://", "embedded", "GRIDCNN_DATA/")) for row in available())


@real
@pytest.mark.parametrize(
    ("name", "parts", "groups"),
    [
        ("mnist", {"test": 10_000, "train": 60_000}, 0),
        ("cifar10", {"test": 10_000, "train": 50_000}, 0),
        ("fsdd", {"test": 300, "train": 2_700}, 6),
        ("esc10", {}, 5),
        ("trec", {"test": 500, "train": 5_452}, 0),
        ("mr", {}, 0),
        ("sst2", {"test": 1_821, "train": 6_920, "validation": 872}, 0),
    ],
)
def test_real_sets_have_their_published_sizes(name, parts, groups):
    dataset = load(name)
    row = next(row for row in available() if row.name == name)
    assert (dataset.modality, len(dataset), len(dataset.counts)) == (row.modality, row.items, row.classes)
    assert parts == ({} if dataset.split is None else {part: len(dataset.part(part)) for part in set(dataset.split)})
    assert groups == (0 if dataset.groups is None else len(set(dataset.groups)))
    assert dataset.skipped == ()


@real
def test_real_labels_agree_with_the_files():
    mnist = load("mnist", split="test")
    assert {int(path.parent.name) for path in mnist.items} == set(range(10))
    assert mnist.labels[0] == int(mnist.items[0].parent.name)
    esc10 = load("esc10")
    assert set(esc10.counts.values()) == {40}
    assert "Sea waves" in esc10.counts
    clips = {path.name.split("-")[1]: set() for path in esc10.items}
    for path, fold in zip(esc10.items, esc10.groups, strict=True):
        clips[path.name.split("-")[1]].add(fold)
    assert all(len(folds) == 1 for folds in clips.values())
