"""A folder of a storage as a folder of this machine: the same names, and the content of what lists or is a text.

Whoever reads folders can then read it: which are parts, which are classes, what is stray. Pictures and sounds are empty
there, and the items are files of the storage again in the end.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from gridcnn.datasets.compressed import is_table_file
from gridcnn.datasets.dataset import Dataset
from gridcnn.datasets.folder import DOCUMENTS
from gridcnn.datasets.media import is_media_name
from gridcnn.datasets.remote import RemoteFile, listed_below
from gridcnn.datasets.shards import Cell
from gridcnn.errors import DataError
from gridcnn.stored import FETCHED_AT_ONCE, keep
from gridcnn.temporary import temporary_folder

__all__ = ["Outline"]

LISTS = "metadata."
"""What the names of tables begin with that say something about the files beside them."""


class Outline:
    """The outline of a folder, in a temporary folder that is removed when the program ends.

    Parameters
    ----------
    folder : RemoteFile
        The folder.

    Raises
    ------
    DataError
        If it cannot be listed or fetched, or has names that no folder of this machine can have.
    """

    def __init__(self, folder: RemoteFile) -> None:
        self.folder = folder
        name = PurePosixPath(folder.name.rstrip("/")).name
        self.place = temporary_folder(name if name not in {"", ".."} else "items")
        listed = list(listed_below(folder))
        alone = not any(is_media_name(file.name) for file in listed)
        self._files: dict[Path, RemoteFile] = {}
        self._known: dict[Path, Path] = {}
        wanted: list[tuple[RemoteFile, Path]] = []
        for file in listed:
            place = self._place_of(file)
            self._files[place] = file
            if (alone and file.suffix.lower() in DOCUMENTS) or (
                is_table_file(place) and (alone or place.name.startswith(LISTS))
            ):
                wanted.append((file, place))
        with ThreadPoolExecutor(FETCHED_AT_ONCE) as threads:
            for _ in threads.map(lambda each: self._fetch(*each), wanted):
                pass

    def _place_of(self, file: RemoteFile) -> Path:
        parts = file.name.removeprefix(self.folder.name.rstrip("/")).lstrip("/").split("/")
        try:
            if {"", ".", ".."} & {*parts}:
                raise ValueError("no name of a file")
            place = self.place.joinpath(*parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise DataError(f"{file}: no file of this machine can be called so ({why}): rename it.") from None
        return place

    def _fetch(self, file: RemoteFile, place: Path) -> None:
        try:
            file.copy_to(place)
        except OSError as error:
            raise DataError(f"{file}: cannot be copied to {place.parent} ({error.strerror or error}).") from None
        keep(file, place)

    def named(self, text: str) -> str:
        """Return a text in which the storage stands in place of the outline."""
        return text.replace(str(self.place), self.folder.name.rstrip("/"))

    def items_of(self, data: Dataset) -> Dataset:
        """Return a data set that was read from the outline, with the items of the storage."""
        return replace(
            data,
            items=[self._item(it) for it in data.items] if isinstance(data.items, list) else data.items,
            skipped=tuple(
                each._replace(item=self.named(each.item), reason=self.named(each.reason)) for each in data.skipped
            ),
            notes=tuple(map(self.named, data.notes)),
        )

    def _item(self, item: Any) -> Any:
        if isinstance(item, Cell) and isinstance(item.shard.path, Path):
            file = self._files.get(item.shard.path)
            return item if file is None else item.of(file)
        return self._files.get(item, item) if isinstance(item, Path) else item
