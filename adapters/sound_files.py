"""Reading whole sound files: by libsndfile (wav, flac, ogg, mp3, aiff, …) with the truncation that it hides, and others
by librosa, if a decoder such as ffmpeg is installed.
"""

from __future__ import annotations

import os
import re
import shlex
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from gridcnn.adapters import limits
from gridcnn.adapters.sound_damage import damage
from gridcnn.adapters.sound_headers import PLACEHOLDER, with_length
from gridcnn.errors import ItemError

__all__ = ["as_float32", "check_length", "open_sound", "read_header", "read_sound", "samples_in"]

_DATA = re.compile(r"^\s*data : (\d+)(?: \(should be (\d+)\))?", re.MULTILINE)
_FACT = re.compile(r"^fact : 4\s+frames\s+: (\d+)", re.MULTILINE)
_GSM_BYTES, _GSM_SAMPLES = 65, 320  # of a block in a wav
OTHER_FORMATS = frozenset({".aac", ".amr", ".m4a", ".mp4", ".webm", ".wma"})
"""Suffixes of sound files that libsndfile cannot decode, but other decoders can."""

LOWEST_RATE, HIGHEST_RATE = 100, 10_000_000
"""Sample rates (Hz) that a header may state; what is outside is damage."""

FRAMES_UNKNOWN = 2**40
"""As many samples libsndfile counts if a flac, written into a pipe, does not state its length."""

_BLOCK = 65_536  # samples read at a time if the length is uncertain
_LEAST_SHARE = 0.95  # the length in an mp3 header is an estimate
_LOCK = threading.Lock()  # files are read in threads, and what `catch_warnings` changes belongs to all of them


