"""The display of a search: a live table of the best trials on a terminal, one plain line a trial elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from gridcnn.cli.output import add_row, table
from gridcnn.display import printable
from gridcnn.training.progress import progress_reporter
from gridcnn.training.schedule import in_words as duration
from gridcnn.tuning.records import Tried, Watcher, best_first, in_words, score_name_of_trials

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gridcnn.model import EpochRecord, Network

__all__ = ["TrialsDisplay"]

MOST_SHOWN = 5


class TrialsDisplay(Watcher):
    """Shows a search, and then the last training as `gridcnn train` does.

    Parameters
    ----------
    console : Console
        Standard error.
    quiet : bool
        Show messages only.
    several : bool
        Whether items may have several labels.
    """

    def __init__(self, console: Console, *, quiet: bool = False, several: bool = False) -> None:
        self._console, self._quiet, self._score = console, quiet, score_name_of_trials(several=several)
        self._training = progress_reporter(console, quiet=quiet)
        self._live: Live | None = None
        if not quiet and (console.is_terminal or console.is_jupyter):
            self._live = Live(console=console, refresh_per_second=4, transient=True, auto_refresh=False)
        self._searching = True
        self._known: set[int] = set()
        self._trials: Sequence[Tried] = ()
        self._wanted: int | None = None
        self._now, self._epoch, self._epochs = "", 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        self._training.on_end()  # items that are encoded behind the last epoch opened its bars again

    def on_message(self, line: str) -> None:
        """Print a line, above the table."""
        self._training.on_message(line)

    def on_trial(self, number: int, told: Mapping[str, str]) -> None:
        """Show what is tried now."""
        self._now, self._epoch = f"trial {number}: {in_words(told)}", 0
        self._show()

    def on_trials(self, trials: Sequence[Tried], wanted: int | None) -> None:
        """Show the best trials, or print those that are new."""
        self._trials, self._wanted = trials, wanted
        new = [each for each in trials if each.number not in self._known]
        self._known |= {each.number for each in new}
        if self._live is None and not self._quiet:
            for each in new:
                self._training.on_message(str(each))
        self._show()

    def on_searched(self) -> None:
        """Leave the table on the screen."""
        self._close()
        if not self._quiet and best_first(self._trials):
            self._console.print(self._table())

    def on_encode(self, done: int, total: int) -> None:
        """Pass the counts on in the last training."""
        if not self._searching:
            self._training.on_encode(done, total)

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Note the epochs of a trial."""
        if not self._searching:
            self._training.on_start(epochs, steps_per_epoch)
        self._epochs = epochs

    def on_step(self, n_samples: int) -> None:
        """Pass it on in the last training."""
        if not self._searching:
            self._training.on_step(n_samples)

    def on_epoch(self, record: EpochRecord, network: Network) -> None:
        """Show how far a trial is."""
        if not self._searching:
            self._training.on_epoch(record, network)
            return
        self._epoch = record.epoch
        self._show()

    def on_end(self) -> None:
        """Pass it on in the last training."""
        if not self._searching:
            self._training.on_end()

    def _close(self) -> None:
        self._searching = False
        if self._live is not None:
            self._live.stop()

    def _show(self) -> None:
        if self._live is None or not self._searching:
            return
        self._live.start()
        self._live.update(self._table_and_trial(), refresh=True)

    def _table_and_trial(self) -> RenderableType:
        far = f", epoch {self._epoch} of {self._epochs}" if self._epoch else ""
        return Group(self._table(), Text(printable(f"{self._now}{far}"), overflow="ellipsis", no_wrap=True))

    def _table(self) -> RenderableType:
        of = "" if self._wanted is None or self._wanted >= 2**31 else f" of {self._wanted}"
        shown = table("trial", self._score, "time", "settings", title=f"{len(self._trials)}{of} trials; the best:")
        for each in best_first(self._trials)[:MOST_SHOWN]:
            add_row(shown, each.number, f"{each.accuracy:.4f}", duration(each.seconds), each.settings)
        return shown
