"""Prediction by many processes with Ray Data: read, encode and compute, in the order of the items.

    a task for each input     reads its items, and yields units of them: paths, texts, rows
    tasks                     encode a unit, as the adapter does it everywhere
    actors, the workers       compute the answers of what is encoded; each has the model once, and one thread
    this process              takes the answers in the order of the items

Every step gives the same whenever it is repeated, so that Ray may do again what a lost process or node had done. Ray
Data holds each step back while the next one is busy: what is under way does not grow with the number of items.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gridcnn.adapters import Adapter
from gridcnn.adapters.limits import limited
from gridcnn.bundle import load
from gridcnn.errors import GridcnnError
from gridcnn.inference.predictions import answers_of
from gridcnn.inference.predictor import predictor
from gridcnn.model import FittedModel
from gridcnn.pipeline.device import choose_device
from gridcnn.pipeline.encode import EncodedItems, encode_ahead
from gridcnn.pipeline.parallel import set_computing_threads
from gridcnn.predictions import Predictions
from gridcnn.scale.passed import Beginning
from gridcnn.scale.session import by_client, ray_module

__all__ = ["Answered", "Job", "answered"]

FEWEST, MOST = 32, 2048
"""Items of a unit; fewer where there are few items, so that all workers have some."""

UNITS_OF_A_WORKER = 4

_READING, _ENCODING, _COMPUTING = 0.25, 0.5, 0.01
"""CPUs of each step, as Ray counts them: they differ, or Ray Data would make one step of two. Workers need next to
none, so that those of a lost node find a place on any other; tasks that encode wait where a node is full."""


@dataclass(frozen=True)
class Job:
    """What each process has to know.

    Parameters
    ----------
    model : bytes
        The content of the file of a saved model.
    read : callable
        From the fitted adapter and the number of an input to its items: pairs of the name that answers have, and the
        item.
    n_inputs : int
        Number of inputs.
    rows : callable
        From answers to the bytes of their rows.
    promises : mapping
        Parameters of `AnswerRule.of`.
    precision : str
        As in `predict`.
    limits : mapping
        How much an item may have, see `gridcnn.adapters.limits`.
    unit : int
        Items that are read, encoded and computed together, at most.
    passed : sequence of Beginning
        What is left out of each input, since it is answered already; empty if nothing is.
    """

    model: bytes = field(repr=False)
    read: Callable[[Adapter, int], Iterable[tuple[str, Any]]]
    n_inputs: int
    rows: Callable[[Predictions], bytes]
    promises: Mapping[str, Any]
    precision: str = "float32"
    limits: Mapping[str, float] = field(default_factory=dict)
    unit: int = MOST
    passed: Sequence[Beginning] = ()

    @property
    def digest(self) -> str:
        """The SHA-256 of the model."""
        return hashlib.sha256(self.model).hexdigest()

    @staticmethod
    def unit_for(n_items: int, workers: int) -> int:
        """Return how many items a unit should have."""
        return min(max(n_items // (workers * UNITS_OF_A_WORKER), FEWEST), MOST)


@dataclass(frozen=True)
class Answered:
    """The answers for some items.

    Parameters
    ----------
    rows : bytes
        What `Job.rows` made of them.
    n_rows : int
        How many there are.
    failed : list of (str, str)
        The names of the items that have no answer, and why.
    """

    rows: bytes
    n_rows: int
    failed: Sequence[tuple[str, str]]


def answered(job: Job, workers: int) -> Iterator[Answered]:
    """Yield the answers for all items, in their order, computed by so many workers; Ray has to be connected.

    Raises
    ------
    GridcnnError
        That was raised by a worker; an item that cannot be read is no error, but has one in its row.
    """
    ray = ray_module("data")
    try:
        yield from _answered_afar(ray, job, workers) if by_client() else _answered_here(ray, job, workers)
    except ray.exceptions.RayError as error:
        raise _cause(error) from error


def _answered_here(ray: Any, job: Job, workers: int) -> Iterator[Answered]:
    """Yield the answers; this process is one of the cluster, and leads the others."""
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current().copy()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.execution_options.preserve_order = True
    context.target_max_block_size = context.target_min_block_size = 1  # of bytes: each unit is a block of its own
    sent = _Sent(dataclasses.replace(job, model=b""), job.digest, ray.put(job.model))
    by_unit = {"batch_size": None, "batch_format": "numpy", "zero_copy_batch": True, "concurrency": workers}
    warnings.filterwarnings("ignore", message="The m(ax|in)imum number of concurrent")  # an input is many units
    with ray.data.DataContext.current(context):
        read = ray.data.read_datasource(
            _inputs(ray, sent),
            override_num_blocks=job.n_inputs,
            num_cpus=_READING,
        )
        encoded = read.map_batches(_encode, fn_args=(sent,), num_cpus=_ENCODING, **by_unit)
        computed = encoded.map_batches(_Worker, fn_constructor_args=(sent,), num_cpus=_COMPUTING, **by_unit)
        for batch in computed.iter_batches(batch_size=None, batch_format="numpy"):
            yield from batch["answered"]


def _answered_afar(ray: Any, job: Job, workers: int) -> Iterator[Answered]:
    """Yield the answers; a process of the cluster leads the others, and this one asks it for part after part."""
    leader = ray.remote(num_cpus=0)(_Leader).remote(job, workers)
    coming = leader.next.remote()
    while (part := ray.get(coming)) is not None:
        coming = leader.next.remote()
        yield part


class _Leader:
    """Stands in for a process that is none of the cluster, from which Ray Data cannot be led."""

    def __init__(self, job: Job, workers: int) -> None:
        self._parts = answered(job, workers)

    def next(self) -> Answered | None:
        """Return the next answers; None at the end."""
        return next(self._parts, None)


def _cause(error: BaseException) -> BaseException:
    """Return the error of ours that Ray has wrapped, or its own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, GridcnnError):
            return cause
        cause = getattr(cause, "cause", None) or cause.__cause__
    return error


