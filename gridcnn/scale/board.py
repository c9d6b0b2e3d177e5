"""What happens in a training by workers, written by the first of them and read where the command runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from gridcnn.model import EpochRecord, Network
from gridcnn.scale.session import ray_module
from gridcnn.training.callbacks import Callback

__all__ = ["ASKED_EVERY", "Board", "Writing"]

ASKED_EVERY = 0.5
"""Seconds between two looks for what is new, in both directions."""


class Board:
    """Where the first worker writes what happens, and reads whether it should stop."""

    def __init__(self) -> None:
        self.events: list[tuple[str, tuple[Any, ...]]] = []
        self.wish = ""
        self.places: list[Any] = []
        self.n_gone = 0

    def take(self, place: Any) -> None:
        """Note the placement group of Ray that the workers run in."""
        self.places.append(place)

    def given_up(self) -> list[Any]:
        """Return the placement groups since the last time."""
        places, self.places = self.places, []
        return places

    def write(self, events: list[tuple[str, tuple[Any, ...]]]) -> str:
        """Add events; return whether to "stop" or to "interrupt", or nothing."""
        self.events += events
        return self.wish

    def read(self, n_heard: int) -> list[tuple[str, tuple[Any, ...]]]:
        """Return the events behind the first so many, which are no longer needed; who is interrupted asks again."""
        del self.events[: n_heard - self.n_gone]
        self.n_gone = n_heard
        return self.events

    def stop(self, wish: str) -> None:
        """Ask the first worker to stop."""
        self.wish = wish


class Writing(Callback):
    """Writes what happens on the board, and stops the training if that is wished there."""

    def __init__(self, board: Any) -> None:
        self.board = board
        self.events: list[tuple[str, tuple[Any, ...]]] = []
        self.written = time.monotonic()
        self.steps = 0

    def _add(self, name: str, *given: Any) -> bool:
        self.events.append((name, given))
        return self.write()

    def write(self, *, now: bool = False) -> bool:
        """Send the events every now and then; return whether to stop."""
        if not now and time.monotonic() - self.written < ASKED_EVERY:
            return False
        if self.steps:
            self.events.append(("on_step", (self.steps,)))
        wish = ray_module().get(self.board.write.remote(self.events))
        self.events, self.steps, self.written = [], 0, time.monotonic()
        if wish == "interrupt":
            raise KeyboardInterrupt
        return bool(wish)

    def on_message(self, line: str) -> None:
        """Write it."""
        self._add("on_message", line)

    def on_encode(self, done: int, total: int) -> None:
        """Write it."""
        self._add("on_encode", done, total)

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Write it."""
        self._add("on_start", epochs, steps_per_epoch)

    def on_resume(self, history: Sequence[EpochRecord], steps: int) -> None:
        """Write it."""
        self._add("on_resume", list(history), steps)

    def on_step(self, n_samples: int) -> bool:
        """Count it."""
        self.steps += n_samples
        return self.write()

    def on_epoch(self, record: EpochRecord, network: Network) -> bool:
        """Write it, with the network."""
        if self.steps:
            self.events.append(("on_step", (self.steps,)))
            self.steps = 0
        return self._add("on_epoch", record, network)

    def on_end(self) -> None:
        """Write it."""
        self._add("on_end")
