"""A folder of parquet shards, on a disk or in a remote storage, that is whole as soon as it has its manifest.

`part-00000.parquet` and so on hold the rows, in the order of the items; `skipped.csv` the items without an answer, and
why. `manifest.json` is written last: model, number of rows, and the digest of each shard. Until then `unfinished.json`
stands there, which says what makes the rows, so that a later run goes on behind the last shard of an earlier one.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Self

from gridcnn.datasets.remote import filesystem_of, is_remote, remote_error
from gridcnn.errors import ConfigurationError
from gridcnn.pipeline.replacing import replacing
from gridcnn.stored_json import parsed

__all__ = ["MANIFEST", "SKIPPED", "UNFINISHED", "Shards", "place_of"]

MANIFEST, SKIPPED, UNFINISHED = "manifest.json", "skipped.csv", "unfinished.json"
SHARD = re.compile(r"part-\d{5,}\.parquet")

ROWS, BYTES = 100_000, 64 * 2**20
"""A shard ends once it has so many rows, or so many bytes in memory."""

SECONDS = 600
"""A shard ends at that age, too: what is not in one is lost with the process that writes."""

ITEM, ERROR = "item", "error"
"""Columns of the rows: what an item is called, and why it has no answer."""


class _Folder:
    """A folder on a disk."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def names(self) -> list[str]:
        return [each.name for each in self._place.iterdir()] if self._place.is_dir() else []

    def read(self, name: str) -> bytes:
        return (self._place / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        try:
            self._place.mkdir(parents=True, exist_ok=True)
            with replacing(self._place / name) as file:
                file.write(content)
        except OSError as error:
            raise ConfigurationError(
                f"{self._place} cannot be written to ({error.strerror}): make room, or choose another place."
            ) from None

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

    def read(self, name: str) -> bytes:
        with self._telling(), self._filesystem.open_input_stream(f"{self._path}/{name}") as file:
            content: bytes = file.read()
            return content

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


def place_of(output: str, *, resume: bool = False) -> _Folder | _RemoteFolder:
    """Return the folder of a name, in which nothing is that this would lose or be taken for a part of.

    Parameters
    ----------
    output : str
        A folder, which need not be there, or one of a remote storage.
    resume : bool, optional
        Whether it may hold shards of a run that was stopped.

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
    shards = _shards_among(names)
    if others := sorted(set(names) - {*shards, SKIPPED, UNFINISHED, ""}):
        raise ConfigurationError(
            f"{output} holds other files, such as {others[0]}: give a folder of its own to the result."
        )
    if shards and not resume:
        raise ConfigurationError(
            f"{output} has shards of a run that was stopped ({len(shards):,}): go on with it by --resume, or remove "
            "the folder to begin anew."
        )
    place.write(SKIPPED, b"")  # so that what is refused is refused before the work
    return place


def _shards_among(names: list[str]) -> list[str]:
    """Return the names of shards, in their order."""
    return sorted((name for name in names if SHARD.fullmatch(name)), key=lambda name: (len(name), name))


def _name_of(number: int) -> str:
    return f"part-{number:05d}.parquet"


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
        self._began = time.monotonic()
        self._shards: list[dict[str, Any]] = []
        self._skipped: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace", newline="")  # noqa: SIM115
        self._failures = csv.writer(self._skipped, lineterminator="\n")
        self._failures.writerow((ITEM, ERROR))
        self.n_rows = self.n_failed = 0

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what is left, and the manifest, if all went well."""
        with self._skipped:
            if kind is not None:
                if self._batches:
                    with suppress(Exception):  # the error before is the one to hear of
                        self._write_shard()
                self.n_rows -= self._waiting
                return
            if self._batches or not self._shards:
                self._write_shard()
            self._skipped.seek(0)
            self._place.write(SKIPPED, self._skipped.read().encode("utf-8", "backslashreplace"))
            manifest = {**self._about, "rows": self.n_rows, "failed": self.n_failed, "shards": self._shards}
            self._place.write(MANIFEST, f"{json.dumps(manifest, indent=2)}\n".encode())
            with suppress(OSError, ConfigurationError):
                self._place.remove(UNFINISHED)

    def go_on(
        self, run: Mapping[str, Any], differences: Callable[[Any], list[str]], see: Callable[[list[str]], object]
    ) -> None:
        """Go on behind the shards of an earlier run, up to the first that is missing or damaged; or begin.

        Parameters
        ----------
        run : mapping
            What makes the rows, JSON-ready.
        differences : callable
            Says how the `run` of the earlier shards differs from this one.
        see : callable
            Called with the names of the items that have rows, in their order.

        Raises
        ------
        ConfigurationError
            If other rows than those of this run stand there.
        """
        names = self._place.names()
        shards = _shards_among(names)
        if shards:
            if changed := differences(self._earlier(names)):
                raise ConfigurationError(
                    f"the shards that are there are of another run ({'; '.join(changed)}): repeat that one with "
                    "--resume, or remove the folder to begin anew."
                )
            while self.n_shards < len(shards) and shards[self.n_shards] == _name_of(self.n_shards):
                if not self._take(_name_of(self.n_shards), see):
                    break
            for name in shards[self.n_shards :]:
                self._place.remove(name)
        self._place.write(UNFINISHED, f"{json.dumps(run, indent=2)}\n".encode())

    @property
    def n_shards(self) -> int:
        """How many shards are written."""
        return len(self._shards)

    def _earlier(self, names: list[str]) -> Any:
        """Return what made the rows of an earlier run, or something that nothing makes."""
        try:
            return parsed(self._place.read(UNFINISHED)) if UNFINISHED in names else {}
        except ValueError:
            return {}

    def _take(self, name: str, see: Callable[[list[str]], object]) -> bool:
        """Count the rows of a shard as written; return False if it is damaged."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        content = self._place.read(name)
        try:
            rows = pq.read_table(io.BytesIO(content))
        except (OSError, pa.ArrowException):
            return False
        if not rows.schema.equals(self._schema):
            return False
        failed = rows.filter(pc.is_valid(rows[ERROR]))
        self._failures.writerows(zip(failed[ITEM].to_pylist(), failed[ERROR].to_pylist(), strict=True))
        see(rows[ITEM].to_pylist())
        self.n_rows += len(rows)
        self.n_failed += len(failed)
        self._note(name, len(rows), content)
        return True

    def _note(self, name: str, n_rows: int, content: bytes) -> None:
        self._shards.append({"name": name, "rows": n_rows, "sha256": hashlib.sha256(content).hexdigest()})

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
        aged = time.monotonic() - self._began >= SECONDS
        if self._waiting >= ROWS or self._size >= BYTES or aged:
            self._write_shard()

    def _write_shard(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = io.BytesIO()
        pq.write_table(pa.Table.from_batches(self._batches, self._schema), file)
        content, name = file.getvalue(), _name_of(self.n_shards)
        self._place.write(name, content)
        self._note(name, self._waiting, content)
        self._batches, self._waiting, self._size, self._began = [], 0, 0, time.monotonic()
