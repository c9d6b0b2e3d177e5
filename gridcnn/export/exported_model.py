"""An exported model at work in onnxruntime: the same answers as the fitted one's, without torch."""

from __future__ import annotations

import functools
import hashlib
import importlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from gridcnn import adapters
from gridcnn.answer_rule import AnswerRule, background_index
from gridcnn.certainty import Certainty
from gridcnn.errors import (
    BundleError,
    BundleVersionError,
    ExportError,
    ItemError,
    MissingAdapterError,
    NotABundleError,
    TamperedBundleError,
)
from gridcnn.export.onnx_outline import outline
from gridcnn.multilabel import stored_thresholds
from gridcnn.parameters import check
from gridcnn.predictions import NOT_FINITE, Predictions, name_of, stored_labels
from gridcnn.stored_json import parsed

__all__ = [
    "DIGEST",
    "FORMAT",
    "FORMAT_VERSION",
    "PLACE_OF_DIGEST",
    "SEVERAL_LABELS",
    "ExportedModel",
    "is_exported",
    "require",
    "stacked",
]

FORMAT, FORMAT_VERSION, SEVERAL_LABELS = "gridcnn_format", 1, 2
"""Key of the format, the usual format, and that of a model with several labels an item."""

DIGEST, PLACE_OF_DIGEST = "gridcnn_digest", "0" * 64
"""Key of the digest in the metadata, and what stands in its place while it is computed."""

PART = 128
"""Items that are decoded ahead, and answered together where they have one shape."""

BYTES_OF_PART = 2**26
"""Bytes of decoded items after which a part ends early."""

MOST_NUMBERS = 2**24
"""Numbers of a batch."""

MOST_MEMORY = 2**33
"""Bytes that graphs may take at work, all those of a process together."""

BYTES_A_CHARACTER = 32
"""Room that a character takes in the graph of a text, in a matrix as wide as the longest text of the batch."""


