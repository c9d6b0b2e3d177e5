"""The hyperparameters of the training loop, and the settings of a fit around it, each declared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Any

from gridcnn.constraints import Text
from gridcnn.errors import ConfigurationError
from gridcnn.network.config import AugmentConfig
from gridcnn.parameters import Choice, Flag, Number, Optional, parameter, validate
from gridcnn.searched import Around, Between

__all__ = ["FitConfig", "TrainingConfig"]

_COUNT = Number(int, low=1)
_RATE = Number(low=0, above=True)
_STRENGTH = Number(low=0)


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Passes over the training examples, at least 1.
    batch_size : int
        Largest number of examples in a step; an epoch is cut into steps of nearly equal size.
    learning_rate : float
        Peak of the one-cycle schedule of AdamW, which trains dense layers, embeddings, biases and normalisation.
    kernel_learning_rate : float
        The same of Muon, which trains the kernels of the blocks.
    weight_decay : float
        Decay of kernels and dense weights; biases and normalisation have none.
    label_smoothing : float
        Share of each label that is spread over all classes, in [0, 1).
    adversarial : float
        At least 0. Above 0, every batch is used twice, in twice the time: as it is, and with each grid moved in the
        direction in which its loss grows fastest, by this share of the norm of one of its cells (a word of a text).
    solved : bool
        Whether only the logits learn, and in one step: the kernels of the one block are fixed contrasts, see
        `gridcnn.training.solve`. Then `epochs` and all rates are without effect.
    patience : int or None
        Epochs without a better validation score after which training stops; None trains to the end.
    augment : AugmentConfig
        Random changes of the training grids.

    Raises
    ------
    ConfigurationError
        If a value is out of its range.
    """

    epochs: int = parameter(20, _COUNT, "Passes over the training items.")
    batch_size: int = parameter(64, _COUNT, "Items in one step.")
    learning_rate: float = parameter(3e-3, _RATE, "Peak of the one-cycle schedule.", search=Around(3))
    kernel_learning_rate: float = parameter(0.02, _RATE, "The same for the kernels of the blocks.", search=Around(3))
    weight_decay: float = parameter(0.01, _STRENGTH, "Weight decay of kernels and dense layers.")
    label_smoothing: float = parameter(
        0.1, Number(low=0, high=1), "Share of each label that is spread over all classes, in [0, 1)."
    )
    adversarial: float = parameter(
        0.0, _STRENGTH, "Also train on each grid moved this far, in cells, to where its loss is higher."
    )
    solved: bool = parameter(
        False, Flag(), "Series: leave one block of kernels as it is, and find the votes in one step."
    )
    patience: int | None = parameter(None, Optional(_COUNT), "Stop after this many epochs without a better one.")
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True)
class FitConfig:
    """What surrounds the training loop: the data, the time, the machine.

    Parameters
    ----------
    time_limit : float or None
        Seconds that a fit may take, decoding included, in place of `epochs`. The cost of training on this machine is
        measured, and the epochs are chosen so that the schedule ends in time: at most twice the adapter's number, at
        least a quarter of it. If even these do not fit, pictures and spectrograms get coarser, or kernels fewer, unless
        they were set. The choices are in the fitted adapter and in `summary["time"]`; given as parameters without
        `time_limit`, they give the same weights, bit for bit.
    augment : {"auto"}, dict or None
        Random changes of the training grids: the adapter's own, the fields of an `AugmentConfig`, or none. The
        adapter's own are weakened in proportion if `epochs` is below the adapter's number, and flip pictures only if a
        test on the training items finds no class that has a left and a right (`gridcnn.training.flip_test`).
    augment_strength : float
        Multiplies the adapter's own changes, in [0, 4]; shares of an axis stay below 1. Flips are not weakened.
    class_weight : {"balanced"}, dict or None
        Weight of each class, in training and in validation; `"balanced"` gives all classes the same total weight.
    background : str or None
        Name of a class that is trained on and never given as an answer, such as noise or other things: an item that is
        most like it is none of the other classes.
    validation_fraction : float
        Share of the items in the validation split, which chooses the best weights, in [0, 1). The split is stratified,
        or keeps whole groups together if there are groups. Of the usual tenth at most 2,000 items are held out, which
        tell enough. Fewer than 50 items have folds, or no validation split.
    folds : int or None
        Number of trainings before the one on all items, each of which holds out another part of the items, so that
        every item counts in the validation: what they tell together chooses the epochs. 1 means one validation split.
        None is 5 or 3 for up to 500 items if these trainings are short and `epochs` is not given, and 1 otherwise.
        Without a training on all items there is one split.
    refit : bool or None
        Whether to train once more on all items after validation, for the best number of epochs. `scores` and `history`
        remain those of the first training, or the mean of the folds. A last training that is right about fewer of the
        validation items, which it has learned from, than those before that had not, is not kept. None is True for up to
        20,000 items, and if there are groups; within a `time_limit` if the usual epochs fit twice; never if the
        validation items are given.
    random_state : int, RandomState or None
        Two fits with the same int on one machine give bit-identical weights.
    device : str
        `"auto"` (cuda, mps, cpu), or a torch device.
    n_jobs : int or None
        Threads that decode files; None and -1 mean one a core.
    on_error : {"raise", "skip"}
        Whether an item that cannot be decoded raises `ItemError`, or is left out and listed in `skipped`.
    cache : bool or path
        Whether, or in which folder, encoded files are kept between fits.
    checkpoint_dir : path or None
        Folder for checkpoints of the training, made if need be. A fit of the same data with the same settings goes on
        from the last one there, and ends with the weights of a fit that never stopped, bit for bit.
    checkpoint_every : float
        Seconds between two checkpoints; 0 writes one after each step. An epoch ends with one if that costs little.

    Raises
    ------
    ConfigurationError
        If a value is out of its range.
    """

    time_limit: float | None = parameter(
        None,
        Optional(_RATE),
        "How long training may take, decoding included, such as 90s, 5m or 1h30m, in place of --epochs.",
        flag="time",
        metavar="DURATION",
    )
    augment: str | Mapping[str, Any] | None = field(default="auto")
    augment_strength: float = parameter(
        1.0,
        Number(low=0, high=4, closed=True),
        "How strongly training grids are changed, in multiples of what is usual; 0 is not at all.",
        search=Between(0, 2),
    )
    class_weight: str | Mapping[Any, float] | None = field(default=None)
    background: str | None = parameter(
        None,
        Optional(Text(1_000)),
        "Class that is trained on and never given as an answer, such as noise: items like it are none of the others.",
        metavar="NAME",
    )
    validation_fraction: float = parameter(
        0.1,
        Number(low=0, high=1),
        "Share of the items in the validation split, which chooses the best epoch; of a tenth at most 2,000 items.",
    )
    folds: int | None = parameter(
        None,
        Optional(Number(int, low=1, high=100, closed=True)),
        "Trainings that each hold out another part of the items, before the one on all; 1 is one validation split.  "
        "\\[default: 5 or 3 for up to 500 items]",
    )
    refit: bool | None = field(default=None)
    random_state: Any = field(default=0)
    device: str = field(default="auto")
    n_jobs: int | None = field(default=None)
    on_error: str = parameter(
        "raise",
        Choice(("raise", "skip")),
        "Stop at the first item that cannot be read, or skip and list them.",
        flag="",
    )
    cache: bool | str | Path = field(default=True)
    checkpoint_dir: str | Path | None = field(default=None)
    checkpoint_every: float = parameter(
        60.0, _STRENGTH, "Time between checkpoints, such as 60s or 5m.", metavar="DURATION"
    )

    def __post_init__(self) -> None:
        validate(self)
        if isinstance(self.augment, str) and self.augment != "auto":
            raise ConfigurationError(f"augment must be 'auto', a dict or None, got {self.augment!r}")
        weights = self.class_weight
        if weights is not None and not isinstance(weights, Mapping) and str(weights) != "balanced":
            raise ConfigurationError(f"class_weight must be 'balanced', a dict or None, got {self.class_weight!r}")
        seed = self.random_state
        if isinstance(seed, Integral) and (isinstance(seed, bool) or not 0 <= int(seed) < 2**32):
            raise ConfigurationError(f"random_state must be a whole number from 0 to 2**32 - 1, got {seed!r}")
        if self.n_jobs is not None and self.n_jobs != -1 and not _COUNT.allows(self.n_jobs):
            raise ConfigurationError(f"n_jobs must be a whole number of at least 1, -1 or None, got {self.n_jobs!r}")
        if not isinstance(self.checkpoint_dir, str | Path | None):
            raise ConfigurationError(f"checkpoint_dir must be a folder or None, got {self.checkpoint_dir!r}")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that decide what is learned, JSON-ready: class weights, validation split and seed."""
        weights, seed = self.class_weight, self.random_state
        return {
            "class_weight": {str(name): each for name, each in weights.items()}
            if isinstance(weights, Mapping)
            else weights,
            "background": self.background,
            "validation_fraction": self.validation_fraction,
            "random_state": seed if isinstance(seed, int) else None,
        }
