"""What is missing or damaged in a sound file although libsndfile decodes it without complaint."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import IO, Any

import soundfile

__all__ = ["damage"]

# libsndfile quietly shortens a file whose header promises more than it holds, and notes it in its log.
_SHORT_CHUNK = re.compile(
    r"^\s*(?:data|SSND|BODY|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE
)  # wav, aiff, svx, au, w64, rf64
_SHORT_FILE = "Seems to be a truncated file"  # voc
_LENGTH_UNKNOWN = 0x7FFF0000  # programs that write a wav into a pipe promise about as much as the field holds

_CAF = re.compile(r"Bytes / packet\s*: ([1-9]\d*)\n(?:.*\n)*?data : (\d+)\n")
_CAF_EDITS = 4  # bytes before the samples, as many of which libsndfile takes for missing without a note
_NIST = re.compile(rb"^sample_count -i (\d+)$", re.MULTILINE)

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_LAST_PAGE = 4  # of the bits of a page's header


def damage(path: Any, file: soundfile.SoundFile) -> str | None:
    """Return what is missing or damaged in an open sound file, or None."""
    log = file.extra_info
    if match := _SHORT_CHUNK.search(log):
        promised, present = int(match[1]), int(match[2])
        if 0 < promised < _LENGTH_UNKNOWN and present < promised:
            return f"truncated: {present} of {promised} bytes of sound are there"
    if _SHORT_FILE in log:
        return "truncated: it ends before its header says"
    stated = 0
    if file.format == "CAF" and (caf := _CAF.search(log)):
        stated = (int(caf[2]) - _CAF_EDITS) // int(caf[1])
    elif file.format == "NIST":
        with Path(path).open("rb") as beginning:
            found = _NIST.search(beginning.read(1024))
        stated = int(found[1]) if found else 0
    if stated > file.frames:
        return f"truncated: {file.frames} of {stated} samples are there"
    if file.format == "OGG":
        with Path(path).open("rb") as pages:
            return _damaged_page(pages)
    return None


def _damaged_page(file: IO[bytes]) -> str | None:
    """Say which page of an ogg file is the first that is damaged or missing; what follows the last one does not matter.

    libogg leaves out such pages.

    References
    ----------
    RFC 3533, section 6: a page begins with `OggS`; its byte 5 holds bits of which the third marks the last page of a
    stream; then follow a position (8 bytes), the number of the stream and that of the page (4 each), a checksum, and
    the number of segments, whose sizes come next, a byte each, and then the segments.
    """
    due: dict[bytes, int] = {}  # the number of the next page of each stream
    open_streams: set[bytes] = set()
    number = 0
    while len(head := file.read(27)) == 27 and head.startswith(b"OggS"):
        number += 1
        sizes = file.read(head[26])
        body = file.read(sum(sizes))
        if len(sizes) < head[26] or len(body) < sum(sizes):
            return "truncated: its last page is missing or cut"
        stream, place = head[14:18], int.from_bytes(head[18:22], "little")
        if _checksum(head[:22] + bytes(4) + head[26:] + sizes + body) != int.from_bytes(head[22:26], "little"):
            return f"damaged: page {number} does not agree with its checksum"
        if place != due.get(stream, place):
            return f"damaged: pages are missing before page {number}"
        due[stream] = place + 1
        if head[5] & _LAST_PAGE:
            open_streams.discard(stream)
            if not open_streams:
                return None
        else:
            open_streams.add(stream)
    return "truncated: its last page is missing or cut"


def _checksum(page: bytes) -> int:
    """Return the checksum of a page, whose own field is zero: that of zlib with all bits the other way round."""
    value = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2)
