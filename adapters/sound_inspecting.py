"""How an audit looks at recordings: re-encoded, shifted or louder copies, how they are stored, clipping and silence."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import numpy as np
import soundfile
import soxr

from gridcnn.adapters.inspecting import Inspection, Inspector, digest, file_size
from gridcnn.adapters.raw_items import is_path
from gridcnn.adapters.recordings import load, mixed
from gridcnn.adapters.sound_survey import is_clipped, is_silent
from gridcnn.stored import as_path

__all__ = ["SoundInspector"]

RATE = 8_000  # Hz; what a telephone leaves of a sound
FRAME, HOP = 512, 160  # samples at that rate
BANDS, LOWEST, HIGHEST = 24, 60, 3_400  # mel bands, Hz
MODULATIONS = np.arange(12) * 0.75  # Hz: how fast the level of a band goes up and down
LOUDNESS = 0.25  # power of the energy: about what loudness is
LONGEST = 30  # seconds that are looked at
QUIET = 0.01  # of the loudest moment, -40 dB
MOMENT = 0.01  # seconds
FAINT = 1e-3  # of the strongest frequency: what is fainter is noise of a codec


class SoundInspector(Inspector):
    """Inspects recordings in files or in memory."""

    near: ClassVar[float] = 0.12
    uniform: ClassVar[tuple[str, ...]] = ("sample rate",)

    def inspect(self, item: Any) -> Inspection:
        """Decode one recording and describe it.

        Its vector has the strengths of modulations in mel bands. Neither gain nor a shift in time changes it, nor zeros
        at either end.
        """
        channels, rate = load(item, self.parameters.get("sample_rate"))
        mono = mixed(channels)
        stored = {**file_size(item), **_format(item)}
        stored |= {"sample rate": float(rate), "channels": float(channels.shape[1]), "duration": len(mono) / rate}
        content = digest(np.ascontiguousarray(channels).tobytes(), str((channels.shape, rate)).encode())
        if is_silent(channels):
            return Inspection(content, stored=stored, flaws=("silent",))
        stored |= _silence(mono, rate)
        stored["loudest sample"] = float(np.abs(channels).max())
        flaws = ("clipped",) if is_clipped(channels) else ()
        return Inspection(content, vector=_modulations(_telephone(mono, rate)), stored=stored, flaws=flaws)

    def close_up(self, item: Any) -> np.ndarray:
        """Return the waveform at 8 kHz."""
        channels, rate = load(item, self.parameters.get("sample_rate"))
        return _telephone(mixed(channels), rate)

    def likeness(self, first: Any, second: Any) -> float:
        """Return the largest correlation of two waveforms over all shifts, whatever their sign, half whitened.

        Strong low tones, which many different sounds share, then count less, and faint noise does not count as much as
        if it were whitened completely.

        References
        ----------
        Knapp and Carter 1976, "The generalized correlation method for estimation of time delay": the weighting is
        between none and the phase transform.
        """
        from scipy import fft  # noqa: PLC0415  (for an audit only)

        size = fft.next_fast_len(len(first) + len(second), real=True)
        one, other = (_half_whitened(fft.rfft(each, size)) for each in (first, second))
        product = fft.irfft(one * np.conj(other), size)
        powers = [fft.irfft(np.square(np.abs(each)), size)[0] for each in (one, other)]
        lengths = float(np.sqrt(powers[0] * powers[1]))
        return float(np.abs(product).max()) / lengths if lengths > 0 else 0.0


def _half_whitened(spectrum: np.ndarray) -> np.ndarray:
    strength = np.abs(spectrum)
    flat: np.ndarray = spectrum / np.sqrt(strength + FAINT * strength.max() + 1e-30)
    return flat


def _telephone(mono: np.ndarray, rate: int) -> np.ndarray:
    """Return the beginning of a waveform at 8 kHz."""
    mono = mono[: LONGEST * rate]
    return mono if rate == RATE else soxr.resample(mono, rate, RATE, quality="HQ")


def _modulations(waveform: np.ndarray) -> np.ndarray | None:
    from scipy import fft  # noqa: PLC0415

    window, bands = _filters()
    padded = np.pad(waveform, (FRAME, FRAME))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP] * window
    energy = np.square(np.abs(fft.rfft(frames, axis=1))) @ bands.T  # (frames, bands)
    turns = np.outer(MODULATIONS, np.arange(len(energy)) * (HOP / RATE))
    strength = np.abs(np.exp(-2j * np.pi * turns) @ energy**LOUDNESS).ravel()  # (modulations · bands,)
    length = float(np.linalg.norm(strength))
    return (strength / length).astype(np.float32) if length > 0 else None


@functools.cache
def _filters() -> tuple[np.ndarray, np.ndarray]:
    """Return the window of a frame, and triangular mel filters `(bands, frequencies)`."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (LOWEST, HIGHEST))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    hertz = np.linspace(0, RATE / 2, FRAME // 2 + 1)
    rising = (hertz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hertz) / np.diff(edges)[1:, None]
    bands = np.clip(np.minimum(rising, falling), 0, None)
    return np.hanning(FRAME).astype(np.float32), bands.astype(np.float32)


def _silence(mono: np.ndarray, rate: int) -> dict[str, float]:
    """Return how long (s) it is quiet at the beginning and at the end, and the share of quiet moments."""
    step = max(round(MOMENT * rate), 1)
    moments = np.abs(np.pad(mono, (0, -len(mono) % step))).reshape(-1, step).max(axis=1)
    loud = np.flatnonzero(moments > QUIET * moments.max())
    before, after = int(loud[0]), len(moments) - 1 - int(loud[-1])
    return {
        "silence at the beginning": before * step / rate,
        "silence at the end": after * step / rate,
        "share of silence": 1 - len(loud) / len(moments),
    }


def _format(item: Any) -> dict[str, float | str]:
    if not is_path(item):
        return {}
    try:
        with as_path(item) as path, soundfile.SoundFile(path) as file:
            return {"format": f"{file.format} {file.subtype}"}
    except (soundfile.SoundFileError, OSError, TypeError, ValueError):
        return {}  # what libsndfile does not read, librosa may
