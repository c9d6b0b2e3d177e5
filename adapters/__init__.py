"""Adapters turn raw items of one modality (pictures, sounds, texts, arrays) into grids.

Other packages add adapters by an entry point in the group `gridcnn.adapters`, whose name is the name of the class:

    [project.entry-points."gridcnn.adapters"]
    ProteinAdapter = "my_package.protein:ProteinAdapter"
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from gridcnn.errors import ConfigurationError

if TYPE_CHECKING:
    from gridcnn.adapters.array import ArrayAdapter
    from gridcnn.adapters.audio import AudioAdapter
    from gridcnn.adapters.base import Adapter
    from gridcnn.adapters.image import ImageAdapter
    from gridcnn.adapters.table import TableAdapter
    from gridcnn.adapters.text import TextAdapter

_BUILT_IN = {
    "ArrayAdapter": "gridcnn.adapters.array",
    "AudioAdapter": "gridcnn.adapters.audio",
    "ImageAdapter": "gridcnn.adapters.image",
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

__all__ = [
    "Adapter",
    "ArrayAdapter",
    "AudioAdapter",
    "ImageAdapter",
    "TableAdapter",
    "TextAdapter",
    "by_name",
    "for_modality",
    "from_state",
    "names",
    "provider",
]


@functools.cache
def _installed() -> dict[str, EntryPoint]:
    """Return the adapters that other installed packages announce, by name; built-in ones keep their names."""
    return {point.name: point for point in entry_points(group="gridcnn.adapters") if point.name not in _BUILT_IN}


def names() -> list[str]:
    """Return the names of all adapters, the built-in ones first."""
    return [*_BUILT_IN, *sorted(_installed())]


def by_name(name: str) -> type[Adapter]:
    """Return the adapter class of a name.

    Only built-in adapters and those announced by installed packages are found: no module is imported by its name.

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
    """Return the built-in adapter for a modality of a `Dataset`: image, sound, text, array or table."""
    if modality not in _OF_MODALITY:
        raise ConfigurationError(f"there is no adapter for {modality!r}; there are those for {', '.join(_OF_MODALITY)}")
    return by_name(_OF_MODALITY[modality])


def provider(kind: type[Adapter]) -> str:
    """Return the name of the installed package that an adapter class belongs to, as far as it is announced."""
    if _BUILT_IN.get(kind.__name__) == kind.__module__:
        return "gridcnn"
    point = _installed().get(kind.__name__)
    return point.dist.name if point is not None and point.dist is not None else kind.__module__.partition(".")[0]


def from_state(name: str, settings: Mapping[str, Any], state: Mapping[str, Any]) -> Adapter:
    """Rebuild a fitted adapter from plain values, as a bundle holds them.

    Parameters
    ----------
    name : str
        One of `names()`.
    settings : mapping
        Its constructor parameters, from `get_params()`.
    state : mapping
        Its fitted state, from `state()`.

    Raises
    ------
    ConfigurationError
        If there is no adapter of that name.
    """
    return by_name(name)(**settings).restore(state)


def __getattr__(name: str) -> Any:
    """Import an adapter when it is first used: most programs need one of them."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gridcnn.adapters' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
