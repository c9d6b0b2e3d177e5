"""`gridcnn predict --workers`: the same rows, computed by many processes and written as shards."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from gridcnn.cli.answers import columns_of
from gridcnn.cli.asking import STANDARD_INPUT, Source
from gridcnn.cli.formats import Parquet
from gridcnn.cli.models import located_model
from gridcnn.cli.output import note
from gridcnn.cli.remote_sources import source_of
from gridcnn.cli.rows import count
from gridcnn.cli.sources import Columns
from gridcnn.cli.waiting import Waiting
from gridcnn.errors import ConfigurationError
from gridcnn.stored import Stored

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.predictions import Predictions

__all__ = ["predict_on_workers", "require_local"]


@dataclass(frozen=True)
class Reading:
    """The inputs of a command, as any process can read them.

    Parameters
    ----------
    inputs : tuple of str
        As they were given.
    columns : Columns
        Of tables.
    folder : str
        The folder in which they were given: a worker begins in another one.
    """

    inputs: tuple[str, ...]
    columns: Columns
    folder: str

    def sources(self, adapter: Adapter) -> list[Source]:
        """Return all inputs, checked as far as possible."""
        return [self.source(adapter, number) for number in range(len(self.inputs))]

    def source(self, adapter: Adapter, number: int) -> Source:
        """Return one input."""
        return source_of(self.inputs[number], adapter, self.columns)

    def __call__(self, adapter: Adapter, number: int) -> Iterator[tuple[str, Any]]:
        """Yield the names and the items of one input; a path is made absolute, since others open it."""
        with contextlib.chdir(self.folder) if os.path.isdir(self.folder) else contextlib.nullcontext():  # noqa: PTH112
            for asked in self.source(adapter, number).items():
                yield asked.name, _absolute(asked.item, adapter)


def _absolute(item: Any, adapter: Adapter) -> Any:
    if isinstance(item, Stored):
        return item.whole()
    if adapter.reads_files and isinstance(item, str | os.PathLike):
        return Path(os.path.abspath(item))  # noqa: PTH100  (links stay as they are)
    return item


def require_local(names: Sequence[str], address: str | None) -> None:
    """Refuse what needs workers, if there are none."""
    from gridcnn.datasets.remote import is_remote

    if address is not None:
        raise ConfigurationError("--ray-address is the cluster of --workers: say how many, such as --workers 4.")
    if remote := [name for name in names if is_remote(name)]:
        raise ConfigurationError(f"{remote[0]} is written by workers: say how many, such as --workers 1.")


def predict_on_workers(
    model: Path,
    inputs: Sequence[str],
    output: str | None,
    columns: Columns,
    promises: Mapping[str, Any],
    *,
    precision: str,
    workers: int,
    address: str | None,
    refused: Mapping[str, bool],
) -> tuple[int, int]:
    """Predict all items by so many processes, write the shards, and return the number of rows and of failed ones.

    `refused` are options that do not go with `--workers`, and whether each was given.
    """
    if wrong := [option for option, given in refused.items() if given]:
        raise ConfigurationError(f"{wrong[0]} does not go with --workers, which writes shards anew: leave it out.")
    if output is None:
        raise ConfigurationError("with --workers the result is a folder of parquet files: name it with -o FOLDER.")
    if STANDARD_INPUT in inputs:
        raise ConfigurationError("'-' is standard input, which other processes cannot read: give a file to --workers.")

    from gridcnn.adapters.limits import current
    from gridcnn.bundle import load
    from gridcnn.scale.session import connected, ray_module

    ray_module("data")
    from gridcnn.scale.predicting import Job, answered
    from gridcnn.scale.shards import Shards, place_of
    from gridcnn.scale.sharing import require_shared

    console = Console(stderr=True)
    with Waiting(console, "reading") as waiting:
        file = located_model(model)
        fitted = load(file)
        rule = fitted.rule(**promises)
        reading = Reading(tuple(inputs), columns, str(Path.cwd()))
        sources = reading.sources(fitted.adapter)
        n_items = count(sources)
        assert n_items is not None  # for the type checker: only standard input has no end that is known
        written = columns_of(rule)
        schema = Parquet([column for column, _ in written]).schema
        content = file.read_bytes()
        job = Job(
            content,
            reading,
            len(inputs),
            _rows,
            promises,
            precision,
            dict(current()),
            Job.unit_for(n_items, workers),
        )
        about = {
            "gridcnn": version("gridcnn"),
            "model": {"name": str(model), "sha256": hashlib.sha256(content).hexdigest()},
            "inputs": list(inputs),
            "columns": [column.name for column, _ in written],
        }
        waiting.now("starting workers")
        with connected(address, workers):
            require_shared([Path(os.path.abspath(name)) for name in inputs if os.path.exists(name)])  # noqa: PTH100, PTH110
            place = place_of(output)
            with Shards(place, schema, about) as shards:
                waiting.now("predicting")
                for part in answered(job, workers):
                    shards.add(part.rows, part.failed)
                    waiting.progress(shards.n_rows, n_items)
                if shards.n_rows != n_items:
                    raise ConfigurationError(
                        f"there were {n_items:,} items at the beginning, and {shards.n_rows:,} are answered: the "
                        "inputs were changed meanwhile, so predict again."
                    )
    for line in rule.notes:
        note(line)
    return shards.n_rows, shards.n_failed


def _rows(answers: Predictions) -> bytes:
    """Return the rows of some answers as a record batch; the columns are those of `predict` without workers."""
    assert answers.rule is not None  # for the type checker
    written = columns_of(answers.rule)
    return Parquet([column for column, _ in written]).rows([values(answers) for _, values in written])
