"""A look at the training pictures: how large, how deep and how many pages they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gridcnn.adapters.image_files import Picture
from gridcnn.adapters.pixel_range import FLOATS, WHOLE, Kind, PixelSample
from gridcnn.errors import ItemError

__all__ = ["survey"]

FEW = 0.1  # share of pictures of 8 bits that are taken for strays


def survey(sample: Sequence[Any]) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """Look at pictures, and decode those of more than 8 bits.

    Parameters
    ----------
    sample : sequence of items
        As `Picture` reads them; those that cannot be read are passed over.

    Returns
    -------
    (dict, dict)
        What the pictures are like, JSON-ready: how many `pictures` there are, their median `height` and `width`, the
        `smallest` and the `largest` of them (height, width), how many have 8 bits (`eight_bit`) and further `pages`;
        and the range of pixels of each kind, as `PixelSample.learn` returns it.
    """
    sizes, eight_bit, pages = [], 0, 0
    samples: dict[Kind, PixelSample] = {WHOLE: PixelSample(), FLOATS: PixelSample()}
    for item in sample:
        try:
            with Picture(item) as picture:
                size = picture.size()
                more = picture.has_more_pages()
                if picture.kind is not None:
                    samples[picture.kind].add(picture.colours())
        except ItemError:
            continue  # reported when it is decoded
        sizes.append(size)
        pages += more
        eight_bit += picture.kind is None
    height, width = np.median(sizes, axis=0).tolist() if sizes else (1.0, 1.0)
    by_area = sorted(sizes or [(1, 1)], key=np.prod)
    ranges = {
        str(kind): pixels.learn(kind, beside_8_bits=eight_bit > FEW * len(sizes))
        for kind, pixels in samples.items()
        if len(pixels)
    }
    seen = {
        "pictures": len(sizes),
        "height": height,
        "width": width,
        "smallest": list(by_area[0]),
        "largest": list(by_area[-1]),
        "eight_bit": eight_bit,
        "pages": pages,
    }
    return seen, ranges
