"""Raw items and labels to learn from: embedded sets, folders, manifests, tables and named public sets.

Examples
--------
>>> from gridcnn.datasets import load
>>> load("digits")
<Dataset digits: 1797 image items, 10 classes>
"""

from __future__ import annotations

import difflib
from typing import Any, NamedTuple

from gridcnn.datasets.dataset import Dataset
from gridcnn.datasets.embedded import digits, grades, tones, word_order, xo
from gridcnn.datasets.folder import list_media_files, load_folder
from gridcnn.datasets.manifest import load_manifest, load_table
from gridcnn.datasets.public import PUBLIC, load_public
from gridcnn.datasets.sampling import TableSample, sample_table
from gridcnn.errors import DataError

__all__ = [
    "Dataset",
    "Listing",
    "TableSample",
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
    """A named set, as `gridcnn datasets` lists it."""

    name: str
    modality: str
    items: int
    classes: int
    source: str
    how: str


def load(name: str, **options: Any) -> Dataset:
    """Load a named set.

    Parameters
    ----------
    name : str
        As `available` lists it; case, and ``-`` against ``_``, do not matter.
    **options
        For an embedded set those of its function, such as ``n_items`` and ``random_state``; for a public set
        ``split``, ``download``, ``cache`` and ``address``.

    Returns
    -------
    Dataset
        Items, labels and what belongs to them.

    Raises
    ------
    DataError
        If no set has this name, or a public set is not there: the message says how to get it.
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
    """List the named sets: the embedded ones first, then the public ones."""
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
