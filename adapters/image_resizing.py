"""Pictures resized to the grid, by Lanczos, in the same way whatever the version of Pillow."""

from __future__ import annotations

from PIL import Image

__all__ = ["is_tall", "resized"]

LANCZOS = Image.Resampling.LANCZOS
TRANSPOSE = Image.Transpose.TRANSPOSE
LARGE = 2**20  # pixels


def is_tall(size: tuple[int, int], shape: tuple[int, int]) -> bool:
    """Whether a picture of `size` loses so much height in becoming `shape`, both (height, width), that this goes first.

    Pillow does so since version 13. Each of the two passes rounds, so their order changes pixels by one level.
    """
    return size[0] - shape[0] > max(0, 2 * (size[1] - shape[1]))


def resized(picture: Image.Image, shape: tuple[int, int], *, crop: bool) -> Image.Image:
    """Return a picture of `shape` (height, width), squeezed, or cropped in the middle to the proportions of that."""
    (width, height), (rows, columns) = picture.size, shape
    if (height, width) == shape:
        return picture
    left, top, right, bottom = _middle(height, width, shape) if crop else (0.0, 0.0, float(width), float(height))
    if not is_tall((height, width), shape):
        return picture.resize((columns, rows), LANCZOS, (left, top, right, bottom))
    if width * height > LARGE:  # lying on its side it takes a fifth of the time, since rows are read one after another
        lying = picture.transpose(TRANSPOSE).resize((rows, width), LANCZOS, (top, 0, bottom, width))
        shortened = lying.transpose(TRANSPOSE)
    else:
        shortened = picture.resize((width, rows), LANCZOS, (0, top, width, bottom))
    return shortened.resize((columns, rows), LANCZOS, (left, 0, right, rows))


def _middle(height: int, width: int, shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the largest part in the middle with the proportions of `shape`.

    References
    ----------
    `PIL.ImageOps.fit`, of which this is the box.
    """
    ratio = shape[1] / shape[0]
    wide = width / height > ratio
    kept_width = ratio * height if wide else width
    kept_height = width / ratio if width / height < ratio else height
    left, top = (width - kept_width) * 0.5, (height - kept_height) * 0.5
    return left, top, left + kept_width, top + kept_height
