"""Questions that the training data decide: settings of which none suits all data of a modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Option", "Question"]


@dataclass(frozen=True)
class Option:
    """One answer to a question.

    Parameters
    ----------
    name : str
        In a few words, such as "exactly where".
    parameters : mapping
        Fields of `BackboneConfig` and `TrainingConfig` in which it differs from the defaults.
    adapter : mapping
        Constructor parameters of the adapter in which it differs from the one at hand.
    """

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    adapter: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """A question, and the options to try.

    Parameters
    ----------
    about : str
        What it decides, such as "where the evidence stands".
    options : tuple of Option
        At least two. The first changes nothing: it is the default, and is taken unless another is better beyond chance.
    """

    about: str
    options: tuple[Option, ...]