class _Stream(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from its beginning to its end.

    Decoders such as GSM 6.10 and DWVW cannot go to a place in a file, and some of them say that they can.
    """

    def seekable(self) -> bool:
        """Return that it is not, so that soundfile does not try."""
        return False


def read_header(path: str | os.PathLike[str]) -> tuple[int, float]:
    """Return the sample rate (Hz) and the duration (s) that a file's header states.

    Raises
    ------
    ItemError
        If it is no sound file.
    """
    try:
        with open_sound(path) as file:
            frames = samples_in(file) if file.frames < FRAMES_UNKNOWN else len(_decoded(path, file))
            return file.samplerate, frames / file.samplerate
    except ItemError as error:
        samples, rate = _by_librosa(path, error)
        return rate, len(samples) / rate


def read_sound(path: str | os.PathLike[str], most: int | None = None) -> tuple[np.ndarray, int]:
    """Read a file, float32 in [-1, 1] of shape `(samples, channels)`, and its sample rate (Hz).

    Parameters
    ----------
    path : str or path
    most : int, optional
        Samples after which reading may end. None reads the whole file.

    Raises
    ------
    ItemError
        If it cannot be decoded or ends before its header says.
    """
    try:
        file = open_sound(path)
    except ItemError as error:
        return _by_librosa(path, error)
    with file:
        if found := damage(path, file):
            raise ItemError(path, found)
        samples = _decoded(path, file, most)
        if most is None and len(samples) < _LEAST_SHARE * samples_in(file) and file.frames < FRAMES_UNKNOWN:
            raise ItemError(path, f"truncated: {len(samples)} of {samples_in(file)} samples are there")
        return samples, file.samplerate


def _decoded(path: str | os.PathLike[str], file: soundfile.SoundFile, most: int | None = None) -> np.ndarray:
    """Read at most so many samples, `(samples, channels)`; block by block where the length may be wrong.

    Whatever the header states, no more is decoded than one block beyond what a sound may have.
    """
    if most is None and file.frames < FRAMES_UNKNOWN:
        _check_length(path, file, samples_in(file))
    try:
        if file.seekable():
            return np.asarray(file.read(-1 if most is None else most, dtype="float32", always_2d=True))
        blocks, n_samples = [np.zeros((0, file.channels), np.float32)], 0
        while (most is None or n_samples < most) and len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
            blocks.append(block)
            n_samples += len(block)
            _check_length(path, file, n_samples)
        return np.concatenate(blocks)[: samples_in(file)]
    except ItemError:  # it is too long
        raise
    except (soundfile.SoundFileError, ValueError, MemoryError) as error:
        raise ItemError(
            path, f"truncated or damaged: libsndfile cannot decode it to its end ({file.subtype_info})"
        ) from error


def _check_length(path: Any, file: soundfile.SoundFile, n_samples: int) -> None:
    """Refuse a file that has more samples than it may."""
    check_length(path, n_samples, file.samplerate, file.channels)


def check_length(
    item: Any, n_samples: float, rate: float, channels: int, most: Mapping[str, float] | None = None
) -> None:
    """Refuse a sound that is longer than it may be, or has as many samples as one that is.

    Parameters
    ----------
    item : object
        For the message.
    n_samples : float
        Of one channel.
    rate : float
        Samples a second (Hz).
    channels : int
    most : mapping, optional
        The limits; None takes those of this process.
    """
    each_second = channels * rate
    such = f"at {each_second:,.0f} samples a second"
    limits.within(item, "seconds", n_samples / rate, most, weight=limits.sound_weight(rate, channels), such=such)


def samples_in(file: soundfile.SoundFile) -> int:
    """Return the samples that were recorded.

    libsndfile takes the byte that pads an odd number of GSM blocks in a wav for one more block, which decodes to noise
    at full scale. The chunk `fact` says how much of the last block was recorded.
    """
    length = int(file.frames)
    if not isinstance(file, _Stream) or not file.format.startswith("WAV"):
        return length
    if file.subtype == "GSM610" and (data := _DATA.search(file.extra_info)):
        length = min(length, int(data[2] or data[1]) // _GSM_BYTES * _GSM_SAMPLES)
    recorded = int(fact[1]) if (fact := _FACT.search(file.extra_info)) else 0
    return recorded if 0 < recorded < length < recorded + _GSM_SAMPLES else length


def as_float32(samples: np.ndarray) -> np.ndarray:
    """Return samples as float32; integers of any width are scaled to [-1, 1].

    Signed integers in a type wider than they need, as numpy and pandas make them, have the 16 or 32 bits that hold
    them.
    """
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what has no place in float32 becomes infinite, which no recording may be
            return samples.astype(np.float32)
    levels = np.iinfo(samples.dtype)
    middle, bits = (levels.max + 1) / 2 if levels.min == 0 else 0.0, levels.bits
    if levels.min < 0 and samples.size:
        least = max(int(samples.max()), -1 - int(samples.min())).bit_length() + 1
        bits = min(bits, 16 if least <= 16 else 32 if least <= 32 else 64) if bits > 16 else bits
    return ((samples - middle) / 2.0 ** (bits - 1)).astype(np.float32)


def _by_librosa(path: str | os.PathLike[str], refusal: ItemError) -> tuple[np.ndarray, int]:
    """Decode a file that libsndfile refused: float32 `(samples, channels)` and the sample rate (Hz)."""
    place = Path(path)
    if place.suffix.lower() not in OTHER_FORMATS or not place.is_file() or not place.stat().st_size:
        raise refusal
    import librosa  # noqa: PLC0415  (slow to import, and seldom needed)

    try:
        with _LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # librosa announces each fallback
            longest = limits.current().seconds + 1  # decoders are programs that may not end
            samples, rate = librosa.load(place, sr=None, mono=False, duration=longest)
        if rate < 1:
            raise ValueError("the decoder states no sample rate")
    except Exception as error:  # its backends raise anything
        kind = place.suffix.lower().lstrip(".")
        raise ItemError(
            path,
            f"no decoder for {kind} files is installed, or the file is damaged: install ffmpeg, or convert it with "
            f"{_conversion(place)} (wav, flac, ogg, opus, mp3, aiff, au and caf need no decoder)",
        ) from error
    channels = np.atleast_2d(samples).T
    check_length(path, len(channels), rate, channels.shape[1])
    return channels.astype(np.float32), int(rate)


def open_sound(path: str | os.PathLike[str]) -> soundfile.SoundFile:
    """Open a file that libsndfile reads; one in which it cannot go to a place says so by `seekable`."""
    try:
        file = soundfile.SoundFile(path)
        if not file.seekable() or file.subtype.startswith("DWVW") or file.frames >= FRAMES_UNKNOWN:
            file.close()
            file = _Stream(path)
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
        raise ItemError(path, _why_not(Path(path))) from error
    if file.frames < PLACEHOLDER and (mended := with_length(path)):
        file.close()
        file = _Stream(mended)
    if not LOWEST_RATE <= file.samplerate <= HIGHEST_RATE:
        file.close()
        raise ItemError(
            path,
            f"its header states a sample rate of {file.samplerate:,} Hz, which is outside {LOWEST_RATE:,} to "
            f"{HIGHEST_RATE:,} Hz",
        )
    return file


def _why_not(path: Path) -> str:
    """Say what keeps a file from being opened."""
    if not path.exists():
        return "there is no such file"
    if path.is_dir():
        return "is a folder"
    if path.stat().st_size == 0:
        return "the file is empty (0 bytes)"
    return (
        "not a sound file that libsndfile can read (wav, flac, ogg, opus, mp3, aiff, au, caf, …), or damaged; ffmpeg "
        f"converts other formats: {_conversion(path)}"
    )


def _conversion(path: Path) -> str:
    """Return the command that converts a file."""
    source, target = path.name, f"{path.stem}.wav"
    if source == target:
        target = f"{path.stem}-2.wav"
    return f"ffmpeg -i {shlex.quote(source)} {shlex.quote(target)}"
