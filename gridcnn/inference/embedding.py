"""Embeddings: the feature vector of each item, by which items that are alike can be found.

The feature vector is what the last maps become, before the dense layers and the votes. It is computed by the folded
network in torch, and is the same alone and among other items, up to rounding.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from gridcnn.answer_rule import AnswerRule
from gridcnn.display import as_facts
from gridcnn.errors import ConfigurationError
from gridcnn.inference.folding import fold_batch_norm, folded_steps, run_in_sequence
from gridcnn.inference.predictions import PART, answers_of, raise_first
from gridcnn.inference.predictor import LARGEST_BATCH, first_maps, predictor, texts_at_once, windows_at_once
from gridcnn.inference.similarity import nearest
from gridcnn.inference.workers import batch_by_batch
from gridcnn.model import FittedModel, Network, fitted_model
from gridcnn.network.augment import flipped_copies
from gridcnn.network.heads import n_features
from gridcnn.network.layers import to_channels_last
from gridcnn.network.sizes import sizes_after_blocks
from gridcnn.pipeline.bucketing import lengths_needed, without_padding
from gridcnn.pipeline.device import choose_device
from gridcnn.pipeline.encode import EncodedItems, encode_ahead
from gridcnn.predictions import NOT_FINITE, Predictions

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Embeddings", "embed", "embed_in_parts", "length_of"]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Feature vectors and answers for n items, in the order of the items.

    Parameters
    ----------
    answers : Predictions
        Names, probabilities, errors.
    vectors : ndarray of shape (n, n_features), float32
        NaN for an item that has an error.
    model : str
        Digest of the model that made them, see `FittedModel.digest`; vectors of different models cannot be compared.

    Examples
    --------
    >>> from gridcnn import datasets, embed, fit
    >>> from gridcnn.adapters import ImageAdapter
    >>> digits = datasets.load("digits").take(range(60))
    >>> model = fit(ImageAdapter(), digits.items, digits.labels, {"epochs": 1, "kernels": (4,)})
    >>> found = embed(model, digits.items)
    >>> positions, similarities = found.nearest(found.vectors[7], top=3)
    >>> int(positions[0]), float(similarities[0].round(6))
    (7, 1.0)
    """

    answers: Predictions
    vectors: np.ndarray
    model: str

    def __len__(self) -> int:
        return len(self.answers)

    def called(self, items: list[str]) -> Self:
        """Return the same vectors for items of other names."""
        return dataclasses.replace(self, answers=self.answers.called(items))

    def take(self, places: Sequence[int]) -> Self:
        """Return the vectors of some items, in this order."""
        return dataclasses.replace(self, answers=self.answers.take(places), vectors=self.vectors[list(places)])

    @property
    def items(self) -> list[str]:
        """Name of each item."""
        return self.answers.items

    @property
    def errors(self) -> list[str]:
        """Why an item has no vector; empty for the others."""
        return self.answers.errors

    @property
    def confidences(self) -> np.ndarray:
        """The probability of each item's most probable class, `(n,)`; NaN for an item that has an error."""
        largest: np.ndarray = self.answers.probabilities.max(axis=1, initial=0)  # NaN stays NaN
        return largest

    def nearest(self, vector: np.ndarray, top: int = 20) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions and cosine similarities of the items that are most like a feature vector."""
        return nearest(vector, [self.vectors], top)

    def _repr_html_(self) -> str:
        """Show how many vectors there are, and the answers, in a notebook."""
        about = {"vectors": f"{len(self):,} of {self.vectors.shape[-1]:,} numbers", "model": self.model}
        return as_facts(about) + self.answers._repr_html_()

    def to_frame(self) -> pd.DataFrame:
        """Return a table: `item`, `prediction`, `confidence`, `embedding` (an array, or None), `error`."""
        import pandas as pd  # noqa: PLC0415  (at the edge only)

        vectors = [None if error else vector for vector, error in zip(self.vectors, self.errors, strict=True)]
        return pd.DataFrame(
            {
                "item": pd.Series(self.items, dtype=object),
                "prediction": pd.Series(self.answers.labels, dtype=object),
                "confidence": self.confidences,
                "embedding": pd.Series(vectors, dtype=object),
                "error": pd.Series(self.errors, dtype=object),
            }
        )


def embed(
    model: Any, items: Any, *, device: str = "auto", n_jobs: int | None = None, on_error: str = "skip"
) -> Embeddings:
    """Return the feature vectors of items, and the answers of the model for them.

    A long recording or text has the mean over its windows; if training flipped grids, also the mean over the flipped
    copies.

    Parameters
    ----------
    model : FittedModel or GridClassifier
        A fitted one.
    items : sequence of n raw items
        As the model's adapter reads them.
    device : str
        As in `FitConfig`.
    n_jobs : int or None
        Threads that decode files; None means one a core.
    on_error : {"skip", "raise"}
        Whether an item that cannot be read has an error in its place, or raises `ItemError`.

    Raises
    ------
    ItemError
        With `on_error="raise"`, for the first item that has no vector.
    """
    model = fitted_model(model)
    raw = model.adapter.check_items(items)
    parts = list(embed_in_parts(model, raw, device=device, n_jobs=n_jobs, on_error=on_error))
    n_classes = len(model.classes)
    return Embeddings(
        Predictions(
            [name for part in parts for name in part.items],
            np.concatenate([np.empty((0, n_classes)), *(part.answers.probabilities for part in parts)]),
            [error for part in parts for error in part.errors],
            model.classes,
            rule=model.rule(),
        ),
        np.concatenate([np.empty((0, length_of(model.network)), np.float32), *(part.vectors for part in parts)]),
        model.digest,
    )


def embed_in_parts(
    model: FittedModel,
    items: Iterable[Any],
    *,
    device: str = "auto",
    n_jobs: int | None = None,
    on_error: str = "skip",
    rule: AnswerRule | None = None,
) -> Iterator[Embeddings]:
    """Yield the feature vectors of some items at a time, in order; the next items are decoded meanwhile.

    Parameters
    ----------
    items : iterable
        Items as `Adapter.check_items` returns them, taken as they are needed, and not kept. An `ItemError` among them
        stands for an item that is known to be unreadable.
    model, device, n_jobs, on_error
        As in `embed`.
    rule : AnswerRule, optional
        How probabilities become answers; the default is `model.rule()`.
    """
    if on_error not in ("raise", "skip"):
        raise ConfigurationError(f"on_error must be 'raise' or 'skip', got {on_error!r}")
    rule = rule or model.rule()
    chosen = choose_device(device)
    answer, embedder, digest = predictor(model.network, chosen), _Embedder(model.network, chosen), model.digest
    before = 0
    for some, encoded in encode_ahead(model.adapter, items, n_jobs=n_jobs, part=PART):
        answers = answers_of(model, answer, some, encoded, before, rule)
        before += len(some)
        vectors = _vectors(embedder, encoded, len(some))
        broken = {at for at in np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist() if not answers.errors[at]}
        if broken:
            answers = _without_answers(answers, broken)
        vectors[~answers.good] = np.nan
        if on_error == "raise":
            raise_first(answers, some)
        yield Embeddings(answers, vectors, digest)


def _vectors(embedder: _Embedder, encoded: EncodedItems, n_items: int) -> np.ndarray:
    """Return the mean over the windows of each item; NaN for an item without windows."""
    vectors = np.full((n_items, embedder.n_features), np.nan, dtype=np.float32)
    answered, first, windows = np.unique(encoded.item, return_index=True, return_counts=True)
    if len(answered):
        of_windows = embedder(encoded.windows)
        vectors[answered] = np.add.reduceat(of_windows, first, dtype=np.float64) / windows[:, None]
    return vectors


def _without_answers(answers: Predictions, broken: set[int]) -> Predictions:
    probabilities = answers.probabilities.copy()
    probabilities[list(broken)] = np.nan
    errors = [NOT_FINITE if at in broken else error for at, error in enumerate(answers.errors)]
    return dataclasses.replace(answers, probabilities=probabilities, errors=errors)


def length_of(network: Network) -> int:
    """Return how many numbers the feature vector of a network has."""
    backbone = network.backbone
    config = backbone.config
    maps = config.kernels[-1] * len(config.branches)
    last_sizes = sizes_after_blocks(backbone.spec.sizes, config)[-1]
    return n_features(config.head, maps, last_sizes) + config.summed_kernels


class _Embedder:
    """Turns encoded windows into feature vectors, float32 `(n, n_features)`.

    The copies of a window that training flipped count equally.
    """

    def __init__(self, network: Network, device: torch.device) -> None:
        on_cpu = device.type == "cpu"
        self._backbone = folded = fold_batch_norm(network.backbone)
        self._apply_frontend = frontend = network.frontend if on_cpu else copy.deepcopy(network.frontend).to(device)
        self._n_threads = torch.get_num_threads() if on_cpu else 1  # each computes batches of its own
        self.n_features = length_of(network)
        words, steps = first_maps(frontend, folded) if on_cpu and not network.flip_axes else (None, None)
        if words is None:
            self._batch_size = self._n_threads * (windows_at_once(folded.layers()) if on_cpu else LARGEST_BATCH)
            folded.to(device)
            for parameter in folded.parameters():
                parameter.data = to_channels_last(parameter.data)
            steps = list(folded_steps(folded))
        else:
            self._batch_size = texts_at_once(words, folded)
        votes = {"dense", "logits"}
        run = run_in_sequence(itertools.takewhile(lambda step: step.kind not in votes, steps or []))
        spec, flip_axes = folded.spec, network.flip_axes

        def of_each_copy(windows: np.ndarray) -> list[Tensor]:
            if words is not None:
                return [run(words(windows))]
            grids = frontend(torch.from_numpy(windows).to(device))
            return [run(to_channels_last(each)) for each in flipped_copies(grids, spec, flip_axes)]

        self._of_each_copy = of_each_copy

    @torch.inference_mode()
    def __call__(self, windows: np.ndarray) -> np.ndarray:
        sizes = lengths_needed(windows, self._apply_frontend, self._backbone)
        vectors = np.empty((len(windows), self.n_features), dtype=np.float32)

        def compute(batch: np.ndarray) -> None:
            copies = self._of_each_copy(without_padding(windows[batch], sizes, batch))
            vectors[batch] = np.mean([each.cpu().numpy() for each in copies], axis=0)

        batch_by_batch(compute, len(windows), self._batch_size, sizes, self._n_threads)
        return vectors
