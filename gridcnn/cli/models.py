"""A saved model at work: loaded, scored, and the item in one row of a file."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gridcnn.cli.asking import read_inputs
from gridcnn.cli.columns import Columns
from gridcnn.cli.hub_sources import column_of_bytes
from gridcnn.cli.named_files import lists_logs, require_numbers
from gridcnn.cli.segmented import has_parts, long_item, names_in, read_by
from gridcnn.cli.sources import TABLE_FILES, holds_rows, located, lying, read_labelled
from gridcnn.errors import ConfigurationError, DataError, ItemError, Skipped
from gridcnn.stored import Stored

if TYPE_CHECKING:
    from gridcnn.answer_rule import AnswerRule
    from gridcnn.datasets import Dataset
    from gridcnn.evaluation.metrics import Evaluation
    from gridcnn.evaluation.trust import Trust
    from gridcnn.model import FittedModel

ROW = re.compile(r"(.+), row (\d+)")

LINE = re.compile(r"(.+), line (\d+)")

PART = re.compile(r"(.+), ([\d.]+) to ([\d.]+)( s)?")
"""A part of a recording, log or text, as answers name it."""


class Scored(NamedTuple):
    """How good a model is on labelled items.

    Parameters
    ----------
    scores : Evaluation
        Accuracy and all that.
    trust : Trust
        Whether its probabilities, its sets and its being unsure hold.
    unreadable : list of Skipped
        Items that could not be read, with reasons.
    n_trained_on : int
        Number of the scored items that it was trained on.
    """

    scores: Evaluation
    trust: Trust
    unreadable: list[Skipped]
    n_trained_on: int


def load_model(model: Path, threads: int | None = None) -> FittedModel:
    """Load a model that `gridcnn train` saved, and compute with so many threads."""
    from gridcnn.bundle import load
    from gridcnn.pipeline.parallel import set_computing_threads

    set_computing_threads(threads)
    return load(located_model(model))


def read_for(model: FittedModel, source: str, columns: Columns, *, as_events: bool = False) -> Dataset:
    """Read labelled items as a model reads them; those that cannot be read are listed in `skipped`."""
    adapter = model.adapter
    data = read_labelled(source, columns, on_error="skip", adapter=adapter, allow_one_class=True, as_events=as_events)
    return read_by(data, model)


def part_to_score(data: Dataset, name: str | None) -> Dataset:
    """Return the part of a divided set on which a model is scored, the test part unless one is named.

    Raises
    ------
    ConfigurationError
        If it has no such part, or is not divided, and a part was named.
    """
    if data.split is None and name is None:
        return data
    if data.split is None:
        raise ConfigurationError(
            f"--split-part {name}: {data.name} comes undivided: name the column of its parts with --split COLUMN, or "
            "leave --split-part out."
        )
    from gridcnn.datasets.dataset import SPLIT_NAMES

    wanted = "test" if name is None else SPLIT_NAMES.get(name.lower(), name)
    parts = sorted(set(map(str, data.split)))
    if wanted not in parts:
        raise ConfigurationError(
            f"{data.name} has no part {wanted!r} to score, and holds {', '.join(parts)}: say which is meant, such as "
            f"--split-part {parts[-1]}."
        )
    return replace(data.part(wanted), skipped=data.skipped)


def located_model(model: Path) -> Path:
    """Return the file of a model, which is downloaded first if its name is `hf://USER/NAME`; torch is not needed."""
    from gridcnn.export.hub import fetch, is_hub_name

    return fetch(model) if is_hub_name(model) and not model.exists() else model


def score_items(model: FittedModel, data: Dataset, rule: AnswerRule | None = None) -> Scored:
    """Score the readable items, whose answers are made by a rule."""
    import numpy as np

    from gridcnn.evaluation.metrics import evaluate
    from gridcnn.evaluation.trust import measure_trust
    from gridcnn.inference import predict

    assert data.labels is not None  # for the type checker: read_labelled always asks for labels
    answers = predict(model, data.items, fingerprints=True, rule=rule)
    good = answers.good
    names = names_in(data) or answers.items
    unreadable = [Skipped(name, why) for name, why in zip(names, answers.errors, strict=True) if why]
    scores = evaluate(data.labels[good], answers.most_probable[good], model.classes.tolist())
    assert answers.fingerprints is not None  # for the type checker: they were asked for
    scored = np.isin(data.labels[good].astype(str), model.class_names)
    trust = measure_trust(answers, data.labels)
    assert trust is not None  # for the type checker: without a known class, `evaluate` has raised
    return Scored(scores, trust, unreadable, int(model.trained_on(answers.fingerprints[good][scored]).sum()))


def one_item(model: FittedModel, item: str, row: int | None, columns: Columns) -> tuple[Any, str | None]:
    """Return the raw item that a person named, and its name if that does not follow from the item.

    Parameters
    ----------
    item : str
        A file, a sentence, or with `row` a file of rows; also a row or a part as answers name it, such as
        "a.parquet, row 7" and "log.csv, 60 to 101".
    """
    from gridcnn.datasets.encoding import decode
    from gridcnn.datasets.logs import LOG_FILES
    from gridcnn.datasets.remote import RemoteFile, is_remote

    if is_remote(item) and model.adapter.reads_files and row is None:
        return RemoteFile(item), None
    if row is None and (found := ROW.fullmatch(item)) and os.path.isfile(found[1]):  # noqa: PTH113
        item, row = found[1], int(found[2])
    if row is None and model.adapter.reads_texts and (found := LINE.fullmatch(item)) and os.path.isfile(found[1]):  # noqa: PTH113
        return _line(model, found[1], int(found[2])), item
    found = PART.fullmatch(item) if row is None and has_parts(model.adapter) else None
    if found is not None and os.path.isfile(found[1]):  # noqa: PTH113
        whole = long_item(Path(found[1]), model.adapter, columns.encoding)
        part = model.adapter.part(whole, float(found[2]), float(found[3]), surrounded=model.background is not None)
        return part, item
    if found is not None and not (model.adapter.reads_texts or os.path.isfile(item)):  # noqa: PTH113
        raise DataError(
            f"{found[1]}: no such file, seen from {Path.cwd()}: check the spelling, or give its whole path."
        )
    place = lying(item) if model.adapter.reads_files and row is None else located(item)
    is_table = not (model.adapter.reads_texts or model.adapter.reads_files)
    if row is None and columns.given():
        raise ConfigurationError(f"{', '.join(columns.given())}: for a row of a file, so say which one: --row NUMBER.")
    if isinstance(place, Stored):
        if place.is_dir():
            raise ConfigurationError(f"{item} holds a folder: name one {model.adapter.noun}, as a file.")
        return place, None
    is_file = os.path.isfile(place)  # noqa: PTH113  (a sentence may be too long for a name)
    if row is not None:
        return item_of_row(model, place, row, columns), f"{place.name}, row {row}" if is_table else None
    if model.adapter.reads_logs and place.suffix.lower() in LOG_FILES:
        (source,) = read_inputs([item], model.adapter, columns)
        asked = next(source.items())
        if asked.row is None:  # or its rows are the items
            return asked.item, asked.name
    if is_table:
        raise ConfigurationError(f"{item}: this model reads rows of a table: name a file and a row, table.csv --row 2.")
    if is_file and holds_rows(place):
        raise ConfigurationError(f"{item} lists several items: say which row is meant, such as --row 2.")
    if model.adapter.reads_texts and is_file:
        return decode(place.read_bytes(), place, None), place.name
    if model.adapter.reads_files and place.is_dir():
        raise ConfigurationError(f"{item} is a folder: name one {model.adapter.noun}, as a file.")
    return (str(place) if is_file else item), None


def _line(model: FittedModel, file: str, number: int) -> str:
    """Return a line of a file of texts."""
    (source,) = read_inputs([file], model.adapter, Columns())
    asked = next(itertools.islice(source.items(), number - 1, None), None)
    if asked is None:
        raise DataError(f"{file} has no line {number}: its lines are 1 to {source.n_items}.")
    if isinstance(asked.item, ItemError):
        raise DataError(f"{asked.name}: {asked.item.reason}")
    text: str = asked.item
    return text


def item_of_row(model: FittedModel, place: Path, number: int, columns: Columns) -> Any:
    """Return the item in one row of a file; rows have the numbers that a spreadsheet shows."""
    from gridcnn.datasets import load_table

    adapter = model.adapter
    if not place.is_file() or not holds_rows(place):
        raise DataError(f"{place}: --row takes a row of a file that ends in {TABLE_FILES}.")
    if not (adapter.reads_texts or adapter.reads_files or (adapter.reads_logs and lists_logs(place, columns))):
        table: Any = load_table(place, encoding=columns.encoding).items
        _require_row(place, number, table.index)
        return require_numbers(table.loc[[number]], adapter, place, f"{place}, row {number}", columns.encoding)[0]
    if adapter.reads_files and (stored := column_of_bytes(place, columns.path)) is not None:
        from gridcnn.datasets.hub_parquet import rows_of
        from gridcnn.datasets.shards import Cell, Shard

        _require_row(place, number, range(1, rows_of(place) + 1))
        return Cell(Shard.of(place, stored), number)
    (source,) = read_inputs([str(place)], adapter, columns, surrounded=model.background is not None)
    rows = []
    for asked in source.items():
        if asked.row == number:
            if isinstance(asked.item, ItemError):
                raise DataError(f"{asked.name}: {asked.item.reason}")
            return asked.item
        rows.append(asked.row or 0)
    _require_row(place, number, rows)
    raise AssertionError  # for the type checker: the row is none of these


def _require_row(place: Path, number: int, rows: Collection[int]) -> None:
    if number not in rows:
        raise DataError(f"{place} has no row {number}: its items stand in rows {min(rows)} to {max(rows)}.")
