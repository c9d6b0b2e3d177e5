"""Pictures: any mode that Pillow reads becomes 8-bit grey or colour cells of one size."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from sklearn.base import clone
from torch import nn

from gridcnn.adapters.base import Adapter, ClassicModel, Preview, is_path, sample_of
from gridcnn.adapters.counts import block_count, epoch_count
from gridcnn.adapters.standardise import Standardise
from gridcnn.errors import ConfigurationError, DataError, ItemError
from gridcnn.grid import Axis, GridSpec
from gridcnn.parameters import Choice, Constraint, Flag, Number, Optional, Several

__all__ = ["ImageAdapter"]

SAMPLE = 500
LONGEST_LEARNED_SIDE = 64
LONGEST_PREVIEW = 192
SHORTEST_LEARNED_SIDE = 8
COLOUR_DIFFERENCE = 8  # of 255: how far red, green and blue of one pixel may differ in a grey picture
EXIF_ORIENTATION = 0x0112

EPOCH_ITEMS = 160_000  # items seen in training, between the bounds: small sets need more passes
FEWEST_EPOCHS_GREY, FEWEST_EPOCHS_COLOUR, MOST_EPOCHS = 8, 30, 40  # colour has more to tell apart
SETTINGS: dict[str, Any] = {
    "kernel_sizes": (3,),
    "convs_per_block": 2,
    "pool_after": 1,
    "pool": "max",
    "pool_size": 2,
    "dense": (),
    "dropout": 0.2,
    "batch_norm": True,
    "batch_size": 128,
    "learning_rate": 5e-3,
    "kernel_learning_rate": 0.04,
    "weight_decay": 1e-2,
    "label_smoothing": 0.05,
}
GREY: dict[str, Any] = {
    "kernels": (24, 48, 96),
    "head": "flatten",
    "augment": {  # no flips: a flipped digit or letter is another one
        "shift": {"height": 0.1, "width": 0.1},
        "scale": {"height": 0.1, "width": 0.1},
        "rotate": 10.0,
        "annealed": True,  # clothes all stand upright, and fill their pictures
    },
}
COLOUR: dict[str, Any] = {
    "kernels": (64, 256, 256),
    "head": "global_max",  # a thing may stand anywhere in a photograph
    "augment": {"shift": {"height": 0.07, "width": 0.07}, "flip": ["width"]},  # if that keeps their classes
}


class ImageAdapter(Adapter):
    """Turns pictures into grids `(colour, height, width)`.

    Items are paths, Pillow images, or uint8 arrays of shape `(h, w)`, `(h, w, 3)` or `(h, w, 4)`. A camera's EXIF
    orientation is applied, transparency is laid over white, an animation gives its first frame. Pixels of 16 bits are
    scaled to 8 (by 1/257, not cut off); pixels in floating point have no agreed range, so each such picture is
    stretched from its own darkest to its own brightest pixel.

    Parameters
    ----------
    size : int or (int, int) or None, default None
        Height and width of the grid; one number for both. None learns the median of the training pictures, shrunk so
        that the longer side is at most 64 cells; sides of fewer than 8 cells become 8.
    colour : bool or None, default None
        Three channels (red, green, blue) or one (grey). None decides by the pixels: colour if any picture of the
        training sample has a coloured pixel.
    framing : {"resize", "crop"}, default "resize"
        What happens to a picture of another shape than the grid: `"resize"` squeezes it, `"crop"` keeps its
        proportions and cuts off what stands out at the longer sides.

    Attributes
    ----------
    height_, width_ : int
        Size of the grid.
    colour_ : bool
        Whether the grid has three channels.
    mean_, std_ : list of float
        Of each channel over the training sample, pixels in [0, 255].
    """

    modality: ClassVar[str] = "image"
    noun: str = "picture"
    fitted_attributes: ClassVar[tuple[str, ...]] = ("height_", "width_", "colour_", "mean_", "std_")
    constraints: ClassVar[Mapping[str, Constraint]] = {
        "size": Optional(Several(Number(int, low=1), fewest=1)),
        "colour": Optional(Flag()),
        "framing": Choice(("resize", "crop")),
    }
    reads_files: ClassVar[bool] = True

    height_: int
    width_: int
    colour_: bool
    mean_: list[float]
    std_: list[float]

    def __init__(
        self, size: int | tuple[int, int] | None = None, colour: bool | None = None, framing: str = "resize"
    ) -> None:
        self.size = size
        self.colour = colour
        self.framing = framing

    def fit(self, items: Sequence[Any]) -> Self:
        """Learn size, colour, mean and standard deviation from a sample of at most 500 training pictures.

        Raises
        ------
        ConfigurationError
            If `size` or `framing` cannot work.
        DataError
            If none of the pictures can be read.
        """
        self.check_parameters()
        self.height_, self.width_ = self._given_size() or (1, 1)
        self.colour_ = True
        sample = sample_of(items, SAMPLE)
        if self.size is None:
            self.height_, self.width_ = _typical_size(sample)
        coloured, failure = False, None
        counts = {True: np.zeros((3, 256)), False: np.zeros((1, 256))}  # how many pixels have each level, by colour
        for item in sample:
            try:
                picture = self.encode(item)[0]
            except ItemError as error:
                failure = failure or error
                continue
            coloured = coloured or _has_colour(picture)
            counts[True] += _histogram(picture)
            counts[False] += _histogram(_grey(picture))
        if not counts[True].any():
            raise DataError(f"none of the {len(sample)} sampled training pictures can be read; the first: {failure}")
        self.colour_ = coloured if self.colour is None else bool(self.colour)
        self.mean_, self.std_ = _moments(counts[self.colour_])
        return self

    def coarser(self, share: float) -> Self | None:
        """Return a new adapter for smaller pictures, of 8 cells a side at least; None if `size` was set."""
        sides = (self.height_, self.width_)
        size = tuple(max(round(share * side), min(side, SHORTEST_LEARNED_SIDE)) for side in sides)
        smaller: Self = clone(self).set_params(size=size)
        return smaller if self.size is None and size != sides else None

    @property
    def spec_(self) -> GridSpec:
        """Colour × height × width, steps in pixels of the grid."""
        return GridSpec(
            Axis("colour", 3 if self.colour_ else 1, ordered=False),
            (Axis("height", self.height_, unit="pixel"), Axis("width", self.width_, unit="pixel")),
        )

    def encode(self, item: Any) -> np.ndarray:
        """Decode one picture, uint8, shape `(1, colour, height, width)`.

        Raises
        ------
        ItemError
            If it cannot be decoded, or has more pixels than `PIL.Image.MAX_IMAGE_PIXELS`.
        """
        picture = _open(item)
        try:
            # A JPEG can be decoded at a fraction of its size, which is much faster; twice the grid is sharp enough.
            least = 2 * max(self.height_, self.width_)
            picture.draft(None, (least, least))
            ImageOps.exif_transpose(picture, in_place=True)
            picture = _as_eight_bit(picture, "RGB" if self.colour_ else "L")
        except Exception as error:  # what Pillow's decoders raise on a broken file is open-ended
            raise ItemError(_name(item), _reason(error)) from error
        shape, filter_ = (self.width_, self.height_), Image.Resampling.LANCZOS
        if picture.size != shape:
            picture = (
                ImageOps.fit(picture, shape, filter_) if self.framing == "crop" else picture.resize(shape, filter_)
            )
        pixels = np.array(picture)
        return np.ascontiguousarray(pixels.reshape(self.height_, self.width_, -1).transpose(2, 0, 1)[None])

    def frontend(self) -> nn.Module:
        """Return the module that standardises each channel: uint8 `(batch, colour, height, width)` to float32."""
        return Standardise(torch.tensor(self.mean_)[:, None, None], torch.tensor(self.std_)[:, None, None])

    def defaults(self, n_items: int) -> dict[str, Any]:
        """Return the parameters of `GridClassifier` that suit pictures of this size."""
        kind, fewest = (COLOUR, FEWEST_EPOCHS_COLOUR) if self.colour_ else (GREY, FEWEST_EPOCHS_GREY)
        blocks = block_count(min(self.height_, self.width_), len(kind["kernels"]))
        return {
            **SETTINGS,
            **kind,
            "kernels": kind["kernels"][:blocks],
            "epochs": epoch_count(EPOCH_ITEMS, n_items, fewest, MOST_EPOCHS),
        }

    def preview(self, item: Any) -> Preview:
        """Return a picture in its own colours and proportions, at most 192 pixels a side, decoded as in training."""
        if not (is_path(item) or isinstance(item, np.ndarray | Image.Image)):
            raise ItemError(_name(item), "expected a path, a Pillow image or a uint8 array")
        own = ImageAdapter().fit([item])  # its sides, of at most 64 pixels
        longest = max(own.height_, own.width_)
        if longest >= LONGEST_LEARNED_SIDE:
            grown = LONGEST_PREVIEW / longest
            own = ImageAdapter(size=(round(own.height_ * grown), round(own.width_ * grown))).fit([item])
        return own.preview_window(own.encode(item)[0])

    def preview_window(self, window: np.ndarray) -> Preview:
        """Return the pixels of an encoded picture."""
        pixels = window.transpose(1, 2, 0)  # (height, width, colour)
        return Preview(pixels=pixels if pixels.shape[2] == 3 else pixels[..., 0])

    def describe_grid(self) -> str:
        """Give the size and the colours."""
        colours = ", in red, green and blue" if self.colour_ else ""
        return f"{self.height_} × {self.width_} pixels{colours}: this is all the network sees."

    def baseline(self, random_state: int = 0) -> ClassicModel:
        """Return an SVM on the principal components of the pixels."""
        from gridcnn.adapters.classic import principal_components  # noqa: PLC0415  (as in the base class)

        return principal_components(random_state)

    def _given_size(self) -> tuple[int, int] | None:
        if self.size is None:
            return None
        sides = [self.size] * 2 if not isinstance(self.size, Sequence) else list(self.size)
        if len(sides) != 2:
            raise ConfigurationError(f"size needs a height and a width of at least 1 pixel, got {self.size}")
        return int(sides[0]), int(sides[1])


def _open(item: Any) -> Image.Image:
    """Open a picture without decoding it, and refuse what would not fit in memory."""
    if isinstance(item, np.ndarray):
        if item.dtype != np.uint8 or item.ndim not in (2, 3) or item.shape[2:] not in ((), (3,), (4,)) or not item.size:
            raise ItemError(
                _name(item),
                "expected uint8 pixels of shape (h, w), (h, w, 3) or (h, w, 4); scale floats to 0…255 first",
            )
        return Image.fromarray(item)
    if isinstance(item, Image.Image):
        return item.copy()
    if not isinstance(item, str | os.PathLike):
        raise ItemError(_name(item), "expected a path, a Pillow image or a uint8 array")
    try:
        picture = Image.open(item)
    except Exception as error:  # as above
        empty = isinstance(error, UnidentifiedImageError) and not Path(item).stat().st_size
        raise ItemError(item, "the file is empty (0 bytes)" if empty else _reason(error)) from error
    most = Image.MAX_IMAGE_PIXELS
    if most is not None and picture.width * picture.height > most:
        picture.close()
        raise ItemError(
            item,
            f"{picture.width} × {picture.height} pixels are more than the {most} that Pillow takes for safe; "
            "raise PIL.Image.MAX_IMAGE_PIXELS if you trust the file",
        )
    return picture


def _as_eight_bit(picture: Image.Image, mode: str) -> Image.Image:
    """Convert any mode to `"L"` or `"RGB"` over white."""
    if picture.mode.startswith("I"):  # 16 bits; Pillow shows some such files as 32-bit integers
        levels = np.asarray(picture).astype(np.float64)
        if levels.min() < 0 or levels.max() > 65535:
            raise ValueError("its 32-bit pixels have no agreed range; store it with 8 or 16 bits")
        picture = Image.fromarray((levels / 257).round().astype(np.uint8))
    elif picture.mode == "F":
        levels = np.asarray(picture).astype(np.float64)
        if not np.isfinite(levels).all():
            raise ValueError("it has pixels that are NaN or infinite")
        spread = np.ptp(levels) or 1.0
        picture = Image.fromarray(((levels - levels.min()) * (255 / spread)).round().astype(np.uint8))
    elif picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture if picture.mode == mode else picture.convert(mode)


def _typical_size(sample: Sequence[Any]) -> tuple[int, int]:
    """Return the median height and width from the headers, shrunk or grown to the learnable range."""
    sizes = []
    for item in sample:
        try:
            with _open(item) as picture:
                turned = picture.getexif().get(EXIF_ORIENTATION, 1) >= 5  # 5 to 8 lie on their side
                sizes.append(picture.size if turned else picture.size[::-1])
        except (ItemError, OSError, ValueError, SyntaxError):
            continue  # reported when it is decoded
    if not sizes:
        return SHORTEST_LEARNED_SIDE, SHORTEST_LEARNED_SIDE
    height, width = np.median(sizes, axis=0)
    shrink = min(1.0, LONGEST_LEARNED_SIDE / max(height, width))
    return max(round(height * shrink), SHORTEST_LEARNED_SIDE), max(round(width * shrink), SHORTEST_LEARNED_SIDE)


def _has_colour(picture: np.ndarray) -> bool:
    """Whether red, green and blue differ anywhere in a picture, shape `(3, height, width)`."""
    return bool((picture.max(axis=0) - picture.min(axis=0) > COLOUR_DIFFERENCE).any())


def _grey(picture: np.ndarray) -> np.ndarray:
    """Turn RGB, shape `(3, height, width)`, into grey as `encode` does, shape `(1, height, width)`."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0))).convert("L"))[None]


def _histogram(picture: np.ndarray) -> np.ndarray:
    """Count how many pixels of each channel have each level, shape `(channels, 256)`."""
    return np.stack([np.bincount(channel.ravel(), minlength=256) for channel in picture])


def _moments(counts: np.ndarray) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel; the latter 1 if there is no spread to divide by."""
    levels, shares = np.arange(256), counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ levels
    std = np.sqrt((shares * np.square(levels - mean[:, None])).sum(axis=1))
    return mean.tolist(), np.where(std > 0.1, std, 1.0).tolist()


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, UnidentifiedImageError):
        return "not a picture that Pillow can read"
    return f"cannot be decoded: {error or type(error).__name__}"


def _name(item: Any) -> str:
    """Name an item in a message: a path as it is, a picture in memory by its kind and size."""
    if isinstance(item, np.ndarray):
        return f"array of shape {item.shape}, {item.dtype}"
    return str(item)
