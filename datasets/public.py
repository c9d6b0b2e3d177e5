"""Named public sets: read from the folder that GRIDCNN_DATA names, or downloaded from their official addresses."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridcnn.datasets.dataset import Dataset
from gridcnn.datasets.folder import load_folder
from gridcnn.datasets.manifest import load_manifest
from gridcnn.datasets.media import visible
from gridcnn.errors import DataError

__all__ = ["PUBLIC", "PublicSet", "load_public"]

_Files = dict[str, Path]


@dataclass(frozen=True)
class PublicSet:
    """A public set: what it is, how it lies in a folder of data, and where it is downloaded from.

    Parameters
    ----------
    name, modality, classes, items, description
        What it is; `items` counts all parts together.
    folder : str
        The folder or file, below GRIDCNN_DATA, that is there when the set is.
    read : callable
        Reads it from that folder.
    address : str
        Official address of the folder of `files`; empty where none serves the set as it is used here.
    files : tuple of str
        What to download from there.
    parse : callable, optional
        Reads the downloaded files, given by name.
    """

    name: str
    modality: str
    classes: int
    items: int
    description: str
    folder: str
    read: Callable[[Path], Dataset]
    address: str = ""
    files: tuple[str, ...] = ()
    parse: Callable[[_Files], Dataset] | None = None


def load_public(
    name: str,
    *,
    split: str | None = None,
    download: bool = False,
    cache: str | os.PathLike[str] | None = None,
    address: str | None = None,
) -> Dataset:
    """Read a public set.

    Looked for below the folder that the environment variable GRIDCNN_DATA names, then among what was downloaded
    before; only with ``download=True`` is the network used. No checksum is compared, since none was verified: what is
    trusted is HTTPS and the official address (for mnist: the mirror that torchvision uses).

    Parameters
    ----------
    name : str
        A key of `PUBLIC`, such as "mnist".
    split : str, optional
        Return one part only, such as "train" or "test".
    download : bool, default=False
        Download the set where it is not there yet.
    cache : path, optional
        Where downloads are kept; the user's cache folder by default.
    address : str, optional
        A mirror, in place of the official address.

    Returns
    -------
    Dataset
        Folders of pictures and sounds give paths, downloaded arrays of pictures uint8 arrays.

    Raises
    ------
    DataError
        If the set is not there (the message says where it was looked for, and how to get it), could not be
        downloaded, or has no such part.
    """
    wanted = PUBLIC[name]
    dataset = _prepared(wanted)
    if dataset is None:
        dataset = _downloaded(wanted, Path(cache) if cache else _cache_folder(), address or wanted.address, download)
    dataset = replace(dataset, name=name, description=wanted.description)
    return dataset if split is None else dataset.part(split)


def _prepared(wanted: PublicSet) -> Dataset | None:
    root = os.environ.get("GRIDCNN_DATA")
    folder = Path(root) / wanted.folder if root else None
    return wanted.read(folder) if folder is not None and folder.exists() else None


def _cache_folder() -> Path:
    import pooch  # noqa: PLC0415

    return Path(pooch.os_cache("gridcnn"))


def _downloaded(wanted: PublicSet, cache: Path, address: str, download: bool) -> Dataset:
    folder = cache / wanted.name
    paths = {file: folder / file.replace("/", "-") for file in wanted.files}
    missing = [file for file, path in paths.items() if not path.is_file()]
    if wanted.parse is None or (missing and not download):
        raise DataError(
            f"{wanted.name} was not found: looked for {wanted.folder} below GRIDCNN_DATA "
            f"({os.environ.get('GRIDCNN_DATA') or 'not set'}){f' and in {folder}' if wanted.parse else ''}. "
            + (f"Pass download=True to get it from {address}, or set" if wanted.parse else "Set")
            + " GRIDCNN_DATA to a folder that holds it."
        )
    for file in missing:
        _fetch(f"{address.rstrip('/')}/{file}", paths[file])
    try:
        return wanted.parse(paths)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise DataError(
            f"{wanted.name}: what was downloaded to {folder} cannot be read ({error}): delete that folder and download "
            "it again."
        ) from error


def _fetch(url: str, path: Path) -> None:
    """Download one file; pooch moves it into place only when it is complete."""
    import pooch  # noqa: PLC0415
    from requests import RequestException  # noqa: PLC0415

    try:
        pooch.retrieve(url, known_hash=None, fname=path.name, path=path.parent)
    except (RequestException, OSError) as error:
        raise DataError(
            f"{url} could not be downloaded ({error}): check the connection, or download the file with a browser and "
            f"put it at {path}."
        ) from error


def _unpacked(archive: Path) -> Path:
    """Unpack a zip file beside itself, once; the folder appears only when it is complete."""
    folder = archive.with_suffix("")
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory(dir=archive.parent) as temporary:
        content = Path(temporary) / "content"
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(content)  # keeps every member inside the folder
        try:
            content.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another run was faster
                raise
    return folder


# ------------------------------------------------------------------------------------- pictures


def _mnist_folder(folder: Path) -> Dataset:
    dataset = load_folder(folder)
    assert dataset.labels is not None
    return replace(dataset, labels=dataset.labels.astype(np.int64))


def _idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file: two zero bytes, the type (8: uint8), the number of axes, their lengths, the values."""
    data = gzip.decompress(path.read_bytes())
    if data[:3] != b"\0\0\x08":
        raise ValueError(f"{path.name} is not an IDX file of bytes")
    n_axes = data[3]
    shape = np.frombuffer(data, ">u4", count=n_axes, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * n_axes).reshape(shape)


_IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def _idx_set(files: _Files) -> Dataset:
    train, train_labels, test, test_labels = (_idx(files[name]) for name in _IDX_FILES)
    return Dataset(
        np.concatenate([train, test]),
        np.concatenate([train_labels, test_labels]).astype(np.int64),
        "image",
        split=_parts(train=len(train), test=len(test)),
        axes=("height", "width"),
    )


_CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


def _fashion(files: _Files) -> Dataset:
    dataset = _idx_set(files)
    return replace(dataset, labels=np.array(_CLOTHES)[dataset.labels])


_THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def _cifar10(files: _Files) -> Dataset:
    """Read the binary version: records of one label byte and 3 × 32 × 32 colour bytes."""
    batches = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    records = []
    with tarfile.open(files["cifar-10-binary.tar.gz"]) as archive:
        for name in batches:
            member = archive.extractfile(f"cifar-10-batches-bin/{name}")
            records.append(np.frombuffer(member.read() if member else b"", np.uint8).reshape(-1, 1 + 3 * 32 * 32))
    rows = np.concatenate(records)
    pictures = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # (n, 32, 32, 3)
    n_test = len(records[-1])
    return Dataset(
        np.ascontiguousarray(pictures),
        np.array(_THINGS)[rows[:, 0]],
        "image",
        split=_parts(train=len(rows) - n_test, test=n_test),
        axes=("height", "width", "colour"),
    )


# --------------------------------------------------------------------------------------- sounds


def _fsdd_folder(folder: Path) -> Dataset:
    """Read {digit}_{speaker}_{take}.wav: takes 0–4 of each digit and speaker are the official test part."""
    paths = sorted(path for path in folder.glob("*.wav") if visible(path.name))
    if not paths:
        raise DataError(f"{folder}: no recordings such as 7_jackson_32.wav in it: unpack the set again.")
    names = [path.stem.split("_") for path in paths]
    return Dataset(
        paths,
        np.array([int(digit) for digit, _, _ in names]),
        "sound",
        groups=np.array([speaker for _, speaker, _ in names]),
        split=np.array(["test" if int(take) < 5 else "train" for _, _, take in names]),
    )


def _fsdd(files: _Files) -> Dataset:
    return _fsdd_folder(_unpacked(files["master.zip"]) / "free-spoken-digit-dataset-master" / "recordings")


def _esc10_folder(folder: Path) -> Dataset:
    """Read {class}/{fold}-{clip}-{take}.ogg: clips cut from one recording share a fold."""
    dataset = load_folder(folder)
    assert dataset.labels is not None
    return replace(
        dataset,
        labels=np.array([label.partition(" - ")[2] or label for label in dataset.labels.tolist()]),
        groups=np.array([path.name.partition("-")[0] for path in dataset.items]),
    )


def _esc50_folder(folder: Path) -> Dataset:
    manifest = load_manifest(folder / "meta" / "esc50.csv", text="filename", label="category", group="fold")
    return replace(manifest, items=[folder / "audio" / name for name in manifest.items], modality="sound")


def _esc50(files: _Files) -> Dataset:
    return _esc50_folder(_unpacked(files["master.zip"]) / "ESC-50-master")


# ----------------------------------------------------------------------------------------- text


def _sentences(**parts: str) -> Callable[[Path], Dataset]:
    """Return a reader of csv files with the columns text and label, one file for each part."""

    def read(first: Path) -> Dataset:
        loaded = {part: load_manifest(first.parent / file, text="text", label="label") for part, file in parts.items()}
        return _joined({part: (each.items, each.labels) for part, each in loaded.items()})

    return read


