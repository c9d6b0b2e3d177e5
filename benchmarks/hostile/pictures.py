"""Pictures of every format that Pillow writes here, and how they are tried."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from families import Family, register
from models import attempt, load, trained
from picture_bombs import BOMBS
from picture_codes import png, psd
from picture_mutations import (
    jpeg_cut_but_ended,
    jpeg_segments,
    png_with_good_checksums,
    riff_sizes,
    tiff_tags,
)
from PIL import Image, features

HEIGHT, WIDTH = 48, 64
"""Of every seed, and of the grid, so that nothing is resized and a changed pixel shows."""


def scene(seed: int = 0) -> np.ndarray:
    """Return a picture with edges, a slope and some noise, uint8 (height, width, 3)."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    random = np.random.default_rng(seed)
    pixels = np.stack([3 * columns, 5 * rows, 255 * ((rows // 8 + columns // 8 + seed) % 2)], axis=2).astype(float)
    return (pixels + random.normal(0, 8, pixels.shape)).clip(0, 255).astype(np.uint8)


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    if "append_images" in options:  # copies, since a picture saved as JPEG keeps options that TIFF stumbles over
        options = options | {"append_images": [each.copy() for each in options["append_images"]]}
    picture.copy().save(buffer, kind, **options)
    return buffer.getvalue()


def seeds() -> dict[str, bytes]:
    """Return pictures of all formats, modes and codings, by their names."""
    colour = Image.fromarray(scene())
    grey, palette, see_through = colour.convert("L"), colour.quantize(64), colour.convert("RGBA")
    see_through.putalpha(Image.fromarray(np.tile(np.arange(WIDTH, dtype=np.uint8) * 4, (HEIGHT, 1))))
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 200)
    others = [Image.fromarray(scene(seed)) for seed in (1, 2)]
    turned = Image.Exif()
    turned[0x0112], turned[0x010F] = 6, "camera"
    made: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "rgb.png": (colour, "PNG", {}),
        "grey.png": (grey, "PNG", {}),
        "bits.png": (colour.convert("1"), "PNG", {}),
        "palette.png": (palette, "PNG", {}),
        "palette4.png": (colour.quantize(16), "PNG", {"bits": 4}),
        "key.png": (palette, "PNG", {"transparency": 3}),
        "alpha.png": (see_through, "PNG", {"exif": turned}),
        "deep.png": (deep, "PNG", {}),
        "animated.apng": (colour, "PNG", {"save_all": True, "append_images": others, "duration": 50}),
        "baseline.jpg": (colour, "JPEG", {"quality": 90}),
        "exif.jpg": (colour, "JPEG", {"exif": turned, "subsampling": 0, "comment": b"hello"}),
        "progressive.jpg": (colour, "JPEG", {"progressive": True, "quality": 80}),
        "restarts.jpg": (colour, "JPEG", {"restart_marker_blocks": 2}),
        "grey.jpg": (grey, "JPEG", {"optimize": True}),
        "cmyk.jpg": (colour.convert("CMYK"), "JPEG", {}),
        "two.mpo": (colour, "MPO", {"save_all": True, "append_images": others}),
        "still.gif": (palette, "GIF", {}),
        "animated.gif": (palette, "GIF", {"save_all": True, "append_images": others, "loop": 0, "transparency": 5}),
        "rgb.bmp": (colour, "BMP", {}),
        "palette.bmp": (palette, "BMP", {}),
        "bits.dib": (colour.convert("1"), "DIB", {}),
        "alpha.bmp": (see_through, "BMP", {}),
        "icon.ico": (see_through, "ICO", {"sizes": [(WIDTH, HEIGHT), (16, 16)]}),
        "icon-bmp.ico": (see_through, "ICO", {"sizes": [(WIDTH, HEIGHT)], "bitmap_format": "bmp"}),
        "lossy.webp": (colour, "WEBP", {"quality": 80}),
        "lossless.webp": (see_through, "WEBP", {"lossless": True, "exif": turned}),
        "animated.webp": (colour, "WEBP", {"save_all": True, "append_images": others}),
        "rgb.ppm": (colour, "PPM", {}),
        "grey.pgm": (grey, "PPM", {}),
        "bits.pbm": (colour.convert("1"), "PPM", {}),
        "deep.pgm": (deep, "PPM", {}),
        "floats.pfm": (grey.convert("F"), "PPM", {}),
        "rgb.tga": (colour, "TGA", {}),
        "packed.tga": (palette, "TGA", {"compression": "tga_rle"}),
        "rgb.pcx": (colour, "PCX", {}),
        "rgb.sgi": (colour, "SGI", {}),
        "rgb.qoi": (colour, "QOI", {}),
        "lossless.jp2": (colour, "JPEG2000", {}),
        "lossy.j2k": (grey, "JPEG2000", {"quality_mode": "rates", "quality_layers": [20], "irreversible": True}),
        "raw.tif": (colour, "TIFF", {"exif": turned}),
        "palette.tif": (palette, "TIFF", {"compression": "packbits"}),
        "floats.tif": (grey.convert("F"), "TIFF", {}),
        "deep.tif": (deep, "TIFF", {"compression": "tiff_lzw"}),
        "pages.tif": (colour, "TIFF", {"save_all": True, "append_images": others, "compression": "tiff_adobe_deflate"}),
        "jpeg.tif": (colour, "TIFF", {"compression": "jpeg"}),
        "fax.tif": (colour.convert("1"), "TIFF", {"compression": "group4"}),
        "big.tif": (colour, "TIFF", {"big_tiff": True}),
        "tiles.tif": (colour, "TIFF", {"compression": "tiff_lzw", "tiffinfo": {278: 16}}),
        "cmyk.tif": (colour.convert("CMYK"), "TIFF", {}),
    }  # fmt: skip
    if features.check("avif"):
        made["rgb.avif"] = (colour, "AVIF", {"speed": 10})
    files = {name: _saved(picture, kind, **options) for name, (picture, kind, options) in made.items()}
    return {**files, "rgb16.png": png(np.asarray(colour).astype(">u2") * 257, 16, 2), "layers.psd": psd(scene())}


# --- how they are tried ----------------------------------------------------------------------------------------------


def prepare(folder: Path) -> Path:
    """Train a small network on pictures of the seeds' size, and save it."""
    from gridcnn.adapters import ImageAdapter  # noqa: PLC0415  (torch: not needed to make the corpus)

    adapter = ImageAdapter(size=(HEIGHT, WIDTH), colour=True)
    return trained(adapter, [scene(seed) for seed in range(12)], folder / "pictures.safetensors")


def content(model: Any, path: Path) -> bytes:
    """Return the pixels that the network saw."""
    pixels: bytes = model.adapter.encode(path).tobytes()
    return pixels


def damage_shows(seed: str, mutation: str) -> bool:
    """Whether a changed file of this format cannot be another good picture."""
    if mutation == "truncated":
        return True
    if mutation == "jpeg_cut_but_ended":  # what is missing of the last scan of a progressive one is fine detail
        return seed != "progressive.jpg"
    return Path(seed).suffix[1:] == "png" and mutation in {"flipped", "removed", "blanked", "inserted", "exchanged"}


register(
    Family(
        "pictures",
        seeds,
        prepare,
        load,
        attempt,
        content,
        damage_shows,
        own={
            each.__name__: each
            for each in (png_with_good_checksums, jpeg_segments, jpeg_cut_but_ended, tiff_tags, riff_sizes)
        },
        bombs=BOMBS,
        in_folders=True,
    )
)
