"""Items on their way to a worker: in parts, as unpacking all of them at once would take several times their memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gridcnn.scale.session import ray_module

__all__ = ["Sent"]

PART = 10_000  # items


@dataclass(frozen=True)
class Sent:
    """Items in the object store of Ray; whatever is no list lies there as it is."""

    parts: list[Any]
    listed: bool

    @classmethod
    def of(cls, items: Any) -> Sent:
        """Put items there."""
        ray, listed = ray_module(), isinstance(items, list)
        parts = [items[at : at + PART] for at in range(0, len(items), PART)] if listed else [items]
        return cls([ray.put(part) for part in parts], listed)

    def items(self) -> Any:
        """Return them; a part is unpacked when the one before it has been."""
        ray = ray_module()
        if not self.listed:
            return ray.get(self.parts[0])
        return [item for part in self.parts for item in ray.get(part)]
