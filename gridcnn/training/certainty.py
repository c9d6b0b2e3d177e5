"""What the held-out items tell about a trained network: its temperature, and scores for sets and abstaining."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from gridcnn.calibration import calibrate, fit_temperature, mean_loss, mean_probabilities
from gridcnn.certainty import Certainty, Quality
from gridcnn.model import EpochRecord, Network
from gridcnn.multilabel import USUAL_THRESHOLD, choose_thresholds, item_hits
from gridcnn.network.augment import flipped_copies
from gridcnn.network.layers import to_channels_last
from gridcnn.pipeline.bucketing import batches_in_order, lengths_needed, without_padding
from gridcnn.pipeline.encode import EncodedItems
from gridcnn.pipeline.prefetch import batches
from gridcnn.pipeline.split import LabelledItems
from gridcnn.training.loop import standard_error

__all__ = [
    "Answers",
    "answers_of",
    "learn_certainty",
    "logits_of",
    "pooled",
    "scores_at",
    "scores_by_class",
    "scores_of",
    "still_right",
    "thresholds_of",
]


class Answers(NamedTuple):
    """What a network says of held-out items, as prediction asks it: over all windows and flipped copies.

    Parameters
    ----------
    logits : ndarray of shape (windows, copies, n_classes)
        Of each window, as it is and flipped.
    item : ndarray of shape (windows,)
        Which of the scored items each window belongs to, ascending.
    target : ndarray of shape (n_scored,) or (n_scored, n_classes)
        Class index of each scored item, or zeros and ones for several labels.
    weight : ndarray of shape (n_scored,)
        Weight of each scored item.
    place : ndarray of shape (n_scored,)
        Which item of the fit each scored one is.
    """

    logits: np.ndarray
    item: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    place: np.ndarray

    def probabilities(self, temperature: float = 1.0) -> np.ndarray:
        """Return the probabilities of the scored items, `(n_scored, n_classes)`."""
        return mean_probabilities(self.logits, self.item, temperature, several=self.several)

    @property
    def several(self) -> bool:
        """Whether an item may have several labels."""
        return self.target.ndim > 1


def answers_of(
    given: LabelledItems, encoded: EncodedItems, network: Network, device: torch.device, batch_size: int
) -> Answers | None:
    """Ask a network about held-out items; None if none can be read, or an answer is not finite.

    Parameters
    ----------
    given, encoded : LabelledItems, EncodedItems
        Items that the network was not trained on, and what became of them.
    network : Network
        With the weights that are kept, on `device`, and with the frontend that reads the encoded windows.
    device : torch.device
        Where to compute.
    batch_size : int
        Windows at a time.
    """
    if not len(encoded.item):
        return None
    index, item = np.unique(encoded.item, return_inverse=True)
    logits = logits_of(network, encoded.windows, device, batch_size)
    if not np.isfinite(logits).all():  # an item far outside of the others; the training itself was checked
        return None
    return Answers(logits, item, given.target[index], given.weight[index], given.places[index])


def pooled(folds: Sequence[Answers | None]) -> Answers | None:
    """Return the answers of several networks, each about items that it had not seen, as one; None without any."""
    answers = [each for each in folds if each is not None]
    if not answers:
        return None
    scored = np.cumsum([0, *(len(each.target) for each in answers)])
    return Answers(
        np.concatenate([each.logits for each in answers]),
        np.concatenate([each.item + first for each, first in zip(answers, scored, strict=False)]),
        *(np.concatenate(parts) for parts in zip(*(each[2:] for each in answers), strict=True)),
    )


def scores_at(record: EpochRecord) -> dict[str, float]:
    """Return what an epoch was scored on the items held out, as `FittedModel.scores` names it."""
    return {"validation_accuracy": record.validation_accuracy, "validation_loss": record.validation_loss}


def scores_of(answers: Answers) -> dict[str, float]:
    """Return accuracy and loss on the items held out, named as those of an epoch."""
    found, total = answers.probabilities(), answers.weight.sum()
    hit = item_hits(found, answers.target)
    if answers.several:
        hit = (_named_by_others(answers, found) == answers.target).all(axis=1)
    return {
        "validation_accuracy": float((hit * answers.weight).sum() / total),
        "validation_loss": mean_loss(found, answers.target, answers.weight),
    }


def learn_certainty(answers: Answers | None) -> Certainty:
    """Return what held-out items tell about the probabilities."""
    if answers is None:
        return Certainty()
    target, weight = answers.target, answers.weight
    temperature = fit_temperature(answers.logits, answers.item, target, weight)
    found = [answers.probabilities(each) for each in (1.0, temperature)]
    before, after = (_quality(each, target, weight) for each in found)
    if answers.several:
        return Certainty(temperature, len(target), before, after)
    return Certainty.learned(temperature, before, after, found[1], target)


def scores_by_class(answers: Answers | None) -> dict[str, float]:
    """Return scores in which every class counts the same, each in [0, 1], as `FittedModel.scores` names them.

    `validation_balanced_accuracy` is the mean recall of the classes, `validation_macro_f1` the mean F1. The other two
    are accuracy and balanced accuracy of the same probabilities, each divided by how frequent its class is: about what
    a training would reach in which all classes weigh the same. With several labels an item these are
    `validation_mean_average_precision`, `validation_micro_f1` and `validation_macro_f1`, each of thresholds that other
    items chose.
    """
    if answers is None or not len(answers.target):
        return {}
    if answers.several:
        return _scores_of_labels(answers)
    from sklearn.metrics import accuracy_score, f1_score, recall_score  # noqa: PLC0415  (slow to import)

    probabilities, target = answers.probabilities(), answers.target
    counts = np.bincount(target, minlength=probabilities.shape[1])
    of_class = np.where(counts, probabilities / np.maximum(counts, 1), 0.0)  # never held out: never named
    usual, weighted = probabilities.argmax(axis=1), of_class.argmax(axis=1)

    def balanced(predicted: np.ndarray) -> float:
        present = np.flatnonzero(counts)
        return float(recall_score(target, predicted, labels=present, average="macro", zero_division=0.0))

    return {
        "validation_balanced_accuracy": balanced(usual),
        "validation_macro_f1": float(f1_score(target, usual, average="macro", zero_division=0.0)),
        "validation_accuracy_if_weighted": float(accuracy_score(target, weighted)),
        "validation_balanced_accuracy_if_weighted": balanced(weighted),
    }


def thresholds_of(answers: Answers | None, certainty: Certainty, n_classes: int, *, several: bool) -> np.ndarray | None:
    """Return the threshold of each class as held-out items have it; None if items have one label."""
    if not several:
        return None
    if answers is None or not len(answers.target):
        return np.full(n_classes, USUAL_THRESHOLD)
    return choose_thresholds(answers.probabilities(certainty.temperature), answers.target, answers.weight)


def _named_by_others(answers: Answers, probabilities: np.ndarray) -> np.ndarray:
    """Return which labels items are given, zeros and ones, by thresholds that the other half of them chose."""
    half = np.random.default_rng(0).permutation(len(answers.target)) % 2
    named = np.zeros_like(answers.target)
    for each in (0, 1):
        here, there = half == each, half != each
        thresholds = choose_thresholds(probabilities[there], answers.target[there], answers.weight[there])
        named[here] = probabilities[here] >= thresholds
    return named


def _scores_of_labels(answers: Answers) -> dict[str, float]:
    """Return the mean average precision of the labels that occur, and F1 over all labels and as their mean."""
    from sklearn.metrics import average_precision_score, f1_score  # noqa: PLC0415  (slow to import)

    probabilities, target = answers.probabilities(), answers.target
    present, named = target.any(axis=0), _named_by_others(answers, probabilities)
    precisions = [average_precision_score(target[:, at], probabilities[:, at]) for at in np.flatnonzero(present)]
    return {
        "validation_mean_average_precision": float(np.mean(precisions)) if precisions else float("nan"),
        "validation_micro_f1": float(f1_score(target, named, average="micro", zero_division=0.0)),
        "validation_macro_f1": float(f1_score(target, named, average="macro", zero_division=0.0)),
    }


def still_right(answers: Answers | None, before: Answers | None) -> bool:
    """Whether a network is right about items that it has learned from as often as others were that had not.

    It should be right about more of them. One that falls behind by more than a standard error has failed to learn, and
    what the others were right about says nothing about it. Only items count that both were asked about.
    """
    if answers is None or before is None:
        return True
    both, here, there = np.intersect1d(answers.place, before.place, return_indices=True)
    if not len(both):
        return True
    weight = before.weight[there]
    now, then = (
        float(np.average(item_hits(each.probabilities(), each.target)[rows], weights=weight))
        for each, rows in ((answers, here), (before, there))
    )
    return now >= then - standard_error(then, weight)


@torch.inference_mode()
def logits_of(network: Network, windows: np.ndarray, device: torch.device, batch_size: int) -> np.ndarray:
    """Return the logits of windows as they are and flipped, `(windows, copies, n_classes)`."""
    network.eval()
    spec, flip_axes = network.backbone.spec, network.flip_axes
    sizes = None if flip_axes else lengths_needed(windows, network.frontend, network.backbone)
    logits = np.empty((len(windows), 2 ** len(flip_axes), network.backbone.n_classes), np.float32)
    order = batches_in_order(len(windows), batch_size, sizes)
    for batch, rows in zip(order, batches(windows, order), strict=True):
        grids = to_channels_last(network.frontend(torch.from_numpy(without_padding(rows, sizes, batch)).to(device)))
        copies = [network.backbone(each).float().cpu() for each in flipped_copies(grids, spec, flip_axes)]
        logits[batch] = torch.stack(copies, dim=1).numpy()
    return logits


def _quality(probabilities: np.ndarray, target: np.ndarray, weight: np.ndarray) -> Quality:
    if target.ndim > 1:  # every label of every item is a statement of its own
        return Quality(
            mean_loss(probabilities, target, weight), calibrate(target.ravel() > 0, probabilities.ravel()).error
        )
    hit = probabilities.argmax(axis=1) == target
    return Quality(mean_loss(probabilities, target, weight), calibrate(hit, probabilities.max(axis=1)).error)
