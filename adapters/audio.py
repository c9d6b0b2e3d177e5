"""Sounds: recordings become waveforms of one rate and duration, and these become log-mel spectrograms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import soxr

from gridcnn.adapters import sound_preview, sound_received, sound_remarks, sound_state, sound_varied
from gridcnn.adapters.base import Adapter, ClassicModel, Preview, sample_of
from gridcnn.adapters.recordings import Recording, as_array, header, is_one, load, mixed
from gridcnn.adapters.sound_files import check_length
from gridcnn.adapters.sound_frames import choose_frames, learned_duration, learned_rate, mel_edges, window_length
from gridcnn.adapters.sound_inspecting import SoundInspector
from gridcnn.adapters.sound_settings import settings
from gridcnn.adapters.sound_sliding import slide
from gridcnn.adapters.sound_stretches import duration_of
from gridcnn.adapters.sound_survey import listen, survey
from gridcnn.adapters.sound_trials import hisses
from gridcnn.adapters.windows import fitted_windows
from gridcnn.errors import DataError, ItemError
from gridcnn.grid import Axis, Coordinates, GridSpec
from gridcnn.onnx_graph import Graph, Windows
from gridcnn.parameters import Constraint, Number, Optional
from gridcnn.segments import Segment, Varied, file_of

if TYPE_CHECKING:
    from torch import nn

__all__ = ["AudioAdapter"]

SAMPLE = 2_000
TRIMMED_SHARE = 0.05  # a recording that is longer by less than this is trimmed rather than cut in two


class AudioAdapter(Adapter):
    """Turns recordings into log-mel spectrograms, grids `(1, mels, frames)`.

    Items are paths (wav, flac, ogg, mp3 and what else libsndfile reads), a `Segment` of such a file, or arrays or
    tensors of shape `(samples,)` or `(channels, samples)` at `sample_rate`; integers are scaled to [-1, 1]. An array or
    tensor of shape `(n, samples)` or `(n, channels, samples)` is n items. Channels are mixed to one; if they cancel
    out, the strongest is taken. A recording is resampled (soxr, high quality) before windows are cut from it. A shorter
    one stands in the middle of zeros; a longer one becomes the fewest windows that cover it, at equal distances, unless
    it is longer by less than 5 %: then both ends are trimmed.

    Parameters
    ----------
    sample_rate : int or None, default None
        Samples a second (Hz) that every recording is resampled to, and the rate of arrays, 100 to 1,000,000. None
        learns the most common rate of the training files; above 48,000 (ultrasound) a part of it, if the recordings
        would have more than 2³⁰ samples in all.
    duration : float or None, default None
        Length of a window in seconds. None learns the 95th percentile of the training durations, at most 1.5
        times the median, within 0.1 to 5 s; above 48 kHz, a window has at most 2¹⁹ samples.
    n_mels : int or None, default None
        Number of mel bands. None takes 40 up to 8 kHz, 64 up to 48 kHz and 96 above.
    n_fft : int or None, default None
        Samples in a frame of the short-time Fourier transform. None takes the power of two that is at least 25 ms and
        two hops.
    hop_length : int or None, default None
        Samples between frames. None takes 10 ms, or more if a window would have more than 128 frames.
    f_min, f_max : float, default 20.0 and None
        Lowest and highest frequency in Hz; None for the highest takes half the sample rate.
    top_db : float, default 80.0
        What lies this far (dB, 1 to 1,000) below a recording's loudest cell is raised to that level.

    Attributes
    ----------
    sample_rate_, samples_, n_fft_, hop_length_, n_mels_ : int
    f_min_, f_max_ : float
        The parameters as they are used; `samples_` is the length of a window in samples.
    survey_ : dict
        What the training sample is like: its rates and durations; how many of the recordings listened to are silent,
        clipped, or cancel when mixed; how much of the energy lies above `f_max_`.
    """

    modality: ClassVar[str] = "sound"
    task: ClassVar[str] = "audio-classification"
    noun: str = "sound"
    fitted_attributes: ClassVar[tuple[str, ...]] = tuple(sound_state.STATE)
    state_constraints: ClassVar[Mapping[str, Constraint]] = sound_state.STATE
    constraints: ClassVar[Mapping[str, Constraint]] = {
        "sample_rate": Optional(sound_state.STATE["sample_rate_"]),
        "duration": Optional(Number(low=0.001, high=86_400, closed=True)),
        "n_mels": Optional(sound_state.STATE["n_mels_"]),
        "n_fft": Optional(sound_state.STATE["n_fft_"]),
        "hop_length": Optional(Number(int, low=1)),
        "f_max": Optional(Number(low=0, above=True)),
        "f_min": Number(low=0),
        "top_db": Number(low=1, high=1_000, closed=True),
    }
    frontend_is_frozen: ClassVar[bool] = True
    reads_files: ClassVar[bool] = True
    inspector = SoundInspector
    sample_rate_: int
    samples_: int
    n_fft_: int
    hop_length_: int
    n_mels_: int
    f_min_: float
    f_max_: float
    survey_: dict[str, Any]

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

    def check_items(self, X: Any) -> Sequence[Any]:
        """Return `X` as a list of recordings; an array or tensor of shape `(n, …)` is n of them.

        Raises
        ------
        TypeError
            If `X` is one recording rather than a sequence of them.
        """
        if is_one(X):
            raise TypeError("expected a sequence of recordings, got one: put it in a list, [recording]")
        return [as_array(item) for item in super().check_items(X)]

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
        headers, failure = [], None
        for item in sample_of(items, SAMPLE):
            try:
                headers.append((item, *header(item, self.sample_rate)))
            except ItemError as error:
                failure = failure or error
        if not headers:
            raise DataError(f"none of the sampled training recordings can be read; the first: {failure}")
        durations = [duration for _, _, duration in headers]
        self.sample_rate_ = int(self.sample_rate or learned_rate(headers, len(items) * float(np.mean(durations))))
        parts, located = (all(isinstance(each, kind) for each in items) for kind in (Segment, Varied))
        seconds = self.duration or learned_duration(durations, parts=parts, located=located)
        self.samples_ = window_length(seconds, self.sample_rate_, learned=self.duration is None)
        frames = choose_frames(
            self.sample_rate_,
            self.samples_,
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            n_mels=self.n_mels,
            f_min=self.f_min,
            f_max=self.f_max,
        )
        self.n_fft_, self.hop_length_, self.n_mels_ = frames.n_fft, frames.hop_length, frames.n_mels
        self.f_min_, self.f_max_ = frames.f_min, frames.f_max
        self.survey_ = survey(headers) | listen(headers, self._load, self.f_max_)
        return self

    def coarser(self, share: float) -> Self | None:
        """Return a new adapter with fewer mel bands and longer hops; None if one of them was set."""
        if self.n_mels is not None or self.hop_length is not None:
            return None
        bands, hop = max(round(share * self.n_mels_), 1), min(math.ceil(self.hop_length_ / share), self.samples_)
        return type(self)(**{**self.get_params(), "n_mels": bands, "hop_length": hop})

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
        """Return the windows of what `decode` returns, float32, shape `(windows, samples_)`."""
        if isinstance(item, Varied) and max(item.start, self.extent_) < (length := self.length_of(item.path)):
            return sound_varied.varied(item, self.samples_, self.sample_rate_, length, self.decode)
        return np.ascontiguousarray(fitted_windows(self.decode(item), self.samples_, TRIMMED_SHARE))

    def content(self, item: Any, windows: np.ndarray) -> bytes:
        """Return the windows, of an item that training meets several times those that are met of it later."""
        if isinstance(item, Varied):
            windows = self.encode(Segment(item.path, item.start, item.end))
        return super().content(item, windows)

    def decode(self, item: Any) -> np.ndarray:
        """Decode, mix and resample one recording, float32, shape `(samples,)`, nominally in [-1, 1].

        Raises
        ------
        ItemError
            If it cannot be decoded, is truncated, is empty, or holds NaN or infinity.
        """
        channels, rate = self._load(self._widened(item))
        mono = mixed(channels)
        if rate != self.sample_rate_:
            check_length(item, len(mono) * self.sample_rate_ / rate, self.sample_rate_, 1)
            mono = soxr.resample(mono, rate, self.sample_rate_, quality="HQ")
        return mono

    def _widened(self, item: Any) -> Any:
        """Return an item; a short segment with what is heard around it, as in windows that slide over a recording."""
        if not isinstance(item, Segment) or item.end - item.start >= (window := self.extent_):
            return item
        if item.start >= (duration := self.length_of(item.path)):
            return item  # behind the end, as whoever reads it will say
        start = max(min((item.start + item.end - window) / 2, duration - window), 0.0)
        return Segment(item.path, start, start + window)

    def slide(self, item: Any, step: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield places and windows of a recording of any length, which is read piece by piece; see `Adapter.slide`."""
        return slide(item, step, self.sample_rate_, self.samples_, self.sample_rate)

    def length_of(self, item: Any) -> float:
        """Return the duration of a file (s)."""
        return duration_of(file_of(item))[1]

    @property
    def extent_(self) -> float:  # noqa: D102  (in seconds here)
        return self.samples_ / self.sample_rate_

    def add_to(self, graph: Graph, frontend: nn.Module) -> Windows:
        """Add an input `waveforms`, float32 `(batch, samples)` at `sample_rate_`, of any length, and spectrograms.

        The rate is an output, too: JavaScript reads no metadata.
        """
        from gridcnn.adapters.audio_graph import add_log_mel, add_windows  # noqa: PLC0415  (for exports only)

        waveforms = graph.input("waveforms", np.float32, ["batch", "samples"])
        graph.output("sample_rate", graph.constant([self.sample_rate_]), np.int64, [1])
        windows = add_windows(graph, waveforms, self.samples_, math.floor(TRIMMED_SHARE * self.samples_))
        return replace(windows, grids=add_log_mel(graph, windows.grids, frontend))

    def trial_items(self, random: np.random.Generator) -> list[Any]:
        """Return silence, and hisses of several lengths."""
        return [*hisses(self.samples_, self.sample_rate_, random)]

    def describe_input(self) -> str:
        """Tell the sample rate."""
        return f"`waveforms`, float32 `(batch, samples)`, one channel in [-1, 1], at {self.sample_rate_:,} Hz"

    def received(self, value: Any, most: Mapping[str, float]) -> Any:
        """Return a recording that a service was sent; numbers are samples at the model's rate."""
        item = sound_received.sound(value, most, self.sample_rate_)
        return Recording(item, self.sample_rate_) if isinstance(item, np.ndarray) else item

    def frontend(self) -> nn.Module:
        """Return the module that maps waveforms `(batch, samples_)` to standardised log-mel grids."""
        from gridcnn.adapters.log_mel import LogMel  # noqa: PLC0415  (torch: what only decodes needs none)

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
        return settings(min(self.spec_.sizes), n_items, self.survey_.get("views", 1))

    def preview(self, item: Any) -> Preview:
        """Return the first window as a clip, of a segment all of it and what surrounds it."""
        if isinstance(item, Segment):
            return sound_preview.heard(item, self.decode, self.length_of(item.path), self.extent_, self.sample_rate_)
        first, *others = self.encode(item)
        return replace(self.preview_window(first), note=f"the first {self.extent_:.3g} s" if others else "")

    def preview_window(self, window: np.ndarray) -> Preview:
        """Return an encoded window as a clip."""
        return Preview(waveform=window, sample_rate=self.sample_rate_)

    def remarks(self) -> list[str]:
        """Say what lies too high to be heard, what is resampled, cut and padded, and which channels are left out."""
        return sound_remarks.remarks(self.survey_, self.sample_rate_, self.f_max_, self.extent_)

    def cautions(self, item: Any) -> list[str]:
        """Say in what the recording is unlike those in training, or holds little."""
        try:
            channels, rate = self._load(item)
        except ItemError:
            return []
        return sound_remarks.cautions(channels, rate, len(channels) / rate, self.survey_, self.f_max_, self.extent_)

    def describe_grid(self) -> str:
        """Explain a spectrogram."""
        about = "A sound as a picture: time runs to the right, pitch upwards, bright is loud."
        return f"{about} Press play and follow the line."

    def coordinates(self, item: Any, window: int = 1, n_windows: int = 1) -> tuple[Coordinates, ...]:
        """Return the mel bands in Hz and the frames in seconds of the recording.

        Mel band m rises from edge m, is highest at edge m + 1 and ends at edge m + 2. A frame is centred on a multiple
        of the hop.
        """
        edges = mel_edges(self.f_min_, self.f_max_, self.n_mels_)
        start, step = self._window_start(item, window, n_windows), self.hop_length_ / self.sample_rate_
        end = start + self.samples_ / self.sample_rate_
        centre = start + np.arange(self.spec_.axes[1].size) * step
        return (
            Coordinates("frequency", "Hz", edges[:-2], edges[1:-1], edges[2:]),
            Coordinates("time", "s", np.maximum(centre - step / 2, start), centre, np.minimum(centre + step / 2, end)),
        )

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Check also that frames and mel bands suit the window, and fit into memory."""
        super().check_state(state)
        sound_state.check_together(state)

    def baseline(self, random_state: int = 0) -> ClassicModel:
        """Return an SVM on statistics of the mel-frequency cepstral coefficients."""
        from gridcnn.adapters.mfcc import mfcc_svm  # noqa: PLC0415  (as in the base class)

        return mfcc_svm(self.sample_rate_)

    def _window_start(self, item: Any, window: int, n_windows: int) -> float:
        """Return where a window begins in its recording (s); below 0 if the recording stands between zeros."""
        item = self._widened(item)
        excess = round(header(item, self.sample_rate_)[1] * self.sample_rate_) - self.samples_
        start = int(excess / 2) if n_windows == 1 else np.linspace(0, excess, n_windows)[window - 1]
        return float(start / self.sample_rate_) + (item.start if isinstance(item, Segment) else 0.0)

    def _load(self, item: Any, most: int | None = None) -> tuple[np.ndarray, int]:
        return load(item, self.sample_rate, most)
