"""`gridcnn predict`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridcnn.cli.models import load_model
from gridcnn.cli.options import EncodingOption, ModelArgument, PathOption, TextOption, ThreadsOption
from gridcnn.cli.output import note, prepare_output
from gridcnn.cli.sources import MANIFESTS, Columns, read_rows
from gridcnn.errors import DataError, Skipped

if TYPE_CHECKING:
    import pandas as pd

    from gridcnn.adapters import Adapter
    from gridcnn.model import FittedModel


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
    threads: ThreadsOption = None,
) -> None:
    """Predict classes: one row per item with its prediction, a probability per class, and its error if it has one."""
    if output is not None:
        prepare_output(output)
    fitted = load_model(model, threads)
    rows = _predict(fitted, inputs, Columns(text=text, path=path, encoding=encoding))
    rows.to_csv(sys.stdout if output is None else output, index=False, float_format="%.6g")
    n_failed = int((rows["error"] != "").sum())
    if n_failed:
        note(f"{n_failed} of {len(rows)} items could not be predicted: see their error column.")
    if n_failed == len(rows):
        raise typer.Exit(1)


def _predict(model: FittedModel, inputs: Iterable[str], columns: Columns) -> pd.DataFrame:
    """Return one row an item, in the order of the inputs; an item that is known to be unreadable keeps its row."""
    import pandas as pd

    from gridcnn.inference import predict

    adapter = model.adapter
    if not (adapter.reads_texts or adapter.reads_files):
        tables = [_read_table(source, columns.encoding) for source in inputs]
        return predict(model, pd.concat(tables, ignore_index=True)).to_frame()
    items = [item for source in inputs for item in _read_items(source, adapter, columns)]
    good = [position for position, item in enumerate(items) if not isinstance(item, Skipped)]
    rows = predict(model, [items[position] for position in good]).to_frame()
    rows.index = pd.Index(good)
    rows = rows.reindex(range(len(items))).astype({"item": object, "prediction": object, "error": object})
    for position, item in enumerate(items):
        if isinstance(item, Skipped):
            rows.loc[position, ["item", "error"]] = [item.item, item.reason]
    return rows


def _read_table(source: str, encoding: str | None) -> pd.DataFrame:
    import pandas as pd

    from gridcnn.datasets import load, load_table

    data = load_table(source, encoding=encoding) if Path(source).suffix else load(source)
    return pd.DataFrame(data.items)


def _read_items(source: str, adapter: Adapter, columns: Columns) -> list[Any]:
    """Return the items of one INPUT in their order; one that is known to be unreadable already is a `Skipped`."""
    place = Path(source)
    if source == "-":
        if not adapter.reads_texts:
            raise DataError(f"'-' reads sentences, and this model reads {adapter.modality}: give files or a folder.")
        return _lines(sys.stdin.buffer.read(), Path("standard input"), columns.encoding)
    if place.is_dir():
        return _from_folder(place, adapter)
    if place.suffix.lower() in MANIFESTS:
        return list(read_rows(place, adapter, columns).values())
    if not adapter.reads_texts:
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


def _from_folder(place: Path, adapter: Adapter) -> list[Any]:
    from gridcnn.datasets import list_media_files

    if adapter.reads_texts:
        raise DataError(f"{place} is a folder, and this model reads text: give a csv file, or - for standard input.")
    found = list_media_files(place)
    if found.modality != adapter.modality:
        raise DataError(f"{place} holds files of kind {found.modality}, and this model reads {adapter.modality}.")
    return sorted(
        [*map(str, found.items), *found.skipped], key=lambda each: each if isinstance(each, str) else each.item
    )
