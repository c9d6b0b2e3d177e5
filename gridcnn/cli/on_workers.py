"""`gridcnn predict --workers`: the same rows, computed by many processes and written as shards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from gridcnn.cli.answers import columns_of
from gridcnn.cli.asking import STANDARD_INPUT, Source
from gridcnn.cli.columns import Columns
from gridcnn.cli.formats import Parquet
from gridcnn.cli.models import located_model
from gridcnn.cli.output import note
from gridcnn.cli.remote_sources import source_of
from gridcnn.cli.resuming import differences, what_makes
from gridcnn.cli.rows import count
from gridcnn.cli.stopping import exit_code
from gridcnn.cli.waiting import Waiting
from gridcnn.display import printable
from gridcnn.errors import ConfigurationError
from gridcnn.stored import Stored

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.predictions import Predictions
    from gridcnn.scale.passed import Beginning
    from gridcnn.scale.shards import Shards

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
    resume: bool,
    refused: Mapping[str, bool],
) -> tuple[int, int]:
    """Predict all items by so many processes, write the shards, and return the number of rows and of failed ones.

    `refused` are options that do not go with `--workers`, and whether each was given.
    """
    output = _checked(refused, output, inputs)
    from gridcnn.adapters.limits import current
    from gridcnn.bundle import load
    from gridcnn.scale.session import connected, ray_module

    ray_module("data")
    from gridcnn.scale.predicting import Job, answered
    from gridcnn.scale.shards import Shards, place_of
    from gridcnn.scale.sharing import require_shared

    shards = None
    with Waiting(Console(stderr=True), "reading") as waiting:
        file = located_model(model)
        fitted = load(file)
        rule = fitted.rule(**promises)
        reading = Reading(tuple(inputs), columns, str(Path.cwd()))
        sources = reading.sources(fitted.adapter)
        n_items = count(sources)
        assert n_items is not None  # for the type checker: only standard input has no end that is known
        written = columns_of(rule)
        names = [column.name for column, _ in written]
        unit = Job.unit_for(n_items, workers)
        job = Job(file.read_bytes(), reading, len(inputs), _rows, promises, precision, dict(current()), unit)
        about = {
            "gridcnn": version("gridcnn"),
            "model": {"name": str(model), "sha256": job.digest},
            "inputs": list(inputs),
            "columns": names,
        }
        options = {"--text": columns.text, "--path": columns.path, "--encoding": columns.encoding,
                   "--precision": precision, **{f"--{name.replace('_', '-')}": each for name, each in promises.items()},
                   **{f"--max-{name}": most for name, most in current().items()}}  # fmt: skip
        run = _what_makes(file, names, sources, options)
        waiting.now("starting workers")
        try:
            with connected(address, workers):
                require_shared([Path(os.path.abspath(name)) for name in inputs if os.path.exists(name)])  # noqa: PTH100, PTH110
                place = place_of(output, resume=resume)
                with Shards(place, Parquet([column for column, _ in written]).schema, about) as shards:
                    job = replace(job, passed=_passed(shards, run, sources, resume=resume))
                    waiting.now("predicting")
                    for part in answered(job, workers):
                        shards.add(part.rows, part.failed)
                        waiting.progress(shards.n_rows, n_items)
                    if shards.n_rows != n_items:
                        raise ConfigurationError(
                            f"there were {n_items:,} items at the beginning, and {shards.n_rows:,} are answered: the "
                            "inputs were changed meanwhile, so predict again."
                        )
        except KeyboardInterrupt as stopped:
            note(_kept(shards, output, n_items) or f"stopped: none of {n_items:,} items is answered.")
            raise typer.Exit(exit_code(stopped)) from None
        except Exception:
            if line := _kept(shards, output, n_items):
                note(line)
            raise
    for line in rule.notes:
        note(line)
    print(printable(f"{shards.n_rows:,} rows written to {output}, in {_counted(shards)}"))
    return shards.n_rows, shards.n_failed


def _checked(refused: Mapping[str, bool], output: str | None, inputs: Sequence[str]) -> str:
    """Refuse what does not go with workers, and return the name of the folder."""
    if wrong := [option for option, given in refused.items() if given]:
        raise ConfigurationError(f"{wrong[0]} does not go with --workers, which writes shards: leave it out.")
    if output is None:
        raise ConfigurationError("with --workers the result is a folder of parquet files: name it with -o FOLDER.")
    if STANDARD_INPUT in inputs:
        raise ConfigurationError("'-' is standard input, which other processes cannot read: give a file to --workers.")
    return output


def _what_makes(
    model: Path, columns: Sequence[str], sources: Sequence[Source], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Describe a run, JSON-ready; a file whose content is not looked at is told by its size and time."""
    from gridcnn.datasets.remote import RemoteFile, is_remote

    run = what_makes(model, columns, sources, options)
    for each in run["inputs"]:
        name, digest = each
        place = RemoteFile(name) if is_remote(name) else Path(name)
        if not digest and place.is_file():
            known = place.stat()
            each[1] = f"{known.st_size} {getattr(known, 'st_mtime_ns', '')}"
    return run


def _passed(
    shards: Shards, run: Mapping[str, Any], sources: Sequence[Source], *, resume: bool
) -> tuple[Beginning, ...]:
    """Take what an earlier run has written, and return what of each input that is."""
    from gridcnn.scale.passed import Passed

    passed = Passed([(source.name, source.n_items or 0) for source in sources])
    shards.go_on(run, lambda before: differences(before, run), passed.see)
    if shards.n_rows:
        note(f"--resume: {shards.n_rows:,} items are answered already, in {_counted(shards)}.")
        return passed.beginnings
    if resume:
        note("--resume: there are no shards to go on with, so this begins anew.")
    return ()


def _counted(shards: Shards) -> str:
    return f"{shards.n_shards:,} shard{'' if shards.n_shards == 1 else 's'}"


def _kept(shards: Shards | None, output: str, n_items: int) -> str:
    """Say what is there after a command was stopped; nothing if nothing is."""
    if shards is None or not shards.n_shards:
        return ""
    return (
        f"stopped: {shards.n_rows:,} of {n_items:,} items are answered, in {output}; the same command with --resume "
        "goes on."
    )


def _rows(answers: Predictions) -> bytes:
    """Return the rows of some answers as a record batch; the columns are those of `predict` without workers."""
    assert answers.rule is not None  # for the type checker
    written = columns_of(answers.rule)
    return Parquet([column for column, _ in written]).rows([values(answers) for _, values in written])
