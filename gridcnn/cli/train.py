"""`gridcnn train`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gridcnn.cli.evaluate import print_unmatched
from gridcnn.cli.models import score_items
from gridcnn.cli.options import (
    EncodingOption,
    Head,
    LabelOption,
    OnError,
    Ordering,
    Padding,
    PathOption,
    Pool,
    SourceArgument,
    SplitOption,
    TextOption,
    ThreadsOption,
    input_option,
    integers,
    network_option,
    seconds_of,
    size_of,
    training_option,
)
from gridcnn.cli.output import list_skipped, note, prepare_output, print_table
from gridcnn.cli.sources import Columns, adapter_for, parts_of, read_labelled
from gridcnn.errors import ConfigurationError, DataError, OrderingError, Skipped

if TYPE_CHECKING:
    from gridcnn.datasets import Dataset
    from gridcnn.estimator import GridClassifier


TOLERATED_SHARE = 0.1
"""Up to this share of the items may be skipped before `train` reports a failure by its exit code."""

_TOO_MANY_SKIPPED, _INTERRUPTED = 1, 130


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
            help="Column that says what stays on one side of a split: speaker, site, patient.",
        ),
    ] = None,
    split: SplitOption = None,
    encoding: EncodingOption = None,
    on_error: Annotated[
        OnError, typer.Option("--on-error", help="Skip and list items that cannot be read, or stop at the first.")
    ] = OnError.skip,
    ordering: Annotated[
        Ordering, typer.Option("--ordering", help="For a table: check that its columns have an order, or assume it.")
    ] = Ordering.check,
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
    kernels: Annotated[
        str | None,
        network_option("--kernels", "Kernels of each block, such as 24,48,96.", metavar="LIST"),
    ] = None,
    kernel_size: Annotated[
        list[str] | None,
        network_option(
            "--kernel-size", "Side of a kernel; several, such as 3,4,5, stand side by side.", metavar="LIST"
        ),
    ] = None,
    convolutions: Annotated[int | None, network_option("--convolutions", "Convolutions in a block.")] = None,
    pool_after: Annotated[
        int | None, network_option("--pool-after", "Convolution of a block that its pooling follows.")
    ] = None,
    padding: Annotated[Padding | None, network_option("--padding", "What a kernel meets at the border.")] = None,
    normalise: Annotated[
        bool | None, network_option("--normalise/--no-normalise", "Batch normalisation after a convolution.")
    ] = None,
    pool: Annotated[Pool | None, network_option("--pool", "What a pooling window becomes.")] = None,
    pool_size: Annotated[int | None, network_option("--pool-size", "Side of the pooling window.")] = None,
    pool_stride: Annotated[int | None, network_option("--pool-stride", "Step of the pooling window.")] = None,
    head: Annotated[Head | None, network_option("--head", "How the last maps become one column.")] = None,
    dense: Annotated[
        str | None,
        network_option("--dense", "Neurons of each dense layer, such as 128,64; or none.", metavar="LIST"),
    ] = None,
    dropout: Annotated[
        float | None, network_option("--dropout", "Share of the column that is dropped in training.")
    ] = None,
    epochs: Annotated[int | None, training_option("--epochs", "Passes over the training items.")] = None,
    time_limit: Annotated[
        str | None,
        training_option(
            "--time",
            "How long training may take, decoding included, such as 90s, 5m or 1h30m, in place of --epochs.",
            metavar="DURATION",
        ),
    ] = None,
    batch_size: Annotated[int | None, training_option("--batch-size", "Items in one step.")] = None,
    learning_rate: Annotated[
        float | None, training_option("--learning-rate", "Peak of the one-cycle schedule.")
    ] = None,
    kernel_learning_rate: Annotated[
        float | None, training_option("--kernel-learning-rate", "The same for the kernels, which Muon moves.")
    ] = None,
    weight_decay: Annotated[float | None, training_option("--weight-decay", "Weight decay of AdamW.")] = None,
    label_smoothing: Annotated[float | None, training_option("--label-smoothing", "In [0, 1).")] = None,
    adversarial: Annotated[
        float | None,
        training_option(
            "--adversarial", "Learn from each grid twice, once moved so far, in cells, to where it is harder."
        ),
    ] = None,
    augment: Annotated[bool, training_option("--augment/--no-augment", "Change training grids at random.")] = True,
    class_weight: Annotated[
        str | None, training_option("--class-weight", "'balanced' gives rare classes more weight.", metavar="balanced")
    ] = None,
    validation_fraction: Annotated[
        float, training_option("--validation-fraction", "Share of the items held out to choose the best epoch.")
    ] = 0.1,
    refit: Annotated[
        bool | None,
        training_option(
            "--refit/--no-refit",
            "Learn once more, from the held-out items too, for as many epochs as were best.  [default: texts]",
        ),
    ] = None,
    patience: Annotated[
        int | None, training_option("--patience", "Stop after this many epochs without a better one.")
    ] = None,
    seed: Annotated[int, training_option("--seed", "Two runs with one seed give the same weights.")] = 0,
    device: Annotated[str, training_option("--device", "auto, cpu, cuda or mps.")] = "auto",
    jobs: Annotated[
        int | None, training_option("--jobs", "Threads that read files.  [default: one for each core]")
    ] = None,
    threads: ThreadsOption = None,
    cache: Annotated[bool, training_option("--cache/--no-cache", "Keep decoded items for the next run.")] = True,
) -> None:
    """Train a classifier and save it."""
    if output is None and not dry_run:
        raise ConfigurationError("say where the model goes, such as -o model.safetensors, or try --dry-run")
    if output is not None:
        prepare_output(output)
    limit = seconds_of("--time", time_limit)
    if limit is not None and epochs is not None:
        raise ConfigurationError("--time and --epochs both say how long to train: give one of them")
    lists = {
        "kernels": integers("--kernels", kernels),
        "kernel_sizes": integers("--kernel-size", ",".join(kernel_size) if kernel_size else None),
        "dense": integers("--dense", dense),
    }
    columns = Columns(label=label, text=text, path=path, group=group, split=split, encoding=encoding)
    data = read_labelled(source, columns, on_error=on_error.value)
    if on_error is OnError.raise_ and data.skipped:
        raise DataError(f"{data.skipped[0].item}: {data.skipped[0].reason}. Remove it, or use --on-error skip.")
    parts = parts_of(data)
    adapter_options = {
        "sample_rate": sample_rate,
        "duration": duration,
        "n_mels": mels,
        "hop_length": hop,
        "size": size_of("--image-size", image_size),
        "tokens": tokens,
        "vectors": vectors,
    }
    adapter = adapter_for(data, adapter_options)

    from gridcnn.cli.progress import progress_reporter
    from gridcnn.estimator import GridClassifier
    from gridcnn.pipeline.parallel import set_computing_threads
    from gridcnn.training.malloc import keep_freed_memory

    set_computing_threads(threads)
    progress = None if dry_run else progress_reporter(Console(stderr=True), quiet=quiet)
    classifier = GridClassifier(
        adapter=adapter,
        ordering=ordering.value,
        **lists,
        convs_per_block=convolutions,
        pool_after=pool_after,
        padding=padding and padding.value,
        batch_norm=normalise,
        pool=pool and pool.value,
        pool_size=pool_size,
        pool_stride=pool_stride,
        head=head and head.value,
        dropout=dropout,
        epochs=epochs,
        time_limit=limit,
        batch_size=batch_size,
        learning_rate=learning_rate,
        kernel_learning_rate=kernel_learning_rate,
        weight_decay=weight_decay,
        label_smoothing=label_smoothing,
        adversarial=adversarial,
        augment="auto" if augment else None,
        class_weight=class_weight,
        validation_fraction=validation_fraction,
        refit=False if compare and "test" not in parts else refit,  # what is compared on must stay unseen
        patience=patience,
        random_state=seed,
        device=device,
        n_jobs=jobs,
        on_error=on_error.value,
        cache=cache,
        progress=progress,
    )
    learning, held_out = parts["train"], parts.get("validation")
    started = time.perf_counter()
    try:
        with keep_freed_memory():
            if output is None or dry_run:
                _print_plan(classifier.plan(learning.items, learning.labels, measure_time=True))
                return
            classifier.fit(
                learning.items,
                learning.labels,
                groups=learning.groups,
                validation=None if held_out is None else (held_out.items, held_out.labels),
            )
    except OrderingError as refusal:
        command = f"gridcnn check {source}" + (f" --label {label or 'label'}" if Path(source).is_file() else "")
        why = f"{refusal}. `{command}` shows the evidence, and scores models that need no order."
        raise OrderingError(why, refusal.report) from None
    finally:
        if progress is not None:
            progress.stop()
    taken = f"{time.perf_counter() - started:.1f} s{_expected(classifier)}"
    print(f"trained in {taken}, {classifier.n_parameters_:,} parameters")
    if compare:
        classifier.save(output)  # before the baseline can fail
        _compare(classifier, parts)
    _finish(classifier, data, parts.get("test"), output, history or output.with_name(f"{output.stem}.history.csv"))


def _expected(classifier: GridClassifier) -> str:
    """Say what was expected where a limit was set."""
    times = classifier.summary_.get("time")
    return f" (expected {times['expected']:.1f} s)" if times else ""


def _finish(classifier: GridClassifier, data: Dataset, test: Dataset | None, output: Path, history: Path) -> None:
    """Save what was learned, say how good it is, and end with the exit code that belongs to it."""
    classifier.save(output)  # before anything else can fail
    _write_history(classifier, history)
    skipped = [*data.skipped, *classifier.skipped_]
    if "validation_accuracy" in classifier.scores_:
        then = ", before it learned from those items too" if classifier.summary_["refit"] else ""
        print(f"validation accuracy {classifier.scores_['validation_accuracy']:.4f}{then}")
    else:
        print("validation accuracy unknown: no items were held out")
    if test is not None and not classifier.interrupted_:
        scores, unreadable = score_items(classifier, test)
        classifier.scores_["test_accuracy"] = scores.accuracy
        classifier.save(output)
        skipped += unreadable
        print(f"test accuracy {scores.accuracy:.4f} on {scores.n_items} items")
        print_unmatched(scores)
    print(f"model saved to {output}, history to {history}")
    too_many = _report_skipped(skipped, len(data) + len(data.skipped), output)
    if classifier.interrupted_:
        note(f"interrupted after {len(classifier.history_)} epochs: the best weights so far are saved to {output}")
        raise typer.Exit(_INTERRUPTED)
    if too_many:
        raise typer.Exit(_TOO_MANY_SKIPPED)


def _compare(classifier: GridClassifier, parts: dict[str, Dataset]) -> None:
    """Set the classic baseline beside the network, on items from which neither has learned."""
    from gridcnn.evaluation.baselines import compare, fit_baseline

    learning, validation = parts["train"], parts.get("validation")
    given = None if validation is None else (validation.items, validation.labels)
    (items, labels), held_back = classifier.split(learning.items, learning.labels, learning.groups, given)
    part: str = "validation"
    judged: tuple[Any, Any] | None = held_back
    if "test" in parts:
        part, judged = "test", (parts["test"].items, parts["test"].labels)
    if judged is None:
        note("no items were held out, so there is nothing to compare the baseline on")
        return
    rows = classifier.predict_frame(judged[0])
    good = [at for at, error in enumerate(rows.iloc[:, -1]) if not error]
    checked = classifier.adapter_.check_items(judged[0])
    baseline = fit_baseline(classifier.adapter_, classifier.adapter_.check_items(items), labels)
    answers = baseline.predict([checked[at] for at in good])
    outcome = compare(baseline.name, judged[1][good], answers, rows.iloc[good, 1])
    classifier.scores_["baseline"] = {
        "name": outcome.name, "part": part, "accuracy": outcome.baseline, "network": outcome.network
    }  # fmt: skip
    print(f"{part} accuracy of the baseline {outcome.baseline:.4f}, of the network {outcome.network:.4f}")
    print(outcome.verdict)


def _print_plan(plan: Any) -> None:
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


def _write_history(classifier: GridClassifier, path: Path) -> None:
    import pandas as pd

    prepare_output(path)
    pd.DataFrame(classifier.history_).to_csv(path, index=False)


def _report_skipped(skipped: Sequence[Skipped], n_items: int, output: Path) -> bool:
    """List what was skipped on stderr and in a csv beside the model; return whether it was too much."""
    import pandas as pd

    path = output.with_name(f"{output.name}.skipped.csv")
    if not skipped:
        path.unlink(missing_ok=True)  # an earlier run's list would mislead
        return False
    pd.DataFrame(skipped, columns=["item", "reason"]).to_csv(path, index=False)
    note(f"skipped {len(skipped)} of {n_items} items, listed in {path}:")
    list_skipped(skipped)
    too_many = len(skipped) > TOLERATED_SHARE * n_items
    if too_many:
        note(f"more than {TOLERATED_SHARE:.0%} of the items were skipped: the model is saved, but check the data.")
    return too_many
