"""Pictures as users have them: deep pixels, pages, tensors, odd sizes and broken files."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import gridcnn
from gridcnn.adapters import ImageAdapter, from_state
from gridcnn.bundle import load, save
from gridcnn.cli import main
from gridcnn.errors import ConfigurationError, DataError, ItemError

QUICK = {"epochs": 8, "kernels": (8, 16), "cache": False, "random_state": 0, "device": "cpu"}


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def counts(pixels: np.ndarray) -> np.ndarray:
    """What a camera of 16 bits writes of a dim scene: 150 to 379."""
    return (150 + 0.9 * pixels).astype(np.uint16)


def disks_and_bars(n: int) -> tuple[list[np.ndarray], list[str]]:
    pictures = []
    for index in range(n):
        random = np.random.default_rng(index)
        pixels = random.normal(60, 20, (24, 24))
        row, column = random.integers(6, 18, 2)
        if index % 2:
            pixels[row - 4 : row + 4, column - 4 : column + 4] += 120
        else:
            pixels[row - 1 : row + 1] += 120
        pictures.append(pixels.clip(0, 255).astype(np.uint8))
    return pictures, ["bar", "disk"] * (n // 2)


def spread(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    return ((pixels.astype(float) - low) * (255 / (high - low))).round().clip(0, 255).astype(np.uint8)


def learned(adapter: ImageAdapter, kind: str = "whole") -> tuple[float, float]:
    return adapter.pixel_ranges_[kind]["low"], adapter.pixel_ranges_[kind]["high"]


def png_of_16_bits(pixels: np.ndarray, colour_type: int) -> bytes:
    """Write what Pillow cannot: 16-bit colours, shape (h, w, channels), and alpha."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff_of_16_bits(pixels: np.ndarray, order: str, *, packed: bool) -> bytes:
    """Write an RGB TIFF of 16 bits in the byte order "<" or ">", in one strip."""
    height, width, channels = pixels.shape
    data = pixels.astype(f"{order}u2").tobytes()
    data = zlib.compress(data) if packed else data
    data += b"\0" * (len(data) % 2)
    depths = 8 + len(data)
    tags = [(256, width), (257, height), (259, 8 if packed else 1), (262, 2), (273, 8), (277, channels)]
    tags += [(278, height), (279, len(data))]
    entries = [(tag, 4, 1, value) for tag, value in tags] + [(258, 3, channels, depths)]
    folder = struct.pack(f"{order}H", len(entries))
    folder += b"".join(struct.pack(f"{order}HHII", *entry) for entry in sorted(entries)) + b"\0" * 4
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, depths + 2 * channels)
    return head + data + struct.pack(f"{order}{channels}H", *[16] * channels) + folder


# --- pixels of more than 8 bits --------------------------------------------------------------------------------------


