"""The command line: parse, one call, print. Nothing here imports torch until a command needs it."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gridcnn import __version__
from gridcnn.errors import ConfigurationError, DataError, GridcnnError, Skipped

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from gridcnn.datasets import Dataset
    from gridcnn.estimator import GridClassifier
    from gridcnn.metrics import Evaluation
    from gridcnn.ordering import AxesReport

__all__ = ["app", "main"]

TOLERATED_SHARE = 0.1
"""Up to this share of the items may be skipped before `train` reports a failure by its exit code."""

_MANIFESTS = frozenset({".csv", ".tsv", ".parquet", ".jsonl"})
_VERDICT_CODES = {"exchangeable": 3, "undecided": 4}
_TOO_MANY_SKIPPED, _BAD_INPUT, _INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="gridcnn",
    help="Train, evaluate and use convolutional classifiers for images, sound, text and sampled series.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error that gridcnn raises on purpose becomes one line and exit code 2."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: _note(f"warning: {' '.join(str(message).split())}")
        try:
            app(arguments)
        except GridcnnError as error:
            _note(f"error: {' '.join(str(error).split())}")
            sys.exit(_BAD_INPUT)


# ------------------------------------------------------------------------------------- options


class Choice(StrEnum):
    """A flag with a closed set of values."""


class OnError(Choice):
    """What happens to an item that cannot be read."""

    skip = "skip"
    raise_ = "raise"


class Ordering(Choice):
    """Whether the order of a table's columns is checked."""

    check = "check"
    assume = "assume"


class Pool(Choice):
    """What a pooling window becomes."""

    max = "max"
    average = "average"


class Padding(Choice):
    """What a kernel meets at the border."""

    same = "same"
    valid = "valid"


class Head(Choice):
    """How the last maps become the column."""

    flatten = "flatten"
    global_max = "global_max"
    global_average = "global_average"


def _integers(flag: str, text: str | None) -> tuple[int, ...] | None:
    """Parse "24,48,96"; "none" is the empty list."""
    if text is None:
        return None
    if text.strip().lower() in {"", "none"}:
        return ()
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise ConfigurationError(
            f"{flag}: expected whole numbers separated by commas, such as 24,48,96; got {text!r}"
        ) from None


def _size(flag: str, text: str | None) -> tuple[int, int] | None:
    """Parse "32" or "48x64" (height by width)."""
    if text is None:
        return None
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) > 2 or not all(side.strip().isdigit() for side in sides):
        raise ConfigurationError(f"{flag}: expected pixels such as 32, or height and width such as 48x64; got {text!r}")
    return int(sides[0]), int(sides[-1])


_NETWORK, _TRAINING, _INPUT = "Network", "Training", "Input"

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder of class folders (images or sound), a csv/tsv/parquet/jsonl file, or the name of a set that "
        "`gridcnn datasets` lists.",
    ),
]
ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="A model that `gridcnn train` saved.")]
LabelOption = Annotated[
    str | None, typer.Option("--label", metavar="COLUMN", help="Column of labels.  [default: label]")
]
TextOption = Annotated[str | None, typer.Option("--text", metavar="COLUMN", help="Column of sentences.")]
PathOption = Annotated[
    str | None,
    typer.Option("--path", metavar="COLUMN", help="Column of files, relative to the folder of the csv file."),
]
SplitOption = Annotated[
    str | None, typer.Option("--split", metavar="COLUMN", help="Column that says train, validation or test.")
]
EncodingOption = Annotated[
    str | None, typer.Option("--encoding", help="Encoding of the csv file, such as cp1252.  [default: detected]")
]


def _network(flag: str, help_: str, **more: Any) -> Any:
    return typer.Option(flag, help=help_, rich_help_panel=_NETWORK, **more)


def _training(flag: str, help_: str, **more: Any) -> Any:
    return typer.Option(flag, help=help_, rich_help_panel=_TRAINING, **more)


def _input(flag: str, help_: str, **more: Any) -> Any:
    return typer.Option(flag, help=help_, rich_help_panel=_INPUT, **more)


