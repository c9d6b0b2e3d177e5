"""`gridcnn tune`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from gridcnn.cli.background import with_background
from gridcnn.cli.before import adapter_options, require_possible
from gridcnn.cli.columns import Columns
from gridcnn.cli.options import (
    DURATION,
    OnError,
    SourceArgument,
    seconds_of,
    with_hyperparameters,
    with_options_of,
)
from gridcnn.cli.output import note, prepare_output, prepare_page, save_model, written
from gridcnn.cli.sources import adapter_for, parts_of, read_labelled
from gridcnn.cli.stopping import sigterm_like_ctrl_c
from gridcnn.cli.train import train
from gridcnn.cli.train_report import print_audit, print_read, print_scores, report_skipped
from gridcnn.display import counted, printable
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.network.config import BackboneConfig
from gridcnn.training.config import FitConfig, TrainingConfig

if TYPE_CHECKING:
    from gridcnn.datasets import Dataset
    from gridcnn.tuning.records import Tuned

_COLUMNS = ("label", "labels", "text", "path", "group", "split", "begin", "end", "annotations", "encoding")
_READING = (
    "on_error",
    "ordering",
    "adapter",
    "sample_rate",
    "duration",
    "mels",
    "hop",
    "image_size",
    "tokens",
    "vectors",
)
_LEARNING = ("no_background", "augment", "class_weight", "seed", "device", "jobs", "threads", "cache")


@with_hyperparameters(
    (BackboneConfig, "Network"),
    (TrainingConfig, "Training"),
    (FitConfig, "Training"),
    without=("time_limit", "checkpoint_every"),
)
@with_options_of(train, *_COLUMNS, *_READING, *_LEARNING)
def tune(
    source: SourceArgument,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the model is saved (.safetensors). Without it, only trials are added to the study.",
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials",
            min=1,
            help="Trials of the whole study, those of other processes and earlier runs counted.  \\[default: 50, or no "
            "limit with --time]",
        ),
    ] = None,
    time_: Annotated[
        str | None,
        typer.Option("--time", metavar=DURATION, help="How long this command may take, such as 90s, 5m or 1h30m."),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            "--study",
            metavar="PLACE",
            help="Where trials are kept, so that the same command goes on there, and several share them: a file such "
            "as study.db, or postgresql://user:password@host/name.",
        ),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Name of the study in that place.")] = "gridcnn",
    page: Annotated[
        Path | None,
        typer.Option(
            "--page",
            metavar="FILE",
            help="Where the page of the search is saved.  \\[default: OUTPUT's stem.tuning.html]",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress, only facts.")] = False,
    shared: dict[str, Any],
    hyperparameters: dict[str, Any],
) -> None:
    """Search hyperparameters by trials, and train a model with the best ones if they beat the defaults.

    What is given here is kept and not searched. The first trial is that of the defaults.
    """
    from gridcnn.tuning.tune import require_extra

    require_extra()
    if output is None and study is None:
        raise ConfigurationError(
            "say where the model goes, such as -o model.safetensors, or with --study alone where trials are added"
        )
    from gridcnn.tuning.storage import reach

    reach(study)
    seconds = None if time_ is None else seconds_of("--time", time_)
    files = _files(output, page, [source, *([] if study is None else [study]), shared["vectors"]])
    columns = {name: shared[name] for name in _COLUMNS if name != "begin"} | {"start": shared["begin"]}
    asked, options = Columns(**columns), adapter_options(shared)
    require_possible(options, shared["adapter"], {**shared, "background": hyperparameters.get("background")})
    data = read_labelled(source, asked, on_error=shared["on_error"].value)
    if shared["on_error"] is OnError.raise_ and data.skipped:
        raise DataError(f"{data.skipped[0].item}: {data.skipped[0].reason}. Remove it, or use --on-error skip.")
    parts = parts_of(data)
    print_read(data, parts)
    reader = adapter_for(data, options, shared["adapter"])

    from gridcnn.cli.trials import TrialsDisplay
    from gridcnn.pipeline.parallel import set_computing_threads
    from gridcnn.training.malloc import keep_freed_memory
    from gridcnn.tuning.tune import tune as search

    print_audit(reader, data)
    set_computing_threads(shared["threads"])
    parameters = {
        **hyperparameters,
        "augment": "auto" if shared["augment"] else None,
        "class_weight": shared["class_weight"],
        "random_state": shared["seed"],
        "device": shared["device"],
        "n_jobs": shared["jobs"],
        "on_error": shared["on_error"].value,
        "cache": shared["cache"],
    }
    usual = not shared["no_background"]
    learning, checking, parameters["background"], reader = with_background(
        parts, data, parameters.get("background"), reader, shared["seed"], usual=usual
    )
    started, display = time.perf_counter(), TrialsDisplay(Console(stderr=True), quiet=quiet, several=data.several)
    try:
        with keep_freed_memory(), sigterm_like_ctrl_c(), display:
            tuned = search(
                reader,
                learning.items,
                learning.labels,
                parameters,
                groups=learning.groups,
                validation=None if checking is None else (checking.items, checking.labels),
                trials=trials,
                seconds=seconds,
                study=study,
                name=name,
                train=output is not None,
                callbacks=[display],
            )
    except KeyboardInterrupt:
        if study is not None:
            note(f"the trials that ended are in {study.rpartition('@')[2]}: the same command goes on there")
        raise
    print(f"searched for {time.perf_counter() - started:.0f} s: {_counted(tuned)}")
    if files is not None:
        _finish(tuned, data, parts.get("test"), *files)


def _files(output: Path | None, page: Path | None, inputs: list[Any]) -> tuple[Path, Path, Path] | None:
    """Name the files of a search, and make sure that they can be written and are none of its inputs."""
    if output is None:
        if page is not None:
            raise ConfigurationError("--page: a page is made with the model, so say where that goes, such as -o FILE")
        return None
    given = [each for each in inputs if each is not None]
    prepare_output(output, given, plain=True, model=True)
    others = (page or output.with_name(f"{output.stem}.tuning.html"), output.with_name(f"{output.name}.skipped.csv"))
    prepare_page(others[0], given, plain=True)
    prepare_output(others[1], given, plain=True)
    return output, *others


def _counted(tuned: Tuned) -> str:
    states = [each.state for each in tuned.trials]
    counts = ", ".join(
        f"{states.count(state)} {state}" for state in ("complete", "pruned", "failed") if state in states
    )
    return f"the study has {counted(len(states), 'trial')} ({counts})"


def _finish(tuned: Tuned, data: Dataset, test: Dataset | None, output: Path, page: Path, listed: Path) -> None:
    """Score and save the model, and draw the page."""
    from gridcnn.render.tuning_page import tuning_page

    assert tuned.model is not None  # it was asked for
    model = tuned.model
    place = save_model(model, output)  # before anything else can fail
    print(printable(tuned.why))
    print(printable(f"settings taken: {'the defaults' if tuned.chosen is None else tuned.chosen.settings}"))
    skipped = [*data.skipped, *model.skipped, *print_scores(model, test)]
    place = save_model(model, place)
    with written(page) as file:
        file.write(tuning_page(tuned, data.name or ""))
    print(printable(f"model saved to {place}, the page of the search to {page}"))
    if report_skipped(skipped, len(data) + len(data.skipped), listed):
        raise typer.Exit(1)
