"""`gridcnn train`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gridcnn.cli.evaluate import print_unmatched, trained_on
from gridcnn.cli.models import score_items
from gridcnn.cli.options import (
    AdapterOption,
    EncodingOption,
    LabelOption,
    OnError,
    Ordering,
    PathOption,
    SourceArgument,
    SplitOption,
    TextOption,
    ThreadsOption,
    input_option,
    size_of,
    training_option,
    with_hyperparameters,
)
from gridcnn.cli.output import list_skipped, note, prepare_output, print_table
from gridcnn.cli.sources import Columns, adapter_for, parts_of, read_labelled
from gridcnn.errors import ConfigurationError, DataError, OrderingError, Skipped
from gridcnn.network.config import BackboneConfig
from gridcnn.training.config import FitConfig, TrainingConfig

if TYPE_CHECKING:
    from gridcnn.datasets import Dataset
    from gridcnn.model import FittedModel
    from gridcnn.training.job import Split
    from gridcnn.training.plan import Plan


TOLERATED_SHARE = 0.1
"""Up to this share of the items may be skipped before `train` reports a failure by its exit code."""

_TOO_MANY_SKIPPED, _INTERRUPTED = 1, 130


@with_hyperparameters((BackboneConfig, "Network"), (TrainingConfig, "Training"), (FitConfig, "Training"))
def train(
    source: SourceArgument,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where the model is saved (.safetensors).")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the layers, what they cost and how long training takes; train nothing."),
    ] = False,
    history: Annotated[
        Path | None,
        typer.Option(
            "--history", metavar="FILE", help="Where the csv of epochs is saved.  [default: OUTPUT's stem.history.csv]"
        ),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Fit the classic baseline of the modality as well, and say which is ahead."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    label: LabelOption = None,
    text: TextOption = None,
    path: PathOption = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="COLUMN",
            help="Column of what must stay on one side of the validation split: speaker, site, patient. The final "
            "model is trained on all of them.",
        ),
    ] = None,
    split: SplitOption = None,
    encoding: EncodingOption = None,
    on_error: Annotated[
        OnError, typer.Option("--on-error", help="Skip and list items that cannot be read, or stop at the first.")
    ] = OnError.skip,
    ordering: Annotated[
        Ordering | None,
        typer.Option(
            "--ordering", help="For a table: check that its columns have an order (the default), or assume it."
        ),
    ] = None,
    adapter: AdapterOption = None,
    sample_rate: Annotated[int | None, input_option("--sample-rate", "Sound: samples per second (Hz).", min=1)] = None,
    duration: Annotated[float | None, input_option("--duration", "Sound: length of a window in seconds.")] = None,
    mels: Annotated[int | None, input_option("--mels", "Sound: mel bands of the spectrogram.", min=1)] = None,
    hop: Annotated[int | None, input_option("--hop", "Sound: samples between frames.", min=1)] = None,
    image_size: Annotated[
        str | None,
        input_option("--image-size", "Images: pixels, 32 or 48x64 (height x width).", metavar="SIZE"),
    ] = None,
    tokens: Annotated[str | None, input_option("--tokens", "Text: what a token is, such as word or character.")] = None,
    vectors: Annotated[
        Path | None,
        input_option("--vectors", "Text: pretrained vectors, one word and its numbers a line.", metavar="FILE"),
    ] = None,
    augment: Annotated[bool, training_option("--augment/--no-augment", "Change training grids at random.")] = True,
    class_weight: Annotated[
        str | None, training_option("--class-weight", "'balanced' gives rare classes more weight.", metavar="balanced")
    ] = None,
    refit: Annotated[
        bool | None,
        training_option(
            "--refit/--no-refit",
            "Train once more, on the validation split too, for as many epochs as were best.  [default: texts, and with "
            "--group]",
        ),
    ] = None,
    seed: Annotated[int, training_option("--seed", "Two runs with one seed give the same weights.")] = 0,
    device: Annotated[str, training_option("--device", "auto, cpu, cuda or mps.")] = "auto",
    jobs: Annotated[
        int | None, training_option("--jobs", "Threads that read files.  [default: one for each core]")
    ] = None,
    threads: ThreadsOption = None,
    cache: Annotated[bool, training_option("--cache/--no-cache", "Keep decoded items for the next run.")] = True,
    hyperparameters: dict[str, Any],
) -> None:
    """Train a classifier and save it."""
    if output is None and not dry_run:
        raise ConfigurationError("say where the model goes, such as -o model.safetensors, or try --dry-run")
    if output is not None:
        prepare_output(output)
    if {"time_limit", "epochs"} <= hyperparameters.keys():
        raise ConfigurationError("--time and --epochs both say how long to train: give one of them")
    columns = Columns(label=label, text=text, path=path, group=group, split=split, encoding=encoding)
    data = read_labelled(source, columns, on_error=on_error.value)
    if on_error is OnError.raise_ and data.skipped:
        raise DataError(f"{data.skipped[0].item}: {data.skipped[0].reason}. Remove it, or use --on-error skip.")
    parts = parts_of(data)
    options = {
        "ordering": ordering and ordering.value,
        "sample_rate": sample_rate,
        "duration": duration,
        "n_mels": mels,
        "hop_length": hop,
        "size": None if image_size is None else size_of("--image-size", image_size),
        "tokens": tokens,
        "vectors": vectors,
    }
    reader = adapter_for(data, options, adapter)

    from gridcnn.bundle import save
    from gridcnn.cli.progress import progress_reporter
    from gridcnn.pipeline.parallel import set_computing_threads
    from gridcnn.training.fit import fit
    from gridcnn.training.job import split as split_items
    from gridcnn.training.malloc import keep_freed_memory
    from gridcnn.training.plan import plan

    set_computing_threads(threads)
    parameters = {
        **hyperparameters,
        "augment": "auto" if augment else None,
        "class_weight": class_weight,
        "refit": False if compare and "test" not in parts else refit,  # what is compared on must stay unseen
        "random_state": seed,
        "device": device,
        "n_jobs": jobs,
        "on_error": on_error.value,
        "cache": cache,
    }
    learning, checking = parts["train"], parts.get("validation")
    validation = None if checking is None else (checking.items, checking.labels)
    started = time.perf_counter()
    try:
        with keep_freed_memory():
            if output is None or dry_run:
                expected = plan(
                    reader,
                    learning.items,
                    learning.labels,
                    parameters,
                    groups=learning.groups,
                    validation=validation,
                    measure_time=True,
                )
                _print_plan(expected)
                return
            display = progress_reporter(Console(stderr=True), quiet=quiet)
            model = fit(
                reader,
                learning.items,
                learning.labels,
                parameters,
                groups=learning.groups,
                validation=validation,
                callbacks=[] if display is None else [display],
            )
    except OrderingError as refusal:
        command = f"gridcnn check {source}" + (f" --label {label or 'label'}" if Path(source).is_file() else "")
        why = f"{refusal}. `{command}` shows the evidence, and scores models that need no order."
        raise OrderingError(why, refusal.report) from None
    print(f"trained in {time.perf_counter() - started:.1f} s{_expected(model)}, {model.n_parameters:,} parameters")
    save(model, output)  # before anything else can fail
    if compare:
        known = split_items(
            reader, learning.items, learning.labels, parameters, groups=learning.groups, validation=validation
        )
        _compare(model, known, parts)
    _finish(model, data, parts.get("test"), output, history or output.with_name(f"{output.stem}.history.csv"))


def _expected(model: FittedModel) -> str:
    """Say what was expected if there was a limit."""
    times = model.summary.get("time")
    return f" (expected {times['expected']:.1f} s)" if times else ""


def _finish(model: FittedModel, data: Dataset, test: Dataset | None, output: Path, history: Path) -> None:
    """Score and save the model, and end with the exit code that belongs to it."""
    from gridcnn.bundle import save

    _write_history(model, history)
    skipped = [*data.skipped, *model.skipped]
    if "validation_accuracy" in model.scores:
        then = ", before it learned from those items too" if model.summary["refit"] else ""
        print(f"validation accuracy {model.scores['validation_accuracy']:.4f}{then}")
    else:
        print("validation accuracy unknown: there is no validation split")
    if test is not None and not model.interrupted:
        scores, unreadable, n_trained_on = score_items(model, test)
        model.scores["test_accuracy"] = scores.accuracy
        skipped += unreadable
        print(f"test accuracy {scores.accuracy:.4f} on {scores.n_items} items")
        if n_trained_on:
            note(trained_on(n_trained_on, scores.n_items))
        print_unmatched(scores)
    save(model, output)
    print(f"model saved to {output}, history to {history}")
    too_many = _report_skipped(skipped, len(data) + len(data.skipped), output)
    if model.interrupted:
        note(f"interrupted after {len(model.history)} epochs: the best weights so far are saved to {output}")
        raise typer.Exit(_INTERRUPTED)
    if too_many:
        raise typer.Exit(_TOO_MANY_SKIPPED)


def _compare(model: FittedModel, known: Split, parts: dict[str, Dataset]) -> None:
    """Set the classic baseline beside the network, on items that neither was trained on."""
    import numpy as np

    from gridcnn.evaluation.baselines import fit_baseline
    from gridcnn.evaluation.comparison import compare
    from gridcnn.inference import predict

    (items, labels), held_out = known
    part = "validation"
    judged: tuple[Any, Any] | None = held_out
    if "test" in parts:
        part, judged = "test", (parts["test"].items, parts["test"].labels)
    if judged is None:
        note("there is no validation split, so there is nothing to compare the baseline on")
        return
    answers = predict(model, judged[0])
    good = np.flatnonzero(answers.good)
    checked = model.adapter.check_items(judged[0])
    baseline = fit_baseline(model.adapter, model.adapter.check_items(items), labels)
    by_baseline = baseline.predict([checked[at] for at in good.tolist()])
    outcome = compare(baseline.name, np.asarray(judged[1])[good], by_baseline, answers.labels[good])
    model.scores["baseline"] = {
        "name": outcome.name,
        "part": part,
        "accuracy": outcome.baseline,
        "network": outcome.network,
    }
    print(f"{part} accuracy of the baseline {outcome.baseline:.4f}, of the network {outcome.network:.4f}")
    print(outcome.verdict)


def _print_plan(plan: Plan) -> None:
    table = Table("layer", "output shape", "parameters", "multiply-adds", title=f"grid: {plan.spec}")
    for layer in plan.layers:
        shape = " × ".join(map(str, layer.shape))
        table.add_row(layer.name, shape, f"{layer.parameters:,}", f"{layer.multiply_adds:,}")
    parameters = sum(layer.parameters for layer in plan.layers)
    multiply_adds = sum(layer.multiply_adds for layer in plan.layers)
    table.add_section()
    table.add_row("sum", "", f"{parameters:,}", f"{multiply_adds:,}")
    print_table(table)
    print(plan.schedule)


def _write_history(model: FittedModel, path: Path) -> None:
    import pandas as pd

    from gridcnn.model import EpochRecord

    prepare_output(path)
    pd.DataFrame(list(model.history), columns=EpochRecord._fields).to_csv(path, index=False)


def _report_skipped(skipped: Sequence[Skipped], n_items: int, output: Path) -> bool:
    """List what was skipped on stderr and in a csv beside the model; return whether it was too much."""
    import pandas as pd

    path = output.with_name(f"{output.name}.skipped.csv")
    if not skipped:
        path.unlink(missing_ok=True)  # an earlier run's list would mislead
        return False
    pd.DataFrame([(each.item, each.reason) for each in skipped], columns=["item", "reason"]).to_csv(path, index=False)
    note(f"skipped {len(skipped)} of {n_items} items, listed in {path}:")
    list_skipped(skipped)
    too_many = len(skipped) > TOLERATED_SHARE * n_items
    if too_many:
        note(f"more than {TOLERATED_SHARE:.0%} of the items were skipped: the model is saved, but check the data.")
    return too_many