# ------------------------------------------------------------------------------------- commands


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gridcnn {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


@app.command()
def train(
    source: SourceArgument,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where the model is saved (.safetensors).")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the layers, their parameters and multiply-adds; train nothing.")
    ] = False,
    history: Annotated[
        Path | None,
        typer.Option(
            "--history", metavar="FILE", help="Where the csv of epochs is saved.  [default: OUTPUT's stem.history.csv]"
        ),
    ] = None,
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
    sample_rate: Annotated[int | None, _input("--sample-rate", "Sound: samples per second (Hz).", min=1)] = None,
    duration: Annotated[float | None, _input("--duration", "Sound: length of a window in seconds.")] = None,
    image_size: Annotated[
        str | None,
        _input("--image-size", "Images: pixels, 32 or 48x64 (height x width).", metavar="SIZE"),
    ] = None,
    tokens: Annotated[str | None, _input("--tokens", "Text: what a token is, such as word or character.")] = None,
    vectors: Annotated[
        Path | None, _input("--vectors", "Text: pretrained vectors, one word and its numbers a line.", metavar="FILE")
    ] = None,
    kernels: Annotated[
        str | None,
        _network("--kernels", "Kernels of each block, such as 24,48,96.", metavar="LIST"),
    ] = None,
    kernel_size: Annotated[
        list[str] | None,
        _network("--kernel-size", "Side of a kernel; several, such as 3,4,5, stand side by side.", metavar="LIST"),
    ] = None,
    convolutions: Annotated[int | None, _network("--convolutions", "Convolutions in a block.")] = None,
    padding: Annotated[Padding | None, _network("--padding", "What a kernel meets at the border.")] = None,
    normalise: Annotated[
        bool | None, _network("--normalise/--no-normalise", "Batch normalisation after a convolution.")
    ] = None,
    pool: Annotated[Pool | None, _network("--pool", "What a pooling window becomes.")] = None,
    pool_size: Annotated[int | None, _network("--pool-size", "Side of the pooling window.")] = None,
    pool_stride: Annotated[int | None, _network("--pool-stride", "Step of the pooling window.")] = None,
    head: Annotated[Head | None, _network("--head", "How the last maps become one column.")] = None,
    dense: Annotated[
        str | None,
        _network("--dense", "Neurons of each dense layer, such as 128,64; or none.", metavar="LIST"),
    ] = None,
    dropout: Annotated[float | None, _network("--dropout", "Share of the column that is dropped in training.")] = None,
    epochs: Annotated[int | None, _training("--epochs", "Passes over the training items.")] = None,
    batch_size: Annotated[int | None, _training("--batch-size", "Items in one step.")] = None,
    learning_rate: Annotated[float | None, _training("--learning-rate", "Peak of the one-cycle schedule.")] = None,
    weight_decay: Annotated[float | None, _training("--weight-decay", "Weight decay of AdamW.")] = None,
    label_smoothing: Annotated[float | None, _training("--label-smoothing", "In [0, 1).")] = None,
    augment: Annotated[bool, _training("--augment/--no-augment", "Change training grids at random.")] = True,
    class_weight: Annotated[
        str | None, _training("--class-weight", "'balanced' gives rare classes more weight.", metavar="balanced")
    ] = None,
    validation_fraction: Annotated[
        float, _training("--validation-fraction", "Share of the items held out to choose the best epoch.")
    ] = 0.1,
    patience: Annotated[
        int | None, _training("--patience", "Stop after this many epochs without a better one.")
    ] = None,
    seed: Annotated[int, _training("--seed", "Two runs with one seed give the same weights.")] = 0,
    device: Annotated[str, _training("--device", "auto, cpu, cuda or mps.")] = "auto",
    jobs: Annotated[int | None, _training("--jobs", "Processes that read files.")] = None,
    cache: Annotated[bool, _training("--cache/--no-cache", "Keep decoded items for the next run.")] = True,
) -> None:
    """Train a classifier and save it."""
    if output is None and not dry_run:
        raise ConfigurationError("say where the model goes, such as -o model.safetensors, or try --dry-run")
    if output is not None:
        _prepare(output)
    lists = {
        "kernels": _integers("--kernels", kernels),
        "kernel_sizes": _integers("--kernel-size", ",".join(kernel_size) if kernel_size else None),
        "dense": _integers("--dense", dense),
    }
    columns = _Columns(label=label, text=text, path=path, group=group, split=split, encoding=encoding)
    data = _read(source, columns, on_error=on_error.value)
    if on_error is OnError.raise_ and data.skipped:
        raise DataError(f"{data.skipped[0].item}: {data.skipped[0].reason}. Remove it, or use --on-error skip.")
    parts = _parts(data)
    adapter_options = {
        "sample_rate": sample_rate,
        "duration": duration,
        "size": _size("--image-size", image_size),
        "tokens": tokens,
        "vectors": vectors,
    }
    adapter = _adapter(data, adapter_options)

    from gridcnn.estimator import GridClassifier
    from gridcnn.progress import progress_reporter

    progress = None if dry_run else progress_reporter(Console(stderr=True), quiet=quiet)
    classifier = GridClassifier(
        adapter=adapter,
        ordering=ordering.value,
        **lists,
        convolutions=convolutions,
        padding=padding and padding.value,
        normalise=normalise,
        pool=pool and pool.value,
        pool_size=pool_size,
        pool_stride=pool_stride,
        head=head and head.value,
        dropout=dropout,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        label_smoothing=label_smoothing,
        augment="auto" if augment else None,
        class_weight=class_weight,
        validation_fraction=validation_fraction,
        patience=patience,
        random_state=seed,
        device=device,
        n_jobs=jobs,
        on_error=on_error.value,
        cache=cache,
        progress=progress,
    )
    learning, held_out = parts["train"], parts.get("validation")
    if dry_run:
        _print_plan(classifier.plan(learning.items, learning.labels))
        return
    assert output is not None  # for the type checker: the first lines say so
    started = time.perf_counter()
    try:
        classifier.fit(
            learning.items,
            learning.labels,
            groups=learning.groups,
            validation=None if held_out is None else (held_out.items, held_out.labels),
        )
    finally:
        if progress is not None:
            progress.stop()
    print(f"trained in {time.perf_counter() - started:.1f} s, {classifier.n_parameters_:,} parameters")
    _finish(classifier, data, parts.get("test"), output, history or output.with_name(f"{output.stem}.history.csv"))


