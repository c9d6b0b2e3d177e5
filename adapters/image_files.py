"""Pictures opened and decoded: files, Pillow's pictures, arrays and tensors, of any mode and depth."""

from __future__ import annotations

import contextlib
import os
import re
import reprlib
import sys
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image, ImageOps

from gridcnn.adapters.image_jpeg import refuse_if_cut
from gridcnn.adapters.image_opening import FORMATS, check_pixels, opened, why_not
from gridcnn.adapters.pixel_range import FLOATS, WHOLE, Kind, given_range, lift
from gridcnn.adapters.tensors import is_tensor, to_array
from gridcnn.errors import ItemError
from gridcnn.stored import as_path

__all__ = ["Picture", "as_array", "decoding"]

EXIF_ORIENTATION = 0x0112
SUBFILE_TYPE = 254  # of a TIFF page: bit 0 marks a smaller copy of another page
CHANNELS = (1, 3, 4)
ABSURD = 1e30  # what stands for "no data" in maps, such as -3.4e38

ACCEPTED = (
    "expected a path, a Pillow picture, or an array of shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4); "
    "a tensor has its channels first"
)
SIXTEEN_BIT_COLOUR = re.compile(r"(RGB|RGBA|RGBX|LA);16[LBN]")  # how Pillow calls the pixels in the file
OTHER_BYTE = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


