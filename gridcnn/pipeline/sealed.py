"""Sealed files: tensors and a description in one safetensors file, with a digest over both.

What gridcnn saves of a training, the finished model and the checkpoints on the way, is such a file. The description is
JSON text under the metadata key `kind`; `kind_format` is the number of its format and `kind_digest` a SHA-256 digest.
The digest finds damage and careless edits; it is no signature.

Reading runs no code from the file and follows no path in it. Nothing of it is believed before it is checked: the sizes
that the header announces are compared with the size of the file before the tensors are read, and JSON has limits.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from gridcnn.errors import (
    BundleError,
    BundleVersionError,
    NotABundleError,
    TamperedBundleError,
    TruncatedBundleError,
)
from gridcnn.pipeline.replacing import replacing
from gridcnn.stored_json import LARGEST, is_small_enough, parsed, plain
from gridcnn.versions import versions

__all__ = ["Sealed", "is_sealed", "read_sealed", "unsealed", "write_sealed"]

LONGEST_VERSION = 9  # digits

MOST_TENSORS = 2**14
"""Each takes time, however small it is; a network of a hundred convolutions has some six hundred."""


class Sealed(NamedTuple):
    """What a sealed file holds.

    Parameters
    ----------
    values : dict
        The description: what JSON can hold, NaN and infinity included.
    tensors : dict of str to Tensor
        On the CPU, not shared with anything.
    """

    values: dict[str, Any]
    tensors: dict[str, Tensor]


def write_sealed(
    path: Path, kind: str, version: int, description: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Write a sealed file, whole or not at all; what has the name is replaced.

    Parameters
    ----------
    path : Path
        The file, in an existing folder.
    kind : str
        What the file is, such as `"gridcnn"`: letters and underscores.
    version : int
        Number of the format of the description.
    description : mapping of str
        Anything that `plain` turns into JSON.
    tensors : mapping of str to Tensor
        On any device; no two of them may share memory.

    Raises
    ------
    BundleError
        If the description is larger than `read_sealed` would accept.
    OSError
        If the file cannot be written; what had the name before stays.
    """
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(description, sort_keys=True, default=plain)  # ASCII: any string has a form in it
    content = safetensors.torch.save(
        kept, metadata={kind: text, f"{kind}_format": str(version), f"{kind}_digest": _digest(text, kept)}
    )
    if not is_small_enough(text.encode()) or not is_small_enough(content[8 : 8 + _header_length(content)]):
        raise BundleError(
            f"{path} would have a description of {len(text):,} bytes, and one of more than {LARGEST:,} is not "
            "read again: train with a smaller vocabulary, or with fewer classes"
        )
    if len(kept) > MOST_TENSORS:
        raise BundleError(f"{path} would have {len(kept):,} tensors, and more than {MOST_TENSORS:,} are not read again")
    with replacing(path) as file:
        file.write(content)


def read_sealed(path: Path, kind: str, version: int, *others: int) -> Sealed:
    """Read a sealed file of a kind and a format, or one of `others`.

    Raises
    ------
    NotABundleError
        If there is no such file, or it is something else.
    TruncatedBundleError
        If the file ends too early, or too late.
    BundleVersionError
        If it has another format.
    TamperedBundleError
        If it is damaged, or was changed after it was written.
    BundleError
        If it cannot be read.
    """
    if not path.is_file():
        raise NotABundleError(f"{path}: there is no such file")
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(9)
            _check_start(start, size, path)
            _header(start[8:] + file.read(_header_length(start) - 1), size, path)
            file.seek(0)
            content = file.read()  # safetensors itself opens no file whose name is not UTF-8
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror})") from error
    return unsealed(content, kind, version, path, *others)


def unsealed(content: bytes, kind: str, version: int, name: str | Path, *others: int) -> Sealed:
    """Do the same with the content of a file, which `name` names in messages."""
    _check_start(content[:9], len(content), name)
    header = _header(content[8 : 8 + _header_length(content)], len(content), name)
    try:
        tensors = safetensors.torch.load(content)
    except (safetensors.SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise _damaged(name, error) from error
    metadata = header.get("__metadata__") or {}  # strings, or safetensors would have refused it
    stated = metadata.get(f"{kind}_format", "")
    if kind not in metadata or not re.fullmatch(f"[0-9]{{1,{LONGEST_VERSION}}}", stated):
        raise NotABundleError(f"{name} is a safetensors file, but not one that gridcnn wrote, or not of this kind")
    if int(stated) not in (version, *others):
        raise BundleVersionError(
            f"{name} has format {stated}, but gridcnn {versions()['gridcnn']} reads format {version}: "
            + ("upgrade gridcnn" if int(stated) > version else "train again, or use the gridcnn that wrote it")
        )
    text = metadata[kind]
    if metadata.get(f"{kind}_digest") != _digest(text, tensors):
        raise TamperedBundleError(f"{name} was changed after it was written: its digest does not match")
    try:
        return Sealed(parsed(text.encode()), tensors)
    except ValueError as error:
        raise _damaged(name, error) from error


def is_sealed(path: str | Path, kind: str) -> bool:
    """Whether a file begins as a sealed one of a kind; only `read_sealed` says whether it can be read."""
    start = f'{{"__metadata__":{{"{kind}'.encode()
    with Path(path).open("rb") as file:
        beginning = file.read(8 + len(start) + len('_format":'))[8:]
    return any(beginning.startswith(start + end) for end in (b'":', b'_format":', b'_digest":'))


def _header_length(content: bytes) -> int:
    return int.from_bytes(content[:8], "little")


def _check_start(start: bytes, size: int, name: str | Path) -> None:
    """Check the first nine bytes of a file of `size` bytes."""
    length = _header_length(start)
    if len(start) < 9 or start[8:9] != b"{" or length > LARGEST:
        raise NotABundleError(f"{name} is not a file that gridcnn saved (not a safetensors file)")
    if size < 8 + length:
        raise TruncatedBundleError(f"{name} is cut off: {size} bytes, but its header alone needs {8 + length}")


def _header(text: bytes, size: int, name: str | Path) -> dict[str, Any]:
    """Return a header that announces as many bytes as the file has, which is known before any tensor is read."""
    try:
        header = parsed(text)
        entries = [entry for key, entry in header.items() if key != "__metadata__"]
        if len(entries) > MOST_TENSORS:
            raise ValueError("more tensors than any model has")
        ends = [entry["data_offsets"][1] for entry in entries]
        expected = 8 + len(text) + max([0, *map(int, ends)])
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise _damaged(name, error) from error
    if size != expected:
        raise TruncatedBundleError(
            f"{name} is cut off, or bytes were added: {size} bytes, expected {expected}. Copy or save it again"
        )
    return header


def _damaged(name: str | Path, error: Exception) -> TamperedBundleError:
    reason = str(error)[:200].encode("ascii", "backslashreplace").decode()
    return TamperedBundleError(f"{name} is damaged ({''.join(filter(str.isprintable, reason))}). Copy or save it again")


def _digest(description: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(description.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