def require(package: str) -> Any:
    """Import an optional package; ExportError with the command that installs it."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # onnxruntime would report its use over the network
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ExportError(
            f"{package} is not installed, which exported models need: pip install 'gridcnn[export]'"
        ) from error


def is_exported(path: str | Path) -> bool:
    """Whether a name is that of an exported model."""
    return Path(path).suffix.lower() == ".onnx"


class ExportedModel:
    """A model that `gridcnn export` wrote, ready to answer.

    Parameters
    ----------
    source : path or bytes
        The file, or its content.
    threads : int or None
        Threads that compute; None means one a core.

    Attributes
    ----------
    adapter : Adapter
        The fitted adapter, which decodes items and has its cautions about them.
    classes : ndarray of shape (n_classes,)
        The labels.
    background : int or None
        Index of the class that is trained on and never given as an answer.
    certainty : Certainty
        What held-out items told about the probabilities; its temperature is in the graph.
    thresholds : ndarray of shape (n_classes,) or None
        The probability from which an item has each label; None if every item has one label.
    metadata : dict of str to str
        The texts in the file.

    Raises
    ------
    NotABundleError
        If there is no such file, or gridcnn did not write it.
    TamperedBundleError
        If it was changed after it was written.
    BundleVersionError
        If another version of gridcnn wrote it, in a format that this one does not read.
    ExportError
        If onnxruntime is not installed.
    """

    def __init__(self, source: str | Path | bytes, threads: int | None = None) -> None:
        name = "this model" if isinstance(source, bytes) else str(source)
        content = source if isinstance(source, bytes) else _read(Path(source))
        self.metadata = _metadata(content, name)
        _check(content, self.metadata, name)
        try:
            described = parsed(self.metadata["gridcnn"].encode())
            check(described, {"adapter": adapters.STORED})
            stored = described["adapter"]
            kind = adapters.installed(stored["name"], stored["package"])
            if kind is None:
                raise MissingAdapterError(name, stored["name"], stored["package"])
            self.adapter = adapters.from_state(stored["name"], stored["settings"], stored["state"])
            self.classes = stored_labels(described["classes"]["kind"], described["classes"]["labels"])
            self.background = background_index(self.classes, described.get("background"))
            self.certainty = Certainty.from_dict(described.get("certainty"), len(self.classes))
            self.thresholds = stored_thresholds(described.get("thresholds"), len(self.classes))
        except BundleError:
            raise
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise TamperedBundleError(f"{name}: its parts do not agree with each other ({error})") from error
        self._session = _session(content, name, threads)
        if "probabilities" not in [each.name for each in self._session.get_outputs()]:
            raise TamperedBundleError(f"{name}: it does not answer with probabilities. Export it again")
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise TamperedBundleError(f"{name}: it takes {len(inputs)} inputs instead of one. Export it again")
        self._input, self._name = inputs[0], name

    def __call__(self, batch: Any) -> np.ndarray:
        """Return the probabilities of a batch of decoded items of one shape, float64 `(batch, n_classes)`."""
        try:
            (probabilities,) = self._session.run(["probabilities"], {self._input.name: batch})
        except Exception as error:  # onnxruntime has errors of its own
            raise ExportError(
                f"{self._name} cannot compute {len(batch)} items of this size: its graph is faulty, or would take more "
                f"than {MOST_MEMORY / 2**30:g} GiB of memory"
            ) from error
        answers: np.ndarray = probabilities.astype(np.float64)
        if answers.shape != (len(batch), len(self.classes)):
            raise TamperedBundleError(f"{self._name}: it does not answer for its {len(self.classes)} classes")
        return answers

    def rule(self, *, abstain: float | None = None, sets: float | None = None, by_class: bool = False) -> AnswerRule:
        """Return how probabilities become answers, see `AnswerRule.of`."""
        return AnswerRule.of(
            self.classes,
            self.background,
            self.certainty,
            abstain=abstain,
            sets=sets,
            by_class=by_class,
            thresholds=self.thresholds,
        )

    def predict(self, items: Any, rule: AnswerRule | None = None) -> Predictions:
        """Return the answers for raw items, by a rule; an item without an answer has an error in its place."""
        rule = rule or self.rule()
        parts = list(self.predict_in_parts(self.adapter.check_items(items), rule))
        return Predictions(
            [name for part in parts for name in part.items],
            np.concatenate([np.empty((0, len(self.classes))), *(part.probabilities for part in parts)]),
            [error for part in parts for error in part.errors],
            self.classes,
            rule=rule,
        )

    def predict_in_parts(self, items: Iterable[Any], rule: AnswerRule | None = None) -> Iterator[Predictions]:
        """Yield the answers for some items at a time, in order; the next ones are decoded meanwhile.

        `items` are as in `gridcnn.inference.predict_in_parts`. The parts depend on them only.
        """
        rule = rule or self.rule()
        source, before = iter(items), 0
        some = list(itertools.islice(source, PART))
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(self._decoded, some) if some else None
            while ahead is not None:
                decoded = ahead.result()
                part, some = some[: len(decoded)], some[len(decoded) :]
                some += itertools.islice(source, PART - len(some))
                ahead = pool.submit(self._decoded, some) if some else None
                yield self._answered(part, before, decoded, rule)
                before += len(part)

    def _decoded(self, items: Sequence[Any]) -> list[Any]:
        """Return what each item is decoded to, or the reason why it cannot be; of large items only the first ones."""
        decoded: list[Any] = []
        size = 0
        for item in items:
            try:
                decoded.append(item if isinstance(item, ItemError) else self.adapter.decode(item))
            except ItemError as error:
                decoded.append(error)
            size += getattr(decoded[-1], "nbytes", 0)
            if size >= BYTES_OF_PART:
                break
        return decoded

    def _answered(self, items: Sequence[Any], before: int, decoded: Sequence[Any], rule: AnswerRule) -> Predictions:
        errors = {at: each.reason for at, each in enumerate(decoded) if isinstance(each, ItemError)}
        probabilities = np.full((len(decoded), len(self.classes)), np.nan)
        for batch in _batches(decoded):
            probabilities[batch] = self(stacked([decoded[at] for at in batch]))
            bad = ~np.isfinite(probabilities[batch]).all(axis=1)
            errors |= dict.fromkeys(np.asarray(batch)[bad].tolist(), NOT_FINITE)
        probabilities[list(errors)] = np.nan
        return Predictions(
            [name_of(it.item if isinstance(it, ItemError) else it, before + at) for at, it in enumerate(items)],
            probabilities,
            [errors.get(at, "") for at in range(len(decoded))],
            self.classes,
            rule=rule,
        )


def _batches(decoded: Sequence[Any]) -> Iterator[list[int]]:
    """Yield the places of items of one shape, not too much at once; texts of like length stand together."""
    by_shape: dict[Any, list[tuple[int, int]]] = {}
    for at, each in enumerate(decoded):
        if not isinstance(each, ItemError):
            size = len(each) * BYTES_A_CHARACTER if isinstance(each, str) else np.size(each)
            by_shape.setdefault(np.shape(each), []).append((size, at))
    for sized in by_shape.values():
        batch: list[int] = []
        for size, at in sorted(sized):
            if batch and (len(batch) + 1) * size > MOST_NUMBERS:
                yield batch
                batch = []
            batch.append(at)
        yield batch


def stacked(items: Sequence[Any]) -> np.ndarray:
    """Return a batch of decoded items of one shape, as the input of an exported model takes it."""
    return np.array(items, dtype=object) if isinstance(items[0], str) else np.stack(items)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise NotABundleError(f"{path}: there is no such file")
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror})") from error


def _session(content: bytes, name: str, threads: int | None) -> Any:
    runtime = require("onnxruntime")
    _bound_memory(runtime)
    options = runtime.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")  # the one that is bounded
    options.log_severity_level = 4  # what goes wrong is raised
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if threads or told.isdecimal():
        options.intra_op_num_threads = threads or int(told)
    try:
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has errors of its own
        raise NotABundleError(f"{name} is not an ONNX model that onnxruntime can load") from error


@functools.cache
def _bound_memory(runtime: Any) -> None:
    """Let all exported models of this process take so much memory together: a graph can ask for any amount."""
    arena = runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = runtime.OrtMemoryInfo("Cpu", arena, 0, runtime.OrtMemType.DEFAULT)
    runtime.create_and_register_allocator(memory, runtime.OrtArenaCfg({"max_mem": MOST_MEMORY}))


def _metadata(content: bytes, name: str) -> dict[str, str]:
    """Return the texts of a file that has nothing in it which gridcnn would not have written."""
    try:
        texts, odd = outline(content)
    except ValueError as error:
        raise NotABundleError(f"{name} is not an ONNX model ({error})") from error
    if FORMAT not in texts or "gridcnn" not in texts:
        raise NotABundleError(f"{name} is an ONNX model, but not one that gridcnn wrote")
    if odd:
        raise TamperedBundleError(f"{name} has {odd}, which no model has that gridcnn exports: it is not computed")
    return texts


def _check(content: bytes, metadata: dict[str, str], name: str) -> None:
    version = metadata[FORMAT]
    if version not in {str(FORMAT_VERSION), str(SEVERAL_LABELS)}:
        raise BundleVersionError(f"{name} has format {version[:20]}, but this gridcnn reads format {FORMAT_VERSION}")
    digest = metadata.get(DIGEST, "")
    plain = content.replace(digest.encode(), PLACE_OF_DIGEST.encode()) if len(digest) == len(PLACE_OF_DIGEST) else b""
    if hashlib.sha256(plain).hexdigest() != digest:
        raise TamperedBundleError(
            f"{name} was changed after it was written: its digest does not match. Export it again"
        )
