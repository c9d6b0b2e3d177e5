"""Reading sound files whole: what libsndfile decodes (wav, flac, ogg, mp3, aiff, …), and the truncation it hides."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import soundfile

from gridcnn.errors import ItemError

__all__ = ["read_header", "read_sound"]

# libsndfile quietly shortens a wav or aiff whose header promises more than the file holds, and notes it in its log.
_SHORT_CHUNK = re.compile(r"^\s*(?:data|SSND)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_LENGTH_UNKNOWN = 0x7FFFFF00  # programs that write a wav into a pipe promise as much as the field holds
_LEAST_SHARE = 0.95  # the length in an mp3 header is an estimate


def read_header(path: str | os.PathLike[str]) -> tuple[int, float]:
    """Return the sample rate (Hz) and the duration (s) that a file's header states.

    Raises
    ------
    ItemError
        If it is no sound file.
    """
    with _open(path) as file:
        return file.samplerate, file.frames / file.samplerate


def read_sound(path: str | os.PathLike[str]) -> tuple[np.ndarray, int]:
    """Read a whole file, float32 in [-1, 1] of shape `(samples, channels)`, and its sample rate (Hz).

    Raises
    ------
    ItemError
        If it cannot be decoded or ends before its header says.
    """
    with _open(path) as file:
        if match := _SHORT_CHUNK.search(file.extra_info):
            promised, present = int(match[1]), int(match[2])
            if 0 < promised < _LENGTH_UNKNOWN and present < promised:
                raise ItemError(path, f"truncated: {present} of {promised} bytes of sound are there")
        try:
            samples = file.read(dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise ItemError(path, "truncated or damaged: libsndfile cannot decode it to its end") from error
        if len(samples) < _LEAST_SHARE * file.frames:
            raise ItemError(path, f"truncated: {len(samples)} of {file.frames} samples are there")
        if file.format == "OGG" and not _ogg_is_complete(path):
            raise ItemError(path, "truncated: its last page is missing")
        return samples, file.samplerate


def _open(path: str | os.PathLike[str]) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        raise ItemError(path, _why_not(Path(path))) from error


def _why_not(path: Path) -> str:
    """Say what keeps a file from being opened."""
    if not path.exists():
        return "there is no such file"
    if path.is_dir():
        return "is a folder"
    if path.stat().st_size == 0:
        return "the file is empty (0 bytes)"
    return "not a sound file that libsndfile can read, or damaged"


def _ogg_is_complete(path: str | os.PathLike[str]) -> bool:
    """Whether the last page of an ogg file says that it is the last.

    Source: RFC 3533, section 6: byte 5 of a page holds the header type, of which bit 4 marks the end of a stream.
    """
    with Path(path).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 65_536 - 512))  # a page is at most 65,307 bytes
        tail = file.read()
    page = tail.rfind(b"OggS")
    return page >= 0 and len(tail) > page + 5 and bool(tail[page + 5] & 4)