def _finish(classifier: GridClassifier, data: Dataset, test: Dataset | None, output: Path, history: Path) -> None:
    """Save what was learned, say how good it is, and end with the exit code that belongs to it."""
    classifier.save(output)  # before anything else can fail
    _write_history(classifier, history)
    skipped = [*data.skipped, *classifier.skipped_]
    if "validation_accuracy" in classifier.scores_:
        print(f"validation accuracy {classifier.scores_['validation_accuracy']:.4f}")
    else:
        print("validation accuracy unknown: no items were held out")
    if test is not None and not classifier.interrupted_:
        scores, unreadable = _evaluate(classifier, test)
        classifier.scores_["test_accuracy"] = scores.accuracy
        classifier.save(output)
        skipped += unreadable
        print(f"test accuracy {scores.accuracy:.4f} on {scores.n_items} items")
        _print_unmatched(scores)
    print(f"model saved to {output}, history to {history}")
    too_many = _report_skipped(skipped, len(data) + len(data.skipped), output)
    if classifier.interrupted_:
        _note(f"interrupted after {len(classifier.history_)} epochs: the best weights so far are saved to {output}")
        raise typer.Exit(_INTERRUPTED)
    if too_many:
        raise typer.Exit(_TOO_MANY_SKIPPED)


@app.command()
def evaluate(
    model: ModelArgument,
    source: SourceArgument,
    *,
    label: LabelOption = None,
    text: TextOption = None,
    path: PathOption = None,
    split: SplitOption = None,
    split_part: Annotated[
        str | None,
        typer.Option("--split-part", help="Part of a divided set to score.  [default: test]"),
    ] = None,
    encoding: EncodingOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a model on items whose class is known."""
    classifier = _load(model)
    columns = _Columns(label=label, text=text, path=path, split=split, encoding=encoding)
    data = _read(source, columns, on_error="skip", modality=classifier.adapter_.modality, allow_one_class=True)
    if split_part is not None or data.split is not None:
        data = replace(data.part(split_part or "test"), skipped=data.skipped)
    scores, unreadable = _evaluate(classifier, data)
    skipped = [*data.skipped, *unreadable]
    if as_json:
        print(json.dumps({**scores.to_dict(), "skipped": [each._asdict() for each in skipped]}, indent=2))
    else:
        _print_scores(scores)
    if skipped:
        _note(f"{len(skipped)} items could not be read and are not counted:")
        _list_skipped(skipped)


@app.command()
def predict(
    model: ModelArgument,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="Files, folders, a csv/tsv/parquet/jsonl file, or - for text on standard input."
        ),
    ],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="A csv file.  [default: standard output]")
    ] = None,
    text: TextOption = None,
    path: PathOption = None,
    encoding: EncodingOption = None,
) -> None:
    """Predict classes: one row per item with its prediction, a probability per class, and its error if it has one."""
    if output is not None:
        _prepare(output)
    classifier = _load(model)
    rows = _predict(classifier, inputs, _Columns(text=text, path=path, encoding=encoding))
    if output is None:
        rows.to_csv(sys.stdout, index=False, float_format="%.6g")
    else:
        rows.to_csv(output, index=False, float_format="%.6g")
    n_failed = int(rows["error"].map(_is_error).sum())
    if n_failed:
        _note(f"{n_failed} of {len(rows)} items could not be predicted: see their error column.")
    if n_failed == len(rows):
        raise typer.Exit(1)


@app.command()
def check(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A csv, tsv, parquet or jsonl table, or a .npy array (n, A, B…).")
    ],
    *,
    label: Annotated[
        str | None, typer.Option("--label", metavar="COLUMN", help="Column of labels, which can only help.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="A page (.html) with the picture.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Test whether the order of columns, or of an array's axes, carries information.

    Exit code 0: ordered. 3: exchangeable, the columns could be shuffled. 4: undecided.
    """
    from gridcnn.datasets import load_table
    from gridcnn.ordering import OrderReport, check_axes, check_order

    report: OrderReport | AxesReport
    if source.suffix.lower() == ".npy":
        array = _load_array(source)
        report = check_order(array) if array.ndim == 2 else check_axes(array)
    else:
        data = load_table(source, label=label)
        report = check_order(data.items, data.labels)
    if output is not None:
        if not isinstance(report, OrderReport):
            raise ConfigurationError("-o draws the columns of a table; for an array of several axes use --json")
        _prepare(output)
        output.write_text(report.to_html(), encoding="utf-8")
    print(json.dumps(report.to_dict(), indent=2) if as_json else report)
    verdicts = {report.verdict} if isinstance(report, OrderReport) else set(report.verdicts)
    raise typer.Exit(next((code for verdict, code in _VERDICT_CODES.items() if verdict in verdicts), 0))


def _load_array(source: Path) -> np.ndarray:
    import numpy as np

    try:
        array: np.ndarray = np.load(source, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{source}: not an array that numpy.save wrote ({error})") from error
    return array


@app.command()
def datasets() -> None:
    """List the sets that are embedded or public, and how to load them."""
    from gridcnn.datasets import available

    table = Table("name", "kind", "items", "classes", "source", "in Python")
    for each in available():
        table.add_row(each.name, each.modality, f"{each.items:,}", str(each.classes), each.source, each.how)
    _print_table(table)
    print("from gridcnn.datasets import load; or on the command line: gridcnn train xo -o xo.safetensors")


# ------------------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class _Columns:
    """The columns of a manifest that a person named."""

    label: str | None = None
    text: str | None = None
    path: str | None = None
    group: str | None = None
    split: str | None = None
    encoding: str | None = None

    def given(self, *without: str) -> list[str]:
        """Return the flags that were used."""
        names = (field.name for field in fields(self))
        return [f"--{name}" for name in names if getattr(self, name) is not None and name not in without]


def _read(
    source: str,
    columns: _Columns,
    *,
    on_error: str,
    modality: str | None = None,
    allow_one_class: bool = False,
) -> Dataset:
    """Read a labelled source; `modality` is the one that a trained model reads."""
    from gridcnn.datasets import load, load_folder

    place = Path(source)
    if place.is_file():
        return _read_file(place, replace(columns, label=columns.label or "label"), on_error, modality)
    if columns.given():
        raise ConfigurationError(
            f"{', '.join(columns.given())}: for csv, tsv, parquet and jsonl files, and {source} is none "
            f"({'a folder' if place.is_dir() else 'no such file'}): leave it out, or check the name of the file."
        )
    if place.is_dir():
        return load_folder(place, allow_one_class=allow_one_class)
    if place.suffix or len(place.parts) != 1:
        raise DataError(f"{source}: no such file or folder, seen from {Path.cwd()}: check the spelling.")
    try:
        return load(source)
    except DataError as error:
        raise DataError(f"{source}: no such file or folder. {error}") from error


def _read_file(place: Path, columns: _Columns, on_error: str, modality: str | None) -> Dataset:
    from gridcnn.datasets import load_manifest, load_table

    if place.suffix.lower() not in _MANIFESTS:
        raise DataError(
            f"{place}: expected a folder of class folders, or a file that ends in {', '.join(sorted(_MANIFESTS))}."
        )
    text, path = columns.text, columns.path
    if modality == "text":
        text, path = text or "text", None
    elif modality in {"image", "sound"}:
        text, path = None, path or "path"
    if text is None and path is None:
        if columns.given("label", "encoding"):
            raise ConfigurationError(
                f"{', '.join(columns.given('label', 'encoding'))}: for sentences (--text COLUMN) and files "
                f"(--path COLUMN): say which column of {place} holds them, or leave it out for a table of numbers."
            )
        return load_table(place, label=columns.label, encoding=columns.encoding)
    return load_manifest(
        place,
        label=columns.label,
        path_column=path,
        text=text,
        group=columns.group,
        split=columns.split,
        encoding=columns.encoding,
        on_error="raise" if on_error == "raise" else "skip",
    )


def _parts(data: Dataset) -> dict[str, Dataset]:
    """Return the parts of a set by name; a set that comes undivided is all for training."""
    if data.split is None:
        return {"train": data}
    parts = {str(name): data.part(str(name)) for name in sorted(set(data.split))}
    if "train" not in parts:
        raise DataError(f"{data.name} holds {', '.join(parts)} but no part called train: nothing to learn from.")
    return parts


_ADAPTER_FLAGS = {
    "sample_rate": ("--sample-rate", "sound"),
    "duration": ("--duration", "sound"),
    "size": ("--image-size", "image"),
    "tokens": ("--tokens", "text"),
    "vectors": ("--vectors", "text"),
}


def _adapter(data: Dataset, options: dict[str, Any]) -> Any:
    """Make the adapter for what the items are; None leaves a table to the estimator."""
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        flag, modality = _ADAPTER_FLAGS[name]
        if modality != data.modality:
            raise ConfigurationError(f"{flag} is for {modality}, and {data.name} holds {data.modality}: leave it out.")
    from gridcnn import adapters

    if data.modality == "image":
        return adapters.ImageAdapter(**given)
    if data.modality == "sound":
        return adapters.AudioAdapter(**({"sample_rate": data.sample_rate} if data.sample_rate else {}) | given)
    if data.modality == "text":
        return adapters.TextAdapter(**given)
    return adapters.ArrayAdapter(axes=data.axes) if data.modality == "array" else None


def _load(model: Path) -> GridClassifier:
    from gridcnn.estimator import GridClassifier

    classifier: GridClassifier = GridClassifier.load(model)
    return classifier


def _prepare(output: Path) -> None:
    """Make sure, before the work begins, that its result can be written."""
    if output.is_dir():
        raise ConfigurationError(f"{output} is a folder: name a file in it, such as {output / 'model.safetensors'}.")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{output.parent} cannot be made ({error.strerror}): choose another folder.") from None


# ------------------------------------------------------------------------------------- predicting


def _is_error(cell: object) -> bool:
    return isinstance(cell, str) and cell != ""


def _evaluate(classifier: GridClassifier, data: Dataset) -> tuple[Evaluation, list[Skipped]]:
    """Score the items that can be read; return the others with their reasons."""
    from gridcnn.metrics import evaluate as score

    assert data.labels is not None  # for the type checker: _read always asks for labels
    rows = classifier.predict_frame(_features(classifier, data.items))
    failed = rows["error"].map(_is_error).to_numpy(dtype=bool)
    bad = rows[failed]
    unreadable = [Skipped(str(item), str(why)) for item, why in zip(bad["item"], bad["error"], strict=True)]
    scores = score(data.labels[~failed], rows["prediction"].to_numpy()[~failed], classifier.classes_.tolist())
    return scores, unreadable


def _features(classifier: GridClassifier, items: Any) -> Any:
    """Take the columns that the model was trained on from a table; anything else is returned as it is."""
    names = getattr(classifier, "feature_names_in_", None)
    if names is None or not hasattr(items, "columns"):
        return items
    missing = [str(name) for name in names if name not in items.columns]
    if missing:
        raise DataError(
            f"the table lacks columns that the model was trained on: {', '.join(missing[:10])}; it has "
            f"{', '.join(map(str, items.columns[:10]))}: give a table with the columns of the training table."
        )
    return items[list(names)]


def _predict(classifier: GridClassifier, inputs: Iterable[str], columns: _Columns) -> pd.DataFrame:
    import pandas as pd

    modality = classifier.adapter_.modality
    if modality == "array":
        tables = [_read_table(source, columns.encoding) for source in inputs]
        features = _features(classifier, pd.concat(tables, ignore_index=True))
        return classifier.predict_frame(features)
    items = [item for source in inputs for item in _read_items(source, modality, columns)]
    good = [position for position, item in enumerate(items) if not isinstance(item, Skipped)]
    names = [str(name) for name in classifier.classes_]
    rows = pd.DataFrame(columns=["item", "prediction", *names, "error"])
    if good:
        rows = classifier.predict_frame([items[position] for position in good])
    rows = rows.astype({"item": object, "prediction": object, "error": object})
    rows.index = pd.Index(good)
    rows = rows.reindex(range(len(items)))
    for position, item in enumerate(items):
        if isinstance(item, Skipped):
            rows.loc[position, ["item", "error"]] = [item.item, item.reason]
    return rows


def _read_table(source: str, encoding: str | None) -> pd.DataFrame:
    import pandas as pd

    from gridcnn.datasets import load, load_table

    data = load_table(source, encoding=encoding) if Path(source).suffix else load(source)
    return pd.DataFrame(data.items)


def _read_items(source: str, modality: str, columns: _Columns) -> list[Any]:
    """Return the items of one INPUT in their order; one that is known to be unreadable already is a `Skipped`."""
    place = Path(source)
    if source == "-":
        if modality != "text":
            raise DataError(f"'-' reads sentences, and this model reads {modality}: give files or a folder.")
        return _lines(sys.stdin.buffer.read(), Path("standard input"), columns.encoding)
    if place.is_dir():
        return _from_folder(place, modality)
    if place.suffix.lower() in _MANIFESTS:
        return _from_manifest(place, modality, columns)
    if modality != "text":
        return [source]
    if not place.is_file():
        raise DataError(
            f"{source!r} is no file, and this model reads text: give a csv file with --text COLUMN, a file with one "
            'sentence a line, or - for standard input: echo "your text" | gridcnn predict MODEL -'
        )
    return _lines(place.read_bytes(), place, columns.encoding)


def _lines(data: bytes, place: Path, encoding: str | None) -> list[Any]:
    from gridcnn.datasets.encoding import decode

    lines = decode(data, place, encoding).split("\n")
    if not lines[-1]:
        lines.pop()  # the end of the last line begins no new one
    if not lines:
        raise DataError(f"{place}: empty: give one sentence a line.")
    return [line.rstrip("\r") for line in lines]


def _from_folder(place: Path, modality: str) -> list[Any]:
    from gridcnn.datasets import list_media_files

    if modality == "text":
        raise DataError(f"{place} is a folder, and this model reads text: give a csv file, or - for standard input.")
    found = list_media_files(place)
    if found.modality != modality:
        raise DataError(f"{place} holds files of kind {found.modality}, and this model reads {modality}.")
    return sorted(
        [*map(str, found.items), *found.skipped], key=lambda each: each if isinstance(each, str) else each.item
    )


def _from_manifest(place: Path, modality: str, columns: _Columns) -> list[Any]:
    """Return one item per row of the file, in the order of its rows."""
    read = _read_file(place, columns, "skip", modality)
    numbers = _read_table(str(place), columns.encoding).index
    skipped = {int(each.item.rpartition(" ")[2]): each for each in read.skipped}  # "reviews.csv, row 5"
    good = iter(read.items)
    return [skipped[number] if number in skipped else next(good) for number in numbers]


# ------------------------------------------------------------------------------------- printing


def _note(line: str) -> None:
    print(line, file=sys.stderr)


def _print_table(table: Table) -> None:
    """Print a table; a pipe is as wide as the table."""
    console = Console() if sys.stdout.isatty() else Console(width=10_000)
    console.print(table)


def _print_plan(plan: Any) -> None:
    table = Table("layer", "output shape", "parameters", "multiply-adds", title=f"grid: {plan.spec}")
    for layer in plan.layers:
        shape = " × ".join(map(str, layer.shape))
        table.add_row(layer.name, shape, f"{layer.parameters:,}", f"{layer.multiply_adds:,}")
    parameters = sum(layer.parameters for layer in plan.layers)
    multiply_adds = sum(layer.multiply_adds for layer in plan.layers)
    table.add_section()
    table.add_row("sum", "", f"{parameters:,}", f"{multiply_adds:,}")
    _print_table(table)


def _print_scores(scores: Evaluation) -> None:
    print(f"items              {scores.n_items}")
    print(f"accuracy           {scores.accuracy:.4f}")
    print(f"balanced accuracy  {scores.balanced_accuracy:.4f}")
    print(f"macro F1           {scores.macro_f1:.4f}")
    table = Table("class", "precision", "recall", "F1", "support")
    for row in scores.classes:
        table.add_row(row.name, f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}", str(row.support))
    _print_table(table)
    confusion = Table("true \\ predicted", *(row.name for row in scores.classes))
    for row, counts in zip(scores.classes, scores.confusion, strict=True):
        confusion.add_row(row.name, *map(str, counts))
    _print_table(confusion)
    _print_unmatched(scores)


def _print_unmatched(scores: Evaluation) -> None:
    if scores.unseen:
        counted = ", ".join(f"{name} ({count})" for name, count in scores.unseen.items())
        print(f"classes unseen in training, their items not scored: {counted}")
    if scores.missing:
        print(f"classes of the model without an item here: {', '.join(scores.missing)}")


def _write_history(classifier: GridClassifier, path: Path) -> None:
    import pandas as pd

    _prepare(path)
    pd.DataFrame(classifier.history_).to_csv(path, index=False)


def _list_skipped(skipped: Iterable[Skipped]) -> None:
    for each in skipped:
        _note(f"  {each.item}: {each.reason}")


def _report_skipped(skipped: Sequence[Skipped], n_items: int, output: Path) -> bool:
    """List what was skipped on stderr and in a csv beside the model; return whether it was too much."""
    import pandas as pd

    path = output.with_name(f"{output.name}.skipped.csv")
    if not skipped:
        path.unlink(missing_ok=True)  # an earlier run's list would mislead
        return False
    pd.DataFrame(skipped, columns=["item", "reason"]).to_csv(path, index=False)
    _note(f"skipped {len(skipped)} of {n_items} items, listed in {path}:")
    _list_skipped(skipped)
    too_many = len(skipped) > TOLERATED_SHARE * n_items
    if too_many:
        _note(f"more than {TOLERATED_SHARE:.0%} of the items were skipped: the model is saved, but check the data.")
    return too_many
