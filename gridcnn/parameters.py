"""Parameters declared once: what each may be, and what it means. Validation and the command line follow from that.

A configuration is a frozen dataclass whose fields are made by `parameter`; an adapter declares `constraints`.

Examples
--------
>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Size:
...     width: int = parameter(8, Number(int, low=1), "Cells across.")
...     def __post_init__(self):
...         validate(self)
>>> Size(width=0)
Traceback (most recent call last):
gridcnn.errors.ConfigurationError: width must be a whole number of at least 1, got 0
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from gridcnn.constraints import Choice, Constraint, Flag, Number, Optional, Several
from gridcnn.errors import ConfigurationError
from gridcnn.searched import Search

__all__ = [
    "Choice",
    "Constraint",
    "Flag",
    "Number",
    "Optional",
    "Parameter",
    "Parameterised",
    "Several",
    "check",
    "parameter",
    "parameters_of",
    "validate",
]


LONGEST_SHOWN = 200  # characters of a value in a message


@dataclass(frozen=True)
class Parameter:
    """A declared parameter.

    Parameters
    ----------
    name : str
        Name of the field.
    default : object
        Its default.
    constraint : Constraint
        What it may be.
    help : str
        What it means, in a sentence or two, as --help shows it.
    flag : str
        Option of the command line, without dashes; empty where it has none.
    metavar : str or None
        What --help calls its value.
    search : Search or None
        What a search may try in its place; None leaves it alone.
    """

    name: str
    default: Any
    constraint: Constraint
    help: str
    flag: str = ""
    metavar: str | None = None
    search: Search | None = None


def parameter(
    default: Any,
    constraint: Constraint,
    help_: str,
    *,
    flag: str | None = None,
    metavar: str | None = None,
    search: Search | None = None,
) -> Any:
    """Return a dataclass field that declares a parameter.

    Parameters
    ----------
    default : object
        Its default, immutable.
    constraint : Constraint
        What it may be.
    help_ : str
        What it means.
    flag : str, optional
        Option of the command line; the default is the name with dashes, and `""` gives it none.
    metavar : str, optional
        What --help calls its value.
    search : Search, optional
        What a search may try in its place.
    """
    declared = {"constraint": constraint, "help": help_, "flag": flag, "metavar": metavar, "search": search}
    return field(default=default, metadata=declared)


def parameters_of(config: type) -> dict[str, Parameter]:
    """Return the declared parameters of a configuration class by name, in their order."""
    found = {}
    for each in dataclasses.fields(config):
        if "constraint" in each.metadata:
            flag = each.metadata["flag"]
            found[each.name] = Parameter(
                each.name,
                each.default,
                each.metadata["constraint"],
                each.metadata["help"],
                each.name.replace("_", "-") if flag is None else flag,
                each.metadata["metavar"],
                each.metadata["search"],
            )
    return found


def validate(config: Any) -> None:
    """Check every declared parameter of a configuration.

    Raises
    ------
    ConfigurationError
        For the first one that is not what it may be: its name, what was expected, what arrived.
    """
    declared = parameters_of(type(config))
    check(
        {name: getattr(config, name) for name in declared}, {name: each.constraint for name, each in declared.items()}
    )


def check(values: Mapping[str, Any], constraints: Mapping[str, Constraint]) -> None:
    """Check values by name against constraints; ConfigurationError as in `validate`."""
    for name, constraint in constraints.items():
        if name not in values:
            raise ConfigurationError(f"{name} is missing; it must be {constraint}")
        if not constraint.allows(values[name]):
            got = repr(values[name])
            shown = got if len(got) <= LONGEST_SHOWN else f"{got[:LONGEST_SHOWN]}…"
            raise ConfigurationError(f"{name} must be {constraint}, got {shown}")


class Parameterised:
    """Constructor parameters as scikit-learn's `BaseEstimator` has them, whose import takes as long as torch's."""

    @classmethod
    @functools.cache  # a signature takes long, and a table asks for every row
    def _defaults(cls) -> dict[str, Any]:
        """Return the parameters of the constructor by name, with their defaults."""
        parameters = inspect.signature(cls).parameters.values()
        return {each.name: each.default for each in parameters}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters by name; `deep` is there for scikit-learn."""
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the constructor by name; ConfigurationError for one that it does not have."""
        known = self._defaults()
        for name, value in params.items():
            if name not in known:
                raise ConfigurationError(f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(known)}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        """Return the call that makes it, with what differs from the defaults."""
        given = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if repr(value) != repr(self._defaults()[name])
        ]
        return f"{type(self).__name__}({', '.join(given)})"
