"""The list of public sets: what each set is, and where it lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gridcnn.datasets import formats
from gridcnn.datasets.dataset import Dataset, Modality
from gridcnn.datasets.folder import load_folder

__all__ = ["PUBLIC", "PublicSet"]


@dataclass(frozen=True)
class PublicSet:
    """A public set: what it is, where it lies in a folder of data, and where it is downloaded from.

    Parameters
    ----------
    name, description : str
        Its name, and one sentence about it.
    modality : {"image", "sound", "text", "array", "table"}
        What its items are.
    classes, items : int
        Number of classes, and of items in all parts together.
    folder : str
        Folder or file below GRIDCNN_DATA whose presence shows that the set is there.
    read : callable
        Reads the set from `folder`.
    address : str
        Official address of the folder of `files`; empty if none serves the set in this form.
    files : tuple of str
        Names of the files to download from there.
    parse : callable, optional
        Reads the downloaded files, given as a mapping from name to path.
    """

    name: str
    modality: Modality
    classes: int
    items: int
    description: str
    folder: str
    read: Callable[[Path], Dataset]
    address: str = ""
    files: tuple[str, ...] = ()
    parse: Callable[[formats.Files], Dataset] | None = None


PUBLIC = {
    each.name: each
    for each in (
        PublicSet(
            "mnist", "image", 10, 70_000, "Handwritten digits, 28×28, grey (LeCun, Cortes, Burges).",
            "mnist", formats.mnist_folder,
            # The mirror that torchvision uses.
            "https://ossci-datasets.s3.amazonaws.com/mnist", formats.IDX_FILES, formats.idx_set,
        ),
        PublicSet(
            "fashion-mnist", "image", 10, 70_000, "Clothes, 28×28, grey (Xiao, Rasul, Vollgraf 2017).",
            "fashion-mnist", load_folder,
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
            formats.IDX_FILES, formats.fashion,
        ),
        PublicSet(
            "cifar10", "image", 10, 60_000, "Small colour pictures, 32×32 (Krizhevsky 2009).",
            "cifar10", load_folder,
            "https://www.cs.toronto.edu/~kriz", ("cifar-10-binary.tar.gz",), formats.cifar10,
        ),
        PublicSet(
            "fsdd", "sound", 10, 3_000, "Spoken digits, six speakers (groups), 8 kHz (Free Spoken Digit Dataset).",
            "fsdd/recordings", formats.fsdd_folder,
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/heads", ("master.zip",), formats.fsdd,
        ),
        PublicSet(
            "esc10", "sound", 10, 400, "Environmental sounds, 5 s, five folds (groups) (Piczak 2015).",
            "esc10", formats.esc10_folder,
        ),
        PublicSet(
            "esc50", "sound", 50, 2_000, "Environmental sounds, 5 s, five folds (groups) (Piczak 2015).",
            "esc50", formats.esc50_folder,
            "https://github.com/karolpiczak/ESC-50/archive/refs/heads", ("master.zip",), formats.esc50,
        ),
        PublicSet(
            "trec", "text", 6, 5_952, "Questions by the kind of their answer (Li and Roth 2002).",
            "text/trec_train.csv", formats.sentence_files(train="trec_train.csv", test="trec_test.csv"),
            "https://cogcomp.seas.upenn.edu/Data/QA/QC", ("train_5500.label", "TREC_10.label"), formats.trec,
        ),
        PublicSet(
            "mr", "text", 2, 10_662, "Sentences of film reviews (Pang and Lee 2005).",
            "text/mr.csv", formats.mr_csv,
            "https://www.cs.cornell.edu/people/pabo/movie-review-data", ("rt-polaritydata.tar.gz",), formats.mr,
        ),
        PublicSet(
            "sst2", "text", 2, 9_613, "Sentences of film reviews, without their phrases (Socher et al. 2013).",
            "text/sst2_train.csv",
            formats.sentence_files(train="sst2_train.csv", validation="sst2_dev.csv", test="sst2_test.csv"),
        ),
    )
}  # fmt: skip
"""The public sets by name."""
