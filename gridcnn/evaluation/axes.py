"""The ordering check of the grids that an adapter makes of its items, axis by axis."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from gridcnn.adapters.base import Adapter, sample_of
from gridcnn.display import as_text, none_can
from gridcnn.errors import DataError, Skipped
from gridcnn.grid import Axis, GridSpec
from gridcnn.ordering import OrderReport, Verdict, check_axes, check_order
from gridcnn.pipeline.encode import Progress, encode_items

__all__ = ["GridReport", "check_grids"]

ITEMS = 2000
BATCH = 64
FEWEST_SYMBOLS = 8


@dataclass(frozen=True)
class GridReport:
    """A verdict for each axis of the grids that an adapter makes.

    Attributes
    ----------
    spec : GridSpec
        The grids: channels, then the axes that the adapter declares ordered.
    reports : tuple of OrderReport
        One report for the channels and one for each ordered axis.
    items, items_used : int
        Number of items, and of those that were looked at.
    skipped : tuple of Skipped
        Items that could not be read, and why.
    axes : tuple of Axis
        The channels, then the ordered axes.
    verdict : {"ordered", "exchangeable", "undecided"}
        On the axes that kernels slide along: ordered if all are, exchangeable if one is, else undecided.
    reason : str
        One sentence in plain words.
    """

    spec: GridSpec
    reports: tuple[OrderReport, ...]
    items: int
    items_used: int
    skipped: tuple[Skipped, ...] = ()

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The channels, then the ordered axes."""
        return (self.spec.channels, *self.spec.axes)

    @property
    def verdict(self) -> Verdict:
        """Verdict on the axes that kernels slide along: ordered if all are, exchangeable if one is, else undecided."""
        verdicts = [report.verdict for report in self.reports[1:]]
        if "exchangeable" in verdicts:
            return "exchangeable"
        return "undecided" if "undecided" in verdicts else "ordered"

    @property
    def reason(self) -> str:
        """One sentence in plain words."""
        return {
            "ordered": f"Along {_listed(self.spec.axes)} neighbours are related, so kernels may slide there.",
            "exchangeable": "An axis that kernels would slide along could be shuffled without losing anything.",
            "undecided": "Not every axis that kernels would slide along could be shown to be ordered.",
        }[self.verdict]

    def _repr_html_(self) -> str:
        """Show the report in a notebook."""
        return as_text(str(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "grid": str(self.spec),
            "items": self.items,
            "items_used": self.items_used,
            "skipped": [each._asdict() for each in self.skipped],
            "axes": [
                {"name": axis.name, "size": axis.size, "taken for": "ordered" if axis.ordered else "channels"}
                | report.to_dict()
                for axis, report in zip(self.axes, self.reports, strict=True)
            ],
        }

    def __str__(self) -> str:
        lines = [
            f"{self.verdict.upper()}: {self.reason}",
            "",
            f"looked at   {self.items_used} of {self.items} items, as grids of {self.spec}",
        ]
        for axis, report in zip(self.axes, self.reports, strict=True):
            if axis.size > 1:
                lines.append(f"{axis.name:11} {report.verdict}: {report.reason}")
        return "\n".join(textwrap.fill(line, 88, subsequent_indent=" " * 12) if line else "" for line in lines)


def check_grids(
    adapter: Adapter,
    items: Sequence[Any],
    *,
    n_jobs: int | None = None,
    alpha: float = 0.01,
    random_state: int = 0,
    progress: Progress | None = None,
) -> GridReport:
    """Check each axis of the grids that an adapter makes of some hundred items.

    The finished grids are checked, except along an axis of symbols, such as the tokens of a text: an untrained
    embedding says nothing about which symbols follow each other, so the symbols themselves are checked, in the items
    that are long enough to need no padding.

    Parameters
    ----------
    adapter : Adapter
        Is fitted to the items.
    items : sequence
        Raw items; at most 2,000 of them are looked at.
    n_jobs : int, optional
        Number of threads that read items; None takes the cores that this process may use.
    alpha : float, default 0.01
        Level of the tests, see `check_axes`.
    random_state : int, default 0
        Seed of the frontend and of the check.
    progress : callable, optional
        Called with the number of items read and the number of all items.

    Returns
    -------
    GridReport
        One verdict for each axis.

    Raises
    ------
    DataError
        If no item can be read.

    Examples
    --------
    >>> from gridcnn.adapters import ImageAdapter
    >>> from gridcnn.datasets import load
    >>> check_grids(ImageAdapter(), load("digits").items).verdict
    'ordered'
    """
    sample = sample_of(items, ITEMS)
    adapter.fit(sample)
    encoded = encode_items(adapter, sample, on_error="skip", n_jobs=n_jobs, progress=progress)
    first = np.unique(encoded.item, return_index=True)[1]  # further windows of an item are no further evidence
    if not len(first):
        worst = encoded.skipped[0]
        raise DataError(f"{none_can(len(sample), 'item')} be read; the first: {worst.item}: {worst.reason}")
    windows = np.asarray(encoded.windows[first])
    reports = check_axes(_apply_frontend(adapter, windows, random_state), alpha=alpha, random_state=random_state).axes
    sequences = [symbols for at in encoded.item[first] if (symbols := adapter.symbols(sample[at])) is not None]
    if sequences:
        reports = (reports[0], _check_symbols(adapter, sequences, alpha, random_state))
    return GridReport(adapter.spec_, reports, len(items), len(first), encoded.skipped)


def _apply_frontend(adapter: Adapter, windows: np.ndarray, seed: int) -> np.ndarray:
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        frontend = adapter.frontend().eval()
        batches = [torch.from_numpy(windows[at : at + BATCH]) for at in range(0, len(windows), BATCH)]
        return torch.cat([frontend(batch) for batch in batches]).numpy()


def _check_symbols(adapter: Adapter, sequences: list[list[str]], alpha: float, seed: int) -> OrderReport:
    """Check the axis of symbols by which symbol follows which; padding would always make it look ordered."""
    (axis,) = adapter.spec_.axes
    length = min(axis.size, max(FEWEST_SYMBOLS, int(np.median([len(symbols) for symbols in sequences]))))
    full = [symbols[:length] for symbols in sequences if len(symbols) >= length]
    if full:
        codes = pd.factorize(np.ravel(full))[0].reshape(-1, length)
        return check_order(codes, kind="categorical", alpha=alpha, random_state=seed)
    reason = f"No {adapter.noun} has {length} {axis.name}s or more: too few to tell order from chance."
    return OrderReport("undecided", reason, "size", len(sequences), axis.size, 0, 0)


def _listed(axes: Sequence[Axis]) -> str:
    return " and ".join(axis.name for axis in axes)
