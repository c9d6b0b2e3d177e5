"""The one hook into training: callbacks that observe, and may stop it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gridcnn.model import EpochRecord, Network
from gridcnn.training.state import TrainingState

__all__ = ["Callback", "CallbackList", "EarlyStopping"]


class Callback:
    """Observes a training; progress displays, early stopping and searches are callbacks.

    A subclass overrides the methods that it needs; these do nothing. `on_step` and `on_epoch` end the training, with
    the best weights so far, if they return True. All run in the thread that trains, so they should be quick.
    """

    def on_message(self, line: str) -> None:
        """Called with one line about the next part of the work, or about a decision."""

    def on_encode(self, done: int, total: int) -> None:
        """Called when `done` of `total` items are encoded."""

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Called before the first step of a training; a fit that refits has two trainings."""

    def on_state(self, state: TrainingState) -> None:
        """Called after `on_start` with the state of the training, which may be captured or replaced."""

    def on_resume(self, history: Sequence[EpochRecord], steps: int) -> bool | None:
        """Called if an earlier state was restored, with the epochs that it has behind it and the steps of the next.

        A callback that would have stopped the training after these epochs returns True.
        """

    def on_step(self, n_samples: int) -> bool | None:
        """Called after each step, over `n_samples` examples."""

    def on_epoch(self, record: EpochRecord, network: Network) -> bool | None:
        """Called after each epoch with its scores and the network as it is now, in evaluation mode or not."""

    def on_end(self) -> None:
        """Called after the last step, also if an error or a person ended the training."""


class CallbackList(Callback):
    """Several callbacks as one; every one of them is called, and any of them may stop the training."""

    def __init__(self, callbacks: Iterable[Callback] = ()) -> None:
        self.callbacks = list(callbacks)

    def on_message(self, line: str) -> None:
        """Pass the line on."""
        for each in self.callbacks:
            each.on_message(line)

    def on_encode(self, done: int, total: int) -> None:
        """Pass the counts on."""
        for each in self.callbacks:
            each.on_encode(done, total)

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Pass the counts on."""
        for each in self.callbacks:
            each.on_start(epochs, steps_per_epoch)

    def on_state(self, state: TrainingState) -> None:
        """Pass the state on."""
        for each in self.callbacks:
            each.on_state(state)

    def on_resume(self, history: Sequence[EpochRecord], steps: int) -> bool:
        """Return whether any callback would have stopped the training."""
        answers = [each.on_resume(history, steps) for each in self.callbacks]
        return any(answers)

    def on_step(self, n_samples: int) -> bool:
        """Return whether any callback stops the training."""
        answers = [each.on_step(n_samples) for each in self.callbacks]
        return any(answers)

    def on_epoch(self, record: EpochRecord, network: Network) -> bool:
        """Return whether any callback stops the training."""
        answers = [each.on_epoch(record, network) for each in self.callbacks]
        return any(answers)

    def on_end(self) -> None:
        """Tell every callback."""
        for each in self.callbacks:
            each.on_end()


class EarlyStopping(Callback):
    """Stops after `patience` epochs without a higher validation accuracy, or ranking precision.

    Parameters
    ----------
    patience : int
        At least 1.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self._highest, self._epoch = -1.0, 0

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Forget an earlier training."""
        self._highest, self._epoch = -1.0, 0

    def on_resume(self, history: Sequence[EpochRecord], steps: int) -> bool:
        """Learn from the epochs that are done; return whether the last improvement was too long ago."""
        return any(self._too_long(record) for record in history)

    def on_epoch(self, record: EpochRecord, network: Network) -> bool:
        """Return whether the last improvement is too long ago."""
        return self._too_long(record)

    def _too_long(self, record: EpochRecord) -> bool:
        if record.validation_accuracy > self._highest:  # NaN without a validation split: never
            self._highest, self._epoch = record.validation_accuracy, record.epoch
        return self._highest >= 0 and record.epoch - self._epoch >= self.patience
