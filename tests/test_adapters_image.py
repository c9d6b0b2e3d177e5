"""ImageAdapter: what becomes of every kind of picture."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gridcnn.adapters import ImageAdapter, from_state
from gridcnn.adapters.image_settings import settings
from gridcnn.adapters.image_work import seconds_an_item
from gridcnn.adapters.limits import limited
from gridcnn.errors import ConfigurationError, DataError, ItemError


def grey(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def exact(picture: Image.Image, path: Path, **options: object) -> np.ndarray:
    """Save a picture, read it back at its own size, and return its pixels, shape (channels, h, w)."""
    picture.save(path, **options)
    return ImageAdapter(size=picture.size[::-1]).fit([path]).encode(path)[0]


def test_small_grey_pictures_keep_their_size_and_pixels(tmp_path):
    pixels = grey(9, 12)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    adapter = ImageAdapter().fit([tmp_path / "a.png"])
    assert str(adapter.spec_) == "1 colour × 9 height × 12 width"
    assert adapter.spec_.axes[0].unit == "pixel"
    np.testing.assert_array_equal(adapter.encode(str(tmp_path / "a.png")), pixels[None, None])


def test_arrays_and_pillow_pictures_are_read_like_files():
    pixels = grey(8, 8, 3)
    adapter = ImageAdapter().fit([pixels])
    expected = pixels.transpose(2, 0, 1)[None]
    np.testing.assert_array_equal(adapter.encode(pixels), expected)
    np.testing.assert_array_equal(adapter.encode(Image.fromarray(pixels)), expected)
    assert adapter.encode(pixels).dtype == np.uint8


def test_size_is_the_median_shrunk_to_64_and_grown_to_8():
    assert ImageAdapter().fit([grey(30, 20), grey(20, 20), grey(10, 40)]).spec_.sizes == (20, 20)
    assert ImageAdapter().fit([grey(300, 600)]).spec_.sizes == (32, 64)
    assert ImageAdapter().fit([grey(3, 100)]).spec_.sizes == (8, 64)
    assert ImageAdapter(size=5).fit([grey(30, 20)]).spec_.sizes == (5, 5)
    assert ImageAdapter(size=(4, 100)).fit([grey(30, 20)]).spec_.sizes == (4, 100)


def test_colour_is_decided_by_the_pixels():
    coloured, plain = grey(8, 8, 3), np.repeat(grey(8, 8, 1), 3, axis=2)
    assert ImageAdapter().fit([plain, coloured]).colour_
    assert not ImageAdapter().fit([plain, plain]).colour_
    assert ImageAdapter(colour=True).fit([plain]).encode(plain).shape == (1, 3, 8, 8)
    assert ImageAdapter(colour=False).fit([coloured]).encode(coloured).shape == (1, 1, 8, 8)


def test_resize_squeezes_and_crop_cuts():
    pixels = np.zeros((16, 32), np.uint8)
    pixels[:, 8:24] = 200  # a square in the middle
    assert (ImageAdapter(size=16, framing="crop").fit([pixels]).encode(pixels) == 200).all()
    squeezed = ImageAdapter(size=16, framing="resize").fit([pixels]).encode(pixels)[0, 0]
    assert squeezed[8, 0] == 0
    assert squeezed[8, 8] == 200


def test_sixteen_bits_are_spread_and_not_cut_off(tmp_path):
    levels = np.array([[0, 257, 32896, 65535]] * 4, dtype=np.uint16)
    pixels = exact(Image.fromarray(levels), tmp_path / "a.png")
    np.testing.assert_array_equal(pixels[0, 0], [0, 1, 128, 255])


def test_pixels_in_floating_point_are_spread_over_the_range_of_the_training_pictures(tmp_path):
    levels = np.array([[-1.0, 0.0, 1.0]] * 3, dtype=np.float32)
    np.testing.assert_array_equal(exact(Image.fromarray(levels), tmp_path / "a.tiff")[0, 0], [0, 128, 255])
    np.testing.assert_array_equal(exact(Image.fromarray(levels * 0), tmp_path / "b.tiff")[0, 0], [0, 0, 0])
    adapter = ImageAdapter(size=3).fit([levels])
    np.testing.assert_array_equal(adapter.encode(levels / 2)[0, 0, 0], [64, 128, 191])  # not stretched by itself
    Image.fromarray(levels * np.nan).save(tmp_path / "c.tiff")
    with pytest.raises(ItemError, match="NaN or infinite"):
        adapter.encode(tmp_path / "c.tiff")


def test_exif_orientation_is_applied_to_pixels_and_learned_size(tmp_path):
    pixels = np.zeros((16, 32), np.uint8)
    pixels[:, :16] = 255  # bright on the left; turned right by the camera's note, bright at the top
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=95)
    adapter = ImageAdapter().fit([tmp_path / "a.jpg"])
    assert adapter.spec_.sizes == (32, 16)
    turned = adapter.encode(tmp_path / "a.jpg")[0, 0]
    assert turned[:15].min() > 240
    assert turned[17:].max() < 15


def test_transparency_lies_over_white(tmp_path):
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[:2, :, 3] = 255  # upper half opaque black, lower half transparent
    np.testing.assert_array_equal(exact(Image.fromarray(rgba), tmp_path / "a.png")[0, :, 0], [0, 0, 255, 255])
    np.testing.assert_array_equal(
        exact(Image.fromarray(rgba[:, :, [0, 3]]), tmp_path / "b.png")[0, :, 0], [0, 0, 255, 255]
    )


def test_palettes_give_their_colours_and_transparency(tmp_path):
    picture = Image.new("P", (3, 2))
    picture.putpalette([255, 0, 0, 0, 0, 255, 0, 255, 0])
    picture.putdata([0, 1, 2] * 2)
    pixels = exact(picture, tmp_path / "a.png", transparency=2)
    np.testing.assert_array_equal(pixels[:, 0].T, [[255, 0, 0], [0, 0, 255], [255, 255, 255]])


@pytest.mark.parametrize(("mode", "suffix"), [("1", "png"), ("CMYK", "tiff"), ("YCbCr", "jpg"), ("LA", "png")])
def test_other_modes_show_black_and_white(tmp_path, mode, suffix):
    picture = Image.fromarray(np.repeat([[0, 255]], 2, axis=0).astype(np.uint8)).convert("RGB")
    picture = picture.resize((16, 16), Image.Resampling.NEAREST).convert(mode)
    pixels = exact(picture, tmp_path / f"a.{suffix}")[0]
    assert pixels[:, :7].max() < 10
    assert pixels[:, 9:].min() > 245


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("L", (4, 4), level) for level in (10, 200, 250)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (ImageAdapter(size=4).fit([tmp_path / "a.gif"]).encode(tmp_path / "a.gif") == 10).all()


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "webp"])
def test_truncated_files_are_refused_by_name(tmp_path, suffix):
    path = tmp_path / f"half.{suffix}"
    Image.fromarray(grey(40, 40)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ItemError, match=rf"half\.{suffix}: ") as raised:
        ImageAdapter(size=8).fit([grey(8, 8)]).encode(path)
    assert raised.value.reason.strip()


def test_broken_items_say_what_is_wrong(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    adapter = ImageAdapter().fit([grey(8, 8)])
    for item, reason in [
        (tmp_path / "empty.png", "empty"),
        (tmp_path / "text.png", "not a picture"),
        (tmp_path / "missing.png", "no such file"),
        (tmp_path, "directory"),
        (np.zeros((8, 8, 2), np.uint8), "an array of shape"),
        (np.zeros((0, 8), np.uint8), "an array of shape"),
        (np.full((8, 8), "a"), "no type of pixels"),
        (7, "expected a path"),
    ]:
        with pytest.raises(ItemError, match=reason):
            adapter.encode(item)


def test_decompression_bombs_are_not_opened(tmp_path, monkeypatch):
    Image.new("1", (300, 300)).save(tmp_path / "bomb.png")
    adapter = ImageAdapter().fit([grey(8, 8)])
    with limited(pixels=300 * 200), pytest.raises(ItemError, match="more than 60,000 pixels: .* --max-pixels"):
        adapter.encode(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow refuses
    with pytest.raises(ItemError, match="bomb"):
        adapter.encode(tmp_path / "bomb.png")


def test_unreadable_training_pictures_are_passed_over_unless_all_are(tmp_path):
    (tmp_path / "empty.png").touch()
    assert ImageAdapter().fit([tmp_path / "empty.png", grey(10, 10)]).spec_.sizes == (10, 10)
    with pytest.raises(DataError, match="none of the 1 sampled training pictures"):
        ImageAdapter().fit([tmp_path / "empty.png"])


def test_the_frontend_standardises_and_black_pictures_are_never_nan():
    pixels = [grey(8, 8, 3, seed=seed) for seed in range(4)]
    adapter = ImageAdapter().fit(pixels)
    grids = adapter.frontend()(torch.from_numpy(np.concatenate([adapter.encode(item) for item in pixels])))
    assert grids.dtype == torch.float32
    torch.testing.assert_close(grids.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(grids.std(dim=(0, 2, 3), correction=0), torch.ones(3))
    black = np.zeros((8, 8), np.uint8)
    adapter = ImageAdapter().fit([black])
    assert (adapter.frontend()(torch.from_numpy(adapter.encode(black))) == 0).all()


def test_impossible_parameters_are_refused():
    with pytest.raises(ConfigurationError, match="framing must be one of 'resize', 'crop', got 'stretch'"):
        ImageAdapter(framing="stretch").fit([grey(8, 8)])
    with pytest.raises(ConfigurationError, match="size must be .* whole number of at least 1"):
        ImageAdapter(size=(0, 8)).fit([grey(8, 8)])
    with pytest.raises(ConfigurationError, match="a height and a width"):
        ImageAdapter(size=(8, 8, 3)).fit([grey(8, 8)])
    with pytest.raises(ConfigurationError, match="colour must be True or False, or None, got 'red'"):
        ImageAdapter(colour="red").fit([grey(8, 8)])


def test_a_restored_adapter_makes_the_same_grids():
    pixels = grey(20, 30, 3)
    adapter = ImageAdapter(size=(10, 12), framing="crop").fit([pixels])
    settings, state = json.loads(json.dumps([adapter.get_params(), adapter.state()]))
    again = from_state("ImageAdapter", settings, state)
    encoded = adapter.encode(pixels)
    np.testing.assert_array_equal(again.encode(pixels), encoded)
    batch = torch.from_numpy(encoded)
    assert torch.equal(again.frontend()(batch), adapter.frontend()(batch))
    assert again.spec_ == adapter.spec_
    with pytest.raises(ConfigurationError, match="there are ArrayAdapter"):
        from_state("os.system", {}, {})


def test_only_colour_pictures_are_flipped_and_small_ones_get_fewer_blocks():
    coloured = ImageAdapter().fit([grey(32, 32, 3)]).defaults(1000)
    small = ImageAdapter().fit([grey(8, 20)]).defaults(1000)
    assert coloured["augment"]["flip"] == ["width"]
    assert "flip" not in small["augment"]
    assert len(small["kernels"]) == 2 < len(coloured["kernels"])


@pytest.mark.parametrize("n_items", [100, 2_000, 3_000, 3_001, 5_000, 10_000])
@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (28, 28), (51, 64), (64, 64), (8, 64)])
def test_the_work_of_a_default_fit_is_bounded_whatever_the_number_and_size(height, width, n_items, colour):
    defaults = settings(height, width, n_items, colour=colour)
    seconds = seconds_an_item(height, width, 3 if colour else 1, defaults["kernels"])
    trainings = 2.11 if defaults["refit"] else 1  # the second one has the validation items as well
    assert trainings * n_items * defaults["epochs"] * seconds < 850  # of one core, so 8 minutes of two
    assert defaults["epochs"] >= 16


def test_many_pictures_of_many_cells_get_fewer_kernels_and_epochs():
    few, many = (settings(51, 64, n_items, colour=True) for n_items in (500, 9_000))
    small = settings(32, 32, 9_000, colour=True)
    assert few["kernels"] == many["kernels"] == (32, 128, 256)
    assert small["kernels"] == (64, 256, 256)
    assert [each["epochs"] for each in (few, many, small)] == [40, 21, 30]
    assert [each["refit"] for each in (few, many, small)] == [True, False, False]


def test_large_pictures_are_asked_whether_they_need_more_cells_unless_there_are_many_or_the_size_is_set():
    pictures = [grey(120, 200, 3)] * 3
    (question,) = ImageAdapter().fit(pictures).questions(1_000)
    usual, larger = question.options
    assert (usual.name, larger.name) == ("64 cells", "128 cells")
    assert (usual.adapter, larger.adapter) == ({}, {"size": (77, 128)})
    assert ImageAdapter(size=(77, 128)).fit(pictures).questions(1_000) == []
    assert ImageAdapter().fit(pictures).questions(3_001) == []
    assert ImageAdapter().fit([grey(100, 127, 3)]).questions(1_000) == []
    fine, usual = (settings(height, width, 2_500, colour=True) for height, width in ((77, 128), (38, 64)))
    assert fine["kernels"] == (16, 32, 128, 256)
    assert fine["epochs"] < usual["epochs"]  # in about the same time


def test_few_photographs_framed_at_will_are_also_turned_and_scaled_in_training():
    small, large = (settings(side, side, 1_000, colour=True)["augment"] for side in (32, 64))
    many = settings(64, 64, 5_000, colour=True)["augment"]
    assert "rotate" not in small
    assert "rotate" not in many  # which are seen less often
    assert large["rotate"] == 10
    assert large["scale"] == {"height": 0.15, "width": 0.15}
    assert small["flip"] == large["flip"] == ["width"]


def test_one_item_is_not_taken_for_a_sequence():
    with pytest.raises(TypeError, match="put it in a list"):
        ImageAdapter().check_items("a.png")


def test_learning_holds_one_picture_at_a_time():
    pictures = [np.full((400, 400, 3), level, np.uint8) for level in range(30)]
    tracemalloc.start()
    adapter = ImageAdapter(size=400).fit(pictures)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * pictures[0].nbytes
    assert adapter.mean_ == pytest.approx([14.5])
    assert adapter.std_ == pytest.approx([np.std(range(30))])


# --- what a person sees ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "shown"),
    [((9, 12), (9, 12)), ((9, 12, 3), (9, 12, 3)), ((100, 300, 3), (63, 192, 3)), ((300, 100), (192, 63))],
)
def test_a_preview_is_small_and_keeps_colours_and_proportions(shape, shown):
    pixels = grey(*shape)
    adapter = ImageAdapter(size=5, colour=False).fit([pixels])  # not what the network sees
    preview = adapter.preview(pixels)
    assert (preview.pixels.shape, preview.pixels.dtype) == (shown, np.uint8)
    assert (preview.waveform, preview.text, preview.note) == (None, "", "")
    if shape == shown:
        np.testing.assert_array_equal(preview.pixels, pixels)


def test_the_preview_of_a_window_is_exactly_what_the_network_sees():
    coloured, plain = grey(8, 8, 3), grey(8, 8)
    for pixels, colour in ((coloured, True), (plain, False)):
        adapter = ImageAdapter(colour=colour).fit([pixels])
        np.testing.assert_array_equal(adapter.preview_window(adapter.encode(pixels)[0]).pixels, pixels)


def test_what_cannot_be_decoded_has_no_preview(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    adapter = ImageAdapter().fit([grey(8, 8)])
    for item, reason in ((7, "expected a path"), (tmp_path / "text.png", "not a picture")):
        with pytest.raises((ItemError, DataError), match=reason):
            adapter.preview(item)


def test_a_cell_of_a_picture_is_a_pixel_with_a_width():
    height, width = ImageAdapter(size=(3, 4)).fit([grey(8, 8)]).coordinates(grey(8, 8))
    assert (height.name, height.unit, width.name) == ("height", "pixel", "width")
    np.testing.assert_array_equal(
        [width.low, width.centre, width.high], [[0, 1, 2, 3], [0.5, 1.5, 2.5, 3.5], [1, 2, 3, 4]]
    )
    assert height.between(slice(0, 2)) == "height 0–1"


def test_pictures_are_files_and_have_no_symbols():
    adapter = ImageAdapter().fit([grey(8, 8)])
    assert (adapter.reads_files, adapter.reads_texts, adapter.reads_rows) == (True, False, False)
    assert adapter.symbols(grey(8, 8)) is None


def test_a_grid_is_described_by_its_size_and_colours():
    assert ImageAdapter(size=(3, 4)).fit([grey(8, 8)]).describe_grid().startswith("3 × 4 pixels: ")
    assert "4 × 4 pixels, in red, green and blue" in ImageAdapter(size=4).fit([grey(8, 8, 3)]).describe_grid()
