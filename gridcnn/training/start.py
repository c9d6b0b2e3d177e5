"""The model that a training goes on from: what it hands on, and what does not fit it.

Its adapter reads the new items as it read the old ones, and the weights of its network are the first ones of the new
network. If the new items hold all of its classes, all weights go on learning, with smaller steps, and more from items
of new classes (`going_on.caught_up`). If they hold none of some class, its kernels stay, and only the votes of the
other classes are learned: kernels that move on would forget what nothing reminds them of.

References
----------
Kirkpatrick et al. 2017, "Overcoming catastrophic forgetting in neural networks", for what is forgotten; Kumar et al.
2022, "Fine-tuning can distort pretrained features and underperform out-of-distribution", for votes before kernels.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from gridcnn.adapters import Adapter
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.model import FittedModel, Network
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.config import BackboneConfig
from gridcnn.pipeline.split import few
from gridcnn.training.bag import EQUAL, USUAL, Mixture
from gridcnn.training.recipe import resolve

__all__ = ["SHARE_OF_EPOCHS", "SHARE_OF_RATES", "Start", "require_adapter", "start_from"]

SHARE_OF_EPOCHS = 0.25
"""Of the epochs of a training from scratch."""

SHARE_OF_RATES = 0.5
"""Of the learning rates of a training from scratch."""

LEAST_KERNELS = 0.25
"""Share of the kernels beside a bag below which their votes are not scaled back."""

_NETWORK = tuple(each.name for each in dataclasses.fields(BackboneConfig) if each.name != "summed_kernels")
_INHERITED = (*_NETWORK, "solved", "background")


@dataclass(frozen=True, eq=False)
class Start:
    """What a model hands on.

    Parameters
    ----------
    model : FittedModel
        The model, as it was.
    classes : ndarray of shape (n_classes,)
        Its classes and the new ones, sorted.
    missing : tuple of int
        Indices of its classes of which the new items hold none.
    adapter : Adapter
        A fitted one of its own.
    network : Network
        With its weights, and votes for the new classes that say nothing yet.
    evidence : ndarray of shape (counted, n_classes) or None
        What its bag said of each class, to be learned further.
    mixture : Mixture or None
        How it mixed kernels and bag; None without a bag.
    """

    model: FittedModel
    classes: np.ndarray
    missing: tuple[int, ...]
    adapter: Adapter
    network: Network
    evidence: np.ndarray | None
    mixture: Mixture | None

    @property
    def only_votes(self) -> bool:
        """Whether kernels stay as they are, and only votes are learned."""
        return bool(self.missing)

    @property
    def new_classes(self) -> list[Any]:
        """The classes that the model did not have."""
        added: list[Any] = np.setdiff1d(self.classes, self.model.classes).tolist()
        return added

    def settings(self, given: Mapping[str, Any], n_items: int) -> dict[str, Any]:
        """Return the settings that follow from the model and are not given: its network, and a shorter training."""
        config = self.network.backbone.config
        fixed = {name: getattr(config, name) for name in _NETWORK}
        usual = resolve({}, self.adapter, n_items).training
        shorter = {
            "epochs": 1 if self.only_votes else max(1, math.ceil(SHARE_OF_EPOCHS * usual.epochs)),
            "learning_rate": SHARE_OF_RATES * usual.learning_rate,
            "kernel_learning_rate": SHARE_OF_RATES * usual.kernel_learning_rate,
        }
        left = {name: value for name, value in shorter.items() if given.get(name) is None}
        return {**fixed, **left, "solved": bool(self.model.recipe.get("solved", False))}

    def first_network(self, flip_axes: Sequence[str]) -> Network:
        """Return a new network with the first weights."""
        frontend, backbone = copy.deepcopy((self.network.frontend, self.network.backbone))
        return Network(frontend, backbone, flip_axes, several=self.model.several)

    def origin(self) -> dict[str, Any]:
        """Return what a model keeps of where it came from, JSON-ready."""
        summary = self.model.summary
        known = {"training_items": summary["training_items"]} if "training_items" in summary else {}
        return {
            "digest": self.model.digest,
            "classes": self.model.class_names,
            "new_classes": [str(label) for label in self.new_classes],
            "without_items": [str(self.classes[index]) for index in self.missing],
            **known,
        }


def start_from(model: FittedModel, parameters: Mapping[str, Any], present: np.ndarray) -> tuple[Start, dict[str, Any]]:
    """Return what a model hands on to a training, and the parameters with those that it hands on.

    Parameters
    ----------
    model : FittedModel
        The model.
    parameters : mapping
        What a person set.
    present : ndarray
        The classes of the new items.

    Raises
    ------
    ConfigurationError
        If the network cannot be as it was set.
    DataError
        If the labels are of another kind than the model's, or of one class only, unless items may have several.
    """
    _require_network(model, parameters)
    _require_kind(present, model.classes)
    classes = np.union1d(model.classes, present)
    if len(present) < 2 and not model.several:
        raise DataError(
            f"all items are of one class ({present[0]}), and nothing would tell it from those of the model "
            f"({few(list(map(str, model.classes)))}): add items of some of these, also such as it was trained on"
        )
    missing = tuple(np.flatnonzero(~np.isin(classes, present)).tolist())
    if missing and model.recipe.get("solved"):
        raise DataError(
            f"there are no items of {few([str(classes[index]) for index in missing])}, and the votes of this model, "
            "which are found in one step, would forget these classes: add items of them"
        )
    inherited = {name: model.parameters[name] for name in _INHERITED if model.parameters.get(name) is not None}
    given = {name: value for name, value in parameters.items() if value is not None}
    start = _handed_on(model, classes, missing)
    return start, {**parameters, **inherited, **given}


def require_adapter(model: FittedModel, adapter: Adapter) -> None:
    """Raise ConfigurationError if an adapter is of another kind than a model's, or was set to read items otherwise."""
    kind = type(model.adapter)
    if type(adapter) is not kind:
        raise ConfigurationError(
            f"these items are read by {type(adapter).__name__}, and the model to go on from reads its items by "
            f"{kind.__name__}: give it {model.adapter.noun.removesuffix('s')}s, or train from scratch"
        )
    usual = kind().get_params(deep=False)
    here, there = adapter.settings(), model.adapter.settings()
    for name, value in adapter.get_params(deep=False).items():
        learned = getattr(model.adapter, f"{name}_", there[name])
        if value is None or _same(value, usual[name]) or _same(here[name], there[name]):
            continue
        if there[name] is None and _same(value, learned):
            continue
        raise ConfigurationError(
            f"{name}={here[name]!r} does not fit the model to go on from, which reads its items with "
            f"{name}={(learned if there[name] is None else there[name])!r}: leave it out, or train from scratch"
        )


