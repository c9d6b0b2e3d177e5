"""Pictures: any mode that Pillow reads becomes 8-bit grey or colour cells of one size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from PIL import Image

from gridcnn.adapters import image_received, image_remarks, image_state
from gridcnn.adapters.base import Adapter, ClassicModel, Preview, sample_of
from gridcnn.adapters.image_files import Picture, as_array, decoding
from gridcnn.adapters.image_inspecting import PictureInspector
from gridcnn.adapters.image_levels import grey, has_colour, histogram, moments
from gridcnn.adapters.image_resizing import resized
from gridcnn.adapters.image_settings import LONGEST_SIDE, SHORTEST_SIDE, learned_size, questions, settings
from gridcnn.adapters.image_survey import survey
from gridcnn.adapters.questions import Question
from gridcnn.adapters.tensors import is_tensor
from gridcnn.errors import ConfigurationError, DataError, ItemError
from gridcnn.grid import Axis, GridSpec
from gridcnn.onnx_graph import Graph, Windows
from gridcnn.parameters import Choice, Constraint, Flag, Number, Optional, Several

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ImageAdapter"]

SAMPLE = 500
LONGEST_PREVIEW = 192
SHARP_ENOUGH = 8
"""Times the grid's longer side to which a JPEG is decoded at least, at a fraction of its size, which is faster.

