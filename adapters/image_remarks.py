"""What a person must know of how pictures are read: in general, and of one picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridcnn.adapters.image_files import Picture
from gridcnn.adapters.pixel_range import FEW_LEVELS, FLOATS, given_range, is_usual, share_outside
from gridcnn.display import agreeing

__all__ = ["cautions", "remarks"]

FLOATING = "Floating-point"
MUCH_SMALLER = 2  # times a side: details are lost, or made up
OTHER_PROPORTIONS = 1.25  # a factor
VERY_OTHER_PROPORTIONS = 2.0
MANY = 0.1  # share of pictures
WORTH_TELLING = 0.001  # share of pixels
MANY_CLIPPED = 0.05  # share of the pixels of one picture
ENOUGH = 1_000_000  # pixels that are looked at


Survey = Mapping[str, Any]
Ranges = Mapping[str, Mapping[str, float]]


def remarks(seen: Survey, ranges: Ranges, grid: tuple[int, int], *, crop: bool, colour: bool) -> list[str]:
    """Return what `Adapter.remarks` promises, for pictures.

    Parameters
    ----------
    seen, ranges : dict
        The `survey_` and `pixel_ranges_` of an adapter.
    grid : (int, int)
        Height and width that pictures are resized to.
    crop : bool
        Whether what stands out is cut off.
    colour : bool
        Whether colours are read.
    """
    n_pictures = seen["pictures"]
    found = _about_size(seen, grid, crop=crop)
    for kind, learned in ranges.items():
        found += _about_range(_kind(kind, learned), learned, seen)
    if seen["pages"]:
        found.append(
            f"{seen['pages']} of {n_pictures} pictures {agreeing(seen['pages'], 'has', 'have')} several "
            "pages or frames, of which only the first is read."
        )
    if seen["coloured"] and not colour:
        have = agreeing(seen["coloured"], "has", "have")
        found.append(f"{seen['coloured']} of {n_pictures} pictures {have} colours, which are not read (colour=False).")
    if seen["transparent"] > MANY * n_pictures:
        have = agreeing(seen["transparent"], "has", "have")
        found.append(f"{seen['transparent']} of {n_pictures} pictures {have} transparent parts, which become white.")
    return found


def _about_size(seen: Survey, grid: tuple[int, int], *, crop: bool) -> list[str]:
    """Say how pictures are resized, unless hardly anything happens to them."""
    small, large, (height, width) = seen["smallest"], seen["largest"], grid
    typical = (seen["height"], seen["width"])
    bent = max(_stretch(size, grid) for size in (typical, small, large))
    down, up = max(large[0] / height, large[1] / width), max(height / small[0], width / small[1])
    if max(down, up) < MUCH_SMALLER and bent < OTHER_PROPORTIONS:
        return []
    extent = "" if small == large else f" (from {small[0]} × {small[1]} to {large[0]} × {large[1]})"
    text = (
        f"Pictures of about {typical[0]:.0f} × {typical[1]:.0f} pixels{extent}, height × width, are resized to "
        f"{height} × {width}"
    )
    if bent >= OTHER_PROPORTIONS and crop:
        text += f", and up to {1 - 1 / bent:.0%} of a picture is cut off to keep its proportions"
    elif bent >= OTHER_PROPORTIONS:
        text += f", which changes their proportions by a factor of up to {bent:.1f}"
    return [f"{text}." + " A larger size (--image-size) keeps more detail." * (down >= MUCH_SMALLER)]


def _about_range(kind: str, learned: Mapping[str, float], seen: Survey) -> list[str]:
    """Say how pixels of more than 8 bits are spread over 256 levels, and what is lost."""
    digits = ".4g" if kind == FLOATING else ".10g"
    text = f"{kind} pixels from {learned['low']:{digits}} to {learned['high']:{digits}} are spread over 256 levels"
    text += ", in all pictures alike"
    if learned["clipped"] >= WORTH_TELLING:
        text += f"; {learned['clipped']:.1%} of the pixels lie outside and are clipped"
    if seen["eight_bit"]:
        keep = agreeing(seen["eight_bit"], "has 8 bits and keeps", "have 8 bits and keep")
        text += f"; {seen['eight_bit']} of {seen['pictures']} pictures {keep} them"
    if learned["levels"] >= FEW_LEVELS:
        return [f"{text}."]
    used = f"apart from the darkest and brightest 0.5 %, they use only {learned['levels']:.0f} of these levels"
    warning = f"Warning: {used}. Finer differences, if they have any, are lost: rescale the pictures."
    return [f"{text}.", warning]


def _kind(kind: str, learned: Mapping[str, float]) -> str:
    if kind == FLOATS:
        return FLOATING
    return "16-bit" if learned["low"] >= -(2**15) and learned["high"] < 2**16 else "32-bit"


def cautions(picture: Picture, seen: Survey, ranges: Ranges) -> list[str]:
    """Return how a picture, not decoded yet, is unlike those in training; arguments as in `remarks`."""
    found = ["only its first page or frame is read"] if picture.has_more_pages() else []
    size, smallest = picture.size(), seen["smallest"]
    if size[0] * MUCH_SMALLER <= smallest[0] and size[1] * MUCH_SMALLER <= smallest[1]:
        found.append("it is much smaller than the pictures in training")
    if _stretch(size, (seen["height"], seen["width"])) >= VERY_OTHER_PROPORTIONS:
        found.append("its proportions are unlike those in training")
    if picture.kind is None:
        unusual = not any(is_usual(kind, learned) for kind, learned in ranges.items())
        if ranges and unusual and not seen["eight_bit"]:
            found.append("it has 8 bits, and those in training have more")
        return found
    pixels = picture.colours()
    pixels = pixels.reshape(-1, *pixels.shape[2:])
    pixels = pixels[:: max(len(pixels) // ENOUGH, 1)]
    if picture.kind not in ranges:
        found.append("no picture in training has pixels of its type, so their range is a guess")
    if share_outside(pixels, *given_range(picture.kind, pixels, ranges)) > MANY_CLIPPED:
        found.append("many of its pixels are darker or brighter than those in training, and are clipped")
    return found


def _stretch(size: Any, other: Any) -> float:
    """Return by what factor the proportions of two sizes differ, at least 1."""
    ratio = size[0] / size[1] / (other[0] / other[1])
    return float(max(ratio, 1 / ratio))
