"""Questions that the data decide, and folds: what is tried, on what it is judged, and what becomes of the answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gridcnn import GridClassifier, fit
from gridcnn.adapters import ArrayAdapter
from gridcnn.adapters.questions import Option, Question
from gridcnn.bundle import load, save
from gridcnn.pipeline.split import LabelledItems, fold_indices
from gridcnn.training.callbacks import Callback
from gridcnn.training.certainty import Answers, pooled, still_right
from gridcnn.training.judging import best_of, judged
from gridcnn.training.plan import plan


def best_of_answers(answers: dict[str, Answers | None]) -> str:
    return best_of({name: judged(each) for name, each in answers.items()})


ANYWHERE, EXACTLY = Option("anywhere"), Option("exactly where", {"head": "flatten"})


class Asking(ArrayAdapter):
    """An adapter that leaves the head to the data."""

    def defaults(self, n_items: int) -> dict[str, Any]:
        return {**super().defaults(n_items), "head": "global_max", "epochs": 15}

    def questions(self, n_items: int) -> list[Question]:
        return [Question("where the evidence stands", (ANYWHERE, EXACTLY))]


class Heard(Callback):
    """Keeps what a training says, and counts its trainings."""

    def __init__(self, stop_in: int | None = None) -> None:
        self.lines: list[str] = []
        self.trainings = 0
        self._stop_in = stop_in

    def on_message(self, line: str) -> None:
        self.lines.append(line)

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        self.trainings += 1

    def on_step(self, n_samples: int) -> None:
        if self.trainings == self._stop_in:
            raise KeyboardInterrupt


def bumps(n_items: int = 120, *, by_place: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return series of one bump; its place is the class, or else its sign is and its place means nothing."""
    random = np.random.default_rng(0)
    target = np.arange(n_items) % 2
    place = np.where(target == 0, 8, 24) if by_place else random.integers(4, 28, n_items)
    series = random.normal(0, 0.1, (n_items, 32)).astype(np.float32)
    for at in range(-2, 3):
        series[np.arange(n_items), place + at] += 1.0 if by_place else np.where(target == 0, 1.0, -1.0)
    return series, target


SMALL: dict[str, Any] = {"kernels": (4,), "kernel_sizes": (5,), "epochs": 15, "random_state": 0, "pool_size": 1}


def learned(by_place: bool, callback: Heard, **parameters: Any) -> Any:
    return fit(Asking(), *bumps(by_place=by_place), {**SMALL, **parameters}, callbacks=[callback])


def test_the_place_of_the_evidence_is_found_out():
    heard = Heard()
    model = learned(True, heard)
    assert model.network.backbone.config.head == "flatten"
    (choice,) = model.summary["choices"]
    assert choice["chosen"] == "exactly where"
    assert choice["scores"]["exactly where"] > choice["scores"]["anywhere"] + 0.2
    assert choice["items"] == 12
    assert any("taken: exactly where (head=flatten)" in line for line in heard.lines)
    assert heard.trainings == 3, "both options once, and the better one on all items"
    assert model.scores["validation_accuracy"] == choice["scores"]["exactly where"]


def test_the_usual_option_stays_if_it_is_as_good():
    model = learned(False, Heard())
    assert model.network.backbone.config.head == "global_max"
    assert model.summary["choices"][0]["chosen"] == "anywhere"


def test_a_person_answers_the_question_by_setting_the_parameter():
    heard = Heard()
    model = learned(True, heard, head="global_max")
    assert model.network.backbone.config.head == "global_max"
    assert model.summary["choices"] == []
    assert heard.trainings == 2


def test_augmentation_is_an_answer_unless_it_is_the_usual_one(monkeypatch):
    still = Option("still", {"augment": None})
    monkeypatch.setattr(Asking, "questions", lambda self, n_items: [Question("moves", (Option("usual"), still))])
    X, y = bumps(by_place=True)
    asked, told_none, told_how = (
        len(fit(Asking(), X, y, {**SMALL, "epochs": 1, "augment": augment}).summary["choices"])
        for augment in ("auto", None, {"shift": {"length": 0.1}})
    )
    assert (asked, told_none, told_how) == (1, 0, 0)


