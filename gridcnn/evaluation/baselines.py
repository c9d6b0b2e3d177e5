"""The honest classic baseline of each modality, fitted in seconds, to stand beside the network.

Pixels through principal components to an SVM; statistics of MFCC to an SVM; TF-IDF to a linear SVM; for arrays and
tables, the best of three models that know no order. Where one of these is ahead, it should be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
import scipy.stats
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from gridcnn.adapters import Adapter, AudioAdapter, TextAdapter
from gridcnn.adapters.torchaudio_transforms import AmplitudeToDB, MelSpectrogram
from gridcnn.errors import DataError
from gridcnn.pipeline.encode import encode_items

__all__ = ["Baseline", "Comparison", "compare", "fit_baseline"]

MOST_ITEMS = 20_000
"""Items a baseline is fitted on at most, drawn at random: the time of an SVM grows with their square."""

COMPONENTS = 60
COEFFICIENTS = 20
WIDE_BAND = 16_000  # Hz; recordings of a higher rate get the longer Fourier transform and more bands
CERTAIN = 0.05


@dataclass(frozen=True)
class Baseline:
    """A fitted classic baseline.

    Parameters
    ----------
    name : str
        What it is, such as `"TF-IDF + linear SVM"`.
    adapter : Adapter
        The fitted adapter whose decoded items it reads, so that it sees what the network sees.
    model : estimator
        A scikit-learn classifier on the features of `features`.
    n_items : int
        Items it was fitted on.
    """

    name: str
    adapter: Adapter
    model: Any
    n_items: int

    def predict(self, items: Sequence[Any]) -> np.ndarray:
        """Return a label for each item, shape `(n,)`; ItemError for one that cannot be decoded."""
        labels: np.ndarray = self.model.predict(features(self.adapter, items)[0])
        return labels


@dataclass(frozen=True)
class Comparison:
    """A baseline and the network on the same items.

    Parameters
    ----------
    name : str
        What the baseline is.
    baseline, network : float
        Accuracies, in [0, 1].
    n_items : int
        Items that both answered.
    p_value : float
        Of the exact McNemar test: how often a difference this large would come by chance, were both equally good.
    """

    name: str
    baseline: float
    network: float
    n_items: int
    p_value: float

    @property
    def verdict(self) -> str:
        """Who is ahead, in a sentence or two."""
        by = f"by {100 * abs(self.network - self.baseline):.1f} points"
        on = f"on {self.n_items} items"
        if self.network == self.baseline:
            return f"The network and the baseline ({self.name}) are level {on}: the baseline is the simpler one."
        ahead = self.network > self.baseline
        if self.p_value >= CERTAIN:
            who = "The network" if ahead else f"The baseline ({self.name})"
            return f"{who} is ahead {by} {on}, which may be chance (p = {self.p_value:.2g}): more items would tell."
        if ahead:
            return f"The network beats the baseline ({self.name}) {by} {on}."
        return (
            f"The baseline wins: {self.name} beats the network {by} {on}. Use it instead, or give the network more "
            "items or epochs."
        )


def fit_baseline(adapter: Adapter, items: Sequence[Any], labels: Any, random_state: int = 0) -> Baseline:
    """Fit the classic baseline of the adapter's modality.

    Parameters
    ----------
    adapter : Adapter
        A fitted adapter: the baseline reads pictures of its size, sounds of its rate, its tokens.
    items : sequence of n raw items
        Training items; those that cannot be decoded are left out.
    labels : array-like of shape (n,)
        Their classes.
    random_state : int
        Seed of what is drawn at random.

    Raises
    ------
    DataError
        If fewer than two classes are left.
    """
    labels = np.asarray(labels)
    rng = np.random.default_rng(random_state)
    chosen = np.arange(len(labels))
    if len(chosen) > MOST_ITEMS:
        chosen = np.sort(rng.choice(chosen, MOST_ITEMS, replace=False))
    columns, good = features(adapter, [items[index] for index in chosen.tolist()], on_error="skip")
    labels = labels[chosen][good]
    if len(np.unique(labels)) < 2:
        raise DataError("a baseline needs readable training items of at least two classes")
    name, model = _model(adapter, labels, columns, random_state)
    return Baseline(name, adapter, model.fit(columns, labels), len(labels))


def compare(name: str, truth: Any, baseline: Any, network: Any) -> Comparison:
    """Set the answers of a baseline beside the network's on the same items.

    >>> compare("majority", ["a", "a", "b"], ["a", "a", "a"], ["a", "a", "b"]).network
    1.0

    Source: McNemar 1947, "Note on the sampling error of the difference between correlated proportions"; exact form.
    """
    truth, baseline, network = (np.asarray(labels).astype(str) for labels in (truth, baseline, network))
    only_network = int(((network == truth) & (baseline != truth)).sum())
    differing = only_network + int(((network != truth) & (baseline == truth)).sum())
    p_value = float(scipy.stats.binomtest(only_network, differing).pvalue) if differing else 1.0
    return Comparison(
        name,
        baseline=float(accuracy_score(truth, baseline)),
        network=float(accuracy_score(truth, network)),
        n_items=len(truth),
        p_value=p_value,
    )


def features(adapter: Adapter, items: Sequence[Any], on_error: str = "raise") -> tuple[Any, np.ndarray]:
    """Return what a baseline reads, one row an item, and the indices of the items that could be decoded."""
    if isinstance(adapter, TextAdapter):
        good = np.array([index for index, item in enumerate(items) if isinstance(item, str)], dtype=int)
        return [items[index] for index in good], good
    encoded = encode_items(adapter, items, on_error=on_error)
    good, first = np.unique(encoded.item, return_index=True)
    if isinstance(adapter, AudioAdapter):
        rows = _mfcc_statistics(adapter, encoded.windows)
        counts = np.diff([*first, len(encoded.item)])
        return np.add.reduceat(rows, first, axis=0) / counts[:, None], good
    return encoded.windows[first].reshape(len(good), -1).astype(np.float32), good


def _model(adapter: Adapter, labels: np.ndarray, columns: Any, random_state: int) -> tuple[str, Pipeline]:
    if isinstance(adapter, TextAdapter):
        longest = 2 if adapter.tokens_ == "word" else 4
        tf_idf = TfidfVectorizer(
            tokenizer=adapter.tokenise, token_pattern=None, lowercase=False, sublinear_tf=True, ngram_range=(1, longest)
        )
        return f"TF-IDF of 1 to {longest} {adapter.tokens_}s + linear SVM", make_pipeline(tf_idf, LinearSVC())
    if isinstance(adapter, AudioAdapter):
        return "MFCC statistics + SVM", make_pipeline(StandardScaler(), SVC(C=10))
    if adapter.modality == "image":
        components = min(COMPONENTS, *columns.shape)
        return (
            f"pixels, {components} principal components + SVM",
            make_pipeline(PCA(components, svd_solver="randomized", random_state=random_state), SVC(C=10)),
        )
    smallest = int(np.unique(labels, return_counts=True)[1].min())
    folds = StratifiedKFold(max(2, min(3, smallest)), shuffle=True, random_state=random_state)
    models = [LogisticRegression(max_iter=1000), SVC(), HistGradientBoostingClassifier(random_state=random_state)]
    pipeline = Pipeline([("scale", StandardScaler()), ("model", models[0])])
    return (
        "the best of logistic regression, SVM and gradient boosting",
        GridSearchCV(pipeline, {"model": models}, cv=folds),
    )


@torch.inference_mode()
def _mfcc_statistics(adapter: AudioAdapter, windows: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Return mean, standard deviation, least and most of each MFCC over the sounding frames: `(windows, 4 × 20)`."""
    wide = adapter.sample_rate_ > WIDE_BAND
    n_fft = 2048 if wide else 512
    mel = MelSpectrogram(adapter.sample_rate_, n_fft=n_fft, hop_length=n_fft // 4, n_mels=128 if wide else 40)
    decibels = AmplitudeToDB("power", top_db=80.0)
    rows = []
    for start in range(0, len(windows), batch_size):
        waveforms = torch.from_numpy(np.array(windows[start : start + batch_size]))
        levels = decibels(mel(waveforms)[:, None])[:, 0].numpy()  # (batch, mels, frames)
        sounding = levels.max(axis=1, keepdims=True) > levels.min(axis=(1, 2), keepdims=True) + 1
        sounding |= ~sounding.any(axis=2, keepdims=True)  # in silence all frames count
        mfcc = scipy.fft.dct(levels, axis=1, norm="ortho")[:, :COEFFICIENTS]
        heard: Any = np.ma.array(
            mfcc, mask=~np.broadcast_to(sounding, mfcc.shape)
        )  # a recording may stand between zeros
        statistics = (heard.mean(axis=2), heard.std(axis=2), heard.min(axis=2), heard.max(axis=2))
        rows.append(np.concatenate([each.filled(0.0) for each in statistics], axis=1))
    return np.concatenate(rows)
