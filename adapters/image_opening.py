"""Picture files opened: which formats are read, how large a picture may be, and damage that Pillow passes over."""

from __future__ import annotations

import math
import os
import zlib
from pathlib import Path
from typing import IO, Any

from PIL import Image, UnidentifiedImageError

from gridcnn.adapters import limits
from gridcnn.adapters.image_jpeg import check_jpeg
from gridcnn.errors import ItemError

__all__ = ["FORMATS", "check_pixels", "opened", "why_not"]

FORMATS = (
    "PNG", "JPEG", "GIF", "BMP", "PPM", "TIFF", "WEBP", "AVIF", "JPEG2000", "ICO", "QOI", "PSD", "PCX", "SGI", "DIB",
    "TGA",
)  # fmt: skip
"""The formats that are read, as Pillow calls them: the usual ones first, and last the one that begins with no mark.

JPEG includes MPO, PNG animated ones, PPM its relatives. Of Pillow's other readers some start programs (EPS), and each
is code that a hostile file can reach.
"""

DEEP, TRANSPARENT = 3.0, 1.5
"""How many times as much memory pixels of more than 8 bits take, and those that are laid over white."""

SLOW = {"JPEG2000": 4.0, "AVIF": 3.0, "WEBP": 1.5}
"""How many times as much time or memory some formats take."""

PIXELS_OF_A_ROW = 12
"""As many pixels weigh as much as a row or column, for which resizing holds a set of weights."""

TILE_WIDTH, TILE_LENGTH = 322, 323
LARGEST_TILE = 4096**2
"""Pixels of a tile of a TIFF, which are in memory at once, of a picture that has fewer."""

_PNG, _JPEG, _ICO = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\0\0\1\0"


def opened(path: str | os.PathLike[str]) -> Image.Image:
    """Open a picture without decoding it.

    Raises
    ------
    ItemError
        If it is no picture of `FORMATS`, has more pixels than it may, or is damaged in a way that Pillow does not tell.
    """
    _raise_limit_of_pillow()
    picture = None
    try:
        with Path(path).open("rb") as file:
            _check(path, file)
        picture = Image.open(path, formats=FORMATS)
        check_pixels(path, picture)
    except Exception as error:  # what Pillow raises on a broken file is open-ended
        if picture is not None:
            picture.close()
        raise _refusal(path, error) from error
    # Pillow would map it into memory, where a file that shrinks meanwhile ends the process, and a TIFF is garbled if it
    # lies on its side.
    picture.filename = ""
    return picture


def _refusal(path: str | os.PathLike[str], error: Exception) -> ItemError:
    """Return what to say of a file that cannot be opened."""
    if isinstance(error, ItemError):
        return error
    if isinstance(error, Image.DecompressionBombError) and (
        (Image.MAX_IMAGE_PIXELS or math.inf) >= limits.current().pixels  # or a program has lowered Pillow's own limit
    ):
        try:
            limits.within(path, "pixels", math.inf)
        except ItemError as refusal:
            return refusal
    empty = isinstance(error, UnidentifiedImageError) and not Path(path).stat().st_size
    return ItemError(path, "the file is empty (0 bytes)" if empty else why_not(error))


def check_pixels(item: Any, picture: Image.Image, *, deep: bool = False) -> None:
    """Refuse a picture that has more pixels than it may, fewer if they take more memory or time than others."""
    if picture.format == "PNG" and picture.mode == "P" and picture.palette is None:
        raise ItemError(item, "its palette is missing")
    width, height = picture.size
    amount = max(width * height, PIXELS_OF_A_ROW * max(width, height))
    weights = {
        "of more than 8 bits": DEEP if deep else 1.0,
        "with transparency": TRANSPARENT if picture.has_transparency_data else 1.0,
        f"in {picture.format}": SLOW.get(picture.format or "", 1.0),
    }
    such = " ".join(each for each, weight in weights.items() if weight > 1)
    limits.within(item, "pixels", amount, weight=math.prod(weights.values()), such=such)
    if picture.format == "TIFF":
        tags: Any = getattr(picture, "tag_v2", {})
        tile = [tags.get(tag) for tag in (TILE_WIDTH, TILE_LENGTH)]
        if all(isinstance(side, int) for side in tile) and tile[0] * tile[1] > max(width * height, LARGEST_TILE):
            raise ItemError(
                item, f"its tiles have {tile[0]:,} × {tile[1]:,} pixels, more than the picture: it is damaged"
            )


def why_not(error: Exception) -> str:
    """Say why a picture cannot be opened or decoded."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, UnidentifiedImageError):
        return "not a picture of a format that is read (png, jpg, gif, bmp, tif, webp, …)"
    return f"cannot be decoded: {str(error) or type(error).__name__}"


def _raise_limit_of_pillow() -> None:
    """Let Pillow open as many pixels as a person allowed, if these are more than usual."""
    Image.preinit()  # the usual formats: without it, the first picture would import all of them
    most = limits.current().pixels
    if most > limits.Limits.pixels and Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, int(most))


def _check(path: Any, file: IO[bytes]) -> None:
    """Look for what Pillow passes over: damaged pixels, and more of them than the header says."""
    start = file.read(8)
    if start == _PNG:
        _check_png(path, file)
    elif start.startswith(_JPEG):
        check_jpeg(path, file)
    elif start.startswith(_ICO):
        _check_ico(path, file, int.from_bytes(start[4:6], "little"))


def _check_png(path: Any, file: IO[bytes]) -> None:
    """Compare the checksums of the pixels, which Pillow does not read.

    References
    ----------
    W3C 2025, "Portable Network Graphics (PNG) specification", section 5.3: a chunk is its length, four letters, its
    content, and a checksum of letters and content.
    """
    size, seen = os.fstat(file.fileno()).st_size, False
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind != b"IDAT":
            if seen:
                return  # what follows the pixels is not needed
            file.seek(length + 4, os.SEEK_CUR)
            continue
        seen = True
        content = file.read(min(length, size))
        if int.from_bytes(file.read(4), "big") != zlib.crc32(content, zlib.crc32(kind)):
            raise ItemError(path, "its pixels are truncated or damaged: they do not agree with their checksum")


def _check_ico(path: Any, file: IO[bytes], count: int) -> None:
    """Refuse an icon whose pictures are larger than they may be: Pillow decodes one of them while it opens the file.

    References
    ----------
    An icon is a list of pictures, 16 bytes each, of which the last four are the place of a PNG or of a bitmap without
    its file header; the height in that of the bitmap counts a mask, too.
    """
    file.seek(6)
    for entry in [file.read(16) for _ in range(count)]:
        file.seek(int.from_bytes(entry[12:16], "little"))
        header = file.read(24)
        order, at = ("big", 16) if header.startswith(_PNG) else ("little", 4)
        width, height = (int.from_bytes(header[place : place + 4], order) for place in (at, at + 4))  # type: ignore[arg-type]
        limits.within(path, "pixels", width * height)
