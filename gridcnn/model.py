"""FittedModel: what training returns, a bundle holds, and everything else reads."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gridcnn.adapters import Adapter
from gridcnn.answer_rule import AnswerRule, background_index
from gridcnn.certainty import Certainty
from gridcnn.display import as_facts, counted
from gridcnn.errors import ConfigurationError, Skipped
from gridcnn.multilabel import score_name, thresholds_error
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.layers import to_channels_last
from gridcnn.stored_json import plain

__all__ = ["EpochRecord", "FittedModel", "Network", "fitted_model", "one_thread_in_forked_processes"]


class Network(nn.Module):
    """A frontend and a backbone: compact arrays in, logits out. What a bundle holds and an export ships.

    Parameters
    ----------
    frontend : nn.Module
        Maps encoded windows `(batch, *encoded_shape)` to grids, from `Adapter.frontend`.
    backbone : ConvPoolDense
        Maps grids to logits.
    flip_axes : sequence of str
        Axes along which training flipped the grids: an answer is the mean over the grid and its flipped copies
        (test-time augmentation, `gridcnn.network.augment.flipped_copies`).
    temperature : float
        What the logits of the backbone are divided by, above 0, see `gridcnn.calibration`.
    several : bool
        Whether an item may have several labels: then the probability of each is the sigmoid of its logit.
    """

    def __init__(
        self,
        frontend: nn.Module,
        backbone: ConvPoolDense,
        flip_axes: Sequence[str] = (),
        temperature: float = 1.0,
        *,
        several: bool = False,
    ) -> None:
        super().__init__()
        self.frontend = frontend
        self.backbone = backbone
        self.flip_axes = tuple(flip_axes)
        self.temperature = temperature
        self.several = several

    def calibrated(self) -> ConvPoolDense:
        """Return a copy of the backbone with the temperature in it: its logits are those that answers are made of.

        The last layer is linear, so its weights and biases are divided. The weights of this network stay as they are.
        """
        calibrated = copy.deepcopy(self.backbone)
        if self.temperature != 1:
            for parameter in calibrated.output.parameters():
                parameter.data = parameter.data / self.temperature
        return calibrated

    def kernels_channels_last(self) -> None:
        """Lay 2-D kernels out as `to_channels_last` lays out grids."""
        for parameter in self.backbone.parameters():
            parameter.data = to_channels_last(parameter.data)

    def forward(self, encoded: Tensor) -> Tensor:
        """(batch, *encoded_shape) → logits (batch, n_classes), of the grids as they are."""
        logits: Tensor = self.backbone(to_channels_last(self.frontend(encoded)))
        return logits if self.temperature == 1 else logits / self.temperature


class EpochRecord(NamedTuple):
    """One row of the history. Validation figures are NaN where there is no validation split.

    If items may have several labels, `accuracy` and `validation_accuracy` are ranking precisions, see
    `gridcnn.multilabel.item_hits`; a person is told so by `named`.
    """

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float
    samples_per_second: float

    def named(self, *, several: bool) -> dict[str, float]:
        """Return the figures by the names under which a person reads them."""
        score = score_name(several=several).replace(" ", "_")
        return {name.replace("accuracy", score): value for name, value in self._asdict().items()}


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A trained classifier: all that is needed to answer, to explain an answer, and to say where it comes from.

    Parameters
    ----------
    adapter : Adapter
        The fitted adapter.
    network : Network
        Frontend and backbone, on the CPU, in evaluation mode.
    classes : ndarray of shape (n_classes,)
        Labels, sorted; the order of logits and probabilities.
    history : tuple of EpochRecord
        One record for each epoch of the training that the validation split was scored in.
    best_epoch : int
        Epoch whose weights were kept, from 1.
    scores : dict
        Scores known so far: `validation_accuracy` and `validation_loss`, each in the units of `EpochRecord`, and those
        of `gridcnn.training.certainty.scores_by_class`.
    summary : dict
        JSON-ready: what it was trained on (counts of items and of each class), and with which versions.
    recipe : dict
        JSON-ready: every setting of the training as it was used, by name.
    parameters : dict
        JSON-ready: the parameters that a person set; the others were the adapter's choice.
    fingerprints : ndarray of shape (n_training_items, 16), uint8
        Digests of the decoded content of the training items, sorted; an item that was skipped has none.
    interrupted : bool
        Whether the training was ended early by a person.
    certainty : Certainty
        What held-out items told about the probabilities; the network answers at its temperature.
    skipped : tuple of Skipped
        Training items that were left out, with their reasons; not kept in a bundle.
    thresholds : ndarray of shape (n_classes,) or None
        The probability from which an item has each label, in (0, 1); None if every item has one label.
    """

    adapter: Adapter
    network: Network
    classes: np.ndarray
    history: tuple[EpochRecord, ...] = ()
    best_epoch: int = 0
    scores: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    fingerprints: np.ndarray = field(default_factory=lambda: np.empty((0, 16), dtype=np.uint8))
    interrupted: bool = False
    certainty: Certainty = field(default_factory=Certainty)
    skipped: tuple[Skipped, ...] = ()
    thresholds: np.ndarray | None = None

    def __post_init__(self) -> None:
        one_thread_in_forked_processes()
        background_index(self.classes, self.parameters.get("background"))
        if self.thresholds is not None and (wrong := thresholds_error(self.thresholds, len(self.classes))):
            raise ConfigurationError(wrong)
        network, temperature = self.network, self.certainty.temperature
        if (network.temperature, network.several) != (temperature, self.several):  # the weights are shared
            at = Network(network.frontend, network.backbone, network.flip_axes, temperature, several=self.several)
            object.__setattr__(self, "network", at.train(network.training))

    @property
    def several(self) -> bool:
        """Whether an item may have several labels, or none."""
        return self.thresholds is not None

    @property
    def background(self) -> int | None:
        """Index of the class that is trained on and never given as an answer; None if there is none."""
        return background_index(self.classes, self.parameters.get("background"))

    def rule(self, *, abstain: float | None = None, sets: float | None = None, by_class: bool = False) -> AnswerRule:
        """Return how probabilities become answers, see `AnswerRule.of`."""
        return AnswerRule.of(
            self.classes,
            self.background,
            self.certainty,
            abstain=abstain,
            sets=sets,
            by_class=by_class,
            thresholds=self.thresholds,
        )

    @property
    def class_names(self) -> list[str]:
        """The labels as strings, in their order."""
        return [str(label) for label in self.classes]

    @property
    def digest(self) -> str:
        """Twelve digits by which a model is told from others: of its fitted adapter, weights and classes.

        They stay the same when it is saved and loaded.
        """
        made_of = {
            "adapter": type(self.adapter).__name__,
            "settings": self.adapter.settings(),
            "state": self.adapter.state(),
            "classes": self.class_names,
            "backbone": vars(self.network.backbone.config),
            "flip_axes": self.network.flip_axes,
        }
        digest = hashlib.blake2b(json.dumps(made_of, sort_keys=True, default=plain).encode(), digest_size=6)
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def n_parameters(self) -> int:
        """Number of learned weights of the network."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    def facts(self) -> dict[str, str]:
        """Return what a person asks of a model, by name: what it reads and answers, and what it was made of."""
        return facts_of(self)

    def _repr_html_(self) -> str:
        """Show the facts in a notebook."""
        return as_facts(self.facts())

    def trained_on(self, fingerprints: np.ndarray) -> np.ndarray:
        """Return which items, by the digests of their content `(n, 16)` uint8, are training items: bool `(n,)`."""
        known, asked = (np.ascontiguousarray(each).view("V16").ravel() for each in (self.fingerprints, fingerprints))
        found: np.ndarray = np.isin(asked, known)
        return found


def facts_of(model: FittedModel) -> dict[str, str]:
    """Return what a person asks of a model, see `FittedModel.facts`; what it was never told is left out."""
    summary, scores, config = model.summary, model.scores, model.network.backbone.config
    counts = summary.get("class_counts", {})
    classes = [f"{name} {counts[name]:,}" if name in counts else name for name in model.class_names]
    listed = classes if len(classes) <= MOST_LISTED else [*classes[:MOST_LISTED], "…"]
    kernels = ", ".join(map(str, config.kernels))
    bytes_ = sum(tensor.nbytes for tensor in model.network.state_dict().values())
    nouns = f"{model.adapter.noun.removesuffix('s')}s"  # one series, several series
    facts = {
        "reads": f"{nouns} ({type(model.adapter).__name__}), as grids of {model.adapter.spec_}",
        "answers": f"{'any of ' if model.several else ''}{len(classes):,} {'labels' if model.several else 'classes'}: "
        f"{', '.join(listed)}",
        "network": f"kernels {kernels}; {model.n_parameters:,} parameters, {bytes_ / 1e6:.2f} MB",
        "digest": model.digest,
    }
    if "training_items" in summary:
        more = f", {summary['validation_items']:,} held out first" if summary.get("validation_items") else ""
        skipped = f", {summary['skipped_items']:,} left out" if summary.get("skipped_items") else ""
        again = ", then learned from as well" if more and summary.get("refit") else ""
        facts["made of"] = f"{counted(summary['training_items'], 'item')}{more}{again}{skipped}"
    if origin := summary.get("from"):
        name = f"{origin['name']}, " if origin.get("name") else ""
        added = f"; added: {', '.join(origin['new_classes'][:MOST_LISTED])}" if origin["new_classes"] else ""
        facts["came from"] = (
            f"{name}digest {origin['digest']}, of {counted(len(origin['classes']), 'class', 'classes')}{added}"
        )
    told = {name: value for name, value in model.parameters.items() if value is not None and value != "auto"}
    told = {name: value for name, value in told.items() if name not in _OF_MACHINE}
    settings = {name: value for name, value in model.adapter.settings().items() if value is not None}
    facts["settings"] = ", ".join(f"{name}={value}" for name, value in {**settings, **told}.items()) or "defaults"
    of_labels = [f"{part}_{name}" for part in ("validation", "test") for name in ("mean_average_precision", "micro_f1")]
    for name in ("validation_accuracy", "validation_balanced_accuracy", "test_accuracy", *of_labels):
        value = scores.get(name)
        if isinstance(value, float) and not math.isnan(value):
            called = name.replace("accuracy", "all labels right") if model.several else name
            facts[called.replace("_", " ")] = f"{value:.4f}"
    if versions := summary.get("versions"):
        facts["made with"] = ", ".join(f"{name} {version}" for name, version in versions.items())
    return facts


MOST_LISTED = 30
"""Classes that the facts list."""

_OF_MACHINE = ("device", "n_jobs", "cache", "on_error")


@functools.cache
def one_thread_in_forked_processes() -> None:
    """Let processes that are forked from this one compute with one thread, now and in all later calls.

    The threads that torch computes with do not survive a fork, and a child that waits for them waits for ever.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=functools.partial(torch.set_num_threads, 1))


def fitted_model(source: Any) -> FittedModel:
    """Return a fitted model as it is, or that of a fitted `GridClassifier`; NotFittedError if it is not fitted."""
    if isinstance(source, FittedModel):
        return source
    from sklearn.utils.validation import check_is_fitted  # noqa: PLC0415  (a quarter of the start of a command)

    check_is_fitted(source, "model_")
    model: FittedModel = source.model_
    return model
