"""Broken and lying pictures, each of which once got an answer, took gigabytes, or ended the command."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gridcnn.adapters import ImageAdapter
from gridcnn.adapters.image_opening import FORMATS
from gridcnn.adapters.image_resizing import resized
from gridcnn.errors import ItemError


def scene(height: int = 48, width: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).normal(0, 9, (height, width, 3))
    return (np.stack([3 * columns, 5 * rows, rows + columns], axis=2) + noise).clip(0, 255).astype(np.uint8)


ADAPTER = ImageAdapter(size=(48, 64), colour=True).fit([scene()])


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def refusal(folder: Path, name: str, content: bytes) -> str:
    """Return why a file is refused; "" if it is not."""
    (folder / name).write_bytes(content)
    try:
        ADAPTER.encode(folder / name)
    except ItemError as error:
        return error.reason
    return ""


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, packed: bytes, bits: int = 8, colour_type: int = 2) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


# --- answers to what is not there ------------------------------------------------------------------------------------


def test_a_png_whose_pixels_do_not_agree_with_their_checksum_is_refused(tmp_path):
    """A stretch of zeros became part of the picture: Pillow skips the checksums of pixels."""
    rows = b"".join(b"\0" + row.tobytes() for row in scene())
    good = png(64, 48, zlib.compress(rows))
    assert refusal(tmp_path, "a.png", good) == ""
    other = zlib.compress(rows.replace(rows[3_000:3_040], bytes(40)))
    damaged = png(64, 48, other)[:-16] + good[-16:]  # with the checksum of the good one
    with Image.open(io.BytesIO(damaged)) as picture:
        picture.load()  # without complaint
    assert "do not agree with their checksum" in refusal(tmp_path, "a.png", damaged)


def test_a_png_without_its_last_chunk_is_whole(tmp_path):
    assert refusal(tmp_path, "a.png", saved(Image.fromarray(scene()), "PNG")[:-12]) == ""


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"restart_marker_blocks": 2}, {"quality": 20}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.8])
def test_a_jpeg_that_is_cut_and_ended_is_refused(tmp_path, options, mode, kept):
    """Half a download, with an end mark: the missing half is grey, and libjpeg says nothing."""
    good = saved(Image.fromarray(scene()).convert(mode), "JPEG", **options)
    start = good.index(b"\xff\xda") + 14
    cut = good[: start + int(kept * (len(good) - start))] + b"\xff\xd9"
    with Image.open(io.BytesIO(cut)) as picture:
        picture.load()  # without complaint
    assert refusal(tmp_path, "a.jpg", good) == ""
    assert refusal(tmp_path, "a.jpg", cut) == "truncated: pixels are missing before its end"


def test_a_whole_jpeg_that_ends_in_grey_is_read(tmp_path):
    pixels = scene()
    pixels[24:] = 128
    for options in ({}, {"restart_marker_blocks": 1}, {"progressive": True}):
        assert refusal(tmp_path, "a.jpg", saved(Image.fromarray(pixels), "JPEG", **options)) == ""


def test_a_progressive_jpeg_without_its_last_scans_is_refused(tmp_path):
    good = saved(Image.fromarray(scene()), "JPEG", progressive=True)
    scans = [at for at in range(len(good)) if good[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 5
    assert refusal(tmp_path, "a.jpg", good) == ""
    for at in scans[1:]:
        assert refusal(tmp_path, "a.jpg", good[:at] + b"\xff\xd9") == "truncated: some of its scans are missing"


@pytest.mark.parametrize("colours", [b"", chunk(b"tRNS", b"\0\1")])
def test_a_palette_that_is_missing_is_one_bad_item(tmp_path, colours):
    """Pillow raised AssertionError when it was asked whether such a picture is transparent."""
    bits = struct.pack(">IIBBBBB", 4, 4, 8, 3, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(20)))
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bits) + colours + pixels + chunk(b"IEND", b"")
    assert refusal(tmp_path, "a.png", content) == "its palette is missing"


# --- memory and time -------------------------------------------------------------------------------------------------


def test_a_picture_as_large_as_a_city_is_refused_by_its_header(tmp_path):
    reason = refusal(tmp_path, "a.png", png(100_000, 100_000, zlib.compress(bytes(1000))))
    assert (
        reason
        == "it has more than 89,478,485 pixels: if you trust it, allow more by --max-pixels or GRIDCNN_MAX_PIXELS"
    )


def test_a_progressive_jpeg_of_thousands_of_scans_is_refused_by_their_number(tmp_path):
    """359 KB that keep a decoder busy for minutes: each scan costs a pass over all pixels."""
    good = saved(Image.new("L", (4_000, 4_000)), "JPEG", progressive=True)
    again = good[good.rindex(b"\xff\xda") : -2]
    assert refusal(tmp_path, "a.jpg", good) == ""
    assert "pixels in 1006 scans: if" in refusal(tmp_path, "a.jpg", good[:-2] + 1_000 * again + b"\xff\xd9")


@pytest.mark.parametrize("kind", ["png", "bitmap"])
def test_an_icon_holds_no_picture_larger_than_its_list_says_it_may(tmp_path, kind):
    """Pillow decodes a picture of an icon while it opens the file, whatever size the list of the icon states."""
    inside = png(13_000, 13_000, zlib.compress(bytes(99)), colour_type=6)
    if kind == "bitmap":
        inside = struct.pack("<IiiHHIIiiII", 40, 13_000, 26_000, 1, 32, 0, 0, 0, 0, 0, 0)
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inside), 22) + inside
    assert "more than 89,478,485 pixels" in refusal(tmp_path, "a.ico", icon)
    good = saved(Image.fromarray(scene()), "ICO", sizes=[(64, 48)])
    assert refusal(tmp_path, "a.ico", good) == ""


def test_a_tile_larger_than_its_picture_is_refused(tmp_path):
    """A TIFF of 16 × 16 pixels took 1.9 GB, since its tiles have 45,056 × 45,056."""
    content = zlib.compress(bytes(1000))
    tags = [(256, 16), (257, 16), (258, 8), (259, 8), (262, 1), (277, 1), (322, 45_056), (323, 45_056), (324, 8)]
    tags += [(325, len(content))]
    folder = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    tiff = b"II*\0" + struct.pack("<I", 8 + len(content)) + content + folder + bytes(4)
    assert refusal(tmp_path, "a.tif", tiff) == (
        "its tiles have 45,056 × 45,056 pixels, more than the picture: it is damaged"
    )


def test_a_picture_of_one_endless_row_is_one_bad_item(tmp_path):
    """80 million pixels in a row raised MemoryError from resizing, which ended the command."""
    reason = refusal(tmp_path, "a.png", png(80_000_000, 1, zlib.compress(bytes(99)), colour_type=0))
    assert "more than 89,478,485 pixels" in reason


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("crop", [False, True])
def test_a_tall_picture_is_shrunk_on_its_side_to_the_same_pixels(mode, crop, monkeypatch):
    """A PNG of 501 bytes, 64 × 1,048,624 pixels, took 7 s: each column was read from top to bottom, row by row."""
    noise = np.random.default_rng(0).integers(0, 256, (700, 31, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).convert(mode)
    upright = np.asarray(resized(picture, (20, 24), crop=crop))
    monkeypatch.setattr("gridcnn.adapters.image_resizing.LARGE", 0)
    np.testing.assert_array_equal(np.asarray(resized(picture, (20, 24), crop=crop)), upright)


def test_what_resizing_lacks_is_said_of_the_item(monkeypatch):
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("gridcnn.adapters.image.resized", no_memory)
    with pytest.raises(ItemError, match="cannot be decoded: MemoryError"):
        ADAPTER.encode(scene())


# --- formats ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["EPS", "IM", "SPIDER", "XBM", "ICNS", "DDS"])
def test_formats_that_are_not_on_the_list_are_not_decoded(tmp_path, kind, monkeypatch):
    """Pillow hands EPS to Ghostscript, a program that runs what the file says."""
    picture = Image.fromarray(scene(64, 64)[..., 0])
    content = saved(picture.convert("F" if kind == "SPIDER" else "1" if kind == "XBM" else "RGB"), kind)
    assert kind not in FORMATS
    assert refusal(tmp_path, "a.png", content).startswith("not a picture of a format that is read (png, jpg")


def test_no_picture_is_mapped_into_memory(tmp_path):
    """A file that another program shortened while it was mapped ended the process with a bus error."""
    from gridcnn.adapters.image_files import Picture

    Image.fromarray(scene()[..., 0]).save(tmp_path / "a.bmp")
    with Picture(tmp_path / "a.bmp") as picture:
        picture.eight_bit("L", {})
        assert picture._picture.map is None


# --- mutations -------------------------------------------------------------------------------------------------------

KINDS = {"png": "PNG", "jpg": "JPEG", "gif": "GIF", "tif": "TIFF", "webp": "WEBP", "bmp": "BMP"}
GOOD = {f"a.{suffix}": saved(Image.fromarray(scene(9, 12)), kind) for suffix, kind in KINDS.items()}


@given(st.sampled_from(sorted(GOOD)), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_in_any_place_are_read_or_refused(tmp_path, name, data):
    content = bytearray(GOOD[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        new = data.draw(st.binary(max_size=8))
        content[at : at + data.draw(st.integers(0, 8))] = new
        content = content or bytearray(b"\0")
    path = tmp_path / name
    if not refusal(tmp_path, name, bytes(content)):  # which lets nothing pass but an ItemError
        windows = ADAPTER.encode(path)
        assert (windows.shape, windows.dtype) == ((1, 3, 48, 64), np.uint8)
    assert isinstance(ADAPTER.cautions(path), list)