def _mr_csv(path: Path) -> Dataset:
    return load_manifest(path, text="text", label="label")


def _trec(files: _Files) -> Dataset:
    """Read lines such as "NUM:dist How far is it from Denver to Aspen ?" of the kind before the colon."""

    def part(file: str) -> tuple[list[str], list[str]]:
        lines = files[file].read_text(encoding="latin-1").splitlines()
        kinds, questions = zip(*(line.split(" ", 1) for line in lines if line.strip()), strict=True)
        return [question.strip() for question in questions], [kind.split(":")[0] for kind in kinds]

    return _joined({"train": part("train_5500.label"), "test": part("TREC_10.label")})


def _mr(files: _Files) -> Dataset:
    sentences: dict[str, list[str]] = {}
    with tarfile.open(files["rt-polaritydata.tar.gz"]) as archive:
        for label, suffix in (("negative", "neg"), ("positive", "pos")):
            member = archive.extractfile(f"rt-polaritydata/rt-polarity.{suffix}")
            text = io.TextIOWrapper(member, encoding="cp1252", errors="replace").read() if member else ""
            sentences[label] = [line.strip() for line in text.split("\n") if line.strip()]
    return Dataset(
        [sentence for group in sentences.values() for sentence in group],
        np.repeat(list(sentences), [len(group) for group in sentences.values()]),
        "text",
    )


def _joined(parts: dict[str, tuple[Any, Any]]) -> Dataset:
    return Dataset(
        [item for items, _ in parts.values() for item in items],
        np.concatenate([np.asarray(labels) for _, labels in parts.values()]),
        "text",
        split=_parts(**{part: len(items) for part, (items, _) in parts.items()}),
    )


def _parts(**sizes: int) -> NDArray[np.str_]:
    return np.repeat(list(sizes), list(sizes.values()))


PUBLIC = {
    each.name: each
    for each in (
        PublicSet(
            "mnist", "image", 10, 70_000, "Handwritten digits, 28×28, grey (LeCun, Cortes, Burges).",
            "mnist", _mnist_folder,
            # The mirror that torchvision uses.
            "https://ossci-datasets.s3.amazonaws.com/mnist", _IDX_FILES, _idx_set,
        ),
        PublicSet(
            "fashion-mnist", "image", 10, 70_000, "Clothes, 28×28, grey (Xiao, Rasul, Vollgraf 2017).",
            "fashion-mnist", load_folder,
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion", _IDX_FILES, _fashion,
        ),
        PublicSet(
            "cifar10", "image", 10, 60_000, "Small colour pictures, 32×32 (Krizhevsky 2009).",
            "cifar10", load_folder,
            "https://www.cs.toronto.edu/~kriz", ("cifar-10-binary.tar.gz",), _cifar10,
        ),
        PublicSet(
            "fsdd", "sound", 10, 3_000, "Spoken digits, six speakers (groups), 8 kHz (Free Spoken Digit Dataset).",
            "fsdd/recordings", _fsdd_folder,
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/heads", ("master.zip",), _fsdd,
        ),
        PublicSet(
            "esc10", "sound", 10, 400, "Environmental sounds, 5 s, five folds (groups) (Piczak 2015).",
            "esc10", _esc10_folder,
        ),
        PublicSet(
            "esc50", "sound", 50, 2_000, "Environmental sounds, 5 s, five folds (groups) (Piczak 2015).",
            "esc50", _esc50_folder,
            "https://github.com/karolpiczak/ESC-50/archive/refs/heads", ("master.zip",), _esc50,
        ),
        PublicSet(
            "trec", "text", 6, 5_952, "Questions by the kind of their answer (Li and Roth 2002).",
            "text/trec_train.csv", _sentences(train="trec_train.csv", test="trec_test.csv"),
            "https://cogcomp.seas.upenn.edu/Data/QA/QC", ("train_5500.label", "TREC_10.label"), _trec,
        ),
        PublicSet(
            "mr", "text", 2, 10_662, "Sentences of film reviews (Pang and Lee 2005).",
            "text/mr.csv", _mr_csv,
            "https://www.cs.cornell.edu/people/pabo/movie-review-data", ("rt-polaritydata.tar.gz",), _mr,
        ),
        PublicSet(
            "sst2", "text", 2, 9_613, "Sentences of film reviews, without their phrases (Socher et al. 2013).",
            "text/sst2_train.csv",
            _sentences(train="sst2_train.csv", validation="sst2_dev.csv", test="sst2_test.csv"),
        ),
    )
}  # fmt: skip
"""The public sets by name."""
