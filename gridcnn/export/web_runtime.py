"""The runtime of a static page: three files of onnxruntime-web, which is an npm package.

They are taken from a folder that has them, or fetched once by npm, in a pinned version whose digest is checked.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from gridcnn.durable import make_folder
from gridcnn.errors import ExportError
from gridcnn.pipeline.cache import default_cache_folder
from gridcnn.pipeline.replacing import replacing

__all__ = ["FILES", "PACKAGE", "VARIABLE", "web_runtime"]

FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")

NAME, VERSION = "onnxruntime-web", "1.30.0"
PACKAGE = f"{NAME}@{VERSION}"
INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""SHA-512 of the package's archive in base64, as the registry of npm states it."""

VARIABLE = "GRIDCNN_ORT_WEB"
"""Environment variable that names a folder with the files."""

PATIENCE = 600  # seconds for npm


def web_runtime(folder: str | Path | None = None) -> dict[str, bytes]:
    """Return the files of the runtime by name.

    Parameters
    ----------
    folder : path, optional
        Where they are: a folder with the files, or the package or `node_modules` around it. The default is what the
        environment variable GRIDCNN_ORT_WEB names, then `node_modules` in the working folder, then the cache; and
        where none has them, npm fetches the package into the cache.

    Raises
    ------
    ExportError
        If they are nowhere and cannot be fetched, or the named folder does not have them.
    """
    named = folder or os.environ.get(VARIABLE)
    if named:
        return _read(_place(Path(named)))
    cached = default_cache_folder() / f"{NAME}-{VERSION}"
    for place in (Path("node_modules", NAME, "dist"), cached):
        if _is_complete(place):
            return _read(place)
    _fetch(cached)
    return _read(cached)


def _is_complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in FILES)


def _place(folder: Path) -> Path:
    """Return the folder of the files in what a person named."""
    inside = (folder, folder / "dist", folder / NAME / "dist", folder / "node_modules" / NAME / "dist")
    for place in inside:
        if _is_complete(place):
            return place
    missing = next(name for name in FILES if not (folder / name).is_file())
    raise ExportError(f"{folder} has no {missing}: name the folder dist of the npm package {PACKAGE}")


def _read(folder: Path) -> dict[str, bytes]:
    try:
        return {name: (folder / name).read_bytes() for name in FILES}
    except OSError as error:
        raise ExportError(f"{folder}: the runtime cannot be read ({error.strerror})") from error


def _fetch(cached: Path) -> None:
    """Let npm fetch the package, check it, and keep the files in the cache."""
    otherwise = f"install it (npm install {PACKAGE}) and name its folder dist with --runtime"
    npm = shutil.which("npm")
    if npm is None:
        raise ExportError(f"a page needs {NAME}, a package of npm, which is not installed here: {otherwise}")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", PACKAGE, "--silent", "--ignore-scripts", "--pack-destination", folder]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
            archive = next(Path(folder).glob("*.tgz")).read_bytes()
        except (OSError, StopIteration, subprocess.SubprocessError) as error:
            raise ExportError(f"a page needs {NAME}, and npm could not fetch it: {otherwise}") from error
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != INTEGRITY:
        raise ExportError(f"npm fetched another {PACKAGE} than the one that gridcnn was tested with: {otherwise}")
    try:
        _unpack(archive, cached)
    except (OSError, KeyError, tarfile.TarError) as error:
        raise ExportError(f"{NAME} cannot be unpacked into {cached} ({error}): {otherwise}") from error


def _unpack(archive: bytes, folder: Path) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(archive)
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:gz") as packed:
            make_folder(folder)
            for name in FILES:
                member = packed.extractfile(f"package/dist/{name}")
                if member is None:
                    raise KeyError(name)
                with replacing(folder / name) as written:
                    written.write(member.read())
