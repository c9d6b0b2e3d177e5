"""JPEG files that a decoder fills up with grey without a word, or that keep it busy."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from PIL import Image, ImageChops

from gridcnn.adapters import limits
from gridcnn.errors import ItemError

__all__ = ["check_jpeg", "refuse_if_cut"]

USUAL_SCANS = 16
"""Of a progressive JPEG, at most; a scan costs a pass over all pixels, even if it has but a few bytes."""

_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_SCAN, _END = 0xDA, b"\xff\xd9"
_ALONE = (0x01, *range(0xD0, 0xD9))  # markers without a length
_COEFFICIENTS = 64
_GREY = (127, 128)
_FILLER = b"\x55\xaa\x33\xcc\x0f\xf0" * 8


class _Frame(NamedTuple):
    """What the header of a JPEG says of its pixels."""

    progressive: bool
    area: int
    components: bytes
    scans: int
    """Where in the file the first scan begins."""


def check_jpeg(path: Any, file: IO[bytes]) -> None:
    """Refuse a progressive JPEG of which scans are missing, or whose scans together have more pixels than it may.

    A sequential one is refused by `refuse_if_cut`, since one has to decode it to see that something is missing.

    References
    ----------
    ITU-T T.81, annexes B and G: a segment is 0xFF, a marker and its length, which counts itself; the pixels follow the
    segment SOS, and in them 0xFF is followed by 0 or the number of a restart. A scan of a progressive JPEG holds some
    coefficients of some components, to some bit; all scans together hold all of them, to the last bit.
    """
    frame = _frame(file)
    if frame is None or not frame.progressive:
        return
    file.seek(frame.scans)
    content = file.read()
    bits = {component: [-1] * _COEFFICIENTS for component in frame.components}
    n_scans = 0
    for at in _markers(content, _SCAN):
        n_scans += 1
        head = content[at + 4 : at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")]
        if len(head) >= 4 and len(head) == 4 + 2 * head[0]:
            first, last, precision = head[-3:]
            for component in head[1:-3:2]:
                if component in bits and first <= last < _COEFFICIENTS:
                    bits[component][first : last + 1] = [precision & 15] * (last + 1 - first)
    limits.within(path, "pixels", frame.area, weight=max(1.0, n_scans / USUAL_SCANS), such=f"in {n_scans} scans")
    if any(any(each) for each in bits.values()):
        raise ItemError(path, "truncated: some of its scans are missing")


def _frame(file: IO[bytes]) -> _Frame | None:
    """Read the segments up to the first scan; None without the header of a frame."""
    file.seek(2)
    found = None
    while len(head := file.read(4)) == 4 and head[0] == 0xFF and head[1] not in _ALONE:
        length = int.from_bytes(head[2:], "big") - 2
        if head[1] == _SCAN:
            return None if found is None else found._replace(scans=file.tell() - 4)
        content = file.read(length) if head[1] in _FRAMES else b""
        if len(content) >= 6:
            area = int.from_bytes(content[1:3], "big") * int.from_bytes(content[3:5], "big")
            found = _Frame(head[1] in _PROGRESSIVE, area, content[6::3], 0)
        else:
            file.seek(length - len(content), os.SEEK_CUR)
    return None


def _markers(content: bytes, marker: int) -> Iterator[int]:
    """Yield where a marker stands in scans, up to the end of the picture."""
    end = content.find(_END)
    at, end = 0, len(content) if end < 0 else end
    while (at := content.find(bytes((0xFF, marker)), at, end)) >= 0:
        yield at
        at += 2


def refuse_if_cut(path: Any, picture: Image.Image) -> None:
    """Refuse a decoded sequential JPEG of which pixels are missing before its end.

    libjpeg fills up what is missing with grey. Where the last pixel is grey, the file is decoded once more with other
    bytes before its end: they change the picture if something is missing, and come too late if not.
    """
    last: Any = picture.getpixel((picture.width - 1, picture.height - 1))
    if any(level not in _GREY for level in (last if isinstance(last, tuple) else (last,))[:3]):
        return
    content = Path(path).read_bytes()
    frame = _frame(io.BytesIO(content))
    end = -1 if frame is None else content.find(_END, frame.scans)
    if frame is None or frame.progressive or end < 0:
        return
    filler = b"".join(_FILLER + bytes((0xFF, 0xD0 + number % 8)) for number in range(16))
    pictures = []
    for between in (b"", filler):
        with Image.open(io.BytesIO(content[:end] + between + content[end:]), formats=("JPEG",)) as opened:
            opened.draft(None, (1, 1))
            opened.load()
            pictures.append(opened.copy())
    if ImageChops.difference(*pictures).getbbox(alpha_only=False) is not None:
        raise ItemError(path, "truncated: pixels are missing before its end")