def _require_network(model: FittedModel, parameters: Mapping[str, Any]) -> None:
    config = model.network.backbone.config
    there = {name: getattr(config, name) for name in _NETWORK} | {"solved": bool(model.recipe.get("solved", False))}
    for name, value in there.items():
        here = parameters.get(name)
        if here is None or _same(here, value) or _same([here], value):
            continue
        raise ConfigurationError(
            f"{name}={here!r} does not fit the model to go on from, whose weights are those of a network with "
            f"{name}={value!r}: leave it out, or train from scratch"
        )


def _same(one: Any, other: Any) -> bool:
    plain = [tuple(each) if isinstance(each, list | tuple | np.ndarray) else each for each in (one, other)]
    return bool(plain[0] == plain[1])


def _require_kind(labels: np.ndarray, classes: np.ndarray) -> None:
    kinds = {"U": "strings", "i": "whole numbers", "u": "whole numbers", "f": "numbers", "b": "True and False"}
    here, there = (kinds.get(each.dtype.kind, str(each.dtype)) for each in (labels, classes))
    if here != there:
        raise DataError(f"these labels are {here}, and the classes of the model to go on from are {there}: turn them")


def _handed_on(model: FittedModel, classes: np.ndarray, missing: tuple[int, ...]) -> Start:
    adapter, network = copy.deepcopy((model.adapter, model.network))
    network.temperature = 1.0
    kept = model.summary.get("mixture")
    mixture, evidence = (None if kept is None else Mixture(**kept)), None
    at = np.searchsorted(classes, model.classes)
    if network.backbone.config.summed_kernels and not missing:
        mixture = mixture or Mixture(*EQUAL, USUAL)
        of_old = _take_bag_out(network, adapter, mixture.kernels)
        evidence = np.zeros((len(of_old), len(classes)))
        evidence[:, at] = of_old
    network.backbone = _with_votes_for(network.backbone, at, len(classes))
    return Start(model, classes, missing, adapter, network.eval(), evidence, mixture)


@torch.no_grad()
def _with_votes_for(before: ConvPoolDense, at: np.ndarray, n_classes: int) -> ConvPoolDense:
    """Return a network with more classes; the votes for the others are zero, with the mean bias."""
    with torch.random.fork_rng([]):
        after = ConvPoolDense(before.spec, before.config, n_classes)
    weights = {name: value for name, value in before.state_dict().items() if not name.startswith("output.")}
    after.load_state_dict(weights, strict=False)
    rows = torch.from_numpy(at)
    after.output.weight.zero_()
    after.output.weight[rows] = before.output.weight
    after.output.bias.fill_(float(before.output.bias.mean()))
    after.output.bias[rows] = before.output.bias
    return after


@torch.no_grad()
def _take_bag_out(network: Network, adapter: Any, share: float) -> np.ndarray:
    """Leave the kernels alone in a network, with `share` taken back, and return the evidence of its bag."""
    before, frontend = network.backbone, network.frontend
    n_classes, summed = before.n_classes, before.config.summed_kernels
    of_bag: Any = frontend
    evidence: np.ndarray = of_bag.counted_evidence()
    adapter.take_evidence(frontend, evidence[:, :0])
    with torch.random.fork_rng([]):
        after = ConvPoolDense(adapter.spec_, replace(before.config, summed_kernels=0), n_classes)
    blocks: Any = (before.blocks, after.blocks)  # a ModuleList forgets what it holds
    for old, new in zip(*(each[0].convs[0] for each in blocks), strict=False):
        new.weight.copy_(old.weight[:, : new.weight.shape[1]])
        new.bias.copy_(old.bias)
    scale = 1 / share if share > LEAST_KERNELS else 1.0
    after.output.weight.copy_(scale * before.output.weight[:, :-summed])
    after.output.bias.copy_(scale * before.output.bias)
    network.backbone = after
    return evidence
