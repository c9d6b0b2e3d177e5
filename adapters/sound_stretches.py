"""Reading a part of a long sound file, or all of it piece by piece, without holding the whole in memory."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import soundfile

from gridcnn.adapters.sound_damage import damage
from gridcnn.adapters.sound_files import check_length, open_sound, read_sound, samples_in
from gridcnn.errors import ItemError
from gridcnn.segments import Segment
from gridcnn.stored import Stored, as_path

__all__ = ["duration_of", "pieces", "read_stretch"]

_LOCK = threading.Lock()

PIECE = 2**19
"""Samples of one channel that are read at a time."""


def read_stretch(segment: Segment) -> tuple[np.ndarray, int]:
    """Read the samples between two times of a file.

    A file in which libsndfile can go to any place is read there only, so that segments cost what their seconds cost.
    Any other one is decoded once, and kept for the next segments.

    Parameters
    ----------
    segment : Segment
        What lies behind the end of the recording is left out.

    Returns
    -------
    (ndarray of shape (samples, channels), int)
        float32 in [-1, 1], and the sample rate (Hz).

    Raises
    ------
    ItemError
        If the file cannot be decoded there, is damaged in its middle, or ends before the segment begins.
    """
    with as_path(segment.path) as path:
        return _stretch_of(path, segment)


def _stretch_of(path: str, segment: Segment) -> tuple[np.ndarray, int]:
    rate, n_samples, channels, jumps, damaged, shifted = _look_at(path, version := _version(path))
    if shifted:
        raise ItemError(path, damaged)
    start, end = (min(round(each * rate), n_samples) for each in (segment.start, segment.end))
    if start >= n_samples:
        why = f" ({damaged})" if damaged else ""
        raise ItemError(segment, f"the recording ends before that, after {n_samples / rate:.6g} s{why}")
    end = max(end, start + 1)
    check_length(segment, end - start, rate, channels)
    if not jumps:
        return _whole(path, version)[0][start:end], rate
    try:
        with open_sound(path) as file:
            file.seek(start)
            samples = file.read(end - start, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, ValueError, MemoryError, OSError) as error:
        raise ItemError(segment, "truncated or damaged: it cannot be decoded there") from error
    if len(samples) < end - start:
        raise ItemError(segment, f"truncated: {len(samples)} of {end - start} samples are there")
    return np.asarray(samples), rate


def duration_of(file: str | Stored) -> tuple[int, float]:
    """Return the sample rate (Hz) of a file and its duration (s); ItemError if it is no sound file."""
    with as_path(file) as path:
        found = _look_at(path, _version(path))
    return found.rate, found.n_samples / found.rate


def pieces(file: str | os.PathLike[str] | Stored) -> Iterator[tuple[np.ndarray, int]]:
    """Yield a file of any length piece after piece, each float32 `(samples, channels)`, with its sample rate (Hz).

    Raises
    ------
    ItemError
        If it is no sound file; or, behind its last readable sample, if it is truncated or damaged.
    """
    with as_path(file) as path:
        yield from _pieces_of(path)


def _pieces_of(path: str | os.PathLike[str]) -> Iterator[tuple[np.ndarray, int]]:
    try:
        file = open_sound(path)
    except ItemError:
        samples, rate = read_sound(path)  # by another decoder, which reads whole files only
        yield samples, rate
        return
    with file:
        found = damage(path, file)
        n_read, n_samples = 0, samples_in(file)
        while n_read < n_samples:
            try:
                piece = file.read(min(PIECE, n_samples - n_read), dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, ValueError) as error:
                at = n_read / file.samplerate
                raise ItemError(path, f"damaged: it cannot be decoded from {at:.1f} s on") from error
            if not len(piece):
                break
            if not np.isfinite(piece).all():
                at = n_read / file.samplerate
                raise ItemError(path, f"it has samples that are NaN or infinite, from {at:.1f} s on")
            n_read += len(piece)
            yield piece, file.samplerate
        if found:
            raise ItemError(path, found)
        if not n_read:
            raise ItemError(path, "the recording is empty (0 samples)")


def _version(path: str) -> tuple[int, int]:
    """Return what changes when a file does."""
    try:
        status = os.stat(path)  # noqa: PTH116  (asked for each segment, and Path.stat takes twice as long)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


class _Look(NamedTuple):
    """What a file is: its rate (Hz), samples that are there, and channels; whether it can be read from any place on.

    Its damage is empty if there is none; `shifted` says whether nobody knows any longer which sample belongs where.
    """

    rate: int
    n_samples: int
    channels: int
    jumps: bool
    damage: str = ""
    shifted: bool = False


@functools.lru_cache(maxsize=1_024)
def _look_at(path: str, version: tuple[int, int]) -> _Look:
    try:
        with open_sound(path) as file:
            if file.seekable():
                found = damage(path, file) or ""
                shifted = bool(found) and file.format == "OGG"  # pages that are damaged are left out
                return _Look(file.samplerate, samples_in(file), file.channels, True, found, shifted)
    except ItemError:
        pass  # another decoder may read it
    samples, rate = _whole(path, version)
    return _Look(rate, len(samples), samples.shape[1], False)


def _whole(path: str, version: tuple[int, int]) -> tuple[np.ndarray, int]:
    with _LOCK:  # files are read in threads, of which one should decode it
        return _decoded(path, version)


@functools.lru_cache(maxsize=1)
def _decoded(path: str, version: tuple[int, int]) -> tuple[np.ndarray, int]:
    return read_sound(path)
