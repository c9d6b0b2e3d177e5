"""Recordings in memory or in files, and how their channels become one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from gridcnn.adapters.base import is_path
from gridcnn.adapters.sound_files import as_float32, read_header, read_sound
from gridcnn.adapters.sound_stretches import duration_of, read_stretch
from gridcnn.adapters.tensors import is_tensor, to_array
from gridcnn.errors import DataError, ItemError
from gridcnn.segments import Segment
from gridcnn.stored import as_path

__all__ = ["Recording", "as_array", "cancel", "header", "is_one", "load", "mixed"]

LONGEST_NAME = 60
LOUDEST = 1e9  # a sample beyond it cannot be squared in float32 and summed
SEGMENT = 4_096  # samples; a cell of `cancel` is a band of a segment
MOST_SEGMENTS = 512  # of at most 4 channels, and fewer of more
FEW_CHANNELS = 4
BAND = 32  # frequencies; in noise, the sum over fewer would vary too much
LOST = 0.5  # a cell is lost if its power is below this share of what channels that have nothing in common leave
MOST_LOST = 0.05  # of the power

UNUSABLE = "expected a path, or numbers of shape (samples,) or (channels, samples)"
NO_RATE = "no sample rate: say AudioAdapter(sample_rate=…), in Hz"


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording in memory that knows its rate.

    Parameters
    ----------
    samples : ndarray of shape (samples,) or (channels, samples)
        The waveform.
    rate : int
        Samples a second (Hz).
    """

    samples: np.ndarray
    rate: int


def as_array(item: Any) -> Any:
    """Return a tensor or a list of numbers as an array; anything else as it is."""
    if is_tensor(item):
        return to_array(item)
    if isinstance(item, list | tuple) and all(isinstance(each, Real | list | tuple) for each in item):
        with contextlib.suppress(ValueError):  # rows of different lengths: no recording
            return np.asarray(item, dtype=np.float64 if len(item) == 0 else None)
    return item


def is_one(items: Any) -> bool:
    """Whether `items`, which should be a sequence of recordings, are one recording."""
    if isinstance(items, np.ndarray) or is_tensor(items):
        return items.ndim == 1 and len(items) > 0 and getattr(items.dtype, "kind", "f") in "buif"
    return isinstance(items, list | tuple) and len(items) > 0 and all(isinstance(each, Real) for each in items)


def header(item: Any, rate: int | None) -> tuple[int, float]:
    """Return sample rate (Hz) and duration (s) of a recording; `rate` is that of arrays, and required for them."""
    if is_path(item):
        with as_path(item) as path:
            return read_header(path)
    if isinstance(item, Segment):
        rate, duration = duration_of(item.path)
        if item.start >= duration:
            raise ItemError(item, f"the recording ends before that, after {duration:.6g} s")
        return rate, min(item.end, duration) - item.start
    if isinstance(item, Recording):
        item, rate = item.samples, item.rate
    if rate is None:
        raise DataError(f"recordings given as arrays have {NO_RATE}")
    return rate, len(_channels(item)) / rate


def load(item: Any, rate: int | None, most: int | None = None) -> tuple[np.ndarray, int]:
    """Return a recording, float32 of shape `(samples, channels)`, and its sample rate (Hz).

    Parameters
    ----------
    item : path, Segment, array or Recording
        As `AudioAdapter` takes them.
    rate : int or None
        Sample rate (Hz) of arrays.
    most : int, optional
        Samples after which reading may end.

    Raises
    ------
    ItemError
        If it cannot be decoded, is truncated, is empty, or holds NaN or infinity.
    """
    if isinstance(item, Recording):
        item, rate = item.samples, item.rate
    if isinstance(item, Segment):
        channels, rate = read_stretch(item)
        channels = channels[:most]
    elif is_path(item):
        with as_path(item) as path:
            channels, rate = read_sound(path, most)
    elif rate is None:
        raise ItemError(_name(item), f"an array has {NO_RATE}")
    else:
        channels = _channels(item)[:most]
    if not channels.size:
        raise ItemError(_name(item), "the recording is empty (0 samples)")
    if not np.isfinite(channels).all():
        raise ItemError(_name(item), "it has samples that are NaN or infinite")
    if (loudest := max(float(channels.max()), -float(channels.min()))) > LOUDEST:
        raise ItemError(_name(item), f"it has samples up to {loudest:.3g}; expected about -1 to 1")
    return channels, rate


