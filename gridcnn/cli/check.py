"""`gridcnn check`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from gridcnn.cli.columns import Columns
from gridcnn.cli.options import EncodingOption, EndOption, PathOption, StartOption, TextOption
from gridcnn.cli.output import list_skipped, note, prepare_page, printable_lines, written
from gridcnn.cli.sources import adapter_for, located, read_unlabelled
from gridcnn.cli.waiting import Waiting
from gridcnn.display import counted
from gridcnn.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from gridcnn.datasets import Dataset
    from gridcnn.datasets.remote import RemoteFile
    from gridcnn.evaluation.axes import GridReport
    from gridcnn.ordering import AxesReport, OrderReport

_VERDICT_CODES = {"ordered": 0, "exchangeable": 3, "undecided": 4}


def check(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A csv, tsv, parquet or jsonl table, also s3://BUCKET/FILE, a .npy array (n, A, B…), a folder of "
            "pictures or sounds, or the name of a data set from `gridcnn datasets`.",
        ),
    ],
    *,
    label: Annotated[
        str | None,
        typer.Option(
            "--label",
            metavar="COLUMN",
            help="Column of labels, which can only help to find an order. If none is found, models that need no order "
            "are scored.",
        ),
    ] = None,
    text: TextOption = None,
    path: PathOption = None,
    start: StartOption = None,
    end: EndOption = None,
    encoding: EncodingOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write a page (.html) with the figure.")
    ] = None,
    alpha: Annotated[
        float,
        typer.Option(
            "--alpha",
            help="Level of the tests, such as 0.01: how often columns without an order may be called ordered.",
        ),
    ] = 0.01,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="The same seed gives the same report.")] = 0,
) -> None:
    """Test whether the order of a table's columns, or of the cells along each axis of an array or grid, matters.

    Exit code 0: ordered, or an array with at least one ordered axis whose other axes are channels. 3: exchangeable, so
    the columns could be shuffled. 4: undecided. A large table is sampled rather than read into memory.
    """
    if output is not None:
        prepare_page(output, [source])
    from gridcnn.ordering.prepare import check_alpha

    check_alpha(alpha)
    columns = Columns(label=label, text=text, path=path, start=start, end=end, encoding=encoding)
    with Waiting(Console(stderr=True), "reading") as waiting:
        report = _check(source, columns, {"alpha": alpha, "random_state": seed}, waiting)
        if output is not None:
            from gridcnn.render.ordering_page import ordering_page

            waiting.now("drawing")
            with written(output) as file:
                file.write(ordering_page(report))
    print(json.dumps(report.to_dict(), indent=2) if as_json else printable_lines(report))
    raise typer.Exit(_VERDICT_CODES[report.verdict])


def _check(
    source: str, columns: Columns, how: dict[str, Any], waiting: Waiting
) -> OrderReport | AxesReport | GridReport:
    from gridcnn.datasets.arrays import load_array
    from gridcnn.datasets.remote import RemoteFile, is_remote
    from gridcnn.datasets.sheets import table_path
    from gridcnn.ordering import check_axes, check_order

    if is_remote(source):
        remote = RemoteFile(source)
        if remote.suffix.lower() not in {".parquet", ".csv", ".tsv"} or columns.text or columns.path:
            raise ConfigurationError(f"{source}: of a remote storage, tables are checked: a parquet, csv or tsv file.")
        if not remote.is_file():
            raise DataError(f"{source}: no such file: check the spelling.")
        return _check_table(remote, columns, how, waiting)
    place = table_path(source)
    if place.suffix.lower() == ".npy":
        if columns.given():
            raise ConfigurationError(f"{', '.join(columns.given())}: an array has no columns with names: leave it out.")
        array = load_array(place)
        waiting.now("checking")
        return (check_order if array.ndim <= 2 else check_axes)(array, **how)
    if place.is_file() and columns.text is None and columns.path is None and not located(source).is_dir():
        return _check_table(place, columns, how, waiting)
    data = read_unlabelled(source, columns)
    for sentence in data.notes:
        note(sentence)
    adapter = adapter_for(data, {})
    if adapter.reads_rows:
        waiting.now("checking")
        ordered = check_order(data.items, data.labels, alternatives=data.labels is not None, **how)
        return replace(ordered, warnings=(*ordered.warnings, *_of_training(data, ordered, label=None)))

    from gridcnn.evaluation.axes import check_grids

    report = check_grids(adapter, data.items, **how, progress=waiting.progress)
    skipped = [*data.skipped, *report.skipped]
    if skipped:
        note(f"{counted(len(skipped), 'item')} could not be read, left out here:")
        list_skipped(skipped)
    for sentence in adapter.remarks():
        note(sentence)
    return report


def _check_table(place: Path | RemoteFile, columns: Columns, how: dict[str, Any], waiting: Waiting) -> OrderReport:
    from gridcnn.datasets import sample_table
    from gridcnn.ordering import check_order

    sample = sample_table(
        str(place),
        label=columns.label,
        encoding=columns.encoding,
        random_state=how["random_state"],
        progress=waiting.progress,
    )
    waiting.now("checking")
    data = sample.data
    report = check_order(data.items, data.labels, alternatives=columns.label is not None, **how)
    warnings = list(report.warnings)
    if not sample.whole:
        where = "all over the file"
        if not isinstance(place, Path) and place.suffix.lower() == ".parquet":
            where = "the beginnings of row groups all over the file"
        warnings.append(f"{len(data)} rows from {where} stand for it; another --seed takes others")
    if sample.malformed:
        warnings.append(f"{counted(sample.malformed, 'row')} with too few or too many cells left out")
    if data.skipped:
        warnings.append(f"{counted(len(data.skipped), 'row')} without {columns.label} left out")
    if columns.label is None and "label" in getattr(data.items, "columns", ()):
        warnings.append("column label was checked like the others: if it holds the labels, say --label label")
    warnings += [*data.notes, *_of_training(data, report, columns.label)]
    return replace(report, rows=sample.rows, warnings=tuple(warnings))


def _of_training(data: Dataset, report: OrderReport, label: str | None) -> list[str]:
    """Say what training would say of these rows and labels: what it remarks on, or why it refuses them."""
    import numpy as np

    from gridcnn.adapters import TableAdapter
    from gridcnn.pipeline.labels import check_classes, check_labels

    said = []
    if data.labels is not None:
        try:
            check_classes(np.unique(check_labels(data.labels, len(data))), len(data))
        except DataError as error:
            said.append(f"training refuses the labels{f' in {label}' if label else ''}: {error}")
    if report.verdict == "ordered" and not report.left_out:
        try:
            said += TableAdapter().fit(data.items, report=report).remarks()
        except DataError as error:
            said.append(f"training refuses this table: {error}")
    return said
