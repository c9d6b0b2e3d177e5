"""Adapters turn raw items of one modality (pictures, sounds, texts, arrays) into grids."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
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

__all__ = ["Adapter", "ArrayAdapter", "AudioAdapter", "ImageAdapter", "TableAdapter", "TextAdapter", "from_state"]


def from_state(name: str, settings: Mapping[str, Any], state: Mapping[str, Any]) -> Adapter:
    """Rebuild a fitted built-in adapter from plain values, as a bundle holds them.

    Parameters
    ----------
    name : str
        Name of its class: `"ImageAdapter"`, `"AudioAdapter"`, `"TextAdapter"`, `"ArrayAdapter"` or
        `"TableAdapter"`.
    settings : mapping
        Its constructor parameters, from `get_params()`.
    state : mapping
        What it learned, from `state()`.

    Raises
    ------
    ConfigurationError
        If there is no built-in adapter of that name.
    """
    if name not in _BUILT_IN:
        raise ConfigurationError(f"there is no built-in adapter {name!r}; there are {', '.join(_BUILT_IN)}")
    adapter: Adapter = getattr(importlib.import_module(_BUILT_IN[name]), name)(**settings)
    return adapter.restore(state)


def __getattr__(name: str) -> Any:
    """Import an adapter when it is first used: most programs need one of them."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gridcnn.adapters' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