def _channels(item: Any) -> np.ndarray:
    """Return an array in memory as float32 of shape `(samples, channels)`."""
    item = as_array(item)
    if not isinstance(item, np.ndarray) or item.ndim not in (1, 2) or item.dtype.kind not in "fiu":
        raise ItemError(_name(item), UNUSABLE)
    if np.ma.is_masked(item):
        raise ItemError(_name(item), "it has masked samples: fill them, or cut them out")
    if item.ndim == 2 and item.shape[0] > item.shape[1] > 0:
        raise ItemError(_name(item), "more channels than samples: pass it transposed, as (channels, samples)")
    return as_float32(np.atleast_2d(np.asarray(item)).T)


def mixed(channels: np.ndarray) -> np.ndarray:
    """Mix `(samples, channels)` to one channel; if they cancel each other, return the strongest alone."""
    if channels.shape[1] == 1:
        return channels[:, 0]
    if cancel(channels):
        return np.ascontiguousarray(channels[:, _strongest(channels)])
    return np.asarray(channels.mean(axis=1, dtype=np.float32))


def cancel(channels: np.ndarray) -> bool:
    """Whether mixing loses some of what the channels `(samples, channels)` hold, and the strongest loses less.

    Channels that have nothing in common leave the n-th part of their mean power in the mix of n. Much less is left of
    those that are inverted or delayed copies. They may be that in some frequencies or moments only, so this is looked
    at in cells of both.
    """
    count = channels.shape[1]
    if count == 1:
        return False
    n_segments = min(-(-len(channels) // SEGMENT), max(MOST_SEGMENTS // -(-count // FEW_CHANNELS), 1))
    starts = np.linspace(0, max(len(channels) - SEGMENT, 0), n_segments).astype(np.int64)
    padded = channels if len(channels) >= SEGMENT else np.pad(channels, ((0, SEGMENT - len(channels)), (0, 0)))
    segments = padded[starts[:, None] + np.arange(SEGMENT)]  # (segments, samples, channels)
    from scipy import fft  # noqa: PLC0415  (numpy has none in float32, and a file of one channel needs none)

    spectra = fft.rfft(segments, axis=1)[:, 1:].reshape(n_segments, -1, BAND, count)
    each = _power(spectra).sum(axis=2)  # (segments, bands, channels)
    mean, mix = each.mean(axis=-1), _power(spectra.mean(axis=-1)).sum(axis=-1)
    least = LOST / count * mean
    by_mixing = float(mean[mix < least].sum())
    if by_mixing <= MOST_LOST * float(mean.sum()):
        return False
    return float(mean[each[..., _strongest(channels)] < least].sum()) < by_mixing


def _power(spectra: np.ndarray) -> np.ndarray:
    power: np.ndarray = np.square(spectra.real, dtype=np.float64) + np.square(spectra.imag, dtype=np.float64)
    return power


def _strongest(channels: np.ndarray) -> int:
    """Return the channel with the largest variance."""
    return int(np.argmax([channel.var(dtype=np.float64) for channel in channels.T]))  # one by one: less memory


def _name(item: Any) -> str:
    """Name an item in a message: a path as it is, a recording in memory by its shape."""
    if isinstance(item, np.ndarray):
        return f"array of shape {item.shape}, {item.dtype}"
    name = str(item)
    return name if is_path(item) or len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