def test_camera_counts_train_as_well_as_the_same_pictures_of_8_bits(tmp_path):
    """A microscope's camera of 16 bits saw a dim scene; every pixel became 1 of 255."""
    pictures, labels = disks_and_bars(80)
    files = []
    for index, pixels in enumerate(pictures):
        files.append(tmp_path / f"{index}.{('png', 'tiff')[index % 2]}")
        Image.fromarray(counts(pixels)).save(files[-1])
    model = gridcnn.fit(ImageAdapter(), files[:60], labels[:60], QUICK)
    answers = gridcnn.predict(model, files[60:]).labels
    assert np.mean(answers == np.array(labels[60:])) > 0.9
    low, high = learned(model.adapter)
    assert 150 <= low < 155
    assert 340 < high < 380
    (remark,) = model.adapter.remarks()
    assert remark.startswith(f"16-bit pixels from {low:.0f} to {high:.0f} are spread over 256 levels")
    save(model, tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.adapter.pixel_ranges_ == model.adapter.pixel_ranges_
    assert again.adapter.remarks() == [remark]
    np.testing.assert_array_equal(
        gridcnn.predict(again, files[60:]).probabilities, gridcnn.predict(model, files[60:]).probabilities
    )


@pytest.mark.parametrize("dtype", ["uint16", ">u2", "int16", "int32", "int64", "float32", "float64"])
def test_arrays_of_any_number_type_are_spread_alike(dtype):
    """Arrays straight from a camera's library, of whatever type."""
    pixels = counts(noise(16, 16)).astype(dtype)
    adapter = ImageAdapter().fit([pixels])
    np.testing.assert_array_equal(adapter.encode(pixels)[0, 0], spread(pixels, pixels.min(), pixels.max()))
    np.testing.assert_array_equal(adapter.preview(pixels).pixels, adapter.encode(pixels)[0, 0])


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I", "F"])
def test_every_deep_mode_of_pillow_is_spread_alike(tmp_path, mode):
    """TIFFs of either byte order, 32-bit integers and floats, turned by EXIF."""
    pixels = counts(noise(12, 9))
    stored = pixels.astype({"I;16": "<u2", "I;16B": ">u2", "I": "<i4", "F": "<f4"}[mode])
    exif = Image.Exif()
    exif[0x0112] = 6  # turned right
    Image.frombytes(mode, (9, 12), stored.tobytes()).save(tmp_path / "a.tiff", exif=exif)
    adapter = ImageAdapter().fit([tmp_path / "a.tiff"])
    upright = np.rot90(pixels, -1)
    np.testing.assert_array_equal(
        adapter.encode(tmp_path / "a.tiff")[0, 0], spread(upright, pixels.min(), pixels.max())
    )


def test_a_tiff_that_lies_on_its_side_is_turned_and_not_garbled(tmp_path):
    """A scanner's uncompressed TIFF, of 8 bits; Pillow maps it into memory with its sides exchanged."""
    pixels = noise(12, 9)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.tiff", exif=exif)
    adapter = ImageAdapter().fit([tmp_path / "a.tiff"])
    np.testing.assert_array_equal(adapter.encode(tmp_path / "a.tiff")[0, 0], np.rot90(pixels, -1))
    with Image.open(tmp_path / "a.tiff") as picture:
        np.testing.assert_array_equal(adapter.encode(picture)[0, 0], np.rot90(pixels, -1))


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (6, 4), (4, 2)])
def test_16_bit_colours_of_a_png_keep_their_low_bytes(tmp_path, colour_type, channels):
    """OpenCV writes 16-bit colours; Pillow reads only their high bytes, which are 0 or 1 here."""
    pixels = counts(noise(10, 10, 3))
    opaque = np.full((10, 10, 1), 65535, np.uint16)
    stored = pixels if channels == 3 else np.concatenate([pixels[..., : channels - 1], opaque], axis=2)
    (tmp_path / "a.png").write_bytes(png_of_16_bits(stored, colour_type))
    adapter = ImageAdapter().fit([tmp_path / "a.png"])
    colours = stored[..., : max(channels - 1, 1) if channels != 3 else 3]
    assert learned(adapter) == (colours.min(), colours.max())
    expected = spread(colours, colours.min(), colours.max()).transpose(2, 0, 1)
    np.testing.assert_array_equal(adapter.encode(tmp_path / "a.png")[0], expected)
    with Image.open(tmp_path / "a.png") as picture:  # not decoded yet
        np.testing.assert_array_equal(adapter.encode(picture)[0], expected)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
def test_16_bit_colours_of_a_tiff_keep_their_low_bytes(tmp_path, order, packed):
    """The same as a TIFF of either byte order, compressed or not."""
    pixels = counts(noise(10, 10, 3))
    (tmp_path / "a.tif").write_bytes(tiff_of_16_bits(pixels, order, packed=packed))
    adapter = ImageAdapter().fit([tmp_path / "a.tif"])
    expected = spread(pixels, pixels.min(), pixels.max()).transpose(2, 0, 1)
    np.testing.assert_array_equal(adapter.encode(tmp_path / "a.tif")[0], expected)


@pytest.mark.parametrize("brightest", [4095, 65535])
def test_16_bit_colours_of_a_ppm_keep_their_low_bytes(tmp_path, brightest):
    """A camera's raw file, converted by dcraw -4."""
    pixels = counts(noise(10, 9, 3))
    (tmp_path / "a.ppm").write_bytes(b"P6\n9 10\n%d\n" % brightest + pixels.astype(">u2").tobytes())
    adapter = ImageAdapter().fit([tmp_path / "a.ppm"])
    expected = spread(pixels, pixels.min(), pixels.max()).transpose(2, 0, 1)
    np.testing.assert_array_equal(adapter.encode(tmp_path / "a.ppm")[0], expected)


def test_all_pictures_have_one_range_so_that_brightness_is_kept():
    """A dark and a bright exposure in float, which were each stretched to look the same."""
    dark, bright = noise(8, 8) / 1000.0, noise(8, 8) / 1000.0 + 0.5
    adapter = ImageAdapter().fit([dark, bright])
    assert adapter.encode(dark).max() < 100 < adapter.encode(bright).min()


