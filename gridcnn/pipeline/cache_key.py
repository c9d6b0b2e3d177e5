"""The name of a cache entry: a digest of all that decides what an adapter makes of an item, its code included."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from gridcnn.adapters import limits
from gridcnn.adapters.base import Adapter

__all__ = ["cache_key"]

FORMAT = 3  # raised when entries change for another reason than the code of an adapter


def cache_key(adapter: Adapter, *parts: Any) -> str:
    """Return the name of an entry: a digest of an adapter, its settings, all code that it is made of, and `parts`."""
    kind = type(adapter)
    settings = [adapter.get_params(deep=False), dict(limits.current())]  # an entry also holds which items are too large
    identity = [FORMAT, kind.__module__, kind.__qualname__, _code(kind), settings, parts]
    return hashlib.blake2b(json.dumps(identity, sort_keys=True, default=str).encode(), digest_size=20).hexdigest()


def _code(kind: type[Adapter]) -> str:
    """Return a digest of all modules that an adapter class is made of, and of the versions of what these import.

    A module belongs to the class if it defines one of its base classes, or lies in the same package and is imported by
    one that belongs. A class that was typed into a console has no file and no digest.
    """
    homes = [each.__module__ for each in kind.__mro__ if issubclass(each, Adapter)]
    packages = {home.rpartition(".")[0] or home for home in homes}
    sources: dict[str, bytes] = {}
    foreign: set[str] = set()
    waiting = list(homes)
    while waiting:
        module = waiting.pop()
        if module in sources:
            continue
        path = getattr(sys.modules.get(module), "__file__", None)
        sources[module] = Path(path).read_bytes() if path is not None and Path(path).is_file() else b""
        for name in _imported(sources[module]):
            if name in sys.modules and any(name == package or name.startswith(f"{package}.") for package in packages):
                waiting.append(name)
            foreign.add(name.partition(".")[0])
    versions = {name: str(getattr(sys.modules.get(name), "__version__", "")) for name in foreign - {"gridcnn"}}
    return hashlib.blake2b(repr([sorted(sources.items()), sorted(versions.items())]).encode()).hexdigest()


@functools.lru_cache(maxsize=256)
def _imported(source: bytes) -> tuple[str, ...]:
    """Return the names that a source file imports absolutely, inside functions as well; not all of them are modules."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
    return tuple(found)
