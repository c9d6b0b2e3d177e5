"""The size of a training and how long it should take, in words."""

from __future__ import annotations

from dataclasses import dataclass

from gridcnn.display import counted

__all__ = ["Schedule", "in_words", "place_of"]


@dataclass(frozen=True)
class Schedule:
    """The size of a training, and its expected duration.

    Parameters
    ----------
    items : int
        Number of training items.
    sizes : tuple of int
        Sizes of the ordered axes of the grid.
    epochs : int
        Passes over them.
    seconds : float
        Expected wall-clock time of the whole fit.
    limit : float or None
        Seconds allowed.
    alone : float or None
        Seconds if nothing else kept the processors busy; None if nothing does.
    refit : bool
        Whether the seconds are those of two trainings, the second one on all items.
    trainings : int
        How many there are in all: of each fold and each option that is tried, and on all items.

    Examples
    --------
    >>> print(Schedule(1234, (28, 28), epochs=12, seconds=220.0, limit=300.0))
    1,234 items, 28 × 28, 12 epochs: about 3 min 40 s of the 5 min allowed
    """

    items: int
    sizes: tuple[int, ...]
    epochs: int
    seconds: float
    limit: float | None = None
    alone: float | None = None
    refit: bool = False
    trainings: int = 1

    @property
    def fits(self) -> bool:
        """Whether it is expected to end within the limit."""
        return self.limit is None or self.seconds <= self.limit

    def __str__(self) -> str:
        what = f"{counted(self.items, 'item')}, {' × '.join(map(str, self.sizes))}"
        what += f", {counted(self.epochs, 'epoch')}"
        if self.trainings > 1 and self.limit is None:
            what += f", {self.trainings} trainings in all"
        about = f"{what}: about {in_words(max(self.seconds, 1))}"
        if self.limit is None and self.alone is not None:
            alone = in_words(max(self.alone, 1))
            return f"{about} to train as busy as this machine is, {alone} if nothing else ran on it"
        if self.limit is None:
            return f"{about} to train on this machine"
        if self.fits:
            return f"{about}{' for both trainings' * self.refit} of the {in_words(self.limit)} allowed"
        return f"{about}, more than the {in_words(self.limit)} allowed, but less would not be worth training"


def place_of(epoch: int, epochs: int, steps: int) -> str:
    """Return where a training is, counted from 1; what is done in one step, such as solved votes, has no epochs.

    >>> place_of(3, 12, steps=40), place_of(1, 1, steps=1)
    ('epoch 3/12', 'in one step')
    """
    return "in one step" if epochs * steps == 1 else f"epoch {epoch}/{epochs}"


def in_words(seconds: float) -> str:
    """Return a duration in its two largest units.

    >>> [in_words(seconds) for seconds in (0.4, 59.4, 60, 220, 5400)]
    ['0 s', '59 s', '1 min', '3 min 40 s', '1 h 30 min']
    """
    units, whole = ("min", "s"), round(seconds)
    if whole >= 3600:
        units, whole = ("h", "min"), round(seconds / 60)
    parts = [f"{count} {unit}" for count, unit in zip(divmod(whole, 60), units, strict=True) if count]
    return " ".join(parts) or "0 s"
