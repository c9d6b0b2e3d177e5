"""Features of the classic sound classifier: statistics of the mel-frequency cepstral coefficients (librosa)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from gridcnn.adapters.base import ClassicModel

__all__ = ["mfcc_svm"]

COEFFICIENTS = 20
TOP_DB = 80.0
WIDE_BAND = 16_000  # Hz; recordings of a higher rate get a longer Fourier transform and more bands
SOUNDING = 1.0  # dB above the quietest level from which a frame counts as sound rather than silence


def mfcc_svm(sample_rate: int) -> ClassicModel:
    """Return an SVM on statistics of the MFCC of a recording, averaged over its windows.

    References
    ----------
    Davis and Mermelstein 1980, "Comparison of parametric representations for monosyllabic word recognition in
    continuously spoken sentences".
    """

    def features(items: Sequence[Any], windows: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([np.mean([_statistics(window, sample_rate) for window in each], axis=0) for each in windows])

    return ClassicModel("MFCC statistics + SVM", features, make_pipeline(StandardScaler(), SVC(C=10)))


def _statistics(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return mean, standard deviation, minimum and maximum of each MFCC over the sounding frames, `(4 × 20,)`."""
    import librosa  # noqa: PLC0415  (a second of imports that only a baseline needs)

    wide = sample_rate > WIDE_BAND
    n_fft = 2048 if wide else 512
    power = librosa.feature.melspectrogram(
        y=np.asarray(waveform), sr=sample_rate, n_fft=n_fft, hop_length=n_fft // 4, n_mels=128 if wide else 40, htk=True
    )
    levels = librosa.power_to_db(power, top_db=TOP_DB)  # (mels, frames)
    sounding = levels.max(axis=0) > levels.min() + SOUNDING
    if not sounding.any():  # in silence all frames count
        sounding[:] = True
    mfcc = librosa.feature.mfcc(S=levels, n_mfcc=COEFFICIENTS)[:, sounding]
    return np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1), mfcc.min(axis=1), mfcc.max(axis=1)])