class Picture:
    """A picture that is open, but not decoded.

    Parameters
    ----------
    item : path, Stored, PIL.Image.Image, ndarray or torch.Tensor
        Where it is, or what it is.

    Attributes
    ----------
    kind : {"whole", "floats"} or None
        What its pixels are if they have more than 8 bits.
    transparent : bool
        Whether any pixel is transparent; known once it has been decoded.

    Raises
    ------
    ItemError
        If it is no picture, or has more pixels than it may.
    """

    def __init__(self, item: Any) -> None:
        self.transparent = False
        self.kind: Kind | None = None
        self._array: np.ndarray | None = None
        self._levels: np.ndarray | None = None
        with contextlib.ExitStack() as opening:
            self.item = opening.enter_context(as_path(item))
            self._open(self.item)
            self._closing = opening.pop_all()

    def _open(self, item: Any) -> None:
        if isinstance(item, np.ndarray) or is_tensor(item):
            array = _checked(item)
            if array.dtype == np.uint8:
                self._picture = Image.fromarray(array)
            else:
                self._array, self.kind = array, FLOATS if array.dtype.kind == "f" else WHOLE
            return
        if isinstance(item, Image.Image) and _reads_better_from_its_file(item):
            self.item = item = item.filename  # type: ignore[attr-defined]
        self._picture = _opened(item)
        self._stored = _stored_as(self._picture)
        if self._picture.mode == "F":
            self.kind = FLOATS
        elif self._picture.mode.startswith("I") or self._stored:
            self.kind = WHOLE
        if self.kind is not None:
            with decoding(item):
                check_pixels(item, self._picture, deep=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._array is None:
            self._picture.close()
        self._closing.__exit__(kind, error, trace)

    def header(self) -> Image.Image | None:
        """Return the picture as Pillow opened it, whose header tells how it is stored; None for other arrays."""
        return None if self._array is not None else self._picture

    def size(self) -> tuple[int, int]:
        """Return its height and width in pixels, upright."""
        if self._array is not None:
            return self._array.shape[0], self._array.shape[1]
        with decoding(self.item):
            sideways = self._picture.getexif().get(EXIF_ORIENTATION, 1) in range(5, 9)
        turned = sideways and self._picture.format != "TIFF"  # which Pillow turns upright by itself
        return self._picture.size if turned else self._picture.size[::-1]

    def has_more_pages(self) -> bool:
        """Whether the file holds further pages or frames, which are not read."""
        if self._array is not None:
            return False
        picture = self._picture
        with decoding(self.item):
            if picture.format in {"MPO", "PSD"} or not getattr(picture, "is_animated", False):
                return False  # the others of a camera's MPO are previews; those of a PSD make up the first
            if picture.format != "TIFF":
                return True
            picture.seek(1)
            smaller_copy = bool(getattr(picture, "tag_v2", {}).get(SUBFILE_TYPE, 0) & 1)
            picture.seek(0)
        return not smaller_copy

    def levels(self) -> np.ndarray:
        """Decode pixels of more than 8 bits, upright, shape `(h, w)`, `(h, w, 3)`, or with alpha last `(…, 2 or 4)`.

        Raises
        ------
        ItemError
            If it cannot be decoded, or has pixels that are NaN, infinite, or absurdly large.
        """
        if self._levels is not None:
            return self._levels
        with decoding(self.item):
            array = self._array
            if array is None:
                array = _deep_colour(self.item, self._stored) if self._stored else _upright(self._picture)
            if array.dtype.kind == "f":
                if not np.isfinite(array).all():
                    raise ValueError("it has pixels that are NaN or infinite")
                if max(float(array.max()), -float(array.min())) > ABSURD:
                    raise ValueError(f"it has pixels beyond ±{ABSURD:g}, as maps have for “no data”: fill them first")
            self._levels = array
            return array

    def colours(self) -> np.ndarray:
        """Decode the same without alpha."""
        array = self.levels()
        return array if array.ndim == 2 or array.shape[2] == 3 else array[..., :-1]

    def eight_bit(self, mode: str, ranges: Mapping[str, Mapping[str, float]], least: int | None = None) -> Image.Image:
        """Decode it, upright and over white.

        Parameters
        ----------
        mode : {"L", "RGB"}
            What to convert it to.
        ranges : dict
            The learned range of each kind of pixels of more than 8 bits.
        least : int, optional
            A JPEG may be decoded at a fraction of its size, which is much faster, but at no fewer pixels a side.

        Raises
        ------
        ItemError
            If it cannot be decoded.
        """
        with decoding(self.item):
            if self.kind is None:
                picture = self._picture
                if least is not None:
                    picture.draft(None, (least, least))
                if picture.format in {"JPEG", "MPO"} and not isinstance(self.item, Image.Image):
                    refuse_if_cut(self.item, picture)
                ImageOps.exif_transpose(picture, in_place=True)
            else:
                array = self.levels()
                picture = _lifted(array, *given_range(self.kind, array, ranges))
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                least_opaque: Any = picture.getchannel("A").getextrema()[0]
                self.transparent = least_opaque < 255
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            return picture if picture.mode == mode else picture.convert(mode)


def as_array(item: Any) -> Any:
    """Turn a tensor into an array, channels last; leave an array as it is.

    A tensor has its channels first, as torch has them; if only its last axis can be that of channels, it is.
    """
    if not is_tensor(item):
        return item
    array = to_array(item)
    return np.moveaxis(array, 0, -1) if array.ndim == 3 and array.shape[0] in CHANNELS else array


def _checked(item: Any) -> np.ndarray:
    """Return pixels as uint8, or as numbers of more than 8 bits, shape `(h, w)`, `(h, w, 3)` or `(h, w, 4)`."""
    with decoding(item):
        array = as_array(item)
    if np.ma.is_masked(array):
        raise _refusal(array, "it has masked pixels, which no picture can show: fill them first, picture.filled(0)")
    array = np.asarray(array)
    if array.dtype.kind not in "buif":
        raise _refusal(array, f"{array.dtype} is no type of pixels; {ACCEPTED}")
    if array.ndim not in (2, 3) or array.shape[2:] not in ((), *((each,) for each in CHANNELS)) or not array.size:
        first = array.ndim == 3 and array.shape[0] in CHANNELS
        raise _refusal(array, ACCEPTED + (": move the channels to the end, np.moveaxis(picture, 0, -1)" * first))
    if array.dtype == bool:
        array = array * np.uint8(255)
    return np.ascontiguousarray(array[..., 0] if array.shape[2:] == (1,) else array)


def _refusal(array: np.ndarray, reason: str) -> ItemError:
    return ItemError(_name(array), reason)


def _opened(item: Any) -> Image.Image:
    """Open a file without decoding it; copy a picture that is open."""
    if isinstance(item, Image.Image):
        with decoding(item):
            check_pixels(item, item)
            return item.copy()
    if not isinstance(item, str | os.PathLike):
        raise ItemError(_name(item), ACCEPTED)
    return opened(item)


def _reads_better_from_its_file(picture: Image.Image) -> bool:
    """Whether Pillow has opened a file, but not decoded it, and would lose something: see `opened`, `_deep_colour`."""
    undecoded = bool(getattr(picture, "tile", [])) and bool(getattr(picture, "filename", ""))
    return undecoded and picture.tell() == 0 and (picture.format == "TIFF" or bool(_stored_as(picture)))


def _stored_as(picture: Image.Image) -> str:
    """Return what Pillow calls the pixels of a file with 16-bit colours, of which it would drop 8; or ""."""
    names = {_pixels(tile) for tile in getattr(picture, "tile", [])}
    name = names.pop() if len(names) == 1 else ""
    return name if SIXTEEN_BIT_COLOUR.fullmatch(name) else ""


def _pixels(tile: Any) -> str:
    """Return what Pillow calls the pixels of a part of a file, which it describes as (decoder, place, offset, args)."""
    args = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
    if tile[0] == "ppm" and args[0] == "RGB" and args[1] > 255:  # Pillow divides by the brightest pixel that may be
        return "RGB;16B"
    return str(args[0]) if args else ""


def _upright(picture: Image.Image) -> np.ndarray:
    ImageOps.exif_transpose(picture, in_place=True)
    return np.asarray(picture)


def _deep_colour(path: Any, stored: str) -> np.ndarray:
    """Decode 16-bit colours, uint16, which Pillow has no mode for: the high bytes and the low bytes, one by one."""
    if stored.startswith("LA"):  # four bytes a pixel, which also make a pixel of four colours
        both = _decoded_as(path, "RGBA")
        high, low = both[..., ::2], both[..., 1::2]
    else:
        high, low = _decoded_as(path, stored), _decoded_as(path, stored[:-1] + OTHER_BYTE[stored[-1]])
    pixels: np.ndarray = high.astype(np.uint16) << 8 | low
    return pixels


def _decoded_as(path: Any, pixels: str) -> np.ndarray:
    with Image.open(path, formats=FORMATS) as picture:
        tiles: list[Any] = picture.tile
        for index, tile in enumerate(tiles):
            if tile[0] == "ppm":
                changed = ("raw", *tile[1:3], (pixels, 0, 1))
            else:
                changed = (*tile[:3], (pixels, *tile[3][1:]) if isinstance(tile[3], tuple) else pixels)
            tiles[index] = tile._make(changed)
        return _upright(picture)


def _lifted(array: np.ndarray, low: float, high: float) -> Image.Image:
    """Return the 8-bit picture of deep pixels; alpha has a range of its own."""
    if array.ndim == 2 or array.shape[2] == 3:
        return Image.fromarray(lift(array, low, high))
    alpha = array[..., -1]
    opaque = next(top for top in (1, 255, 65535, np.inf) if alpha.max() <= top and (top > 1 or alpha.dtype.kind == "f"))
    colours = lift(np.ascontiguousarray(array[..., :-1]), low, high)
    return Image.fromarray(np.concatenate([colours, lift(alpha, 0, min(opaque, 65535))[..., None]], axis=2))


@contextlib.contextmanager
def decoding(item: Any) -> Iterator[None]:
    """Turn whatever decoding raises into an ItemError."""
    try:
        yield
    except ItemError:
        raise
    except Exception as error:  # what Pillow's decoders raise on a broken file is open-ended
        raise ItemError(_name(item), why_not(error)) from error


def _name(item: Any) -> str:
    """Name an item in a message: a path as it is, a picture in memory by its kind and size."""
    if isinstance(item, np.ndarray) or is_tensor(item):
        kind = "array" if isinstance(item, np.ndarray) else "tensor"
        return f"{kind} of shape {tuple(item.shape)}, {item.dtype}"
    return str(item) if isinstance(item, str | os.PathLike | Image.Image) else reprlib.repr(item)[:60]
