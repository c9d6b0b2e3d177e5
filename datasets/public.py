"""Public sets, read from the folder that GRIDCNN_DATA names or downloaded from their official addresses."""

from __future__ import annotations

import os
import tarfile
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

from gridcnn.datasets.catalogue import PUBLIC, PublicSet
from gridcnn.datasets.dataset import Dataset
from gridcnn.durable import make_folder, sync_tree, take_name
from gridcnn.errors import DataError

__all__ = ["load_public"]


def load_public(
    name: str,
    *,
    split: str | None = None,
    download: bool = False,
    cache: str | os.PathLike[str] | None = None,
    address: str | None = None,
) -> Dataset:
    """Read a public set.

    The set is looked for below the folder that the environment variable GRIDCNN_DATA names, then among earlier
    downloads. The network is used only with ``download=True``. No checksum is compared, because no publisher gives one
    for every file: a download is as trustworthy as HTTPS and the official address (for mnist, the mirror that
    torchvision uses).

    Parameters
    ----------
    name : str
        A key of `gridcnn.datasets.catalogue.PUBLIC`, such as "mnist".
    split : str, optional
        Return only this part, such as "train" or "test".
    download : bool, default=False
        Download the set if it is not there yet.
    cache : path, optional
        Folder of the downloads; the user's cache folder by default.
    address : str, optional
        A mirror to use instead of the official address.

    Returns
    -------
    Dataset
        Items are paths for folders of pictures and sounds, and uint8 arrays for downloaded arrays of pictures.

    Raises
    ------
    DataError
        If the set is not there (the message says where it was looked for and how to get it), cannot be downloaded, or
        has no such part.
    """
    wanted = PUBLIC[name]
    dataset = _prepared(wanted)
    if dataset is None:
        dataset = _downloaded(wanted, Path(cache) if cache else _cache_folder(), address or wanted.address, download)
    dataset = replace(dataset, name=name, description=wanted.description)
    return dataset if split is None else dataset.part(split)


def _prepared(wanted: PublicSet) -> Dataset | None:
    root = os.environ.get("GRIDCNN_DATA")
    folder = Path(root) / wanted.folder if root else None
    return wanted.read(folder) if folder is not None and folder.exists() else None


def _cache_folder() -> Path:
    import pooch  # noqa: PLC0415

    return Path(pooch.os_cache("gridcnn"))


def _downloaded(wanted: PublicSet, cache: Path, address: str, download: bool) -> Dataset:
    folder = cache / wanted.name
    paths = {file: folder / file.replace("/", "-") for file in wanted.files}
    missing = [file for file, path in paths.items() if not path.is_file()]
    if wanted.parse is None or (missing and not download):
        raise DataError(
            f"{wanted.name} was not found: looked for {wanted.folder} below GRIDCNN_DATA "
            f"({os.environ.get('GRIDCNN_DATA') or 'not set'}){f' and in {folder}' if wanted.parse else ''}. "
            + (f"Pass download=True to get it from {address}, or set" if wanted.parse else "Set")
            + " GRIDCNN_DATA to a folder that holds it."
        )
    for file in missing:
        _fetch(f"{address.rstrip('/')}/{file}", paths[file])
    try:
        return wanted.parse(paths)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise DataError(
            f"{wanted.name}: the files downloaded to {folder} cannot be read ({error}): delete that folder and "
            "download it again."
        ) from error


def _fetch(url: str, path: Path) -> None:
    """Download one file, which takes its place only when it is complete."""
    import pooch  # noqa: PLC0415
    from requests import RequestException  # noqa: PLC0415

    try:
        make_folder(path.parent)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            draft = Path(pooch.retrieve(url, known_hash=None, fname=path.name, path=folder))
            sync_tree(draft.parent)
            take_name(draft, path)
    except (RequestException, OSError) as error:
        raise DataError(
            f"{url} could not be downloaded ({error}): check the connection, or download the file with a browser and "
            f"put it at {path}."
        ) from error
