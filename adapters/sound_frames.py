"""The frames and mel bands of a spectrogram: chosen to suit a window of sound, or checked if they were set."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcnn.errors import ConfigurationError

__all__ = [
    "HIGHEST_RATE",
    "MOST_SAMPLES",
    "ORDINARY_RATE",
    "Frames",
    "check_frames",
    "choose_frames",
    "learned_duration",
    "learned_rate",
    "mel_edges",
    "window_length",
]

HIGHEST_RATE = 1_000_000
"""Hz, that can be set."""

ORDINARY_RATE = 48_000
"""Hz; above it lie recordings of ultrasound, whose wider range of frequencies takes more mel bands."""

SHORTEST_LEARNED_DURATION, LONGEST_LEARNED_DURATION = 0.1, 5.0  # seconds
LONGEST_LOCATED = 1.0
MOST_MEDIANS = 1.5
MOST_TRAINING_SAMPLES = 2**30  # 4 GiB; a learned rate above 48 kHz gives way
MOST_FRAMES = 128
SHORTEST_HOP = 0.010
SHORTEST_WINDOW = 0.025
LARGEST_LEARNED_FFT = 8_192
FEWEST_SAMPLES = 16
MOST_SAMPLES = 2**22  # of a window: 87 s at 48 kHz
MOST_LEARNED_SAMPLES = 2**19  # above 48 kHz; longer recordings become more windows
MOST_NUMBERS = 2**23  # in the Fourier transforms of a window: 64 MiB


@dataclass(frozen=True)
class Frames:
    """How a window of sound becomes a spectrogram.

    Parameters
    ----------
    n_fft, hop_length : int
        Samples in a frame of the Fourier transform, and between frames.
    n_mels : int
        Number of mel bands.
    f_min, f_max : float
        Lowest and highest frequency (Hz).
    """

    n_fft: int
    hop_length: int
    n_mels: int
    f_min: float
    f_max: float


def learned_duration(durations: Sequence[float], *, parts: bool = False, located: bool = False) -> float:
    """Return the duration of a window (s) that suits recordings of these durations (s), or parts of recordings.

    It covers all but the longest twentieth, unless many windows would then be mostly silence: a window is at most half
    as long again as the median recording, and what is longer becomes several windows. Of parts, it is no longer than
    most of them, so that a window which slides over a recording tells where they begin and end; and if they are to be
    `located` among background, it is at most a second: the cells of a longer one are too coarse for that.

    Examples
    --------
    >>> learned_duration([0.8, 1.0, 2.0, 3.0, 4.0], parts=True)
    1.0
    >>> learned_duration([2.0, 2.0, 3.0], parts=True, located=True)
    1.0
    >>> [learned_duration(durations) for durations in ([0.4, 0.5, 0.6], [0.25, 0.5, 2.0], [9.0, 9.0, 9.0])]
    [0.59, 0.75, 5.0]
    """
    usual = min(float(np.percentile(durations, 95)), MOST_MEDIANS * float(np.median(durations)))
    usual = min(usual, float(np.percentile(durations, 25))) if parts else usual
    usual = min(usual, LONGEST_LOCATED) if located else usual
    return min(max(usual, SHORTEST_LEARNED_DURATION), LONGEST_LEARNED_DURATION)


def window_length(seconds: float, rate: int, *, learned: bool) -> int:
    """Return the samples of a window at a rate (Hz); ConfigurationError if they are too few or too many.

    A learned duration gives way where the rate is high.
    """
    samples = max(round(seconds * rate), 1)
    if learned:
        return samples if rate <= ORDINARY_RATE else min(samples, MOST_LEARNED_SAMPLES)
    if not FEWEST_SAMPLES <= samples <= MOST_SAMPLES:
        raise ConfigurationError(
            f"duration={seconds:g} is {samples:,} samples at {rate:,} Hz; it must lie within "
            f"{FEWEST_SAMPLES / rate:.2g} to {math.floor(10 * MOST_SAMPLES / rate) / 10:g} seconds at this rate"
        )
    return samples


def choose_frames(
    rate: int,
    samples: int,
    *,
    n_fft: int | None,
    hop_length: int | None,
    n_mels: int | None,
    f_min: float,
    f_max: float | None,
) -> Frames:
    """Complete what was set so that each mel band holds at least one frequency of the Fourier transform.

    Parameters
    ----------
    rate, samples : int
        Sample rate (Hz) and samples of a window.
    n_fft, hop_length, n_mels, f_min, f_max
        As `AudioAdapter` takes them.

    Raises
    ------
    ConfigurationError
        If one of them cannot work; the message says which values do.
    """
    from gridcnn.adapters.log_mel import has_empty_band  # noqa: PLC0415  (torch: who only reads sounds needs none)

    low, high = float(f_min), float(f_max or rate / 2)
    _check_frequencies(rate, low, high)
    hop = _hop(rate, samples, hop_length)
    size = _transform(rate, samples, hop, n_fft)
    _check_cost(samples, hop, size)

    def has_gap(size: int, bands: int) -> bool:
        inside = (math.ceil(high * size / rate) - 1) - math.floor(low * size / rate)  # frequencies between the limits
        return bands > 2 * inside or has_empty_band(rate, size, bands, low, high)  # each lies in two bands at most

    bands = int(n_mels or (40 if rate <= 8_000 else 64 if rate <= ORDINARY_RATE else 96))
    while n_fft is None and has_gap(size, bands) and size < min(LARGEST_LEARNED_FFT, samples):
        size *= 2
    most = _most_bands(bands, lambda each: has_gap(size, each))
    if not most or (n_mels is not None and most < bands):
        works = f"the nearest that works is n_mels={most}, or give" if most else "no number of bands works: give"
        raise ConfigurationError(
            f"n_mels={bands} leaves mel bands without a single frequency at n_fft={size} and {rate} Hz, from "
            f"f_min={low:g} to f_max={high:g} Hz; {works} a larger n_fft"
        )
    return Frames(size, hop, most, low, high)


def check_frames(rate: int, samples: int, frames: Frames) -> None:
    """Raise ConfigurationError if frames and bands are none that `choose_frames` returns for such windows."""
    _check_frequencies(rate, frames.f_min, frames.f_max)
    _hop(rate, samples, frames.hop_length)
    _transform(rate, samples, frames.hop_length, frames.n_fft)
    _check_cost(samples, frames.hop_length, frames.n_fft)


def _check_frequencies(rate: int, low: float, high: float) -> None:
    if not 0 <= low < high <= rate / 2:
        raise ConfigurationError(
            f"the frequencies from f_min={low:g} to f_max={high:g} Hz must rise and lie within 0 to {rate / 2:g} Hz, "
            "half the sample rate"
        )


def _hop(rate: int, samples: int, hop_length: int | None) -> int:
    if hop_length is None:
        return min(math.ceil(max(SHORTEST_HOP * rate, samples / MOST_FRAMES)), samples)
    if hop_length > samples:
        raise ConfigurationError(
            f"hop_length={hop_length} is longer than a window of {samples:,} samples ({samples / rate:.3g} s at "
            f"{rate:,} Hz); it must lie within 1 to {samples:,}"
        )
    return int(hop_length)


def _transform(rate: int, samples: int, hop: int, n_fft: int | None) -> int:
    """Return the samples of a frame; half a frame is mirrored at each end, so a window has to be longer than that."""
    largest = 2 * samples - 1
    if n_fft is None:
        size: int = 2 ** math.ceil(math.log2(max(SHORTEST_WINDOW * rate, 2 * hop)))
        while size > largest:
            size //= 2
        return size
    if n_fft > largest:
        raise ConfigurationError(
            f"n_fft={n_fft} is too long for windows of {samples:,} samples ({samples / rate:.3g} s at {rate:,} Hz); it "
            f"must lie within 2 to {largest:,}"
        )
    return int(n_fft)


def _check_cost(samples: int, hop: int, size: int) -> None:
    if (samples // hop + 1) * (size // 2 + 1) > MOST_NUMBERS:
        frames = max(MOST_NUMBERS // (size // 2 + 1) - 1, 1)
        raise ConfigurationError(
            f"hop_length={hop} with n_fft={size} makes {samples // hop + 1:,} frames of {size // 2 + 1:,} frequencies "
            f"of a window, more than fit into memory; hop_length must lie within {math.ceil(samples / frames):,} to "
            f"{samples:,}, or make duration shorter"
        )


def _most_bands(wanted: int, has_gap: Callable[[int], bool]) -> int:
    """Return the number of bands nearest to `wanted` that has no gap; 0 if none has."""
    if not has_gap(wanted):
        return wanted
    if wanted <= MOST_FRAMES:
        return next((bands for bands in range(wanted - 1, 0, -1) if not has_gap(bands)), 0)
    works, fails = 0, wanted  # too many to try them all
    while fails - works > 1:
        middle = (works + fails) // 2
        works, fails = (works, middle) if has_gap(middle) else (middle, fails)
    return works


def learned_rate(headers: Sequence[tuple[Any, int, float]], seconds: float) -> int:
    """Return the most common rate (Hz), or a part of it if so many `seconds` of ultrasound would be too much."""
    rate = min(Counter(rate for _, rate, _ in headers).most_common(1)[0][0], HIGHEST_RATE)
    while rate > ORDINARY_RATE and rate * seconds > MOST_TRAINING_SAMPLES:
        rate = max(rate // 2, ORDINARY_RATE)
    return rate


def mel_edges(lowest: float, highest: float, bands: int) -> np.ndarray:
    """Return the edges (Hz) of so many mel bands between two frequencies (Hz), float64 of shape `(bands + 2,)`.

    References
    ----------
    The HTK formula, mel = 2595 log10(1 + f / 700), which torchaudio uses.
    """
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (lowest, highest))
    edges: np.ndarray = 700 * (10 ** (np.linspace(low, high, bands + 2) / 2595) - 1)
    return edges
