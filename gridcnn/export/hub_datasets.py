"""Data sets on the Hugging Face Hub, downloaded by the name `hf://datasets/USER/NAME`.

What is downloaded is data: tables, pictures and sounds. Scripts that sets bring along are never asked for.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gridcnn.errors import BundleError, ConfigurationError, DataError
from gridcnn.export.hub import as_shown, parts_of_name, without_progress
from gridcnn.export.hub_errors import in_one_line, package

__all__ = ["DatasetName", "fetch_dataset", "is_dataset_name"]

_FORM = "hf://datasets/USER/NAME, also with a revision and a folder or file: hf://datasets/USER/NAME@v1/data"
_NAME = re.compile(r"hf:/{1,2}datasets/(?P<repository>[^/@]+/[^/@]+)(?:@(?P<revision>[^/@]+))?(?:/(?P<inside>.+?))?/?")

_TABLES = (".parquet", ".csv", ".tsv", ".jsonl")
_OTHER = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".wav", ".flac", ".ogg", ".opus", ".mp3",
          ".m4a", ".aiff", ".aif", ".txt")  # fmt: skip
_METADATA = re.compile(r"(.*/)?metadata\.(csv|jsonl|parquet)")
MOST_FILES = 500_000
AT_ONCE = 8


@dataclass(frozen=True)
class DatasetName:
    """What `hf://datasets/USER/NAME[@REVISION][/FOLDER or /FILE]` names.

    Parameters
    ----------
    repository : str
        `USER/NAME`.
    revision : str or None
        A branch, a tag or a commit; None means the newest. In the name a slash in it is written `%2F`.
    inside : str
        A folder or a file in it; empty for all.

    Examples
    --------
    >>> DatasetName.parse("hf://datasets/me/birds@v1/data")
    DatasetName(repository='me/birds', revision='v1', inside='data')
    """

    repository: str
    revision: str | None = None
    inside: str = ""

    def __str__(self) -> str:
        revision = f"@{self.revision.replace('/', '%2F')}" if self.revision else ""
        return f"hf://datasets/{self.repository}{revision}{f'/{self.inside}' if self.inside else ''}"

    @classmethod
    def parse(cls, text: str) -> DatasetName:
        """Read a name; one in which one of the two slashes got lost is one too.

        Raises
        ------
        ConfigurationError
            If it has another form, or leads elsewhere.
        """
        repository, revision, inside = parts_of_name(text, _NAME, "a data set", _FORM)
        if inside and not _is_plain(inside):
            raise ConfigurationError(
                f"{as_shown(text)}: a folder or file of the set has no '..' and no backslash in its name"
            )
        return cls(repository, revision, inside)


def is_dataset_name(text: str | os.PathLike[str]) -> bool:
    """Whether a text begins as the name of a data set on the hub does."""
    return re.match(r"hf:/{1,2}datasets(/|$)", os.fspath(text).replace("\\", "/")) is not None


def _is_plain(name: str) -> bool:
    """Whether a name in a repository stays in it on any system."""
    parts = name.split("/")
    return name.isprintable() and "\\" not in name and ":" not in name and not {"", ".", ".."} & set(parts)


def fetch_dataset(name: str, *, token: str | None = None, endpoint: str | None = None) -> Path:
    """Download the files of a data set once, and return the folder or the file where they lie.

    Parquet files are preferred; without any, tables, pictures and sounds are downloaded.

    Parameters
    ----------
    name : str
        `hf://datasets/USER/NAME[@REVISION][/FOLDER or /FILE]`.
    token : str, optional
        The default is the variable `HF_TOKEN`, or that of `hf auth login`.
    endpoint : str, optional
        Address of the hub. The default is the variable `HF_ENDPOINT`, or https://huggingface.co.

    Returns
    -------
    Path
        In the cache of huggingface_hub, which keeps what has not changed.

    Raises
    ------
    ConfigurationError
        If the name has another form, or huggingface_hub is missing.
    DataError
        If there is no such set, it may not be read, holds no data that gridcnn reads, or more than there is room for,
        or the hub cannot be reached.
    """
    asked = DatasetName.parse(name)
    hub, endpoint = package(), endpoint or os.environ.get("HF_ENDPOINT")
    api = hub.HfApi(endpoint=endpoint, token=token, library_name="gridcnn")
    try:
        with in_one_line(str(asked), "read"), without_progress():
            info = api.dataset_info(asked.repository, revision=asked.revision, files_metadata=True)
            chosen = _chosen(asked, info.siblings or [])
            _require_room(asked, chosen)

            def download(file: Any) -> str:
                path: str = api.hf_hub_download(
                    asked.repository, file.rfilename, repo_type="dataset", revision=info.sha or asked.revision
                )
                return path

            with ThreadPoolExecutor(AT_ONCE) as pool:
                paths = list(pool.map(download, chosen))
    except BundleError as error:
        raise DataError(str(error)) from error
    first, depth = Path(paths[0]), len(PurePosixPath(chosen[0].rfilename).parts)
    root = first.parents[depth - 1]
    return root / asked.inside if asked.inside else root


def _chosen(asked: DatasetName, files: Sequence[Any]) -> list[Any]:
    """Return the files that are downloaded.

    Raises
    ------
    DataError
        If there are none, or too many.
    """
    names = [file for file in files if _is_plain(file.rfilename) and not _is_hidden(file.rfilename)]
    inside = asked.inside.rstrip("/")
    names = [file for file in names if not inside or f"{file.rfilename}/".startswith(f"{inside}/")]
    tables = [file for file in names if file.rfilename.lower().endswith(_TABLES)]
    shards = [file for file in tables if file.rfilename.lower().endswith(".parquet")]
    other = [file for file in names if file.rfilename.lower().endswith(_OTHER)]
    lists = any(_METADATA.fullmatch(file.rfilename) for file in tables)
    chosen = shards if shards and not lists else [*tables, *(each for each in other if each not in tables)]
    if not chosen:
        raise DataError(
            f"{asked}: no parquet, csv, jsonl, picture or sound is in it: if it is made by a script, or packed, its "
            f"parquet files are often at hf://datasets/{asked.repository}@refs%2Fconvert%2Fparquet"
        )
    if len(chosen) > MOST_FILES:
        raise DataError(f"{asked}: {len(chosen):,} files, more than {MOST_FILES:,}: name a folder of it.")
    return chosen


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _require_room(asked: DatasetName, files: Sequence[Any]) -> None:
    """Raise DataError if the files are larger than the room that the disk of the cache has."""
    place = Path(package("constants").HF_HUB_CACHE)
    while not place.exists():
        place = place.parent
    size, free = sum(file.size or 0 for file in files), shutil.disk_usage(place).free * 9 // 10
    if size > free:
        raise DataError(
            f"{asked}: {size / 2**30:.1f} GB, and the disk of {place} has room for {free / 2**30:.1f} GB: name a "
            "folder of it, or set HF_HOME to a folder where there is more."
        )
