"""A folder of parquet shards, on a disk or in a remote storage, that is whole as soon as it has its manifest.

`part-00000.parquet` and so on hold the rows, in the order of the items; `skipped.csv` the items without an answer, and
why. `manifest.json` is written last: model, number of rows, and the digest of each shard.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

from gridcnn.datasets.remote import filesystem_of, is_remote, remote_error
from gridcnn.errors import ConfigurationError
from gridcnn.pipeline.replacing import replacing

__all__ = ["MANIFEST", "SKIPPED", "Shards", "place_of"]

MANIFEST, SKIPPED = "manifest.json", "skipped.csv"
SHARD = re.compile(r"part-\d{5,}\.parquet")

ROWS, BYTES = 100_000, 64 * 2**20
"""A shard ends once it has so many rows, or so many bytes in memory."""


class _Folder:
    """A folder on a disk."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def names(self) -> list[str]:
        return [each.name for each in self._place.iterdir()] if self._place.is_dir() else []

    def write(self, name: str, content: bytes) -> None:
        self._place.mkdir(parents=True, exist_ok=True)
        with replacing(self._place / name) as file:
            file.write(content)

    def remove(self, name: str) -> None:
        (self._place / name).unlink(missing_ok=True)


class _RemoteFolder:
    """A folder of a storage, where a file appears once all of it has been sent."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._filesystem, self._path = filesystem_of(name)

    def names(self) -> list[str]:
        from pyarrow import fs

        with self._telling():
            found = self._filesystem.get_file_info(fs.FileSelector(self._path, allow_not_found=True))
        return [each.base_name for each in found]

    def write(self, name: str, content: bytes) -> None:
        with self._telling(), self._filesystem.open_output_stream(f"{self._path}/{name}") as file:
            file.write(content)

    def remove(self, name: str) -> None:
        with self._telling():
            self._filesystem.delete_file(f"{self._path}/{name}")

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigurationError(str(remote_error(self._name, error)).replace("read", "written to", 1)) from None


def place_of(output: str) -> _Folder | _RemoteFolder:
    """Return the folder of a name, in which nothing is that this would lose or be taken for a part of.

    What an unfinished run has left there is removed.

    Raises
    ------
    ConfigurationError
        If it holds a whole result, something else, or cannot be written to.
    """
    if is_remote(output):
        place: _Folder | _RemoteFolder = _RemoteFolder(output)
    elif Path(output).exists() and not Path(output).is_dir():
        raise ConfigurationError(f"{output} is a file, and with --workers the result is a folder: give another name.")
    else:
        place = _Folder(Path(output))
    names = place.names()
    if MANIFEST in names:
        raise ConfigurationError(f"{output} holds a result already: give another folder, or remove this one.")
    unfinished = [name for name in names if SHARD.fullmatch(name) or name == SKIPPED]
    if others := sorted(set(names) - set(unfinished) - {""}):
        raise ConfigurationError(
            f"{output} holds other files, such as {others[0]}: give a folder of its own to the result."
        )
    try:
        for name in unfinished:
            place.remove(name)
        place.write(SKIPPED, b"")  # so that what is refused is refused before the work
    except OSError as error:
        raise ConfigurationError(f"{output} cannot be written to ({error.strerror}): choose another place.") from None
    return place


class Shards:
    """Writes rows as shards, and the manifest at the end of a block that no error has ended.

    Parameters
    ----------
    place : folder
        As `place_of` returns it.
    schema : pyarrow.Schema
        Of the rows.
    about : mapping
        What the manifest says beside rows and shards, JSON-ready.

    Attributes
    ----------
    n_rows, n_failed : int
        Number of rows so far, and of those without an answer.
    """

    def __init__(self, place: Any, schema: Any, about: Mapping[str, Any]) -> None:
        self._place, self._schema, self._about = place, schema, dict(about)
        self._batches: list[Any] = []
        self._size = self._waiting = 0
        self._shards: list[dict[str, Any]] = []
        self._skipped: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace", newline="")  # noqa: SIM115
        self._failures = csv.writer(self._skipped, lineterminator="\n")
        self._failures.writerow(("item", "error"))
        self.n_rows = self.n_failed = 0

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what is left, and the manifest, if all went well."""
        with self._skipped:
            if kind is not None:
                return
            if self._batches or not self._shards:
                self._write_shard()
            self._skipped.seek(0)
            self._place.write(SKIPPED, self._skipped.read().encode("utf-8", "backslashreplace"))
            manifest = {**self._about, "rows": self.n_rows, "failed": self.n_failed, "shards": self._shards}
            self._place.write(MANIFEST, f"{json.dumps(manifest, indent=2)}\n".encode())

    def add(self, rows: bytes, failed: Sequence[tuple[str, str]]) -> None:
        """Add rows, as a record batch that Arrow has serialised, and say which of them have no answer."""
        import pyarrow as pa

        batch = pa.ipc.read_record_batch(pa.py_buffer(rows), self._schema)
        self._batches.append(batch)
        self._waiting += len(batch)
        self._size += batch.nbytes
        self.n_rows += len(batch)
        self.n_failed += len(failed)
        self._failures.writerows(failed)
        if self._waiting >= ROWS or self._size >= BYTES:
            self._write_shard()

    def _write_shard(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = io.BytesIO()
        pq.write_table(pa.Table.from_batches(self._batches, self._schema), file)
        content, name = file.getvalue(), f"part-{len(self._shards):05d}.parquet"
        self._place.write(name, content)
        self._shards.append({"name": name, "rows": self._waiting, "sha256": hashlib.sha256(content).hexdigest()})
        self._batches, self._waiting, self._size = [], 0, 0