def test_floats_from_0_to_1_become_the_bytes_they_were_made_of():
    """Keras users divide by 255."""
    pixels = noise(16, 16, 3)
    adapter = ImageAdapter().fit([pixels / 255, (pixels / 255).astype(np.float32)])
    np.testing.assert_array_equal(adapter.encode(pixels / 255)[0], pixels.transpose(2, 0, 1))
    assert learned(adapter, "floats") == (0, 1)


@pytest.mark.parametrize("top", [1023, 4095, 16383, 65535])
def test_well_exposed_pictures_are_read_by_their_bit_depth(top):
    """A camera of 10, 12, 14 or 16 bits: the range is that of the camera, and brighter pictures are not clipped."""
    pixels = (noise(32, 32).astype(np.uint32) * top * 3 // 4 // 255).astype(np.uint16)
    assert learned(ImageAdapter().fit([pixels])) == (0, top)


@pytest.mark.parametrize(("low", "high"), [(-300, 900), (0, 3_000_000), (-32768, 32767)])
def test_signed_and_32_bit_pixels_are_spread_over_what_they_use(tmp_path, low, high):
    """Hounsfield units of CT, and sums of many exposures."""
    pixels = np.linspace(low, high, 64).round().astype(np.int32).reshape(8, 8)
    Image.fromarray(pixels).save(tmp_path / "a.tiff")
    adapter = ImageAdapter().fit([tmp_path / "a.tiff"])
    np.testing.assert_array_equal(adapter.encode(tmp_path / "a.tiff")[0, 0], spread(pixels, low, high))


def test_hot_pixels_do_not_take_the_range():
    """A camera with one pixel at 65535 in each picture."""
    pictures = [counts(noise(24, 24, seed=seed)) for seed in range(20)]
    for pixels in pictures:
        pixels[3, 3] = 65535
    adapter = ImageAdapter().fit(pictures)
    assert learned(adapter)[1] < 600
    assert adapter.encode(pictures[0])[0, 0, 10:].std() > 30
    assert "0.2% of the pixels lie outside and are clipped" in adapter.remarks()[0]
    assert adapter.cautions(pictures[0]) == []


def test_rare_bright_spots_keep_the_whole_range():
    """Photon counts: a faint background of 0 to 4, and small spots of 200, which are what matters."""
    pictures = [np.random.default_rng(seed).poisson(1, (64, 64)).astype(np.uint16) for seed in range(20)]
    for pixels in pictures:
        pixels[30:32, 20:24] += 200
    assert learned(ImageAdapter().fit(pictures))[1] >= 200


@pytest.mark.parametrize(
    "pixels", [counts(noise(16, 16) // 16), np.where(noise(16, 16) < 20, -9999.0, 500 + noise(16, 16) / 9)]
)
def test_too_few_levels_are_warned_of(pixels):
    """Counts from 150 to 163, and a map whose "no data" of −9999 takes the range."""
    adapter = ImageAdapter().fit([pixels])
    levels = len(np.unique(adapter.encode(pixels)))
    assert levels < 16
    assert (
        f"Warning: apart from the darkest and brightest 0.5 %, they use only {levels} of these" in adapter.remarks()[1]
    )


def test_beside_pictures_of_8_bits_the_range_is_that_of_a_bit_depth():
    """A set that was exported from two programs, one with 16 bits."""
    pixels = noise(16, 16)
    adapter = ImageAdapter().fit([pixels, pixels.astype(np.uint16) * 257 // 2, pixels])
    assert learned(adapter) == (0, 65535)
    np.testing.assert_array_equal(adapter.encode(pixels)[0, 0], pixels)
    assert "2 of 3 pictures have 8 bits" in adapter.remarks()[0]
    assert learned(ImageAdapter().fit([pixels, counts(pixels)])) == (0, 1023)
    assert learned(ImageAdapter().fit([pixels, pixels / 999]), "floats") == (0, 1)


def test_another_type_of_pixels_than_in_training_is_read_with_a_caution():
    """A model of 8-bit pictures, asked about 16-bit ones, floats and plain integers; and the other way round."""
    pixels = noise(16, 16)
    adapter = ImageAdapter().fit([pixels])
    for other in (pixels.astype(int), pixels / 255, pixels.astype(np.uint16) * 257, pixels.astype(float)):
        np.testing.assert_allclose(adapter.encode(other)[0, 0], pixels, atol=1)
        assert adapter.cautions(other) == ["no picture in training has pixels of its type, so their range is a guess"]
    deep = ImageAdapter().fit([counts(pixels)])
    np.testing.assert_array_equal(deep.encode(pixels)[0, 0], pixels)
    assert deep.cautions(pixels) == ["it has 8 bits, and those in training have more"]
    assert ImageAdapter().fit([pixels / 255]).cautions(pixels) == []  # the same pixels
    floats = deep.encode(counts(pixels).astype(np.float32))  # the same counts in a float TIFF
    np.testing.assert_array_equal(floats, deep.encode(counts(pixels)))


def test_a_picture_outside_the_learned_range_is_told_of():
    """The lamp of the microscope was turned up after training."""
    adapter = ImageAdapter().fit([counts(noise(16, 16))])
    assert adapter.cautions(counts(noise(16, 16)) + 200) == [
        "many of its pixels are darker or brighter than those in training, and are clipped"
    ]
    assert adapter.cautions(counts(noise(16, 16, seed=1))) == []


@pytest.mark.parametrize(("value", "reason"), [(np.nan, "NaN or infinite"), (np.inf, "NaN"), (-3.4e38, "no data")])
def test_pixels_without_a_value_are_refused_by_name(value, reason):
    """A map of heights with holes."""
    pixels = noise(8, 8) / 255
    adapter = ImageAdapter().fit([pixels])
    holes = pixels.copy()
    holes[2, 2] = value
    with pytest.raises(ItemError, match=reason):
        adapter.encode(holes)
    assert adapter.cautions(holes) == []
    with pytest.raises(DataError, match=reason):
        ImageAdapter().fit([holes])


def test_16_bit_transparency_lies_over_white():
    """A 16-bit picture with a cut-out background, as an array."""
    pixels = np.zeros((8, 8, 4), np.uint16)
    pixels[:, :4] = [1000, 1000, 1000, 65535]
    pixels[0, 0, :3] = 0
    encoded = ImageAdapter(colour=False).fit([pixels]).encode(pixels)[0, 0]
    assert (encoded[0, 0], encoded[1, 0], encoded[0, 7]) == (0, 249, 255)


def test_the_learned_range_survives_json():
    """What a bundle does with it."""
    pixels = counts(noise(16, 16))
    adapter = ImageAdapter().fit([pixels])
    again = from_state("ImageAdapter", *json.loads(json.dumps([adapter.get_params(), adapter.state()])))
    np.testing.assert_array_equal(again.encode(pixels), adapter.encode(pixels))
    assert again.cautions(noise(8, 8)) == adapter.cautions(noise(8, 8))


# --- what the grid cannot show ---------------------------------------------------------------------------------------


def test_small_digits_need_no_remark():
    """28 × 28 stays 28 × 28."""
    assert ImageAdapter().fit([noise(28, 28, seed=seed) for seed in range(3)]).remarks() == []


def test_photographs_are_told_to_be_resized():
    """A user wondered why small things were not found."""
    photographs = [noise(768, 1024, 3)]
    (remark,) = ImageAdapter().fit(photographs).remarks()
    assert remark.startswith("Pictures of about 768 × 1024 pixels, height × width, are resized to 48 × 64.")
    (bent,) = ImageAdapter(size=32).fit(photographs).remarks()
    assert "changes their proportions by a factor of up to 1.3" in bent
    (cut,) = ImageAdapter(size=32, framing="crop").fit(photographs).remarks()
    assert "up to 25% of a picture is cut off" in cut
    assert "from 20 × 20 to 768 × 1024" in ImageAdapter().fit([*photographs, noise(20, 20)]).remarks()[0]


def test_colour_and_transparency_that_are_not_read_are_told_of():
    """colour=False on coloured pictures, and stickers with transparent backgrounds."""
    coloured = noise(16, 16, 3)
    assert (
        "2 of 3 pictures have colours"
        in ImageAdapter(colour=False).fit([coloured, noise(16, 16), coloured]).remarks()[0]
    )
    assert ImageAdapter().fit([coloured]).remarks() == []
    sticker = np.concatenate([coloured, noise(16, 16, 1)], axis=2)
    assert "1 of 1 pictures has transparent parts" in ImageAdapter().fit([sticker]).remarks()[0]
    sticker[..., 3] = 255
    assert ImageAdapter().fit([sticker]).remarks() == []


@pytest.mark.parametrize("suffix", ["tiff", "gif", "webp", "png"])
def test_further_pages_and_frames_are_told_of(tmp_path, suffix):
    """A stack of a microscope, of which only page 1 was read without a word."""
    frames = [Image.fromarray(noise(20, 20, 3, seed=seed)) for seed in range(3)]
    path, single = tmp_path / f"stack.{suffix}", tmp_path / f"single.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    frames[0].save(single, lossless=True)
    adapter = ImageAdapter().fit([path, single])
    assert adapter.remarks() == ["1 of 2 pictures has several pages or frames, of which only the first is read."]
    assert adapter.cautions(path) == ["only its first page or frame is read"]
    assert adapter.cautions(single) == []
    np.testing.assert_array_equal(adapter.encode(path), adapter.encode(single))


def test_a_smaller_copy_in_a_tiff_is_no_further_page(tmp_path):
    """Maps carry smaller copies of themselves."""
    copy = Image.fromarray(noise(10, 10))
    copy.encoderinfo = {"tiffinfo": {254: 1}}
    Image.fromarray(noise(20, 20)).save(tmp_path / "map.tiff", save_all=True, append_images=[copy])
    with Image.open(tmp_path / "map.tiff") as written:
        written.seek(1)
        assert written.tag_v2[254] == 1
    assert ImageAdapter().fit([tmp_path / "map.tiff"]).remarks() == []


def test_a_picture_unlike_those_in_training_gets_its_reasons(tmp_path):
    """A blank page, a thumbnail, and a banner."""
    adapter = ImageAdapter().fit([noise(40, 60, seed=seed) for seed in range(3)])
    assert adapter.cautions(noise(40, 60)) == []
    assert adapter.cautions(np.full((40, 60), 7, np.uint8)) == ["it is of one colour"]
    assert adapter.cautions(noise(10, 15)) == ["it is much smaller than the pictures in training"]
    assert adapter.cautions(noise(20, 500)) == ["its proportions are unlike those in training"]
    assert adapter.cautions(tmp_path / "missing.png") == []


# --- arrays and tensors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "turn",
    [
        lambda pixels: pixels[..., :1],
        lambda pixels: np.ma.masked_array(pixels[..., 0]),
        lambda pixels: torch.from_numpy(pixels[..., 0]),
        lambda pixels: torch.from_numpy(pixels[..., :1]).movedim(-1, 0),
        lambda pixels: torch.from_numpy(pixels).movedim(-1, 0),
        torch.from_numpy,  # (h, w, 3): only the last axis can be channels
        lambda pixels: torch.from_numpy(pixels[..., 0] / 255).requires_grad_(),
        lambda pixels: torch.from_numpy(pixels[..., 0] / 255).to(torch.bfloat16),
        lambda pixels: (pixels[..., 0] / 255).astype(np.float16),
    ],
)
def test_one_picture_in_any_container_has_the_same_pixels(turn):
    """Arrays with one channel, tensors of torchvision."""
    pixels = np.repeat(noise(12, 10, 1), 3, axis=2)
    item = turn(pixels)
    adapter = ImageAdapter().fit([item])
    np.testing.assert_allclose(adapter.encode(item)[0, 0], pixels[..., 0], atol=1)
    (checked,) = adapter.check_items([item])
    assert isinstance(checked, np.ndarray)
    np.testing.assert_array_equal(adapter.encode(checked), adapter.encode(item))


def test_true_and_false_are_white_and_black():
    """Masks as bool arrays."""
    mask = noise(8, 8) > 100
    np.testing.assert_array_equal(ImageAdapter().fit([mask]).encode(mask)[0, 0], mask * 255)


@pytest.mark.parametrize("shape", [(12, 8, 8), (12, 8, 8, 1), (12, 8, 8, 3)])
def test_an_array_of_n_pictures_is_n_items(shape):
    """X_train of shape (n, h, w, 1), as Keras wants it."""
    X = noise(*shape)
    model = gridcnn.fit(ImageAdapter(), X, [0, 1] * 6, {**QUICK, "epochs": 1})
    assert gridcnn.predict(model, X).probabilities.shape == (12, 2)
    channels_first = torch.from_numpy(X if X.ndim == 3 else np.moveaxis(X, -1, 1).copy())
    np.testing.assert_array_equal(
        gridcnn.predict(model, channels_first).probabilities, gridcnn.predict(model, X).probabilities
    )


@pytest.mark.parametrize("one", [noise(8, 8), torch.zeros(8, 8), Image.new("L", (8, 8)), "a.png"])
def test_one_picture_is_not_taken_for_a_sequence(one):
    """predict(picture) in place of predict([picture])."""
    with pytest.raises(TypeError, match="put it in a list"):
        ImageAdapter().check_items(one)


def test_paths_in_a_series_stay_paths():
    """A column of a DataFrame."""
    assert ImageAdapter().check_items(pd.Series(["a.png", "b.png"])) == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (np.ma.masked_greater(noise(8, 8), 200), "masked pixels.*fill them first"),
        (noise(3, 8, 8), r"move the channels to the end, np\.moveaxis"),
        (noise(8, 8, 2), "an array of shape"),
        (torch.zeros(2, 8, 8), "an array of shape"),
        (noise(8), "an array of shape"),
        (noise(8, 8) * 1j, "complex128 is no type of pixels"),
        (np.array([["a", None]], dtype=object), "object is no type of pixels"),
        (noise(8, 8).tolist(), "expected a path"),
        (None, "expected a path"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_to_do(item, reason):
    """Masks were ignored; channels first from another library."""
    with pytest.raises(ItemError, match=reason) as raised:
        ImageAdapter().fit([noise(8, 8)]).encode(item)
    assert len(str(raised.value)) < 300


# --- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size",
    [32.5, [32, "a"], (0, 5), True, 0, -3, "32", (3,), (1, 2, 3), [], {3: 4}, np.nan, 100_000, 10**400, (5, 10**9)],
)
def test_impossible_sizes_are_refused_before_anything_is_read(size):
    """A typo in a notebook."""
    with pytest.raises(ConfigurationError, match="size"):
        ImageAdapter(size=size).check_parameters()
    with pytest.raises(ConfigurationError, match="size"):
        gridcnn.fit(ImageAdapter(size=size), [noise(8, 8)] * 4, [0, 1] * 2, QUICK)


@pytest.mark.parametrize("size", [np.array([3, 4]), [3, 4], (np.int64(3), 4)])
def test_two_sides_may_come_in_any_sequence(size):
    """shape[:2] of an array."""
    assert ImageAdapter(size=size).fit([noise(8, 8)]).spec_.sizes == (3, 4)


@pytest.mark.parametrize("text", ["0", "100000", "²", "32.5", "9" * 5000, "1x2x3"])
def test_an_impossible_size_on_the_command_line_is_one_line(tmp_path, capsys, text):
    """--image-size with a slip of the finger."""
    for index in range(4):
        folder = tmp_path / "data" / "ab"[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(8, 8, seed=index)).save(folder / f"{index}.png")
    with pytest.raises(SystemExit) as stopped:
        main(["train", str(tmp_path / "data"), "-o", str(tmp_path / "m.safetensors"), "--image-size", text])
    assert stopped.value.code == 2
    assert "size" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(("shape", "grid"), [((1, 1), (8, 8)), ((1, 5000), (8, 64)), ((5000, 1), (64, 8))])
def test_tiny_and_thin_pictures_are_read(tmp_path, shape, grid):
    """A line scan, and a tracking pixel."""
    Image.fromarray(np.full(shape, 77, np.uint8)).save(tmp_path / "a.png")
    adapter = ImageAdapter().fit([tmp_path / "a.png"])
    assert adapter.spec_.sizes == grid
    assert (adapter.encode(tmp_path / "a.png") == 77).all()
    assert adapter.preview(tmp_path / "a.png").pixels.max() == 77


# --- broken files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0, 1, 8, 40, 100, 300])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_cut_off_files_of_16_bits_are_refused_by_name(tmp_path, suffix, kept):
    """A copy that was interrupted."""
    pixels = counts(noise(40, 40, 3))
    whole = png_of_16_bits(pixels, 2) if suffix == "png" else tiff_of_16_bits(pixels, "<", packed=True)
    path: Path = tmp_path / f"half.{suffix}"
    path.write_bytes(whole[:kept])
    adapter = ImageAdapter().fit([noise(8, 8)])
    for read in (adapter.encode, adapter.preview):
        with pytest.raises(ItemError, match=rf"half\.{suffix}: "):
            read(path)
    assert adapter.cautions(path) == []


def test_a_wrong_suffix_does_not_matter(tmp_path):
    """A JPEG that a web site called .png."""
    Image.fromarray(np.full((16, 16), 200, np.uint8)).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")
    assert (ImageAdapter().fit([tmp_path / "a.png"]).encode(tmp_path / "a.png") == 200).all()
