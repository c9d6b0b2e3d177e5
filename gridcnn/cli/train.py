"""`gridcnn train`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from gridcnn.cli.background import NoBackgroundOption, with_background
from gridcnn.cli.before import adapter_options, require_possible
from gridcnn.cli.columns import Columns
from gridcnn.cli.earlier import FromOption, LikeOption, LogOption, earlier_models
from gridcnn.cli.options import (
    AdapterOption,
    AnnotationsOption,
    EncodingOption,
    EndOption,
    LabelOption,
    LabelsOption,
    OnError,
    Ordering,
    PathOption,
    RayAddressOption,
    SourceArgument,
    SplitOption,
    StartOption,
    TextOption,
    ThreadsOption,
    WorkersOption,
    input_option,
    training_option,
    with_hyperparameters,
)
from gridcnn.cli.output import note, prepare_output, save_model
from gridcnn.cli.scaling import fit_by
from gridcnn.cli.segmented import read_by
from gridcnn.cli.several import compare_label_sets
from gridcnn.cli.sources import adapter_for, parts_of, read_labelled
from gridcnn.cli.stopping import sigterm_like_ctrl_c
from gridcnn.cli.train_report import print_audit, print_plan, print_read, print_scores, report_skipped, write_history
from gridcnn.display import counted, printable
from gridcnn.errors import ConfigurationError, DataError, OrderingError
from gridcnn.network.config import BackboneConfig
from gridcnn.training.config import FitConfig, TrainingConfig

if TYPE_CHECKING:
    from gridcnn.datasets import Dataset
    from gridcnn.model import FittedModel
    from gridcnn.training.job import Split

_TOO_MANY_SKIPPED, _INTERRUPTED = 1, 130


@with_hyperparameters((BackboneConfig, "Network"), (TrainingConfig, "Training"), (FitConfig, "Training"))
def train(
    context: typer.Context,
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
            "--history",
            metavar="FILE",
            help="Where the csv of epochs is saved.  \\[default: OUTPUT's stem.history.csv]",
        ),
    ] = None,
    start: FromOption = None,
    like: LikeOption = None,
    log: LogOption = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Fit the classic baseline of the modality as well, and say which is ahead."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress, only facts.")] = False,
    label: LabelOption = None,
    labels: LabelsOption = None,
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
    begin: StartOption = None,
    end: EndOption = None,
    annotations: AnnotationsOption = None,
    no_background: NoBackgroundOption = False,
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
        str | None,
        training_option("--class-weight", "'balanced' makes all classes count alike.", metavar="balanced"),
    ] = None,
    refit: Annotated[
        bool | None,
        training_option(
            "--refit/--no-refit",
            "Train once more, on the validation split too, for as many epochs as were best.  \\[default: up to "
            "20,000 items, 8,000 recordings, and with --group]",
        ),
    ] = None,
    seed: Annotated[int, training_option("--seed", "Two runs with one seed give the same weights.")] = 0,
    device: Annotated[str, training_option("--device", "auto, cpu, cuda or mps.")] = "auto",
    jobs: Annotated[
        int | None, training_option("--jobs", "Threads that read files.  \\[default: one for each core]")
    ] = None,
    threads: ThreadsOption = None,
    workers: WorkersOption = None,
    ray_address: RayAddressOption = None,
    cache: Annotated[bool, training_option("--cache/--no-cache", "Keep decoded items for the next run.")] = True,
    checkpoint_dir: Annotated[
        Path | None,
        training_option(
            "--checkpoint-dir",
            "Folder for checkpoints. If the training is killed, the same command goes on from the last one, "
            "to the same weights.",
            metavar="DIR",
        ),
    ] = None,
    hyperparameters: dict[str, Any],
) -> None:
    """Train a classifier and save it."""
    _check_flags(hyperparameters, output, checkpoint_dir, dry_run=dry_run)
    files = None if output is None else _files(output, history, [source, vectors, start, like], checkpoint_dir)
    earlier = earlier_models(start, like, compare=compare)
    columns = Columns(label, text, path, group, split, begin, end, annotations, encoding, labels)
    fit = fit_by(workers, ray_address)
    options = adapter_options(
        {"ordering": ordering, "sample_rate": sample_rate, "duration": duration, "mels": mels, "hop": hop,
         "image_size": image_size, "tokens": tokens, "vectors": vectors}
    )  # fmt: skip
    require_possible(
        options,
        adapter,
        {"class_weight": class_weight, "jobs": jobs, "device": device, "labels": labels,
         "background": hyperparameters.get("background"), "no_background": no_background},
    )  # fmt: skip
    data = earlier.in_kind(read_labelled(source, columns, on_error=on_error.value, adapter=earlier.adapter))
    if on_error is OnError.raise_ and data.skipped:
        raise DataError(f"{data.skipped[0].item}: {data.skipped[0].reason}. Remove it, or use --on-error skip.")
    parts = parts_of(data)
    print_read(data, parts, in_full=dry_run)
    reader = adapter_for(data, earlier.options(options), earlier.adapter_name(adapter))

    import numpy as np

    from gridcnn.pipeline.labels import check_classes
    from gridcnn.pipeline.parallel import set_computing_threads
    from gridcnn.training.job import split as split_items
    from gridcnn.training.malloc import keep_freed_memory
    from gridcnn.training.plan import plan
    from gridcnn.training.progress import Messages, progress_reporter
    from gridcnn.training.tracking import tracker

    of_rows = Path(source).is_file() and (annotations, labels, earlier.start) == (None, None, None)
    if of_rows and parts["train"].labels is not None:
        check_classes(np.unique(parts["train"].labels), len(parts["train"]), f"the column {label or 'label'!r}")
    print_audit(reader, data)
    set_computing_threads(threads)
    written = {
        "augment": "auto" if augment else None,
        "class_weight": class_weight,
        "refit": _leave_out_refit() if compare and "test" not in parts else refit,
        "random_state": seed,
        "device": device,
        "n_jobs": jobs,
        "on_error": on_error.value,
        "cache": cache,
        "checkpoint_dir": checkpoint_dir,
    }
    parameters = {**earlier.hyperparameters(hyperparameters), **earlier.settings(written, context)}
    learning, checking, parameters["background"], reader = with_background(
        parts, data, parameters.get("background"), reader, seed, usual=not no_background, start=earlier.start
    )
    task: dict[str, Any] = {
        "groups": learning.groups,
        "validation": None if checking is None else (checking.items, checking.labels),
    }
    started, console = time.perf_counter(), Console(stderr=True)
    try:
        with keep_freed_memory(), sigterm_like_ctrl_c():
            if files is None or dry_run:
                heard = [Messages(console)]
                expected = plan(
                    reader,
                    learning.items,
                    learning.labels,
                    parameters,
                    **task,
                    start=earlier.start,
                    measure_time=True,
                    callbacks=heard,
                )
                print_plan(expected)
                return
            shown = [progress_reporter(console, quiet=quiet), *([] if log is None else [tracker(log)])]
            model = fit(
                reader, learning.items, learning.labels, parameters, **task, start=earlier.start, callbacks=shown
            )
    except OrderingError as refusal:
        command = f"gridcnn check {source}" + (
            f" --label {label or labels or 'label'}" if Path(source).is_file() else ""
        )
        why = f"{refusal}. `{command}` shows the evidence, and scores models that need no order."
        raise OrderingError(why, refusal.report) from None
    earlier.name_in(model)
    print(f"trained in {time.perf_counter() - started:.1f} s{_expected(model)}, {model.n_parameters:,} parameters")
    place = save_model(model, files.model)  # before anything else can fail
    if compare:
        _compare(model, split_items(reader, learning.items, learning.labels, parameters, **task), parts.get("test"))
    _finish(model, data, parts.get("test"), replace(files, model=place), resumable=checkpoint_dir is not None)


@dataclass(frozen=True)
class _Files:
    """What a training leaves behind."""

    model: Path
    history: Path
    skipped: Path


def _check_flags(
    hyperparameters: dict[str, Any], output: Path | None, checkpoint_dir: Path | None, *, dry_run: bool
) -> None:
    """Refuse flags that lack another one, or contradict it."""
    if output is None and not dry_run:
        raise ConfigurationError("say where the model goes, such as -o model.safetensors, or try --dry-run")
    if "checkpoint_every" in hyperparameters and checkpoint_dir is None:
        raise ConfigurationError("--checkpoint-every without --checkpoint-dir: name the folder for the checkpoints.")
    if {"time_limit", "epochs"} <= hyperparameters.keys():
        raise ConfigurationError("--time and --epochs both say how long to train: give one of them")


def _files(output: Path, history: Path | None, given: list[str | Path | None], checkpoints: Path | None) -> _Files:
    """Name the files of a training, and make sure that they can be written and are none of its inputs."""
    inputs = [each for each in given if each is not None]
    source = Path(inputs[0])
    if checkpoints is not None and source.is_dir() and checkpoints.resolve().is_relative_to(source.resolve()):
        raise ConfigurationError(f"--checkpoint-dir {checkpoints} lies in {source}, among the items: name one outside.")
    prepare_output(output, inputs, plain=True, model=True)
    history = history or output.with_name(f"{output.stem}.history.csv")
    files = _Files(output, history, output.with_name(f"{output.name}.skipped.csv"))
    for each in (files.history, files.skipped):
        prepare_output(each, inputs, plain=True)
    if len({files.model, files.history, files.skipped}) < 3:
        raise ConfigurationError(f"--history {files.history} is the name of another result: choose another one.")
    return files


def _expected(model: FittedModel) -> str:
    """Say what was expected if there was a limit."""
    times = model.summary.get("time")
    return f" (expected {times['expected']:.1f} s)" if times else ""


def _finish(model: FittedModel, data: Dataset, test: Dataset | None, files: _Files, *, resumable: bool) -> None:
    """Score and save the model, and end with the exit code that belongs to it."""
    kept = write_history(model, files.history)
    skipped = [*data.skipped, *model.skipped, *print_scores(model, test)]
    place = save_model(model, files.model)
    print(printable(f"model saved to {place}{f', history to {files.history}' if kept else ''}"))
    too_many = report_skipped(skipped, len(data) + len(data.skipped), files.skipped)
    if model.interrupted:
        more = "; the same command goes on from the last checkpoint" if resumable else ""
        note(f"interrupted after {counted(len(model.history), 'epoch')}: the best weights so far are in {place}{more}")
        raise typer.Exit(_INTERRUPTED)
    if too_many:
        raise typer.Exit(_TOO_MANY_SKIPPED)


def _leave_out_refit() -> bool:
    note("without a test part the baseline is judged on items held out, so there are no folds and no last training")
    return False


def _compare(model: FittedModel, known: Split, test: Dataset | None) -> None:
    """Set the classic baseline beside the network, on items that neither was trained on."""
    import numpy as np

    from gridcnn.evaluation.baselines import fit_baseline
    from gridcnn.evaluation.comparison import compare
    from gridcnn.inference import predict

    (items, labels), held_out = known
    part = "validation"
    judged: tuple[Any, Any] | None = held_out
    if test is not None:
        test = read_by(test, model)
        part, judged = "test", (test.items, test.labels)
    if judged is None:
        note("there is no validation split, so there is nothing to compare the baseline on")
        return
    if model.several:
        compare_label_sets(model, (items, labels), judged, part)
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
        "verdict": outcome.verdict,
    }
    print(f"{part} accuracy of the baseline {outcome.baseline:.4f}, of the network {outcome.network:.4f}")
    print(outcome.verdict)
