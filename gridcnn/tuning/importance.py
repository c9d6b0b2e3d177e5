"""Which dimensions of a search mattered.

References
----------
Hutter et al. 2014, "An efficient approach for assessing hyperparameter importance" (fANOVA).
"""

from __future__ import annotations

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

__all__ = ["FEWEST", "importance"]

FEWEST = 6
"""Complete trials below which nothing is said."""


def importance(study: optuna.Study) -> dict[str, float]:
    """Return the share of the differences in accuracy that each dimension explains, the largest first; or nothing."""
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < FEWEST or len({trial.value for trial in complete}) < 2:
        return {}
    try:
        found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    except (RuntimeError, ValueError):  # no dimension varies
        return {}
    return {name: float(share) for name, share in sorted(found.items(), key=lambda each: -each[1])}
