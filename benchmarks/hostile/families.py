"""What the corpus of hostile files is made of: one family a kind of file, each registered by the file that knows it.

A new family is one file beside this one that calls `register`, and one line in `FILES`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

FILES = ("pictures", "sounds", "tables")
"""The modules that register families."""

Mutation = Callable[[bytes, Random], bytes]


@dataclass(frozen=True)
class Family:
    """Files of one kind, and how they are tried.

    Parameters
    ----------
    name : str
        Such as "pictures".
    seeds : callable
        Returns valid files: their contents by their names, such as {"grey.png": b"…"}. Always the same.
    prepare : callable
        Takes an empty folder that stays, and makes there what the trials need, such as a saved model; called once a
        run. Its result is pickled and goes to the worker processes.
    load : callable
        Takes what `prepare` returned and returns what `attempt` needs; called once a worker.
    attempt : callable
        Takes what `load` returned and the path of a file; reads it and answers as `predict` does. Raises a
        GridcnnError if the file is refused; any other exception is a finding. Several threads may call it. Its time
        and memory are measured.
    content : callable
        Takes the same, for a file that was answered, and returns what the answer rests on, as bytes: equal bytes mean
        that two files were read as the same.
    damage_shows : callable
        Takes the names of a seed and of a mutation, and says whether a file of that format changed in that way must
        be refused unless it is decoded as the seed is. An answer to another content would be made up.
    own : mapping
        Mutations that know the formats, by name: they take a content and a random generator, and return a content,
        or raise `Unsuited` for formats that they do not know.
    bombs : mapping
        Made-up files by name: callables without arguments that return a content. Each is tried once a run.
    in_folders : bool
        Whether each file is an item of a class folder, and what `prepare` returns is the path of a model: then the
        commands and the service are tried, too.
    """

    name: str
    seeds: Callable[[], Mapping[str, bytes]]
    prepare: Callable[[Path], Any]
    load: Callable[[Any], Any]
    attempt: Callable[[Any, Path], object]
    content: Callable[[Any, Path], bytes]
    damage_shows: Callable[[str, str], bool] = lambda seed, mutation: False
    own: Mapping[str, Mutation] = field(default_factory=dict)
    bombs: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)
    in_folders: bool = False


class Unsuited(Exception):  # noqa: N818  (no error)
    """A mutation does not know the format."""


FAMILIES: dict[str, Family] = {}


def register(family: Family) -> Family:
    """Add a family to the corpus."""
    FAMILIES[family.name] = family
    return family


def load_all() -> Mapping[str, Family]:
    """Import all files that register families, and return these."""
    for name in FILES:
        importlib.import_module(name)
    return FAMILIES
