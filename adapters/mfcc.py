"""Features of the classic sound classifier: statistics of the mel-frequency cepstral coefficients (librosa)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from gridcnn.adapters.records import ClassicModel
from gridcnn.adapters.sound_frames import ORDINARY_RATE

__all__ = ["mfcc_statistics", "mfcc_svm"]

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
        return np.stack([mfcc_statistics(each, sample_rate).mean(axis=0) for each in windows])

    return ClassicModel("MFCC statistics + SVM", features, make_pipeline(StandardScaler(), SVC(C=10)))


def mfcc_statistics(waveforms: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return mean, standard deviation, minimum and maximum of each MFCC over the sounding frames.

    Parameters
    ----------
    waveforms : ndarray of shape (windows, samples), float32
        In [-1, 1].
    sample_rate : int
        Samples a second (Hz).

    Returns
    -------
    ndarray of shape (windows, 4 × 20)
    """
    import librosa  # noqa: PLC0415  (slow to import, and only a baseline needs it)

    n_fft, n_mels = (2048, 128) if sample_rate > WIDE_BAND else (512, 40)
    if sample_rate > ORDINARY_RATE:  # a power of two, no shorter in seconds than at 48 kHz
        n_fft *= 2 ** math.ceil(math.log2(sample_rate / ORDINARY_RATE))
    power = librosa.feature.melspectrogram(  # the filters and the padding of the network's own frontend
        y=np.asarray(waveforms),
        sr=sample_rate,
        n_fft=n_fft,
        hop_length=n_fft // 4,
        n_mels=n_mels,
        htk=True,
        norm=None,
        pad_mode="reflect",
    )
    rows = []
    for each in power:  # (mels, frames); top_db counts from the loudest cell of one window
        levels = librosa.power_to_db(each, top_db=TOP_DB)
        sounding = levels.max(axis=0) > levels.min() + SOUNDING
        if not sounding.any():  # in silence all frames count
            sounding[:] = True
        mfcc = librosa.feature.mfcc(S=levels, n_mfcc=COEFFICIENTS)[:, sounding]
        rows.append(np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1), mfcc.min(axis=1), mfcc.max(axis=1)]))
    return np.stack(rows)
