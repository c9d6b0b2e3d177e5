"""The search itself: trials one after another, in a study that other processes may share, until enough have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.pruners import MedianPruner

from gridcnn.errors import ConfigurationError
from gridcnn.training.folds import Fold
from gridcnn.training.job import Job
from gridcnn.training.judging import Judged, best_of, judged
from gridcnn.tuning.importance import importance
from gridcnn.tuning.records import Tried, Watcher, from_plain, plain
from gridcnn.tuning.sampler import SpaceSampler
from gridcnn.tuning.space import Settings, Space
from gridcnn.tuning.storage import ended, explained, open_study, put_back, reopen, running, this_process
from gridcnn.tuning.trial import Pruned, Pruner, learned, score_of

__all__ = ["Search"]

UNPRUNED = 4
"""Complete trials before any is pruned."""

WARM_SHARE = 2
"""No trial is pruned in the first half of its epochs (one in so many): high rates look worse until they fall."""

REPORTS = 20
"""Reports of a trial over all its epochs, about: of short epochs there are many, and each report takes a moment."""

POLL_SECONDS = 1.0
"""Between two looks at the trials of other processes."""

LONGEST_REASON = 300  # characters


class Search:
    """A study of one fit, and this process's part in it.

    Parameters
    ----------
    job : Job
        The fit, with the usual options of all questions.
    space : Space
        What may be tried.
    folds : sequence of Fold
        What each trial learns from and is judged by.
    seed : int
        Of all random numbers.
    epochs : int
        Of one training.
    watcher : Watcher
        Observes the search.
    """

    def __init__(self, job: Job, space: Space, folds: Sequence[Fold], seed: int, epochs: int, watcher: Watcher) -> None:
        self._job, self._space, self._folds, self._seed, self._watcher = job, space, folds, seed, watcher
        self._epochs = epochs
        self._without_owner: dict[int, float] = {}
        self._fatal: Exception | None = None  # of the defaults, with which all others are compared

    def open(self, place: Any, name: str, what: dict[str, str]) -> None:
        """Open the study, see `open_study`."""
        self._place = place
        self._study = open_study(place, name, what, self._space.dimensions)
        warm = len(self._folds) * self._epochs // WARM_SHARE if len(self._folds) == 1 else self._epochs
        self._study.sampler = SpaceSampler(self._space, self._seed)
        self._study.pruner = MedianPruner(UNPRUNED, warm)

    @property
    def trials(self) -> list[Tried]:
        """All trials that ended, in their order."""
        return ended(self._study)

    @property
    def importance(self) -> dict[str, float]:
        """Which dimensions mattered."""
        return importance(self._study)

    def run(self, wanted: int, may_begin: Callable[[Sequence[Tried]], bool], *, wait: bool) -> None:
        """Run trials until as many as wanted have ended, or none may begin.

        Parameters
        ----------
        wanted : int
            Trials of the whole study, those of other processes and of earlier runs counted.
        may_begin : callable
            Is given the trials that ended, and says whether there is time for another one.
        wait : bool
            Whether to wait for the trials of other processes at the end.
        """
        with explained(self._place):
            while True:
                reopen(self._study, self._without_owner)
                done, others = ended(self._study), running(self._study)
                self._watcher.on_trials(done, wanted)
                if len(done) + others < wanted and self._is_left(done) and may_begin(done):
                    self._study.optimize(self._trial, n_trials=1, catch=(Exception,))
                    if self._fatal is not None:
                        raise self._fatal
                elif wait and others:
                    time.sleep(POLL_SECONDS)
                else:
                    return

    def usual(self, trials: Sequence[Tried]) -> Tried | None:
        """Return the trial of the defaults: of its questions, each is answered as a fit without a search would."""
        points = [self._space.defaults, *self._space.alternatives]
        keys = [self._space.key(point) for point in points]
        found = {self._space.key(each.point): each for each in trials if each.complete}
        plain_ones = {key: found[key] for key in keys if key in found}
        if keys[0] not in plain_ones:
            return None
        judged_ones = {key: each.judged for key, each in plain_ones.items() if each.judged is not None}
        return plain_ones[best_of(judged_ones)]

    def judged_anew(self, trial: Tried, at: int, fold: Fold) -> Judged:
        """Train once more with the settings of a trial, and judge by other items; what is known is not repeated."""
        key = f"judged anew: trial {trial.number}, fold {at}"
        with explained(self._place):
            known = self._study.user_attrs.get(key)
            if known is not None:
                return from_plain(known)
            self._watcher.on_message(f"trial {trial.number} anew, training {at + 1}")
            lesson = learned(self._job, self._space.settings(trial.point), [fold], self._seed, [self._watcher])
            self._study.set_user_attr(key, plain(judged(lesson.answers)))
        return judged(lesson.answers)

    def _is_left(self, done: Sequence[Tried]) -> bool:
        """Whether there is something that was not tried."""
        return bool(self._space.dimensions) or not done

    def _trial(self, trial: optuna.Trial) -> float:
        """Run a trial; a person who ends it finds it on the list in the next run."""
        trial.set_user_attr("owner", this_process())
        point = {name: self._suggested(trial, name) for name in self._space.dimensions}
        settings = self._space.settings(point)
        trial.set_user_attr("told", settings.told)
        self._watcher.on_trial(trial.number, settings.told)
        is_default = not settings.told
        try:
            return self._score(trial, point, settings)
        except Pruned as why:
            trial.set_user_attr("pruned", str(why))
            raise optuna.TrialPruned(str(why)) from None
        except KeyboardInterrupt:
            self._put_back(trial)
            raise
        except Exception as error:
            if is_default:  # nothing could be compared with it
                self._put_back(trial)
                self._fatal = error
                raise
            what = " ".join(str(error).split())[:LONGEST_REASON]
            trial.set_user_attr("failed", what or type(error).__name__)
            raise

    def _score(self, trial: optuna.Trial, point: dict[str, Any], settings: Settings) -> float:
        if settings.told and (problem := self._space.problem(point)):
            raise ConfigurationError(problem)
        every = max(len(self._folds) * self._epochs // REPORTS, 1)
        plain_keys = {self._space.key(each) for each in (self._space.defaults, *self._space.alternatives)}
        may_prune = self._space.key(point) not in plain_keys

        def report(step: int, accuracy: float) -> str | None:
            if step % every:
                return None
            trial.report(accuracy, step)
            if may_prune and trial.should_prune():
                return f"behind half of the trials after {step} epochs, with {accuracy:.4f}"
            return None

        usual = self.usual(ended(self._study)) if may_prune and len(self._folds) > 1 else None
        lesson = learned(
            self._job,
            settings,
            self._folds,
            self._seed,
            [self._watcher, Pruner(report)],
            None if usual is None else usual.judged,
        )
        score = score_of(lesson)
        trial.set_user_attr("loss", score.loss)
        trial.set_user_attr("judged", plain(score.judged))
        return score.accuracy

    def _suggested(self, trial: optuna.Trial, name: str) -> Any:
        dimension = self._space.dimensions[name]
        if dimension.names:
            return trial.suggest_categorical(name, dimension.names)
        if dimension.whole:
            return trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log)
        return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)

    def _put_back(self, trial: optuna.Trial) -> None:
        put_back(self._study, self._study._storage.get_trial(trial._trial_id))
