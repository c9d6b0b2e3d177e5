"""The space of a search: what may be tried, made of the declared parameters that nobody has set.

A point of the space has a number or a name for each dimension. The point of the defaults gives exactly the settings of
a fit without a search.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcnn.adapters import Adapter
from gridcnn.adapters.questions import Option, Question
from gridcnn.errors import ConfigurationError
from gridcnn.network.config import AugmentConfig, BackboneConfig
from gridcnn.network.sizes import check_sizes, multiply_adds
from gridcnn.parameters import parameters_of
from gridcnn.searched import Dimension, Search
from gridcnn.training.config import FitConfig, TrainingConfig
from gridcnn.training.job import Job
from gridcnn.training.recipe import Recipe, resolve

__all__ = ["Point", "Settings", "Space"]

Point = dict[str, Any]
"""A number or a name for each dimension."""

RESOLUTION = "resolution"
SHARES = (0.75, 1.0, 1.25)
"""Multiples of the usual cells along each axis of a grid that are tried, where an adapter has any to choose."""

MOST_CHANGES = 3
"""Dimensions in which one of the first points differs from the defaults: of more, nobody could tell which helped."""

MOST_WORK = 3.0
"""Times the multiply-adds of the defaults that a network may take: the time is better spent on other trials."""

MOST_DRAWS = 200
"""Points that are drawn until one is new and possible."""


@dataclass(frozen=True)
class Settings:
    """What a point means for a training.

    Parameters
    ----------
    parameters : dict
        Fields of the configurations in which it differs from the defaults.
    adapter : dict
        Constructor parameters of the adapter in which it does.
    told : dict of str to str
        The same in words, by the names that a person knows; empty for the defaults.
    """

    parameters: dict[str, Any]
    adapter: dict[str, Any]
    told: dict[str, str]


class Space:
    """What a search may try for one fit.

    Parameters
    ----------
    job : Job
        The fit, with the usual options of all questions, see `gridcnn.training.choose.open_questions`.
    surveyed : Adapter
        Fitted to some of its items.
    questions : sequence of Question
        Those that nobody has answered: their options are dimensions.

    Attributes
    ----------
    dimensions : dict of str to Dimension
        By their names, in their order.
    """

    def __init__(self, job: Job, surveyed: Adapter, questions: list[Question]) -> None:
        self._job, self._surveyed = job, surveyed
        self._questions = {question.about: question for question in questions if len(question.options) > 1}
        learning = {about: self._learned(question) for about, question in self._questions.items()}
        self._usual = {about: question.options[0].name for about, question in self._questions.items()}
        recipe = self._recipe({about: option.name for about, option in learning.items()})
        self._declared = {} if recipe.training.solved else dict(self._searched(recipe))
        self._usual_work = multiply_adds(surveyed.spec_, recipe.backbone, len(job.classes))
        self._coarser = {} if self._adapters_asked() else dict(self._resolutions())
        self.dimensions = self._dimensions()

    @property
    def defaults(self) -> Point:
        """The point at which a fit without a search stands."""
        return {name: each.default for name, each in self.dimensions.items()}

    @property
    def alternatives(self) -> list[Point]:
        """The points that differ from the defaults in the answer to one question alone."""
        return [
            {**self.defaults, about: option.name}
            for about, question in self._questions.items()
            for option in question.options[1:]
        ]

    def settings(self, point: Mapping[str, Any]) -> Settings:
        """Return what a point means; of kernels that are not learned, only which they are."""
        parameters: dict[str, Any] = {}
        of_adapter: dict[str, Any] = {}
        told: dict[str, str] = {}
        for about, question in self._questions.items():
            option = next(each for each in question.options if each.name == point[about])
            if option.name != self._usual[about]:
                told[about] = option.name
                parameters |= option.parameters
                of_adapter |= option.adapter
        if self._learns(point):
            for name, (search, default) in self._declared.items():
                value = search.value(name, point, default)
                if value != default:
                    parameters[name] = value
                    told[name] = _in_words(value)
        share = point.get(RESOLUTION, "1.0")
        if share != "1.0":
            of_adapter |= self._coarser[share]
            told[RESOLUTION] = f"× {share}"
        return Settings(parameters, of_adapter, told)

    def answered(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters that answer all questions as a point does, for a fit that is not to ask them again."""
        recipe = self._recipe(point)
        names = {name for each in self._questions.values() for option in each.options for name in option.parameters}
        network = {each.name for each in dataclasses.fields(BackboneConfig)} - {"summed_kernels"}
        training = {each.name for each in dataclasses.fields(TrainingConfig)} - {"augment", "epochs"}
        return {name: getattr(recipe.backbone, name) for name in sorted(names & network)} | {
            name: getattr(recipe.training, name) for name in sorted(names & training)
        }

    def problem(self, point: Mapping[str, Any]) -> str | None:
        """Return why a point is no network, in words; None if it is one."""
        settings = self.settings(point)
        try:
            job = self._job.with_settings(settings.parameters, {})
            recipe = resolve(job.settings, self._surveyed, len(job.items.target))
            if recipe.training.solved:
                return None
            stride = recipe.backbone.pool_stride
            if stride is not None and stride > recipe.backbone.pool_size:
                return f"pooling windows of {recipe.backbone.pool_size} that lie {stride} apart would leave cells out"
            check_sizes(self._surveyed.spec_, recipe.backbone, len(job.classes))
            times = multiply_adds(self._surveyed.spec_, recipe.backbone, len(job.classes)) / self._usual_work
            if times > MOST_WORK:
                return f"it would take {times:.1f} times the multiply-adds of the defaults"
            widest, smallest = max(recipe.backbone.kernel_sizes), min(self._surveyed.spec_.sizes)
            if "kernel_sizes" in settings.parameters and widest > smallest:
                return f"kernels of {widest} cells are larger than the grid, {self._surveyed.spec_}"
        except ConfigurationError as error:
            return str(error)
        return None

    def changed(self, random: np.random.Generator, known: set[str]) -> Point:
        """Return a new point near the defaults."""
        point = self.defaults
        for _ in range(MOST_DRAWS):
            names = list(self.dimensions)
            some = random.choice(names, size=min(int(random.integers(1, MOST_CHANGES + 1)), len(names)), replace=False)
            point = self.defaults | {name: _drawn(self.dimensions[name], random) for name in some.tolist()}
            point |= self._learning(point, random)
            if self.key(point) not in known and self.problem(point) is None:
                break
        return point

    def renewed(self, point: Point, random: np.random.Generator, known: set[str]) -> Point:
        """Return a point if it is new and possible, or else one that differs in one dimension, or a new one."""
        names = [*self._questions, *random.permutation([name for name in self.dimensions if name not in self._usual])]
        nearby = ({**point, name: _drawn(self.dimensions[name], random)} for name in map(str, names))
        for each in (point, *nearby):
            if self.key(each) not in known and self.problem(each) is None:
                return each
        return self.changed(random, known)

    def key(self, point: Mapping[str, Any]) -> str:
        """Return what two points share only if they mean the same settings."""
        settings = self.settings(point)
        return repr(sorted({**settings.parameters, **settings.adapter}.items()))

    # ---- of what it is made -----------------------------------------------------------------------------------------

    def _learned(self, question: Question) -> Option:
        """Return the first option whose network is learned, of which there is more to search."""
        return next((each for each in question.options if not each.parameters.get("solved")), question.options[0])

    def _learns(self, point: Mapping[str, Any]) -> bool:
        return not any(
            option.parameters.get("solved")
            for about, question in self._questions.items()
            for option in question.options
            if option.name == point[about]
        )

    def _learning(self, point: Point, random: np.random.Generator) -> Point:
        """Return the answers to questions with which the other dimensions mean something."""
        if self._learns(point):
            return {}
        return {about: self._learned(question).name for about, question in self._questions.items()}

    def _adapters_asked(self) -> bool:
        return any(option.adapter for question in self._questions.values() for option in question.options)

    def _recipe(self, point: Mapping[str, Any]) -> Recipe:
        """Return the recipe of a point's answers, the other dimensions at their defaults."""
        job = self._job
        for about, question in self._questions.items():
            option = next(each for each in question.options if each.name == point[about])
            job = job.with_settings(option.parameters, {})
        return resolve(job.settings, self._surveyed, len(job.items.target))

    def _searched(self, recipe: Recipe) -> Iterator[tuple[str, tuple[Search, Any]]]:
        """Yield the declared parameters that may be searched and that nobody has set, with their usual values."""
        job, usual = self._job, self._surveyed.defaults(len(self._job.items.target))
        for config, values in ((BackboneConfig, recipe.backbone), (TrainingConfig, recipe.training), (FitConfig, None)):
            for name, declared in parameters_of(config).items():
                if declared.search is None or job.parameters.get(name) is not None:
                    continue
                if config is FitConfig:
                    changes = AugmentConfig.from_dict(usual.get("augment", {}))
                    if job.config.augment != "auto" or changes.scaled(0) == changes:
                        continue
                default = declared.default if values is None else getattr(values, name)
                yield name, (declared.search, default)

    def _resolutions(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the constructor parameters of the adapter at each resolution."""
        mine = self._job.adapter.get_params(deep=False)
        for share in SHARES:
            if share == 1:
                continue
            other = self._surveyed.coarser(share)
            if other is None:
                continue
            params = other.get_params(deep=False)
            try:
                other.check_parameters()
            except ConfigurationError:
                continue
            yield str(share), {name: value for name, value in params.items() if value != mine[name]}

    def _dimensions(self) -> dict[str, Dimension]:
        found: dict[str, Dimension] = {
            about: Dimension(self._usual[about], names=tuple(option.name for option in question.options))
            for about, question in self._questions.items()
        }
        for name, (search, default) in self._declared.items():
            found |= search.dimensions(name, default)
        if self._coarser:
            shares = [str(share) for share in SHARES if share == 1 or str(share) in self._coarser]
            found[RESOLUTION] = Dimension("1.0", names=tuple(shares))
        return found


def _drawn(dimension: Dimension, random: np.random.Generator) -> Any:
    """Return a number or a name of a dimension, each as likely as any other."""
    if dimension.names:
        return str(random.choice(dimension.names))
    low, high = dimension.low, dimension.high
    if dimension.whole and not dimension.log:
        return int(random.integers(int(low), int(high), endpoint=True))
    drawn = math.exp(random.uniform(math.log(low), math.log(high))) if dimension.log else random.uniform(low, high)
    return round(drawn) if dimension.whole else float(drawn)


def _in_words(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
