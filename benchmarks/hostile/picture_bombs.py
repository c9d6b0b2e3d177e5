"""Pictures that unfold in memory or keep a decoder busy, made by hand."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from picture_codes import chunk, png_of
from picture_mutations import JPEG, jpeg_segments_of
from PIL import Image

HEIGHT, WIDTH = 48, 64


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _zeros(length: int) -> bytes:
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(2**20)) for _ in range(length // 2**20)]
    return b"".join(parts) + packer.compress(bytes(length % 2**20)) + packer.flush()


PLAIN, TRANSPARENT, DEEP, BOTH, IN_WEBP, IN_AVIF, IN_JP2 = 9459, 7723, 5461, 4459, 6306, 4459, 4729
"""Sides of the largest squares within the limits."""


def _square(side: int, bits: int, colour_type: int, bytes_a_pixel: int, *more: bytes) -> bytes:
    return png_of(side, side, bits, colour_type, _zeros(side * (bytes_a_pixel * side + 1)), *more)


def _icon(size: int, content: bytes) -> bytes:
    entry = struct.pack("<BBBBHHII", size, size, 0, 0, 1, 32, len(content), 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + content


def _tiff(side: int, tile: int, compression: int, content: bytes, bits: int = 8, samples: int = 1) -> bytes:
    tags = [(256, 4, side), (257, 4, side), (258, 3, bits), (259, 3, compression), (262, 3, 1), (277, 3, samples)]
    tags += [(322, 4, tile), (323, 4, tile), (324, 4, 8), (325, 4, len(content))]
    folder = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in tags) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(content)) + content + folder


def _many_pages() -> bytes:
    """Return a TIFF of 200,000 pages, each a folder of one tag."""
    count = 200_000
    first = _saved(Image.new("L", (WIDTH, HEIGHT)), "TIFF")
    (at,) = struct.unpack_from("<I", first, 4)
    (tags,) = struct.unpack_from("<H", first, at)
    after = at + 2 + 12 * tags
    folders = []
    for index in range(count):
        place = len(first) + 18 * index
        following = place + 18 if index + 1 < count else 0
        folders.append(struct.pack("<HHHIII", 1, 256, 4, 1, WIDTH, following))
    return first[:after] + struct.pack("<I", len(first)) + first[after + 4 :] + b"".join(folders)


def _many_scans() -> bytes:
    """Return a progressive JPEG of 9,000 × 9,000 pixels, whose scans each have a few bytes, but cost a pass."""
    data = _saved(Image.new("L", (9000, 9000)), "JPEG", progressive=True)
    start = len(JPEG) + sum(map(len, jpeg_segments_of(data)[:-1]))
    first_end = data.index(b"\xff", start + 12)
    while data[first_end + 1] == 0 or 0xD0 <= data[first_end + 1] <= 0xD7:
        first_end = data.index(b"\xff", first_end + 2)
    last = data.rindex(b"\xff\xda")
    table = data.rindex(b"\xff\xc4", 0, last)
    again = data[table:-2]
    return data[:-2] + again * 300 + b"\xff\xd9"


BOMBS: Mapping[str, Callable[[], bytes]] = {
    "100000-square.png": lambda: png_of(100_000, 100_000, 8, 2, _zeros(2**20)),
    "largest.png": lambda: _square(PLAIN, 8, 2, 3),
    "largest-transparent.png": lambda: _square(TRANSPARENT, 8, 6, 4),
    "largest-deep.png": lambda: _square(DEEP, 16, 2, 6),
    "largest-deep-transparent.png": lambda: _square(BOTH, 16, 6, 8),
    "too-deep.png": lambda: _square(DEEP + 1, 16, 2, 6),
    "largest-palette.png": lambda: _square(
        TRANSPARENT, 8, 3, 1, chunk(b"PLTE", bytes(768)), chunk(b"tRNS", bytes(range(256)))
    ),
    "text.png": lambda: png_of(
        1, 1, 8, 0, zlib.compress(b"\0\0"), *[chunk(b"zTXt", b"a\0\0" + _zeros(2**26))] * 20
    ),
    "profile.png": lambda: png_of(1, 1, 8, 0, zlib.compress(b"\0\0"), chunk(b"iCCP", b"a\0\0" + _zeros(2**30))),
    "one-pixel-wide.png": lambda: png_of(1, 80_000_000, 8, 0, _zeros(160_000_000)),
    "many-scans.jpg": _many_scans,
    "largest.jpg": lambda: _saved(Image.new("CMYK", (PLAIN, PLAIN)), "JPEG"),
    "largest-progressive.jpg": lambda: _saved(Image.new("RGB", (PLAIN, PLAIN)), "JPEG", progressive=True),
    "largest.gif": lambda: _saved(Image.new("P", (TRANSPARENT, TRANSPARENT)), "GIF", transparency=0),
    "largest.webp": lambda: _saved(Image.new("RGBA", (IN_WEBP, IN_WEBP)), "WEBP", lossless=True, method=0),
    "largest.jp2": lambda: _saved(Image.new("RGB", (IN_JP2, IN_JP2)), "JPEG2000"),
    "largest.tif": lambda: _saved(Image.new("F", (DEEP, DEEP)), "TIFF", compression="tiff_adobe_deflate"),
    "largest.avif": lambda: _saved(Image.new("RGBA", (IN_AVIF, IN_AVIF)), "AVIF", speed=10),
    "tall.png": lambda: png_of(64, 1_390_000, 8, 2, _zeros(193 * 1_390_000)),
    "longest.png": lambda: png_of(1, 7_456_000, 8, 2, _zeros(4 * 7_456_000)),
    "tile.tif": lambda: _tiff(16, 45_056, 8, _zeros(2**24)),
    "wide-tile.tif": lambda: _tiff(64, 65_520, 5, bytes(64)),
    "pages.tif": _many_pages,
    "icon-in-disguise.ico": lambda: _icon(16, png_of(13_000, 13_000, 8, 6, _zeros(13_000 * 52_001))),
    "bitmap-in-disguise.ico": lambda: _icon(
        16, struct.pack("<IiiHHIIiiII", 40, 13_000, 26_000, 1, 32, 0, 0, 0, 0, 0, 0)
    ),
    "frames.gif": lambda: _saved(
        Image.new("L", (9, 9)), "GIF", save_all=True, append_images=[Image.new("L", (9, 9), n) for n in (9, 0) * 9999]
    ),
}  # fmt: skip
