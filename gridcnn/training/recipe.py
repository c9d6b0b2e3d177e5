"""The recipe of a training: the adapter's defaults, overlaid with what a person set, resolved in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gridcnn.adapters import Adapter
from gridcnn.errors import ConfigurationError
from gridcnn.network.config import AugmentConfig, BackboneConfig
from gridcnn.training.config import FitConfig, TrainingConfig

__all__ = ["PARAMETERS", "Recipe", "fit_config", "resolve"]

_NETWORK, _TRAINING, _FIT = (
    tuple(each.name for each in dataclasses.fields(config)) for config in (BackboneConfig, TrainingConfig, FitConfig)
)

_NETWORK = tuple(name for name in _NETWORK if name != "summed_kernels")

PARAMETERS = (*_NETWORK, *(name for name in _TRAINING if name != "augment"), *_FIT)
"""Names of everything that a person may set; None, or a name that is missing, leaves the choice to the adapter."""

MOST_REFITTED = 20_000
"""Items up to which training once more, on those held out too, is worth its time."""

SMALLEST_BATCH, FEWEST_STEPS = 8, 8
"""A small set is cut into at least this many steps an epoch, of batches of at least this size."""


@dataclass(frozen=True)
class Recipe:
    """The network and the training of one fit, with nothing left to choose.

    Parameters
    ----------
    backbone : BackboneConfig
        The network.
    training : TrainingConfig
        The training loop.
    refit : bool
        Whether the adapter trains once more on all items after validation.
    """

    backbone: BackboneConfig
    training: TrainingConfig
    refit: bool

    def to_dict(self) -> dict[str, Any]:
        """Return every setting of the training loop, JSON-ready."""
        return dataclasses.asdict(self.training)


def fit_config(parameters: Mapping[str, Any]) -> FitConfig:
    """Return the settings that surround the loop.

    Raises
    ------
    ConfigurationError
        If a parameter is unknown or out of its range, or both `epochs` and `time_limit` are given.
    """
    if unknown := sorted(set(parameters) - set(PARAMETERS)):
        raise ConfigurationError(f"unknown parameters {', '.join(unknown)}; known: {', '.join(PARAMETERS)}")
    config = FitConfig(**{name: parameters[name] for name in _FIT if name in parameters})
    if config.time_limit is not None and parameters.get("epochs") is not None:
        raise ConfigurationError(
            f"epochs={parameters['epochs']} and time_limit={config.time_limit} both say how long to train: give one of "
            "them"
        )
    return config


def resolve(
    parameters: Mapping[str, Any], adapter: Adapter, n_items: int, flip_axes: Sequence[str] | None = None
) -> Recipe:
    """Return the recipe for a fitted adapter and a number of training items.

    Parameters
    ----------
    parameters : mapping
        What a person set, names from `PARAMETERS`; None is the adapter's choice.
    adapter : Adapter
        A fitted adapter.
    n_items : int
        Number of training items.
    flip_axes : sequence of str, optional
        The axes that passed the flip test; they replace those that the adapter would flip.

    Raises
    ------
    ConfigurationError
        If a value is out of its range.
    """
    defaults = adapter.defaults(n_items)
    given = {name: value for name, value in parameters.items() if value is not None and name not in _FIT}
    values = {name: value for name, value in defaults.items() if name != "augment"} | given
    backbone = BackboneConfig(**{name: values[name] for name in _NETWORK if name in values})
    training = TrainingConfig(**{name: values[name] for name in _TRAINING if name in values})
    augment = parameters.get("augment", "auto")
    if augment == "auto":
        strength = min(1.0, training.epochs / defaults.get("epochs", training.epochs))
        usual = AugmentConfig.from_dict(defaults.get("augment", {}))
        wanted = parameters.get("augment_strength")
        usual = usual.scaled(strength if wanted is None else strength * wanted)
        augmentation = usual if flip_axes is None else replace(usual, flip=tuple(flip_axes))
    else:
        augmentation = AugmentConfig.from_dict(augment or {})
    batch_size = min(training.batch_size, max(SMALLEST_BATCH, n_items // FEWEST_STEPS))
    return Recipe(
        backbone,
        replace(training, augment=augmentation, batch_size=batch_size),
        refit=bool(defaults.get("refit", n_items <= MOST_REFITTED)),
    )
