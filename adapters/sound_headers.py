"""Headers of sound files that state no length although sound follows, as programs leave them that write into a pipe."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

__all__ = ["with_length"]

_TO_THE_END = b"\xff\xff\xff\xff"  # libsndfile reads a chunk of this size to the end of the file


def with_length(path: str | os.PathLike[str]) -> io.BytesIO | None:
    """Return a wav or au file whose header says 0 bytes, with a header that libsndfile reads to the end of the file.

    None if no sound follows the header, or if the file is of another format.

    References
    ----------
    IBM and Microsoft 1991, "Multimedia programming interface and data specifications 1.0": a chunk is four letters and
    its size, 32 bits, low byte first; it is padded to an even size.
    """
    content = bytearray(Path(path).read_bytes())
    if content[:4] == b".snd":
        start = int.from_bytes(content[4:8], "big")
        if content[8:12] != bytes(4) or start >= len(content):
            return None
        content[8:12] = _TO_THE_END
        return io.BytesIO(content)
    if not content.startswith((b"RIFF", b"RF64")) or content[8:12] != b"WAVE":
        return None
    data = next((at for at, name, _ in _chunks(content, 12) if name == b"data"), None)
    if data is None or _holds_only_chunks(content, data + 8):
        return None
    content[:4] = b"RIFF"  # the 64-bit sizes of RF64 are 0 as well
    content[data + 4 : data + 8] = _TO_THE_END
    return io.BytesIO(content)


def _chunks(content: bytearray, start: int) -> list[tuple[int, bytes, int]]:
    """Return position, name and size of the chunks from `start` on, up to the first that is none."""
    found = []
    while start + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, start)
        if not all(0x20 <= letter < 0x7F for letter in name):
            break
        found.append((start, name, size))
        start += 8 + size + size % 2
    return found


def _holds_only_chunks(content: bytearray, start: int) -> bool:
    """Whether a file ends at `start`, or goes on with chunks to its end."""
    if len(content) - start < 2:
        return True
    chunks = _chunks(content, start)
    if not chunks:
        return False
    at, _, size = chunks[-1]
    return len(content) - 1 <= at + 8 + size <= len(content)
