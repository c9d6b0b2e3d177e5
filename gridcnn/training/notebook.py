"""The display of a training in a notebook: a bar of HTML that is drawn anew as it moves, without widgets."""

from __future__ import annotations

import html
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from gridcnn.display import printable
from gridcnn.model import EpochRecord, Network
from gridcnn.multilabel import score_name
from gridcnn.training.callbacks import Callback
from gridcnn.training.schedule import in_words, place_of

__all__ = ["NotebookProgress", "notebook_progress"]

SECONDS_BETWEEN = 0.25
"""Drawing more often would fill the messages between kernel and browser."""


def notebook_progress() -> NotebookProgress | None:
    """Return a display for the notebook in which this runs; None elsewhere, such as in a terminal or in a program."""
    ipython: Any = sys.modules.get("IPython")  # imported by whatever runs the notebook
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or getattr(shell, "kernel", None) is None:
        return None
    from_text, display = ipython.display.HTML, ipython.display.display
    handle = display(from_text(""), display_id=True)
    return NotebookProgress(lambda text: handle.update(from_text(text)))


class NotebookProgress(Callback):
    """A bar, the scores of the last epoch, and the messages of the training.

    Parameters
    ----------
    draw : callable
        Shows HTML in place of what it showed before.
    """

    def __init__(self, draw: Callable[[str], Any]) -> None:
        self._draw = draw
        self._lines: list[str] = []
        self._what, self._done, self._total, self._scores = "", 0, 0, ""
        self._epochs = self._before = self._samples = 0
        self._started = self._drawn = 0.0

    def on_message(self, line: str) -> None:
        """Add the line."""
        self._lines.append(line)
        self._show(now=True)

    def on_encode(self, done: int, total: int) -> None:
        """Move the bar of items read."""
        self._what, self._done, self._total, self._scores = "reading", done, total, f"{done:,} of {total:,} items"
        self._show()

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Begin the bar of a training."""
        self._epochs, self._before, self._samples = epochs, 0, 0
        self._what, self._done, self._total, self._scores = (
            place_of(1, epochs, steps_per_epoch),
            0,
            epochs * steps_per_epoch,
            "",
        )
        self._started = time.perf_counter()
        self._show(now=True)

    def on_resume(self, history: Sequence[EpochRecord], steps: int) -> None:
        """Move the bar to where the training goes on."""
        self._before = len(history) * (self._total // max(self._epochs, 1)) + steps
        self._done = self._before
        self._show(now=True)

    def on_step(self, n_samples: int) -> None:
        """Move the bar by one batch."""
        self._done += 1
        self._samples += n_samples
        self._show()

    def on_epoch(self, record: EpochRecord, network: Network) -> None:
        """Show the scores of the epoch that ended."""
        self._what = place_of(min(record.epoch + 1, self._epochs), self._epochs, self._total // max(self._epochs, 1))
        validation = record.validation_accuracy
        held_out = "" if math.isnan(validation) else f", validation {validation:.3f}"
        self._scores = f"loss {record.loss:.4f}, {score_name(several=network.several)} {record.accuracy:.3f}{held_out}"
        self._show()

    def on_end(self) -> None:
        """Leave the last state, also of a training that ended early."""
        self._show(now=True)

    def _show(self, *, now: bool = False) -> None:
        seconds = time.perf_counter()
        if now or self._done >= self._total or seconds - self._drawn >= SECONDS_BETWEEN:
            self._drawn = seconds
            self._draw(self._html(seconds - self._started))

    def _html(self, seconds: float) -> str:
        parts = [f"<progress value='{self._done}' max='{max(self._total, 1)}'></progress>", html.escape(self._what)]
        if self._scores:
            parts.append(html.escape(self._scores))
        gone = self._done - self._before
        if self._samples and gone > 0 and self._done < self._total:
            left = seconds / gone * (self._total - self._done)
            parts.append(f"{self._samples / max(seconds, 1e-9):,.0f} samples/s, {html.escape(in_words(left))} left")
        bar = f"<div>{' &nbsp; '.join(parts)}</div>" if self._what else ""
        lines = "".join(f"<div style='opacity:.7'>{html.escape(printable(line))}</div>" for line in self._lines)
        return f"<div style='font-size:90%'>{lines}{bar}</div>"
