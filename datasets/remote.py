"""Files and folders of a storage that is no disk: s3://, gs://, and whatever else pyarrow or fsspec opens.

Credentials are those of the storage's own tools. For S3 they stand in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_SESSION_TOKEN, AWS_REGION and AWS_ENDPOINT_URL, or in the files of the AWS command line.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any, ClassVar, Literal, NamedTuple
from urllib.parse import urlsplit

from gridcnn.datasets.media import kind_by_name, visible
from gridcnn.datasets.wording import shortened
from gridcnn.errors import DataError
from gridcnn.stored import FETCHED_AT_ONCE, Stored, suffix_of

__all__ = ["RemoteFile", "Stat", "filesystem_of", "found", "is_remote", "listed_below", "local_copy", "remote_error"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_NO_STORAGE = {"file", "hf", "http", "https", "ftp"}

CONNECTED_WITHIN, ANSWERED_WITHIN = 5, 60  # seconds
ATTEMPTS = 4
COPIED_AT_ONCE = 2**22  # bytes
AHEAD = 2**18  # bytes that are read at a time
SETTLED = 2 * 10**9  # nanoseconds after which a change would show in the time of change


class Stat(NamedTuple):
    """What is known of a file, under the names that `os.stat` gives it."""

    st_size: int
    st_mtime_ns: int = 0


def is_remote(name: str) -> bool:
    """Whether a name is that of a file or folder of a storage.

    Examples
    --------
    >>> [is_remote(name) for name in ("s3://bucket/a.csv", "a.csv", "hf://datasets/user/name")]
    [True, False, False]
    """
    return bool(_SCHEME.match(name)) and name.partition(":")[0].lower() not in _NO_STORAGE


@dataclass(frozen=True)
class RemoteFile(Stored):
    """A file of a storage; it is opened where it is asked for, on whichever machine that is.

    Parameters
    ----------
    name : str
        Its URL, such as s3://bucket/clips/a.wav.
    state : Stat, optional
        What it was when it was listed.
    """

    far: ClassVar[bool] = True

    name: str
    state: Stat | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        """Return its URL."""
        return self.name

    @property
    def suffix(self) -> str:
        """What its name ends in, such as ".wav"."""
        return PurePosixPath(urlsplit(self.name).path).suffix

    @property
    def stem(self) -> str:
        """Its last part, without the suffix."""
        return PurePosixPath(urlsplit(self.name).path).stem

    @property
    def parent(self) -> RemoteFile:
        """The folder that it lies in."""
        return RemoteFile(self.name.rstrip("/").rpartition("/")[0])

    def __truediv__(self, name: str) -> RemoteFile:
        """Return the file of a name, relative to this folder, or a full URL."""
        return RemoteFile(name if is_remote(name) else f"{self.name.rstrip('/')}/{name.lstrip('/')}")

    def identity(self) -> bytes:
        """Return its URL."""
        return self.name.encode("utf-8", "surrogatepass")

    def version(self) -> bytes:
        """Return its URL, size and time of change; nothing if they are not known, or it was changed just now."""
        state = self.state
        if state is None or not state.st_mtime_ns or state.st_mtime_ns > time.time_ns() - SETTLED:
            return b""
        return f"{self.name} {state.st_size} {state.st_mtime_ns}".encode("utf-8", "surrogatepass")

    def look(self) -> Any:
        """Return its size when it was listed."""
        return self.version() if self.state is None else self.state.st_size

    def kind(self) -> Literal["image", "sound"] | None:
        """Return what its suffix says."""
        return kind_by_name(self.name)

    def save(self, place: Path, in_memory: Path) -> Path:
        """Fetch it to the disk."""
        place = place.with_name(place.name + suffix_of(urlsplit(self.name).path))
        self.copy_to(place)
        return place

    def copy_to(self, place: Path) -> None:
        """Fetch it to a file of this name; DataError if it cannot be read, OSError if the file cannot be written."""
        filesystem, path = filesystem_of(self.name)
        try:
            stream = filesystem.open_input_stream(path)
        except OSError as error:
            raise remote_error(self.name, error) from None
        with stream, place.open("wb") as written:
            while block := _block(stream, self.name):
                written.write(block)

    def read(self) -> bytes:
        """Return what it holds; DataError if it cannot be read."""
        filesystem, path = filesystem_of(self.name)
        try:
            with filesystem.open_input_stream(path) as file:
                content: bytes = file.read()
            return content
        except OSError as error:
            raise remote_error(self.name, error) from None

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Open it to read at any place; only what is asked for is fetched, some more than that at a time."""
        filesystem, path = filesystem_of(self.name)
        try:
            return io.BufferedReader(filesystem.open_input_file(path), AHEAD)
        except OSError as error:
            raise remote_error(self.name, error) from None

    def _info(self) -> Any:
        filesystem, path = filesystem_of(self.name)
        try:
            return filesystem.get_file_info(path)
        except OSError as error:
            raise remote_error(self.name, error) from None

    def is_file(self) -> bool:
        """Whether there is such a file; DataError if the storage does not say."""
        return bool(self._info().is_file)

    def is_dir(self) -> bool:
        """Whether it is a folder: something lies below it."""
        from pyarrow import fs  # noqa: PLC0415

        return bool(self._info().type == fs.FileType.Directory)

    def stat(self) -> Stat:
        """Return its size."""
        return stat_of(self._info())


