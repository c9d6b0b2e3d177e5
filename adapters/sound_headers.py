"""Headers of sound files that state no length although sound follows, as programs leave them that write into a pipe."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

__all__ = ["PLACEHOLDER", "with_length"]

PLACEHOLDER = 64
"""Bytes; a smaller size before much sound is what a program wrote first, and did not come back to: 0, 36, 44."""

LARGEST = 2**28
"""Bytes of a file whose header is mended, which takes a copy of it."""

_TO_THE_END = b"\xff\xff\xff\xff"  # libsndfile reads a chunk of this size to the end of the file


def with_length(path: str | os.PathLike[str]) -> io.BytesIO | None:
    """Return a wav, aiff or au file whose header says about 0 bytes, with one that libsndfile reads to the file's end.

    None if no sound follows the header, if the file is of another format, or if it is too large to be held in memory.

    References
    ----------
    IBM and Microsoft 1991, "Multimedia programming interface and data specifications 1.0": a chunk is four letters and
    its size, 32 bits, low byte first; it is padded to an even size. Apple 1989, "Audio Interchange File Format": the
    same with the high byte first; the sound begins 8 bytes into the chunk `SSND`.
    """
    if Path(path).stat().st_size > LARGEST:
        return None
    content = bytearray(Path(path).read_bytes())
    kind, form = bytes(content[:4]), bytes(content[8:12])
    if kind == b".snd":
        mended = _mend_au(content)
    elif kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        mended = _mend_aiff(content)
    elif kind in (b"RIFF", b"RF64") and form == b"WAVE":
        mended = _mend_wav(content)
    else:
        mended = False
    return io.BytesIO(content) if mended else None


def _mend_au(content: bytearray) -> bool:
    """Change the header; return whether it needed that."""
    if content[8:12] != bytes(4) or int.from_bytes(content[4:8], "big") >= len(content):
        return False
    content[8:12] = _TO_THE_END
    return True


def _mend_aiff(content: bytearray) -> bool:
    """Change the header; return whether it needed that."""
    for at, name, size in _chunks(content, 12, ">"):
        if name == b"SSND" and size == 8 and not _holds_only_chunks(content, at + 16, ">"):
            content[at + 4 : at + 8] = (len(content) - at - 8).to_bytes(4, "big")
            return True
    return False


def _mend_wav(content: bytearray) -> bool:
    """Change the header; return whether it needed that."""
    for at, name, size in _chunks(content, 12):
        if name == b"data" and size < PLACEHOLDER and not _holds_only_chunks(content, at + 8 + size):
            content[:4] = b"RIFF"  # the 64-bit sizes of RF64 are 0 as well
            content[at + 4 : at + 8] = _TO_THE_END
            return True
    return False


def _chunks(content: bytearray, start: int, order: str = "<") -> list[tuple[int, bytes, int]]:
    """Return position, name and size of the chunks from `start` on, up to the first that is none.

    `order` is that of the bytes of a size: `<` for wav, `>` for aiff.
    """
    found = []
    while start + 8 <= len(content):
        name, size = struct.unpack_from(f"{order}4sI", content, start)
        if not all(0x20 <= letter < 0x7F for letter in name):
            break
        found.append((start, name, size))
        start += 8 + size + size % 2
    return found


def _holds_only_chunks(content: bytearray, start: int, order: str = "<") -> bool:
    """Whether a file ends at `start`, or goes on with chunks to its end."""
    if len(content) - start < 2:
        return True
    chunks = _chunks(content, start, order)
    if not chunks:
        return False
    at, _, size = chunks[-1]
    return len(content) - 1 <= at + 8 + size <= len(content)
