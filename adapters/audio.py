"""Sounds: recordings become waveforms of one rate and duration, and these become log-mel spectrograms."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import soxr
from sklearn.base import clone
from torch import nn

from gridcnn.adapters.base import Adapter, ClassicModel, Preview, is_path, sample_of
from gridcnn.adapters.counts import block_count, epoch_count
from gridcnn.adapters.log_mel import LogMel, has_empty_band
from gridcnn.adapters.sound_files import as_float32, read_header, read_sound
from gridcnn.adapters.windows import cut_windows
from gridcnn.errors import ConfigurationError, DataError, ItemError
from gridcnn.grid import Axis, Coordinates, GridSpec
from gridcnn.parameters import Constraint, Number, Optional

__all__ = ["AudioAdapter"]

SAMPLE = 2_000
HIGHEST_LEARNED_RATE = 48_000
SHORTEST_LEARNED_DURATION = 0.1
LONGEST_LEARNED_DURATION = 5.0
MOST_FRAMES = 128
SHORTEST_HOP = 0.010
SHORTEST_WINDOW = 0.025
LARGEST_LEARNED_FFT = 8_192
TRIMMED_SHARE = 0.05  # a recording that is longer by less than this is trimmed rather than cut in two

SETTINGS: dict[str, Any] = {
    "kernel_sizes": (3,),
    "convs_per_block": 2,
    "pool_after": 1,
    "pool": "max",
    "pool_size": 2,
    "head": "global_average",
    "dense": (),
    "dropout": 0.2,
    "batch_norm": True,
    "batch_size": 64,
    "learning_rate": 3e-3,
    "kernel_learning_rate": 0.01,
    "weight_decay": 1e-2,
    "label_smoothing": 0.05,
}
KERNELS = (32, 64, 128)
EPOCH_ITEMS = 36_000  # recordings heard in training, between the two bounds
FEWEST_EPOCHS, MOST_EPOCHS = 15, 40
AUGMENT: dict[str, Any] = {
    "shift": {"frequency": 0.12, "time": 0.12},
    "scale": {"frequency": 0.2, "time": 0.2},
    "mask": {"frequency": 0.1, "time": 0.1},
    "tilt": {"frequency": 0.3},
    "gain": 0.2,
    "noise": 0.1,
}


class AudioAdapter(Adapter):
    """Turns recordings into log-mel spectrograms, grids `(1, mels, frames)`.

    Items are paths (wav, flac, ogg, mp3 and what else libsndfile reads), or arrays of shape `(samples,)` or
    `(channels, samples)` at `sample_rate`; arrays of integers are scaled to [-1, 1]. Channels are mixed to one, and the
    whole recording is resampled (soxr, high quality) before anything is cut from it. A shorter recording stands in the
    middle of zeros; a longer one becomes the fewest windows that cover it, at equal distances, unless it is longer by
    less than 5 %: then both ends are trimmed.

    Parameters
    ----------
    sample_rate : int or None, default None
        Samples a second (Hz) that every recording is resampled to, and the rate of arrays. None learns the most common
        rate of the training files, at most 48,000.
    duration : float or None, default None
        Length of a window in seconds. None learns the 95th percentile of the training durations, within 0.1 to 5 s.
    n_mels : int or None, default None
        Number of mel bands. None takes 40 up to 8 kHz and 64 above.
    n_fft : int or None, default None
        Samples in a frame of the short-time Fourier transform. None takes the power of two that is at least 25 ms and
        two hops.
    hop_length : int or None, default None
        Samples between frames. None takes 10 ms, or more if a window would have more than 128 frames.
    f_min, f_max : float, default 20.0 and None
        Lowest and highest frequency in Hz; None for the highest takes half the sample rate.
    top_db : float, default 80.0
        What lies this far (dB) below a recording's loudest cell is raised to that level.

    Attributes
    ----------
    sample_rate_, samples_, n_fft_, hop_length_, n_mels_ : int
    f_min_, f_max_ : float
        The parameters as they are used; `samples_` is the length of a window in samples.
    """

    modality: ClassVar[str] = "sound"
    noun: str = "sound"
    fitted_attributes: ClassVar[tuple[str, ...]] = (
        "sample_rate_",
        "samples_",
        "n_fft_",
        "hop_length_",
        "n_mels_",
        "f_min_",
        "f_max_",
    )
    constraints: ClassVar[Mapping[str, Constraint]] = {
        **dict.fromkeys(("sample_rate", "n_mels", "n_fft", "hop_length"), Optional(Number(int, low=1))),
        **dict.fromkeys(("duration", "f_max"), Optional(Number(low=0, above=True))),
        "f_min": Number(low=0),
        "top_db": Number(low=0, above=True),
    }
    frontend_is_frozen: ClassVar[bool] = True
    reads_files: ClassVar[bool] = True

    sample_rate_: int
    samples_: int
    n_fft_: int
    hop_length_: int
    n_mels_: int
    f_min_: float
    f_max_: float

    def __init__(
        self,
        sample_rate: int | None = None,
        duration: float | None = None,
        n_mels: int | None = None,
        n_fft: int | None = None,
        hop_length: int | None = None,
        f_min: float = 20.0,
        f_max: float | None = None,
        top_db: float = 80.0,
    ) -> None:
        self.sample_rate = sample_rate
        self.duration = duration
        self.n_mels = n_mels
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.f_min = f_min
        self.f_max = f_max
        self.top_db = top_db

    def fit(self, items: Sequence[Any]) -> Self:
        """Learn rate and duration from the headers of at most 2,000 training recordings, and from these the rest.

        Raises
        ------
        ConfigurationError
            If a parameter cannot work, or leaves a mel band without a frequency.
        DataError
            If none of the recordings can be read, or there are arrays and no `sample_rate`.
        """
        self.check_parameters()
        rates, durations, failure = [], [], None
        for item in sample_of(items, SAMPLE):
            try:
                rate, duration = self._header(item)
            except ItemError as error:
                failure = failure or error
                continue
            rates.append(rate)
            durations.append(duration)
        if not rates:
            raise DataError(f"none of the sampled training recordings can be read; the first: {failure}")
        self.sample_rate_ = int(self.sample_rate or min(Counter(rates).most_common(1)[0][0], HIGHEST_LEARNED_RATE))
        learned = float(np.clip(np.percentile(durations, 95), SHORTEST_LEARNED_DURATION, LONGEST_LEARNED_DURATION))
        self.samples_ = max(round((self.duration or learned) * self.sample_rate_), 1)
        self._choose_frames()
        self._choose_bands()
        return self

    def coarser(self, share: float) -> Self | None:
        """Return a new adapter with fewer mel bands and longer hops; None if one of them was set."""
        if self.n_mels is not None or self.hop_length is not None:
            return None
        fewer = {"n_mels": max(round(share * self.n_mels_), 1), "hop_length": math.ceil(self.hop_length_ / share)}
        coarse: Self = clone(self).set_params(**fewer)
        return coarse

    @property
    def spec_(self) -> GridSpec:
        """Level × mel band × frame; a step in time is one hop."""
        frames = self.samples_ // self.hop_length_ + 1
        return GridSpec(
            Axis("level", 1, ordered=False),
            (
                Axis("frequency", self.n_mels_, unit="mel", upwards=True),
                Axis("time", frames, unit="s", step=self.hop_length_ / self.sample_rate_),
            ),
        )

    def encode(self, item: Any) -> np.ndarray:
        """Decode, mix and resample one recording, float32, shape `(windows, samples_)`, nominally in [-1, 1].

        Raises
        ------
        ItemError
            If it cannot be decoded, is truncated, is empty, or holds NaN or infinity.
        """
        if is_path(item):
            channels, rate = read_sound(item)
        else:
            channels, rate = self._array(item), self.sample_rate_
        if not channels.size:
            raise ItemError(_name(item), "the recording is empty (0 samples)")
        if not np.isfinite(channels).all():
            raise ItemError(_name(item), "it has samples that are NaN or infinite")
        mono = channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1, dtype=np.float32)
        if rate != self.sample_rate_:
            mono = soxr.resample(mono, rate, self.sample_rate_, quality="HQ")
        return np.ascontiguousarray(self._windows(mono))

    def frontend(self) -> nn.Module:
        """Return the module that maps waveforms `(batch, samples_)` to standardised log-mel grids."""
        return LogMel(
            sample_rate=self.sample_rate_,
            n_fft=self.n_fft_,
            hop_length=self.hop_length_,
            n_mels=self.n_mels_,
            f_min=self.f_min_,
            f_max=self.f_max_,
            top_db=self.top_db,
        )

    def defaults(self, n_items: int) -> dict[str, Any]:
        """Return the parameters of `GridClassifier` that suit spectrograms of this size."""
        blocks = block_count(min(self.spec_.sizes), len(KERNELS))
        epochs = epoch_count(EPOCH_ITEMS, n_items, FEWEST_EPOCHS, MOST_EPOCHS)
        return {**SETTINGS, "kernels": KERNELS[:blocks], "epochs": epochs, "augment": AUGMENT}

    def preview(self, item: Any) -> Preview:
        """Return the first window as a clip."""
        windows = self.encode(item)
        note = f"the first {self.samples_ / self.sample_rate_:.3g} s" if len(windows) > 1 else ""
        return replace(self.preview_window(windows[0]), note=note)

    def preview_window(self, window: np.ndarray) -> Preview:
        """Return an encoded window as a clip."""
        return Preview(waveform=window, sample_rate=self.sample_rate_)

    def describe_grid(self) -> str:
        """Explain a spectrogram."""
        about = "A sound as a picture: time runs to the right, pitch upwards, bright is loud."
        return f"{about} Press play and follow the line."

    def coordinates(self, item: Any, window: int = 1, n_windows: int = 1) -> tuple[Coordinates, ...]:
        """Return the mel bands in Hz and the frames in seconds of the recording.

        Mel band m rises from edge m, is highest at edge m + 1 and ends at edge m + 2. A frame is centred on a multiple
        of the hop.

        References
        ----------
        The HTK formula, mel = 2595 log10(1 + f / 700), which torchaudio uses.
        """
        lowest, highest = (2595 * np.log10(1 + hertz / 700) for hertz in (self.f_min_, self.f_max_))
        edges = 700 * (10 ** (np.linspace(lowest, highest, self.n_mels_ + 2) / 2595) - 1)
        start, step = self._window_start(item, window, n_windows), self.hop_length_ / self.sample_rate_
        centre = start + np.arange(self.spec_.axes[1].size) * step
        end = start + self.samples_ / self.sample_rate_
        return (
            Coordinates("frequency", "Hz", edges[:-2], edges[1:-1], edges[2:]),
            Coordinates("time", "s", np.maximum(centre - step / 2, start), centre, np.minimum(centre + step / 2, end)),
        )

    def baseline(self, random_state: int = 0) -> ClassicModel:
        """Return an SVM on statistics of the mel-frequency cepstral coefficients."""
        from gridcnn.adapters.mfcc import mfcc_svm  # noqa: PLC0415  (as in the base class)

        return mfcc_svm(self.sample_rate_)

    def _window_start(self, item: Any, window: int, n_windows: int) -> float:
        """Return where a window begins in its recording (s); below 0 if the recording stands between zeros."""
        samples = round(read_header(item)[1] * self.sample_rate_) if is_path(item) else np.shape(item)[-1]
        excess = samples - self.samples_
        start = int(excess / 2) if n_windows == 1 else np.linspace(0, excess, n_windows)[window - 1]
        return float(start / self.sample_rate_)

    def _header(self, item: Any) -> tuple[int, float]:
        if is_path(item):
            return read_header(item)
        if self.sample_rate is None:
            raise DataError("recordings given as arrays have no sample rate: say AudioAdapter(sample_rate=…), in Hz")
        return self.sample_rate, len(self._array(item)) / self.sample_rate

    def _array(self, item: Any) -> np.ndarray:
        """Return an array in memory as float32 of shape `(samples, channels)`."""
        if self.sample_rate is None:
            raise ItemError(_name(item), "an array has no sample rate: say AudioAdapter(sample_rate=…), in Hz")
        if not isinstance(item, np.ndarray) or item.ndim not in (1, 2) or item.dtype.kind not in "fiu":
            raise ItemError(_name(item), "expected a path, or numbers of shape (samples,) or (channels, samples)")
        if item.ndim == 2 and item.shape[0] > item.shape[1]:
            raise ItemError(_name(item), "more channels than samples: pass it transposed, as (channels, samples)")
        return as_float32(np.atleast_2d(item).T)

    def _choose_frames(self) -> None:
        shortest_hop, shortest_window = SHORTEST_HOP * self.sample_rate_, SHORTEST_WINDOW * self.sample_rate_
        self.hop_length_ = int(self.hop_length or math.ceil(max(shortest_hop, self.samples_ / MOST_FRAMES)))
        self.n_fft_ = int(self.n_fft or 2 ** math.ceil(math.log2(max(shortest_window, 2 * self.hop_length_))))

    def _choose_bands(self) -> None:
        """Set the mel bands so that each of them holds at least one frequency of the Fourier transform."""
        highest = self.sample_rate_ / 2
        self.f_min_, self.f_max_ = float(self.f_min), float(self.f_max or highest)
        if not 0 <= self.f_min_ < self.f_max_ <= highest:
            raise ConfigurationError(
                f"the frequencies from f_min={self.f_min_:g} to f_max={self.f_max_:g} Hz must rise and lie within "
                f"0 to {highest:g} Hz, half the sample rate"
            )
        self.n_mels_ = int(self.n_mels or (40 if self.sample_rate_ <= 8_000 else 64))
        while self.n_fft is None and self._has_empty_band() and self.n_fft_ < LARGEST_LEARNED_FFT:
            self.n_fft_ *= 2
        wanted = self.n_mels_
        while self._has_empty_band() and self.n_mels_ > 1:
            self.n_mels_ -= 1
        if self._has_empty_band() or (self.n_mels is not None and self.n_mels_ < wanted):
            raise ConfigurationError(
                f"n_mels={wanted} leaves mel bands without a single frequency at n_fft={self.n_fft_} and "
                f"{self.sample_rate_} Hz; the nearest that works is n_mels={self.n_mels_}, or give a larger n_fft"
            )

    def _has_empty_band(self) -> bool:
        return has_empty_band(self.sample_rate_, self.n_fft_, self.n_mels_, self.f_min_, self.f_max_)

    def _windows(self, mono: np.ndarray) -> np.ndarray:
        excess = len(mono) - self.samples_
        if excess <= 0:
            window = np.zeros((1, self.samples_), mono.dtype)
            before = -excess // 2
            window[0, before : before + len(mono)] = mono
            return window
        if excess <= TRIMMED_SHARE * self.samples_:
            return mono[None, excess // 2 : excess // 2 + self.samples_]
        return cut_windows(mono, self.samples_)


def _name(item: Any) -> str:
    """Name an item in a message: a path as it is, a recording in memory by its shape."""
    if isinstance(item, np.ndarray):
        return f"array of shape {item.shape}, {item.dtype}"
    return str(item)