def test_an_option_may_change_the_adapter(monkeypatch):
    scales = Question("scale", (Option("of the channel"), Option("of each cell", {}, {"scaling": "cell"})))
    monkeypatch.setattr(Asking, "questions", lambda self, n_items: [scales])
    series, target = bumps(by_place=True)
    series += 1e3 * np.random.default_rng(0).normal(size=32).astype(np.float32)  # different levels hide the bumps
    model = fit(Asking(), series, target, {**SMALL, "head": "flatten"})
    assert model.summary["choices"][0]["chosen"] == "of each cell"
    assert model.adapter.scaling_ == "cell"
    told = fit(Asking(scaling="channel"), series, target, SMALL)
    assert told.summary["choices"] == []
    assert told.adapter.scaling_ == "channel"


def test_the_choice_is_kept_in_the_bundle(tmp_path):
    model = fit(ArrayAdapter(), *bumps(by_place=True), SMALL)
    model.summary["choices"] = [{"about": "where", "chosen": "here"}]
    save(model, tmp_path / "model.gridcnn")
    assert load(tmp_path / "model.gridcnn").summary["choices"] == [{"about": "where", "chosen": "here"}]


@pytest.mark.parametrize(("stop_in", "choices"), [(1, 0), (2, 0), (3, 1)])
def test_ctrl_c_in_any_of_the_trainings_leaves_a_model(stop_in, choices):
    model = learned(True, Heard(stop_in))
    assert model.interrupted
    assert len(model.summary["choices"]) == choices
    assert model.network.backbone.config.head == ("flatten" if stop_in == 3 else "global_max")


def test_many_items_are_sampled_for_the_trials(monkeypatch):
    monkeypatch.setattr("gridcnn.training.choose.MOST_TRIED", 60)
    heard = Heard()
    model = learned(True, heard)
    assert model.network.backbone.config.head == "flatten"
    assert heard.trainings == 4, "two on a sample, one on the training part, one on all"
    assert model.summary["training_items"] == 120


def test_with_a_time_limit_trials_take_a_part_of_it(monkeypatch):
    monkeypatch.setattr("gridcnn.training.choose.SHORTEST_TRIAL", 0.1)
    parameters = {name: value for name, value in SMALL.items() if name != "epochs"}
    model = fit(Asking(), *bumps(by_place=True), {**parameters, "time_limit": 60.0})
    assert model.summary["choices"][0]["chosen"] == "exactly where"
    assert model.summary["time"]["taken"] < 60


def test_without_held_out_items_the_usual_is_taken():
    model = fit(Asking(), *bumps(by_place=True), {**SMALL, "validation_fraction": 0.0})
    assert model.network.backbone.config.head == "global_max"
    assert model.summary["choices"] == []


def answers(hits: list[bool], sure: float = 0.9) -> Answers:
    """Return answers that are right or wrong as told, each with the same probability of the class that it names."""
    n_items, logit = len(hits), math.log(sure / (1 - sure))
    logits = np.zeros((n_items, 1, 2))
    logits[np.arange(n_items), 0, np.where(hits, 0, 1)] = logit
    every = np.arange(n_items)
    return Answers(logits, every, np.zeros(n_items, dtype=int), np.ones(n_items), every)


def test_a_lead_that_may_be_chance_changes_nothing():
    one_more = {"usual": answers([True] * 50 + [False] * 50), "other": answers([True] * 51 + [False] * 49)}
    assert best_of_answers(one_more) == "usual"
    many_more = {"usual": answers([True] * 50 + [False] * 50), "other": answers([True] * 60 + [False] * 40)}
    assert best_of_answers(many_more) == "other"


def test_an_option_that_is_behind_after_a_fold_is_given_up(monkeypatch):
    last = [Option("usual"), Option("not trained", {"learning_rate": 1e-12})]
    monkeypatch.setattr(Asking, "questions", lambda self, n_items: [Question("how fast", tuple(last))])
    heard = Heard()
    model = learned(False, heard, folds=5)
    (choice,) = model.summary["choices"]
    assert (choice["chosen"], choice["given_up"]) == ("usual", {"not trained": 24})
    assert heard.trainings == 5 + 1 + 1
    assert any("not trained was given up with " in line and line.endswith("taken: usual") for line in heard.lines)


def test_an_option_whose_answers_are_not_finite_is_not_taken():
    assert best_of_answers({"usual": answers([True, False] * 20), "other": None}) == "usual"
    assert best_of_answers({"usual": answers([True, False] * 20), "other": answers([True] * 30)}) == "usual", (
        "of fewer folds"
    )


