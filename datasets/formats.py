"""Readers of the public sets, in the formats in which they are published or commonly unpacked.

A reader raises OSError, ValueError, KeyError or an error of its archive if the files are not what it expects.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gridcnn.datasets.dataset import Dataset
from gridcnn.datasets.folder import load_folder
from gridcnn.datasets.manifest import load_manifest
from gridcnn.datasets.media import visible
from gridcnn.durable import sync_tree, take_name
from gridcnn.errors import DataError

__all__ = [
    "IDX_FILES",
    "Files",
    "cifar10",
    "esc10_folder",
    "esc50",
    "esc50_folder",
    "fashion",
    "fsdd",
    "fsdd_folder",
    "idx_set",
    "mnist_folder",
    "mr",
    "mr_csv",
    "sentence_files",
    "trec",
]

Files: TypeAlias = dict[str, Path]
"""Downloaded files by their published names."""


# ------------------------------------------------------------------------------------------------------------- pictures


def mnist_folder(folder: Path) -> Dataset:
    """Read folders of pictures that are called by their digit."""
    dataset = load_folder(folder)
    return replace(dataset, labels=_labels(dataset).astype(np.int64))


def _idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file: two zero bytes, the type (8: uint8), the number of axes, their lengths, the values."""
    data = gzip.decompress(path.read_bytes())
    if data[:3] != b"\0\0\x08":
        raise ValueError(f"{path.name} is not an IDX file of bytes")
    n_axes = data[3]
    shape = np.frombuffer(data, ">u4", count=n_axes, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * n_axes).reshape(shape)


IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def idx_set(files: Files) -> Dataset:
    """Read the four files of MNIST, and of every set that copies its format."""
    train, train_labels, test, test_labels = (_idx(files[name]) for name in IDX_FILES)
    return Dataset(
        np.concatenate([train, test]),
        np.concatenate([train_labels, test_labels]).astype(np.int64),
        "image",
        split=_parts(train=len(train), test=len(test)),
        axes=("height", "width"),
    )


_CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


def fashion(files: Files) -> Dataset:
    """Read Fashion-MNIST, and name its classes."""
    dataset = idx_set(files)
    return replace(dataset, labels=np.array(_CLOTHES)[_labels(dataset)])


_THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def cifar10(files: Files) -> Dataset:
    """Read the binary version of CIFAR-10: records of one label byte and 3 × 32 × 32 colour bytes."""
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


# --------------------------------------------------------------------------------------------------------------- sounds


def fsdd_folder(folder: Path) -> Dataset:
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


def fsdd(files: Files) -> Dataset:
    """Read the archive of the repository of FSDD."""
    return fsdd_folder(_unpack(files["master.zip"]) / "free-spoken-digit-dataset-master" / "recordings")


def esc10_folder(folder: Path) -> Dataset:
    """Read {class}/{fold}-{clip}-{take}.ogg: clips cut from one recording share a fold."""
    dataset = load_folder(folder)
    return replace(
        dataset,
        labels=np.array([label.partition(" - ")[2] or label for label in _labels(dataset).tolist()]),
        groups=np.array([path.name.partition("-")[0] for path in dataset.items]),
    )


def esc50_folder(folder: Path) -> Dataset:
    """Read the folder audio/ by the table meta/esc50.csv: clips cut from one recording share a fold."""
    manifest = load_manifest(folder / "meta" / "esc50.csv", text="filename", label="category", group="fold")
    return replace(manifest, items=[folder / "audio" / name for name in manifest.items], modality="sound")


def esc50(files: Files) -> Dataset:
    """Read the archive of the repository of ESC-50."""
    return esc50_folder(_unpack(files["master.zip"]) / "ESC-50-master")


# ----------------------------------------------------------------------------------------------------------------- text


def sentence_files(**parts: str) -> Callable[[Path], Dataset]:
    """Return a reader of csv files with the columns text and label, one file for each part of the set."""

    def read(first: Path) -> Dataset:
        loaded = {part: load_manifest(first.parent / file, text="text", label="label") for part, file in parts.items()}
        return _joined({part: (each.items, each.labels) for part, each in loaded.items()})

    return read


def mr_csv(path: Path) -> Dataset:
    """Read one csv file with the columns text and label."""
    return load_manifest(path, text="text", label="label")


def trec(files: Files) -> Dataset:
    """Read lines such as "NUM:dist How far is it from Denver to Aspen ?"; the label stands before the colon."""

    def part(file: str) -> tuple[list[str], list[str]]:
        lines = files[file].read_text(encoding="latin-1").splitlines()
        kinds, questions = zip(*(line.split(" ", 1) for line in lines if line.strip()), strict=True)
        return [question.strip() for question in questions], [kind.split(":")[0] for kind in kinds]

    return _joined({"train": part("train_5500.label"), "test": part("TREC_10.label")})


def mr(files: Files) -> Dataset:
    """Read the archive of the sentences, one file for each class."""
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


def _labels(dataset: Dataset) -> NDArray[Any]:
    if dataset.labels is None:
        raise ValueError(f"{dataset.name} has no labels")
    return dataset.labels


def _unpack(archive: Path) -> Path:
    """Unpack a zip file beside itself, once; the folder appears only when it is complete."""
    folder = archive.with_suffix("")
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory(dir=archive.parent) as temporary:
        content = Path(temporary) / "content"
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(content)  # keeps every member inside the folder
        try:
            sync_tree(content)
            take_name(content, folder)
        except OSError:
            if not folder.is_dir():  # otherwise another run was faster
                raise
    return folder
