"""How much a service takes, and what it says to a request that it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gridcnn.adapters.received import Allowance

__all__ = ["Limits", "RefusedError", "too_many"]

BODIES_HELD = 8
"""Bodies of the largest size that are held in memory at the same time; several small ones take the place of one."""

TOGETHER = 4
"""How many times the pixels or seconds of one item all items of a request may have."""


@dataclass(frozen=True)
class Limits:
    """How much a service takes.

    Parameters
    ----------
    body : int
        Bytes in the body of a request. All bodies that are held at the same time have at most eight times as many.
    items : int
        Items in a request.
    requests : int
        Requests that are answered at the same time.
    pixels : int
        Of a picture, in its file. All pictures of a request may have four times as many.
    seconds : float
        Of a sound; shorter if more than 48,000 samples a second of all channels have to be decoded. All sounds of
        a request may have four times as many.
    characters : int
        Of a text.
    upload : float
        Seconds in which the body of a request has to arrive.
    head : float
        Seconds in which the head of a request has to arrive.
    """

    body: int = 32 * 2**20
    items: int = 1_000
    requests: int = 100
    pixels: int = 50_000_000
    seconds: float = 600.0
    characters: int = 100_000
    upload: float = 30.0
    head: float = 10.0

    @property
    def held(self) -> int:
        """Bytes of all bodies together."""
        return BODIES_HELD * self.body

    def allowance(self) -> Allowance:
        """Return what the items of a new request may have, as `Adapter.received` checks it."""
        most = {"pixels": self.pixels, "seconds": self.seconds, "characters": self.characters}
        return Allowance(most, dict.fromkeys(("pixels", "seconds"), TOGETHER))


class RefusedError(Exception):
    """A request that is not answered.

    Parameters
    ----------
    status : int
        The HTTP status.
    message : str
        What was expected, what arrived, what to do.
    limit : str, optional
        Name of the limit that was exceeded.
    most : float, optional
        That limit.
    """

    def __init__(self, status: int, message: str, limit: str | None = None, most: float | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.limit, self.most = status, message, limit, most

    def __reduce__(self) -> tuple[type[RefusedError], tuple[Any, ...]]:
        return type(self), (self.status, self.message, self.limit, self.most)

    @property
    def body(self) -> dict[str, Any]:
        """What the answer holds, JSON-ready."""
        said: dict[str, Any] = {"message": self.message}
        if self.limit is not None:
            said |= {"limit": self.limit, "most": self.most}
        return {"error": said}


def too_many(limits: Limits) -> RefusedError:
    """Return the refusal of a request with too many items."""
    return RefusedError(413, f"at most {limits.items:,} items are answered in one request", "items", limits.items)