def test_answers_of_folds_are_one_set_in_the_order_of_the_folds():
    first, second = answers([True, False, True]), answers([False, True])
    both = pooled([first, None, second._replace(place=second.place + 7)])
    assert both is not None
    assert both.place.tolist() == [0, 1, 2, 7, 8]
    assert both.probabilities().argmax(axis=1).tolist() == [0, 1, 0, 1, 0]


def test_a_last_training_has_failed_only_if_it_is_behind_on_the_items_that_both_were_asked_about():
    before, after = answers([True] * 58), answers([True] * 58 + [False] * 2)  # two that contradict others
    assert still_right(after, before)
    assert still_right(answers([True] * 57 + [False]), before), "one miss is chance"
    assert not still_right(answers([True] * 50 + [False] * 8), before)


def items_of(target: list[int], groups: list[int] | None = None) -> LabelledItems:
    n_items = len(target)
    of_groups = None if groups is None else np.array(groups)
    return LabelledItems(list(range(n_items)), np.array(target), np.ones(n_items), np.arange(n_items), of_groups)


def test_each_item_is_held_out_once_and_every_training_has_every_class():
    items = items_of([0] * 20 + [1] * 4 + [2])
    folds = fold_indices(items, 5, seed=0)
    assert sorted(np.concatenate(folds).tolist()) == list(range(24)), "the item alone in its class is never held out"
    assert all(len(np.unique(np.delete(items.target, held))) == 3 for held in folds)


def test_groups_are_kept_whole_in_folds():
    groups = [at // 4 for at in range(40)]
    folds = fold_indices(items_of([at % 2 for at in range(40)], groups), 5, seed=0)
    assert len(folds) == 5
    of_folds = [{groups[index] for index in held} for held in folds]
    assert sum(map(len, of_folds)) == len(set.union(*of_folds)) == 10


@pytest.mark.parametrize(("target", "groups"), [([0, 1], None), ([0, 0, 1, 1], [0, 0, 0, 0]), ([0, 1, 2, 3], None)])
def test_no_folds_where_nothing_can_be_held_out(target, groups):
    assert fold_indices(items_of(target, groups), 5, seed=0) == []


FEW: dict[str, Any] = {"kernels": (4,), "kernel_sizes": (5,), "random_state": 0}


class Short(ArrayAdapter):
    """An adapter whose usual trainings are short."""

    def defaults(self, n_items: int) -> dict[str, Any]:
        return {**super().defaults(n_items), "epochs": 15}


def test_few_items_are_cross_validated_and_all_are_learned_from():
    heard = Heard()
    model = fit(Short(), *bumps(40, by_place=True), FEW, callbacks=[heard])
    assert heard.trainings == 6
    assert model.summary["folds"] == 5
    assert model.summary["validation_items"] == model.summary["training_items"] == 40
    assert model.summary["refit"]
    assert model.certainty.n_items == 40
    assert model.scores["validation_accuracy"] == model.history[model.best_epoch - 1].validation_accuracy
    assert model.recipe["epochs"] == model.best_epoch
    assert "split: 40 items in 5 folds, each held out from one training" in heard.lines


def test_a_given_number_of_epochs_or_no_refit_leaves_one_split():
    X, y = bumps(60, by_place=True)
    for parameters in ({"epochs": 2}, {"refit": False}, {"time_limit": 5.0}):
        model = fit(Short(), X, y, {**FEW, **parameters})
        assert "folds" not in model.summary
        assert model.summary["validation_items"] == 6


def test_folds_are_as_many_as_a_person_asks_for():
    X, y = bumps(60, by_place=True)
    three = fit(ArrayAdapter(), X, y, {**FEW, "epochs": 2, "folds": 3})
    assert (three.summary["folds"], three.summary["validation_items"]) == (3, 60)
    one = fit(ArrayAdapter(), X, y, {**FEW, "epochs": 2, "folds": 1})
    assert "folds" not in one.summary


def test_the_folds_of_equal_items_are_equal():
    first, second = (GridClassifier(adapter=Short(), **FEW).fit(*bumps(30, by_place=True)) for _ in range(2))
    assert first.history_ == second.history_ or np.array_equal(
        np.array([record[:6] for record in first.history_]), np.array([record[:6] for record in second.history_])
    )


def test_a_plan_names_the_folds():
    heard = Heard()
    plan(ArrayAdapter(), *bumps(40, by_place=True), FEW, callbacks=[heard])
    assert "split: 40 items in 5 folds, each held out from one training" in heard.lines