def found(files: Sequence[RemoteFile]) -> dict[RemoteFile, RemoteFile]:
    """Return those files that exist, each with what it is now.

    Raises
    ------
    DataError
        If a storage does not say.
    """
    different = list(dict.fromkeys(files))
    with ThreadPoolExecutor(FETCHED_AT_ONCE) as threads:
        described = threads.map(RemoteFile._info, different)
        return {
            file: replace(file, state=stat_of(info))
            for file, info in zip(different, described, strict=True)
            if info.is_file
        }


def stat_of(info: Any) -> Stat:
    """Return size and time of change of a file, as pyarrow describes it."""
    return Stat(int(info.size or 0), int(info.mtime_ns or 0))


def _block(stream: Any, name: str) -> bytes:
    try:
        block: bytes = stream.read(COPIED_AT_ONCE)
    except OSError as error:
        raise remote_error(name, error) from None
    return block


def listed_below(folder: RemoteFile) -> Iterator[RemoteFile]:
    """Yield every visible file below a folder, in the order of the paths.

    Raises
    ------
    DataError
        If it cannot be listed.
    """
    from pyarrow import fs  # noqa: PLC0415

    filesystem, path = filesystem_of(folder.name)
    try:
        found = filesystem.get_file_info(fs.FileSelector(path, recursive=True))
    except OSError as error:
        raise remote_error(folder.name, error) from None
    inner = ((PurePosixPath(each.path).relative_to(path).parts, stat_of(each)) for each in found if each.is_file)
    for parts, state in sorted(each for each in inner if all(map(visible, each[0]))):
        yield replace(folder / "/".join(parts), state=state)


def filesystem_of(name: str) -> tuple[Any, str]:
    """Return the pyarrow filesystem of a URL, and the path in it.

    Raises
    ------
    DataError
        If there is none for such URLs.
    """
    parts = urlsplit(name, allow_fragments=False)
    path = f"{parts.netloc}{parts.path}".rstrip("/")
    if parts.scheme in {"s3", "s3a"}:
        return _s3(parts.netloc, os.getpid(), *map(os.environ.get, _OF_S3)), path
    return _other(name, parts.scheme, os.getpid()), _path_in(name, parts.scheme, path)


_OF_S3 = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID",
          "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")  # fmt: skip


@functools.cache
def _s3(bucket: str, _process: int, of_s3: str | None, of_all: str | None, *regions_and_keys: str | None) -> Any:
    from pyarrow import fs  # noqa: PLC0415

    endpoint, region = of_s3 or of_all, regions_and_keys[0] or regions_and_keys[1]
    how: dict[str, Any] = {}
    if endpoint:
        address = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        how = {"endpoint_override": address.netloc, "scheme": address.scheme}
    elif region is None:
        try:
            region = fs.resolve_s3_region(bucket)
        except OSError as error:
            raise remote_error(f"s3://{bucket}", error) from None
    return fs.S3FileSystem(
        region=region or "us-east-1",
        connect_timeout=CONNECTED_WITHIN,
        request_timeout=ANSWERED_WITHIN,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        **how,
    )


@functools.cache
def _opened(scheme: str, _process: int) -> Any:
    import fsspec  # noqa: PLC0415

    return fsspec.filesystem(scheme)


def _other(name: str, scheme: str, process: int) -> Any:
    from pyarrow import fs  # noqa: PLC0415

    if scheme in {"gs", "gcs"}:
        return _gcs(process)
    try:
        return fs.PyFileSystem(fs.FSSpecHandler(_opened(scheme, process)))
    except ImportError as error:
        raise DataError(
            f"{name}: files of {scheme}:// need a package that is not installed ({' '.join(str(error).split())})."
        ) from None
    except ValueError:
        raise DataError(
            f"{name}: there is no such storage as {scheme}://: give a folder, or a URL such as s3://BUCKET/FOLDER."
        ) from None


@functools.cache
def _gcs(_process: int) -> Any:
    from pyarrow import fs  # noqa: PLC0415

    return fs.GcsFileSystem()


def _path_in(name: str, scheme: str, path: str) -> str:
    if scheme in {"gs", "gcs"}:
        return path
    inner: str = _opened(scheme, os.getpid())._strip_protocol(name)
    return inner


def remote_error(name: str, error: OSError) -> DataError:
    """Say in one line why a storage does not give a file, and what to do."""
    said = shortened(" ".join(str(error).split()))
    lower = said.lower()
    if isinstance(error, FileNotFoundError) or "no_such" in lower or "not_found" in lower or "404" in lower:
        return DataError(f"{name}: no such file, folder or bucket: check the spelling ({said}).")
    advice = "check its address, AWS_ENDPOINT_URL for S3, and that this machine reaches it"
    if any(sign in lower for sign in ("access_denied", "403", "401", "signature", "credentials", "forbidden", "key")):
        advice = (
            "these credentials do not open it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what the storage "
            "takes, here and on all workers"
        )
    return DataError(f"{name} cannot be read: {advice} ({said}).")


@contextlib.contextmanager
def local_copy(file: RemoteFile) -> Iterator[Path]:
    """Fetch a whole file to a temporary one of the same name, while the block runs.

    Raises
    ------
    DataError
        If it cannot be read, or there is no room for it; also in place of one about the copy.
    """
    with tempfile.TemporaryDirectory(prefix="gridcnn-") as folder:
        copy = Path(folder) / PurePosixPath(urlsplit(file.name).path).name
        try:
            file.copy_to(copy)
        except OSError as error:
            raise DataError(
                f"{file.name}: cannot be copied to {folder} ({error.strerror or error}): set TMPDIR to a folder where "
                "there is room."
            ) from None
        try:
            yield copy
        except DataError as error:
            if type(error) is not DataError:
                raise
            raise DataError(str(error).replace(str(copy), file.name)) from None