Beside the whole picture, probabilities of 300 photographs move by 0.0002 on average and 0.009 at most (at 2 times: by
0.015 and 0.085).
"""


class ImageAdapter(Adapter):
    """Turns pictures into grids `(colour, height, width)`.

    Items are paths, Pillow pictures, arrays or tensors. An array has its channels last: `(h, w)`, `(h, w, 1)`,
    `(h, w, 3)` or `(h, w, 4)`; a tensor has them first, as torch has them: `(h, w)`, `(1, h, w)`, `(3, h, w)` or
    `(4, h, w)`; last, if only the last axis can be that of channels. An array or tensor of n pictures is n items. A
    camera's EXIF orientation is applied, transparency is laid over white, of several pages or frames the first is read.

    Pixels of 8 bits stay as they are; True and False become 255 and 0. Pixels of more bits, and in floating point, are
    spread over 256 levels, in all pictures alike: from the darkest to the brightest pixel of the training sample, or
    over a narrower range if few pixels lie outside it (a camera's hot pixels). Beside pictures of 8 bits, it is the
    range of a usual bit depth.

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
    pixel_ranges_ : dict
        For "whole" numbers of more than 8 bits and for "floats", where the training sample has them: `low` and `high`,
        which become 0 and 255; how many of the 256 `levels` are in use; the share of pixels that is `clipped`.
    survey_ : dict
        What the training sample is like: its sizes, and how many pictures have colours, several pages and the like.
    """

    modality: ClassVar[str] = "image"
    task: ClassVar[str] = "image-classification"
    noun: str = "picture"
    fitted_attributes: ClassVar[tuple[str, ...]] = tuple(image_state.STATE)
    state_constraints: ClassVar[Mapping[str, Constraint]] = image_state.STATE
    constraints: ClassVar[Mapping[str, Constraint]] = {
        "size": Optional(Several(Number(int, low=1), fewest=1)),
        "colour": Optional(Flag()),
        "framing": Choice(("resize", "crop")),
    }
    reads_files: ClassVar[bool] = True
    inspector = PictureInspector

    height_: int
    width_: int
    colour_: bool
    mean_: list[float]
    std_: list[float]
    pixel_ranges_: dict[str, dict[str, float]]
    survey_: dict[str, Any]

    def __init__(
        self, size: int | tuple[int, int] | None = None, colour: bool | None = None, framing: str = "resize"
    ) -> None:
        self.size = size
        self.colour = colour
        self.framing = framing

    def check_parameters(self) -> None:
        """Raise ConfigurationError for the first constructor parameter that cannot work."""
        super().check_parameters()
        if self.size is not None:
            _two_sides(self.size)

    def check_items(self, X: Any) -> Sequence[Any]:
        """Return `X` as a list of pictures; an array or tensor of shape `(n, …)` is n of them.

        Raises
        ------
        TypeError
            If `X` is one picture rather than a sequence of them.
        """
        pixels = (isinstance(X, np.ndarray) or is_tensor(X)) and getattr(X.dtype, "kind", "f") in "buif"
        if isinstance(X, Image.Image) or (pixels and X.ndim == 2):
            raise TypeError("expected a sequence of pictures, got one: put it in a list, [picture]")
        return [as_array(item) for item in super().check_items(X)]

    def fit(self, items: Sequence[Any]) -> Self:
        """Learn size, colours, range of pixels, mean and standard deviation from at most 500 training pictures.

        Raises
        ------
        ConfigurationError
            If `size` or `framing` cannot work.
        DataError
            If none of the pictures can be read.
        """
        self.check_parameters()
        sample = sample_of(items, SAMPLE)
        self.survey_, self.pixel_ranges_ = survey(sample)
        typical = learned_size(self.survey_["height"], self.survey_["width"])
        self.height_, self.width_ = typical if self.size is None else _two_sides(self.size)
        self.colour_ = True
        coloured, transparent, failure = 0, 0, None
        counts = {True: np.zeros((3, 256)), False: np.zeros((1, 256))}  # how many pixels have each level, by colour
        for item in sample:
            try:
                with Picture(item) as picture:
                    window = self._window(picture)
            except ItemError as error:
                failure = failure or error
                continue
            coloured += has_colour(window)
            transparent += picture.transparent
            counts[True] += histogram(window)
            counts[False] += histogram(grey(window))
        if not counts[True].any():
            raise DataError(f"none of the {len(sample)} sampled training pictures can be read; the first: {failure}")
        self.survey_ |= {"coloured": coloured, "transparent": transparent}
        self.colour_ = bool(coloured) if self.colour is None else bool(self.colour)
        self.mean_, self.std_ = moments(counts[self.colour_])
        return self

    def coarser(self, share: float) -> Self | None:
        """Return a new adapter for smaller pictures, of 8 cells a side at least; None if `size` was set."""
        sides = (self.height_, self.width_)
        size = tuple(max(round(share * side), min(side, SHORTEST_SIDE)) for side in sides)
        smaller = type(self)(**{**self.get_params(), "size": size})
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
            If it cannot be decoded, or has more pixels than it may: see `gridcnn.adapters.limits`.
        """
        with Picture(item) as picture:
            return self._window(picture)[None]

    def _window(self, picture: Picture) -> np.ndarray:
        """Decode a picture, uint8, shape `(colour, height, width)`."""
        shape = (self.height_, self.width_)
        with decoding(picture.item):  # resizing may lack memory
            pixels = np.array(resized(self._decoded(picture), shape, crop=self.framing == "crop"))
        return np.ascontiguousarray(pixels.reshape(*shape, -1).transpose(2, 0, 1))

    def _decoded(self, picture: Picture) -> Image.Image:
        least = SHARP_ENOUGH * max(self.height_, self.width_)
        return picture.eight_bit("RGB" if self.colour_ else "L", self.pixel_ranges_, least)

    def decode(self, item: Any) -> np.ndarray:
        """Return the upright pixels of a picture, uint8, shape `(height, width, colour)`; a large JPEG's at a fraction.

        Raises
        ------
        ItemError
            As `encode`.
        """
        with Picture(item) as picture:
            return np.atleast_3d(np.array(self._decoded(picture)))

    def add_to(self, graph: Graph, frontend: nn.Module) -> Windows:
        """Add an input `pictures`, uint8 `(batch, height, width, channels)`, red, green and blue or grey, of any size.

        They are turned grey if the model is, resized to the last bit as Pillow does, and standardised.
        """
        from gridcnn.adapters.image_graph import add_pixels  # noqa: PLC0415  (for exports only)
        from gridcnn.adapters.numbers_graph import add_standardised  # noqa: PLC0415

        pictures = graph.input("pictures", np.uint8, ["batch", "height", "width", "channels"])
        shape, crop = (self.height_, self.width_), self.framing == "crop"
        pixels = add_pixels(graph, pictures, shape, colour=self.colour_, crop=crop)
        return Windows(add_standardised(graph, pixels, frontend))

    def trial_items(self, random: np.random.Generator) -> list[Any]:
        """Return noise in grey and in colour: as large as the grid, wider, taller, larger, and tiny."""
        height, width = self.height_, self.width_
        sizes = [(height, width), (height, 3 * width), (5 * height, width), (2 * height + 1, 2 * width + 3), (1, 2)]
        return [random.integers(0, 256, (*size, channels)).astype(np.uint8) for size in sizes for channels in (1, 3)]

    def describe_input(self) -> str:
        """Say which pixels these are."""
        fourth = "a fourth channel (alpha) is refused" if self.colour_ else "a fourth channel (alpha) would be ignored"
        shape = "`pictures`, uint8 `(batch, height, width, 1 or 3)`, upright, of any size but all of a batch of one"
        return f"{shape}; grey, or red, green and blue; lay transparent pictures over white before: {fourth}"

    def received(self, value: Any, most: Mapping[str, float]) -> Any:
        """Return a picture that a service was sent; numbers are pixels."""
        return image_received.picture(value, most)

    def frontend(self) -> nn.Module:
        """Return the module that standardises each channel: uint8 `(batch, colour, height, width)` to float32."""
        import torch  # noqa: PLC0415  (what only decodes needs none)

        from gridcnn.adapters.standardise import Standardise  # noqa: PLC0415

        return Standardise(torch.tensor(self.mean_)[:, None, None], torch.tensor(self.std_)[:, None, None])

    def defaults(self, n_items: int) -> dict[str, Any]:
        """Return the parameters of `GridClassifier` that suit pictures of this size."""
        return settings(self.height_, self.width_, n_items, colour=self.colour_)

    def questions(self, n_items: int) -> list[Question]:
        """Ask whether pictures that are larger than the grid need more cells."""
        sides = (self.survey_["height"], self.survey_["width"])
        return questions(*sides, n_items) if self.size is None else []

    def preview(self, item: Any) -> Preview:
        """Return a picture in its own colours and proportions, at most 192 pixels a side, decoded as in training."""
        with Picture(item) as picture:
            height, width = learned_size(*picture.size())
            if max(height, width) >= LONGEST_SIDE:
                grown = LONGEST_PREVIEW / max(height, width)
                height, width = round(height * grown), round(width * grown)
            own = ImageAdapter(size=(height, width)).restore({**self.state(), "height_": height, "width_": width})
            own.colour_ = True
            window = own._window(picture)
        return self.preview_window(window if has_colour(window) else grey(window))

    def preview_window(self, window: np.ndarray) -> Preview:
        """Return the pixels of an encoded picture."""
        pixels = window.transpose(1, 2, 0)  # (height, width, colour)
        return Preview(pixels=pixels if pixels.shape[2] == 3 else pixels[..., 0])

    def remarks(self) -> list[str]:
        """Say how the pictures are resized, which range of pixels is read, and what is not read at all."""
        grid = (self.height_, self.width_)
        crop = self.framing == "crop"
        return image_remarks.remarks(self.survey_, self.pixel_ranges_, grid, crop=crop, colour=self.colour_)

    def cautions(self, item: Any) -> list[str]:
        """Say in what the picture is unlike those in training, or shows little."""
        try:
            with Picture(item) as picture:
                found = image_remarks.cautions(picture, self.survey_, self.pixel_ranges_)
                window = self._window(picture)
        except ItemError:
            return []
        plain = (window.min(axis=(1, 2)) == window.max(axis=(1, 2))).all()
        return [*found, *["it is of one colour"] * int(plain)]

    def describe_grid(self) -> str:
        """Give the size and the colours."""
        colours = ", in red, green and blue" if self.colour_ else ""
        return f"{self.height_} × {self.width_} pixels{colours}: this is all the network sees."

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Check also that the grid is not too large, and that mean and deviation are those of its channels."""
        super().check_state(state)
        image_state.check_together(state)

    def baseline(self, random_state: int = 0) -> ClassicModel:
        """Return an SVM on the principal components of the pixels."""
        from gridcnn.adapters.classic import principal_components  # noqa: PLC0415  (as in the base class)

        return principal_components(random_state)


def _two_sides(size: Any) -> tuple[int, int]:
    """Return the height and width that `size` means."""
    sides = [int(side) for side in np.ravel(size)]
    if np.ndim(size) == 0:
        sides *= 2
    if len(sides) != 2:
        raise ConfigurationError(f"size needs one number, or a height and a width, in pixels; got {size}")
    height, width = sides
    if height * width > image_state.MOST_CELLS:
        raise ConfigurationError(
            f"size is {height} × {width} pixels; the largest grid has {image_state.MOST_CELLS:,}, such as 4096 × 4096"
        )
    return height, width
