"""What is tried next: first the defaults and points near them, then what a model of the scores proposes.

References
----------
Bergstra et al. 2011, "Algorithms for hyper-parameter optimization", for the tree-structured Parzen estimator.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from gridcnn.searched import Dimension
from gridcnn.tuning.space import Space

__all__ = ["FIRST", "INSTEAD", "SpaceSampler", "distributions"]

FIRST = 10
"""Trials before a model of the scores proposes what to try: the defaults, and points near them."""


INSTEAD = "instead"
"""Attribute of a trial that takes the place of an abandoned one: the number of that."""


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return the dimensions of a space as a search engine knows them."""
    return {name: _distribution(each) for name, each in space.dimensions.items()}


def _distribution(dimension: Dimension) -> BaseDistribution:
    if dimension.names:
        return CategoricalDistribution(dimension.names)
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


class SpaceSampler(BaseSampler):
    """Draws points of a space, none of them twice and none that is no network.

    Parameters
    ----------
    space : Space
        What may be tried.
    seed : int
        Of the random numbers; what is drawn depends on the turn of the trial and on those before it as well, and so is
        drawn again after a kill.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all dimensions: each trial has all of them."""
        return distributions(self._space)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the point of a trial."""
        others = study.get_trials(deepcopy=False)
        known = {self._space.key(each.params) for each in others if each.params.keys() >= search_space.keys()}
        number = trial.user_attrs.get(INSTEAD, trial.number)
        turn: int = sum(each.number < number and INSTEAD not in each.user_attrs for each in others)
        given = [self._space.defaults, *self._space.alternatives]
        if turn < len(given):
            return given[turn]
        random = np.random.default_rng([self._seed, turn])
        proposed: dict[str, Any] = {}
        if turn >= FIRST:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                model = TPESampler(n_startup_trials=FIRST, multivariate=True, seed=int(random.integers(2**31)))
            proposed = model.sample_relative(study, trial, search_space)
        if not proposed:  # too few trials have a score
            return self._space.changed(random, known)
        return self._space.renewed(proposed, random, known)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return the default of a dimension that a trial lacks."""
        return self._space.defaults[param_name]
