"""The frontend of sounds: waveforms to standardised log-mel spectrograms."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from gridcnn.adapters.torchaudio_transforms import AmplitudeToDB, MelSpectrogram, melscale_fbanks

__all__ = ["LEAST_POWER", "LogMel", "has_empty_band"]

LEAST_POWER = 1e-10
"""Power of a cell below which it counts as silent."""

MOST_IN_FLOAT32 = 80.0
"""Range of levels (dB) that float32 resolves: 24 bits are 144 dB, less what a Fourier transform adds up."""


class LogMel(nn.Module):
    """Waveforms to log-mel spectrograms, each standardised by its own mean and standard deviation.

    Mean and standard deviation are those of the sounding cells, above the lowest level of the recording; silence, and
    everything `top_db` below the loudest cell, has that level. So a sound has the same numbers in a short and in a long
    silence. The standard deviation is at least 1 dB: pure silence becomes zeros and not amplified rounding errors.

    Parameters
    ----------
    sample_rate : int
        Samples a second (Hz).
    n_fft, hop_length : int
        Samples in a frame of the Fourier transform, and between frames.
    n_mels : int
        Number of mel bands.
    f_min, f_max : float
        Lowest and highest frequency (Hz).
    top_db : float
        Range of levels (dB) below the loudest cell. Above 80, what is left of a quiet cell in float32 are roundings:
        the spectrum is then computed in float64, except on devices that have none.
    """

    def __init__(
        self, *, sample_rate: int, n_fft: int, hop_length: int, n_mels: int, f_min: float, f_max: float, top_db: float
    ) -> None:
        super().__init__()
        self._settings = {
            "sample_rate": sample_rate,
            "n_fft": n_fft,
            "hop_length": hop_length,
            "n_mels": n_mels,
            "f_min": f_min,
            "f_max": f_max,
            "top_db": top_db,
        }
        self.mel = MelSpectrogram(
            sample_rate=sample_rate, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, f_min=f_min, f_max=f_max
        )
        self.mel.spectrogram.power = None  # its numbers stay complex: see `power`
        self.decibels = AmplitudeToDB("power", top_db=top_db)  # from `LEAST_POWER` up

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the settings: a pickled transform names torchaudio, which may not be importable."""
        filters = self.mel.mel_scale.fb
        return _rebuilt, (self._settings, filters.device, filters.dtype, self.training)

    def power(self, waveforms: Tensor) -> Tensor:
        """Map float waveforms `(batch, samples)` to the power in each band, `(batch, mels, frames)`."""
        if self.decibels.top_db > MOST_IN_FLOAT32 and waveforms.device.type != "mps":
            return self._exact_power(waveforms)
        spectrum = self.mel.spectrogram(waveforms)  # complex, (batch, frequencies, frames)
        power = spectrum.real.square() + spectrum.imag.square()  # `abs`, to be squared, would take as long as the rest
        return self.mel.mel_scale(power)  # type: ignore[no-any-return]

    def _exact_power(self, waveforms: Tensor) -> Tensor:
        """Do the same in float64."""
        transform = self.mel.spectrogram
        spectrum = torch.stft(
            waveforms.double(),
            transform.n_fft,
            transform.hop_length,
            window=transform.window.double(),
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        bands: Tensor = self.mel.mel_scale.fb.double().T @ power
        return bands

    def forward(self, waveforms: Tensor) -> Tensor:
        """Map float waveforms `(batch, samples)` to float32 grids `(batch, 1, mels, frames)`."""
        # The channel axis comes before the decibels: without it, top_db is measured from the loudest clip of the batch.
        levels = self.decibels(self.power(waveforms)[:, None])  # (batch, 1, mels, frames)
        heights = levels - levels.amin(dim=(2, 3), keepdim=True)
        sounding = heights > 0
        n_sounding = sounding.sum(dim=(2, 3), keepdim=True).clamp(min=1)
        mean = heights.sum(dim=(2, 3), keepdim=True) / n_sounding
        centred = heights - mean
        variance = (centred.square() * sounding).sum(dim=(2, 3), keepdim=True) / n_sounding
        return (centred / variance.sqrt().clamp(min=1.0)).to(waveforms.dtype)  # type: ignore[no-any-return]


def _rebuilt(settings: dict[str, Any], device: torch.device, dtype: torch.dtype, training: bool) -> LogMel:
    return LogMel(**settings).to(device, dtype).train(training)


def has_empty_band(sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float) -> bool:
    """Whether a mel band contains no frequency of the Fourier transform."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchaudio warns of the bands that are asked for here
        filters = melscale_fbanks(n_fft // 2 + 1, f_min, f_max, n_mels, sample_rate, norm=None)
    return bool((filters.amax(dim=0) == 0).any())