def _inputs(ray: Any, sent: _Sent) -> Any:
    """Return the inputs as Ray Data reads them: one task for each."""
    from ray.data.block import BlockMetadata

    class Inputs(ray.data.Datasource):  # type: ignore[misc]
        """The inputs of a job."""

        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[Any]:
            nothing_known = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
            return [ray.data.ReadTask(_reader(sent, number), nothing_known) for number in range(sent.job.n_inputs)]

    return Inputs()


# ---- on the workers -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sent:
    """A job on its way: the model is held by Ray, so that what is sent to each process is small."""

    job: Job
    digest: str
    model: Any


@dataclass(frozen=True)
class _Unit:
    """Items that are encoded together, and what answers call them."""

    names: list[str]
    items: list[Any]


@dataclass(frozen=True)
class _EncodedUnit:
    names: list[str]
    encoded: EncodedItems


def _reader(sent: _Sent, number: int) -> Callable[[], Iterator[Any]]:
    def read() -> Iterator[Any]:
        from ray.data.block import BlockAccessor

        with limited(**sent.job.limits):
            items = iter(sent.job.read(_loaded(sent).adapter, number))
            if sent.job.passed:
                sent.job.passed[number].pass_over(items)
            while some := list(itertools.islice(items, sent.job.unit)):
                names, values = zip(*some, strict=True)
                yield BlockAccessor.batch_to_block({"unit": _cell(_Unit(list(names), list(values)))})

    return read


def _encode(batch: Mapping[str, Any], sent: _Sent) -> Iterator[dict[str, Any]]:
    adapter = _loaded(sent).adapter
    with limited(**sent.job.limits):
        for unit in batch["unit"]:
            names = iter(unit.names)
            for some, encoded in encode_ahead(adapter, unit.items, n_jobs=1, part=sent.job.unit):
                yield {"encoded": _cell(_EncodedUnit(list(itertools.islice(names, len(some))), encoded))}


class _Worker:
    """Computes answers, in one thread."""

    def __init__(self, sent: _Sent) -> None:
        job = sent.job
        set_computing_threads(1)
        self._model = _loaded(sent)
        self._rule = self._model.rule(**job.promises)
        self._compute = predictor(self._model.network, choose_device(), job.precision)
        self._rows = job.rows

    def __call__(self, batch: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for unit in batch["encoded"]:
            answers = answers_of(self._model, self._compute, unit.names, unit.encoded, 0, self._rule)
            failed = [(name, why) for name, why in zip(answers.items, answers.errors, strict=True) if why]
            yield {"answered": _cell(Answered(self._rows(answers), len(answers), failed))}


def _cell(value: Any) -> np.ndarray:
    """Return a column of one object: Arrow would take a sequence apart."""
    cell = np.empty(1, dtype=object)
    cell[0] = value
    return cell


_models: dict[str, FittedModel] = {}


def _loaded(sent: _Sent) -> FittedModel:
    """Return the model of a job, loaded once in each process."""
    if sent.digest not in _models:
        with tempfile.TemporaryDirectory(prefix="gridcnn-") as folder:
            file = Path(folder) / "model.safetensors"
            file.write_bytes(ray_module().get(sent.model))
            _models.clear()
            _models[sent.digest] = load(file)
    return _models[sent.digest]
