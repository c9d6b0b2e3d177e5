"""Adapters turn raw items of one modality (pictures, sounds, texts, arrays) into grids.

Other packages add adapters by an entry point in the group `gridcnn.adapters`. An adapter is found by the name of its
class, which a bundle stores, and by the name of its entry point:

    [project.entry-points."gridcnn.adapters"]
    protein = "my_package.protein:ProteinAdapter"
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from gridcnn.constraints import Constraint, Record, Text
from gridcnn.errors import ConfigurationError

if TYPE_CHECKING:
    from gridcnn.adapters.array import ArrayAdapter
    from gridcnn.adapters.audio import AudioAdapter
    from gridcnn.adapters.base import Adapter
    from gridcnn.adapters.image import ImageAdapter
    from gridcnn.adapters.log import LogAdapter
    from gridcnn.adapters.table import TableAdapter
    from gridcnn.adapters.text import TextAdapter

_BUILT_IN = {
    "ArrayAdapter": "gridcnn.adapters.array",
    "AudioAdapter": "gridcnn.adapters.audio",
    "ImageAdapter": "gridcnn.adapters.image",
    "LogAdapter": "gridcnn.adapters.log",
    "TableAdapter": "gridcnn.adapters.table",
    "TextAdapter": "gridcnn.adapters.text",
}
_HOMES = {"Adapter": "gridcnn.adapters.base", **_BUILT_IN}
_OF_MODALITY = {
    "array": "ArrayAdapter",
    "image": "ImageAdapter",
    "sound": "AudioAdapter",
    "table": "TableAdapter",
    "text": "TextAdapter",
}

STORED: Constraint = Record(
    {"name": Text(1_000), "package": Text(1_000), "settings": Record(), "state": Record()},
)
"""What a saved model has to say of its adapter; settings and state are its own affair."""

__all__ = [
    "STORED",
    "Adapter",
    "ArrayAdapter",
    "AudioAdapter",
    "ImageAdapter",
    "LogAdapter",
    "TableAdapter",
    "TextAdapter",
    "by_name",
    "for_modality",
    "from_state",
    "installed",
    "names",
    "provider",
]


@functools.cache
def _installed() -> dict[str, EntryPoint]:
    """Return the adapters that other installed packages announce, by both names; built-in ones keep their names."""
    return {
        name: point
        for point in entry_points(group="gridcnn.adapters")
        for name in (point.name, point.attr)
        if name and name not in _BUILT_IN
    }


def names() -> list[str]:
    """Return the names that `by_name` takes, those of built-in adapters first."""
    return [*_BUILT_IN, *sorted(_installed())]


def by_name(name: str) -> type[Adapter]:
    """Return the adapter class of a name.

    Only built-in adapters and those that installed packages announce are found, so a name from a file that a stranger
    wrote imports nothing else.

    Parameters
    ----------
    name : str
        One of `names()`.

    Raises
    ------
    ConfigurationError
        If there is no such adapter, or its package cannot be imported.
    """
    kind: type[Adapter]
    if name in _BUILT_IN:
        kind = getattr(importlib.import_module(_BUILT_IN[name]), name)
        return kind
    point = _installed().get(name)
    if point is None:
        raise ConfigurationError(f"there is no adapter {name!r}; there are {', '.join(names())}")
    try:
        kind = point.load()
    except Exception as error:  # the code of another package may raise anything
        package = point.dist.name if point.dist else point.value
        raise ConfigurationError(
            f"the adapter {name!r} of the package {package!r} cannot be imported: {error}"
        ) from error
    return kind


def for_modality(modality: str) -> type[Adapter]:
    """Return the adapter class of a modality.

    Parameters
    ----------
    modality : str
        `"image"`, `"sound"`, `"text"`, `"array"`, `"table"`, or the `modality` of an adapter of an installed package.

    Raises
    ------
    ConfigurationError
        If there is no such adapter.
    """
    if modality in _OF_MODALITY:
        return by_name(_OF_MODALITY[modality])
    announced = {kind.modality: kind for kind in map(by_name, sorted(_installed()))}
    if modality not in announced:
        known = ", ".join([*_OF_MODALITY, *announced])
        raise ConfigurationError(f"there is no adapter for {modality!r}; there are those for {known}")
    return announced[modality]


def provider(kind: type[Adapter]) -> str:
    """Return the name of the distribution to install for an adapter class.

    It is `"gridcnn"` for a built-in adapter, the top-level module for a class that no distribution announces, and empty
    for one of the running program itself.
    """
    if _BUILT_IN.get(kind.__name__) == kind.__module__:
        return "gridcnn"
    top = kind.__module__.partition(".")[0]
    point = _installed().get(kind.__name__)
    if point is not None and point.dist is not None and point.module.partition(".")[0] == top:
        return point.dist.name
    return "" if top == "__main__" else top


def installed(name: str, package: str) -> type[Adapter] | None:
    """Return the adapter class of a name; None if it is not installed, or another package announces that name.

    Raises
    ------
    ConfigurationError
        If it cannot be imported.
    """
    if name not in names():
        return None
    kind = by_name(name)
    return kind if provider(kind) == package else None


def from_state(name: str, settings: Mapping[str, Any], state: Mapping[str, Any]) -> Adapter:
    """Rebuild a fitted adapter from plain values, as a bundle holds them.

    Parameters
    ----------
    name : str
        One of `names()`.
    settings : mapping
        Its constructor parameters, from `settings()`.
    state : mapping
        Its fitted state, from `state()`.

    Raises
    ------
    ConfigurationError
        If there is no adapter of that name, or the values are none that such an adapter has.
    """
    adapter = by_name(name)(**settings)
    adapter.check_parameters()
    adapter.set_params(**adapter.settings())  # a folder that the file names is none of this machine's
    adapter.check_state(state)
    return adapter.restore(state)


def __getattr__(name: str) -> Any:
    """Import an adapter when it is first used: most programs need one of them."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gridcnn.adapters' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
