"""What `gridcnn train` says: what was read before the training, and how good the model is after it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridcnn.cli.evaluate import print_unmatched, trained_on
from gridcnn.cli.models import score_items
from gridcnn.cli.output import add_row, list_skipped, note, print_table, table, write_csv
from gridcnn.cli.segmented import read_by
from gridcnn.cli.several import print_scores_after_training, score_test_part
from gridcnn.display import counted, printable
from gridcnn.errors import GridcnnError, Skipped
from gridcnn.temporary import as_called

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.datasets import Dataset
    from gridcnn.model import FittedModel
    from gridcnn.training.plan import Plan

MOST_CLASSES = 30
"""Classes that are listed with their counts; of more, the most and the least frequent ones."""

LONGEST_NAME = 40  # characters of the name of a class

TOLERATED_SHARE = 0.1
"""Up to this share of the items may be skipped before `train` reports a failure by its exit code."""

GAIN = 0.05
"""Balanced accuracy that class weights have to promise before they are recommended."""

MOST_FINDINGS = 5
"""Findings about the data that are told before a training; `gridcnn audit` tells all."""


def print_read(data: Dataset, parts: Mapping[str, Dataset], *, in_full: bool = False) -> None:
    """Say what was read: kind and number of items, parts, classes with their counts, and what the loader noticed.

    In full, or if they are as many as those that were read, or leave fewer than two classes, the items that the loader
    left out are listed with reasons.
    """
    skipped = f", {len(data.skipped):,} left out" if data.skipped else ""
    print(printable(f"read {counted(len(data), 'item')} ({data.modality}) of {data.name or 'the source'}{skipped}"))
    if len(parts) > 1 or "train" not in parts:
        print("parts: " + ", ".join(f"{name} {len(part):,}" for name, part in parts.items()))
    counts = parts["train"].counts
    what = counted(len(counts), "label") if data.several else counted(len(counts), "class", "classes")
    some = ", of which an item may have several" if data.several else ""
    print(printable(f"{what}{some}: {_counted(counts)}"))
    for line in (*data.notes, *data.split_notes):
        note(f"note: {line}")
    if data.skipped and (in_full or len(data.skipped) >= len(data) or (counts and len(counts) < 2)):
        note(f"left out {len(data.skipped):,} of {counted(len(data) + len(data.skipped), 'item')}:")
        list_skipped(data.skipped)


def print_audit(adapter: Adapter, data: Dataset) -> None:
    """Say what is wrong with the data as far as it can be told without decoding an item."""
    from gridcnn.evaluation.audit import audit_before_training

    try:
        labels = None if data.several else data.labels  # the checks know one label an item
        found = audit_before_training(adapter, data.items, labels, groups=data.groups, parts=data.split).findings
    except (GridcnnError, ValueError, TypeError):  # training says it better
        return
    for finding in found[:MOST_FINDINGS]:
        note(f"{finding.severity}: {finding.message}. {finding.advice}")
    if len(found) > MOST_FINDINGS:
        note(f"and {len(found) - MOST_FINDINGS} more, which `gridcnn audit` shows")


def _counted(counts: Mapping[Any, int]) -> str:
    named = [(_short(str(name)), count) for name, count in counts.items()]
    if len(named) <= MOST_CLASSES:
        return ", ".join(f"{name} {count:,}" for name, count in named)
    ordered = sorted(named, key=lambda each: -each[1])
    some = MOST_CLASSES // 2
    first, last = (", ".join(f"{name} {count:,}" for name, count in each) for each in (ordered[:some], ordered[-some:]))
    return f"{first}, …, {last}"


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def print_plan(plan: Plan) -> None:
    """Print the layers, what they cost, and how long training takes."""
    from gridcnn.training.cost import device_cost

    shown = table("layer", "output shape", "parameters", "multiply-adds", title=f"grid: {plan.spec}")
    for layer in plan.layers:
        shape = " × ".join(map(str, layer.shape))
        add_row(shown, layer.name, shape, f"{layer.parameters:,}", f"{layer.multiply_adds:,}")
    parameters = sum(layer.parameters for layer in plan.layers)
    multiply_adds = sum(layer.multiply_adds for layer in plan.layers)
    shown.add_section()
    add_row(shown, "sum", "", f"{parameters:,}", f"{multiply_adds:,}")
    print_table(shown)
    print(device_cost(plan.layers))
    print(plan.schedule)


def print_scores(model: FittedModel, test: Dataset | None) -> list[Skipped]:
    """Say how good the model is, and on what; return the test items that could not be read."""
    test = test and read_by(test, model)
    refitted = model.summary["refit"]
    if model.several and "validation_accuracy" in model.scores:
        print_scores_after_training(model)
        print(_calibrated(model))
    elif "validation_accuracy" in model.scores:
        on = f" on {counted(model.summary['validation_items'], 'item')}"
        folds = model.summary.get("folds")
        by = f"each by one of {folds} models, which had not seen it" if folds else "by the model of the first training"
        then = f", {by}" if folds or refitted else ""
        then += "; the saved one was then trained once more on all items" if refitted else ""
        print(f"validation accuracy {model.scores['validation_accuracy']:.4f}{on}{_by_class(model)}{then}")
        if hint := _about_rare_classes(model):
            note(hint)
        print(_calibrated(model))
    else:
        print(f"validation accuracy unknown: no item was held out, so {_calibrated(model)}")
    if test is None or model.interrupted:
        if refitted:
            print(
                "the saved model has learned from those items too, so nothing is left to score it on: give a test part "
                "to `gridcnn evaluate`, or train with --no-refit"
            )
        return []
    if model.several:
        return score_test_part(model, test)
    scores, trust, unreadable, n_trained_on = score_items(model, test)
    model.scores["test_accuracy"] = scores.accuracy
    model.scores["test_items"] = scores.n_items
    model.scores["test_items_trained_on"] = n_trained_on
    print(f"test accuracy {scores.accuracy:.4f} on {counted(scores.n_items, 'item')}, by the saved model")
    error = trust.calibration
    print(f"test calibration error {error.error:.4f} ({error.by_chance:.4f} is to be expected by chance)")
    if n_trained_on:
        note(trained_on(n_trained_on, scores.n_items))
    print_unmatched(scores)
    return unreadable


def _by_class(model: FittedModel) -> str:
    scores = model.scores
    if "validation_macro_f1" not in scores:
        return ""
    balanced, f1 = scores["validation_balanced_accuracy"], scores["validation_macro_f1"]
    return f" (balanced accuracy {balanced:.4f}, macro F1 {f1:.4f})"


def _about_rare_classes(model: FittedModel) -> str:
    """Say what `--class-weight balanced` would change, if that is much."""
    scores = model.scores
    better = scores.get("validation_balanced_accuracy_if_weighted", 0.0)
    if model.recipe.get("class_weight") is not None or better < scores.get("validation_balanced_accuracy", 0) + GAIN:
        return ""
    return (
        f"rare classes are often taken for frequent ones: with --class-weight balanced, about {better:.0%} of each "
        f"class would be right on average instead of {scores['validation_balanced_accuracy']:.0%}, and "
        f"{scores['validation_accuracy_if_weighted']:.0%} of all items instead of {scores['validation_accuracy']:.0%}"
    )


def _calibrated(model: FittedModel) -> str:
    """Say what the held-out items did for the probabilities."""
    learned = model.certainty
    if learned.before is None or learned.after is None:
        if model.summary.get("from") and learned.temperature != 1:
            return f"probabilities keep the temperature of the model before, {learned.temperature:.2f}"
        return "probabilities are not calibrated"
    before, after = learned.before, learned.after
    now = f"stated probabilities are {100 * after.error:.1f} percentage points off on average"
    if learned.temperature == 1:
        return f"{now} (calibration error {after.error:.4f}, 0 is best)"
    made = "surer" if learned.temperature < 1 else "more modest"
    why = (
        f", for their log loss, {before.loss:.4f} before and {after.loss:.4f} now" if after.error > before.error else ""
    )
    return (
        f"{now} (calibration error {after.error:.4f}, 0 is best), {100 * before.error:.1f} before these items made "
        f"them {made} (temperature {learned.temperature:.2f}{why})"
    )


def write_history(model: FittedModel, path: Path) -> bool:
    """Write a row for each epoch; return whether that was possible."""
    from gridcnn.model import EpochRecord

    names = list(EpochRecord(0, *[0.0] * 7).named(several=model.several))
    return _try_to_write(path, lambda: write_csv(path, names, model.history))


def report_skipped(skipped: Sequence[Skipped], n_items: int, path: Path) -> bool:
    """List what was skipped on stderr and in a csv beside the model; return whether it was too much."""
    if not skipped:
        path.unlink(missing_ok=True)  # an earlier run's list would mislead
        return False
    skipped = sorted(skipped, key=lambda each: [(len(part), part) for part in re.split(r"(\d+)", each.item)])
    rows = [(as_called(each.item), as_called(each.reason)) for each in skipped]
    kept = _try_to_write(path, lambda: write_csv(path, ("item", "reason"), rows))
    note(f"skipped {len(skipped)} of {counted(n_items, 'item')}{f', listed in {path}' if kept else ''}:")
    list_skipped(skipped)
    too_many = len(skipped) > TOLERATED_SHARE * n_items
    if too_many:
        note(f"more than {TOLERATED_SHARE:.0%} of the items were skipped: the model is saved, but check the data.")
    return too_many


def _try_to_write(path: Path, write: Callable[[], None]) -> bool:
    """Write what goes with a model; the model, which is saved already, is not lost if that fails."""
    try:
        write()
    except OSError as error:
        note(f"warning: {path} could not be written ({error.strerror}).")
        return False
    return True
