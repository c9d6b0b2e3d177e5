"""The display of a training: a live bar on a terminal or in a notebook, one plain line per epoch elsewhere."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from gridcnn.display import counted, printable
from gridcnn.multilabel import score_name
from gridcnn.training.callbacks import Callback
from gridcnn.training.notebook import notebook_progress
from gridcnn.training.schedule import in_words, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridcnn.model import EpochRecord, Network

__all__ = ["LiveProgress", "Messages", "PlainProgress", "Progress", "progress_reporter"]

SECONDS_BETWEEN_LINES = 1.0


def progress_reporter(console: Console, *, quiet: bool = False) -> Messages:
    """Choose the display of progress.

    Parameters
    ----------
    console : Console
        Standard error, so that results on standard output stay clean.
    quiet : bool, default=False
        Show messages only.

    Returns
    -------
    Messages, LiveProgress or PlainProgress
        A callback of the training.
    """
    if quiet:
        return Messages(console)
    return LiveProgress(console) if console.is_terminal else PlainProgress(console)


class Progress(Callback):
    """Shows how a training goes on: in a notebook, on a terminal, or line by line on standard error.

    Examples
    --------
    >>> import gridcnn
    >>> classifier = gridcnn.GridClassifier(callbacks=[gridcnn.Progress()])
    """

    def __init__(self) -> None:
        self._display: Callback | None = None

    def __reduce__(self) -> tuple[type[Progress], tuple[()]]:
        """Copy no display: a copy, such as scikit-learn's clone, has one of its own."""
        return type(self), ()

    def _shown(self) -> Callback:
        if self._display is None:
            notebook = notebook_progress()
            self._display = progress_reporter(Console(stderr=True)) if notebook is None else notebook
        return self._display

    def on_message(self, line: str) -> None:
        """Show the line."""
        self._shown().on_message(line)

    def on_encode(self, done: int, total: int) -> None:
        """Show how many items are read."""
        self._shown().on_encode(done, total)

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Begin a bar."""
        self._shown().on_start(epochs, steps_per_epoch)

    def on_resume(self, history: Sequence[EpochRecord], steps: int) -> None:
        """Move the bar to where the training goes on."""
        self._shown().on_resume(history, steps)

    def on_step(self, n_samples: int) -> None:
        """Move the bar by a batch."""
        self._shown().on_step(n_samples)

    def on_epoch(self, record: EpochRecord, network: Network) -> None:
        """Show the scores."""
        self._shown().on_epoch(record, network)

    def on_end(self) -> None:
        """Leave the last state."""
        self._shown().on_end()


class Messages(Callback):
    """Only what a person must know of a training."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def on_message(self, line: str) -> None:
        """Print the line, above the bars if there are any."""
        self._print(line)

    def _print(self, line: str) -> None:
        self._console.print(printable(line), soft_wrap=True, highlight=False, markup=False, emoji=False)


class PlainProgress(Messages):
    """A line per epoch, and where these are short, at most one a second: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._epochs = self._steps = self._before = 0
        self._started = self._next_line = 0.0
        self._reading: float | None = None

    def on_encode(self, done: int, total: int) -> None:
        """Print that all items are read, if that took a moment."""
        self._reading = self._reading or time.perf_counter()
        if done == total:
            if time.perf_counter() - self._reading >= SECONDS_BETWEEN_LINES:
                self._print(f"decoded {counted(total, 'item')}")
            self._reading = None

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Note how many epochs there will be at most."""
        self._epochs, self._steps, self._before = epochs, steps_per_epoch, 0
        self._started = self._next_line = time.perf_counter()

    def on_resume(self, history: Sequence[EpochRecord], steps: int) -> None:
        """Note how many epochs took no time now."""
        self._before = len(history)

    def on_step(self, n_samples: int) -> None:
        """Print nothing: steps are for the live bar."""

    def on_epoch(self, record: EpochRecord, network: Network) -> None:
        """Print the epoch's scores and the time left."""
        now = time.perf_counter()
        if now < self._next_line and record.epoch < self._epochs:
            return
        self._next_line = now + SECONDS_BETWEEN_LINES
        left = (now - self._started) / (record.epoch - self._before) * (self._epochs - record.epoch)
        speed = f"{record.samples_per_second:,.0f} samples/s"
        place = place_of(record.epoch, self._epochs, self._steps)
        left_over = f"  {in_words(left)} left" if self._epochs * self._steps > 1 else ""
        self._print(f"{place}  {_scores(record, network)}  {speed}{left_over}")

    def on_end(self) -> None:
        """Nothing to close."""


class LiveProgress(Messages):
    """A bar that moves with every step: epoch, score, samples per second, time left. It fits 80 columns."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),
            TextColumn("{task.fields[scores]}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(compact=True),
            console=console,
        )
        self._reading: TaskID | None = None
        self._training: TaskID | None = None
        self._epochs = self._steps = self._samples = 0
        self._started = 0.0

    def on_encode(self, done: int, total: int) -> None:
        """Move the bar of items read."""
        if self._reading is None:
            self._reading = self._add("reading", total)
        self._bars.update(self._reading, completed=done, total=total)
        if done == total:
            self._bars.remove_task(self._reading)
            self._reading = None

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Open the bar of the training."""
        self._epochs, self._steps, self._samples = epochs, steps_per_epoch, 0
        self._started = time.perf_counter()
        self._training = self._add(place_of(1, epochs, steps_per_epoch), epochs * steps_per_epoch)

    def on_resume(self, history: Sequence[EpochRecord], steps: int) -> None:
        """Move the bar to where the training goes on."""
        if self._training is not None:
            upcoming = min(len(history) + 1, self._epochs)
            done = len(history) * self._steps + steps
            self._bars.update(self._training, completed=done, description=place_of(upcoming, self._epochs, self._steps))

    def on_step(self, n_samples: int) -> None:
        """Move the bar by one batch."""
        if self._training is None:
            return
        self._samples += n_samples
        speed = self._samples / max(time.perf_counter() - self._started, 1e-9)
        self._bars.update(self._training, advance=1, speed=f"{speed:,.0f} samples/s")

    def on_epoch(self, record: EpochRecord, network: Network) -> None:
        """Show the scores of the epoch that ended."""
        if self._training is None:
            return
        upcoming = min(record.epoch + 1, self._epochs)
        self._bars.update(
            self._training, description=place_of(upcoming, self._epochs, self._steps), scores=_short(record, network)
        )

    def on_end(self) -> None:
        """Leave the last state on the screen and give the terminal back."""
        self._bars.stop()

    def _add(self, description: str, total: int) -> TaskID:
        self._bars.start()
        return self._bars.add_task(description, total=total, scores="", speed="")


def _short(record: EpochRecord, network: Network) -> str:
    validation = "" if math.isnan(record.validation_accuracy) else f", validation {record.validation_accuracy:.3f}"
    name = score_name(several=network.several).removesuffix(" precision")  # there are 80 columns
    return f"{name} {record.accuracy:.3f}{validation}"


def _scores(record: EpochRecord, network: Network) -> str:
    name = score_name(several=network.several)
    parts = [f"loss {record.loss:.4f}", f"{name} {record.accuracy:.3f}"]
    if not math.isnan(record.validation_loss):
        parts.append(f"validation loss {record.validation_loss:.4f}")
        parts.append(f"validation {name} {record.validation_accuracy:.3f}")
    return "  ".join(parts)
