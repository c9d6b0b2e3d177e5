"""What adapters hand to those who show items and fit baselines: previews and classic models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["ClassicModel", "Preview"]


@dataclass(frozen=True)
class Preview:
    """What a person can look at, listen to or read of an item; None and empty where there is nothing of that kind.

    Parameters
    ----------
    pixels : ndarray of shape (height, width) or (height, width, 3), uint8, or None
        A picture of it. Without one, and without `text`, the grid itself is drawn.
    waveform : ndarray of shape (samples,), float32 in [-1, 1], or None
        A clip: a window, or a segment with what surrounds it.
    sample_rate : int
        Its samples a second (Hz).
    text : str
        The words.
    note : str
        What the preview leaves out, or shows besides.
    window : ndarray or None
        What the grid is drawn of, as `Adapter.encode` returns it, of any length; None is the first window of the item.
    """

    pixels: np.ndarray | None = None
    waveform: np.ndarray | None = None
    sample_rate: int = 0
    text: str = ""
    note: str = ""
    window: np.ndarray | None = None


@dataclass(frozen=True)
class ClassicModel:
    """The classic model of a modality, not fitted, which knows no convolution.

    Parameters
    ----------
    name : str
        What it is, such as `"TF-IDF + linear SVM"`.
    features : callable
        From a list of raw items and their encoded windows (one array of shape `(windows, *encoded_shape)` an item) to
        what the estimator reads, one row an item.
    estimator : scikit-learn classifier
        Is fitted on the features and labels.
    """

    name: str
    features: Callable[[Sequence[Any], Sequence[np.ndarray]], Any]
    estimator: Any
