"""Loaders of raw items and labels: embedded sets, folders, manifests, tables and public sets.

Examples
--------
>>> from gridcnn.datasets import load
>>> load("digits")
<Dataset digits: 1797 image items, 10 classes>
"""

from __future__ import annotations

import difflib
from typing import Any, NamedTuple

from gridcnn.datasets.catalogue import PUBLIC
from gridcnn.datasets.dataset import Dataset, Modality
from gridcnn.datasets.embedded import digits, grades, tones, word_order, xo
from gridcnn.datasets.folder import list_media_files, load_folder
from gridcnn.datasets.manifest import load_manifest
from gridcnn.datasets.measurements import load_table
from gridcnn.datasets.overlapping import as_label_sets
from gridcnn.datasets.public import load_public
from gridcnn.datasets.sampling import TableSample, sample_table
from gridcnn.errors import DataError

__all__ = [
    "Dataset",
    "Listing",
    "TableSample",
    "as_label_sets",
    "available",
    "digits",
    "grades",
    "list_media_files",
    "load",
    "load_folder",
    "load_manifest",
    "load_table",
    "sample_table",
    "tones",
    "word_order",
    "xo",
]

_EMBEDDED = {"xo": xo, "digits": digits, "tones": tones, "word_order": word_order, "grades": grades}


class Listing(NamedTuple):
    """A named set, as `gridcnn datasets` lists it.

    Parameters
    ----------
    name : str
        Its name, for `load`.
    modality : {"image", "sound", "text", "array", "table"}
        What its items are.
    items, classes : int
        Number of items and of classes.
    source : str
        Address, folder below GRIDCNN_DATA, or how an embedded set is made.
    how : str
        The call that loads it.
    """

    name: str
    modality: Modality
    items: int
    classes: int
    source: str
    how: str


def load(name: str, **options: Any) -> Dataset:
    """Load a named set.

    Parameters
    ----------
    name : str
        A name that `available` lists, in either case, with ``-`` or ``_``.
    **options
        Parameters of the function of an embedded set, such as ``n_items`` and ``random_state``; for a public set
        ``split``, ``download``, ``cache`` and ``address``, see `gridcnn.datasets.public.load_public`.

    Returns
    -------
    Dataset
        Items and labels, with groups and parts if the set has them.

    Raises
    ------
    DataError
        If no set has this name, or a public set is not there; the message says how to get it.
    """
    names = {_plain(known): known for known in (*_EMBEDDED, *PUBLIC)}
    known = names.get(_plain(name))
    if known is None:
        close = difflib.get_close_matches(_plain(name), names, n=1)
        hint = f" Did you mean {names[close[0]]!r}?" if close else ""
        raise DataError(f"No set is called {name!r}: choose one of {', '.join(names.values())}.{hint}")
    if known in PUBLIC:
        return load_public(known, **options)
    return _EMBEDDED[known](**options)  # type: ignore[operator, no-any-return]


def available() -> list[Listing]:
    """Return the named sets: first the embedded ones, then the public ones."""
    embedded = [
        Listing("xo", "image", 2000, 2, "embedded, drawn at random", 'load("xo")'),
        Listing("digits", "image", 1797, 10, "embedded, real (scikit-learn)", 'load("digits")'),
        Listing("tones", "sound", 800, 4, "embedded, made at random", 'load("tones")'),
        Listing("word_order", "text", 2000, 2, "embedded, made at random", 'load("word_order")'),
        Listing("grades", "table", 200, 2, "embedded, made at random: to be refused", 'load("grades")'),
    ]
    public = [
        Listing(
            each.name,
            each.modality,
            each.items,
            each.classes,
            each.address or f"GRIDCNN_DATA/{each.folder}",
            f'load("{each.name}", download=True)' if each.address else f'load("{each.name}")',
        )
        for each in PUBLIC.values()
    ]
    return embedded + public


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
