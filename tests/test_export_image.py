"""Pictures in an exported model: the graph resizes as Pillow does, to the last bit, whatever their size and mode."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from gridcnn.adapters import ImageAdapter
from gridcnn.adapters.image_resizing import resized
from gridcnn.onnx_graph import Graph

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

DATA = os.environ.get("GRIDCNN_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="GRIDCNN_DATA names no folder of public data sets")


def adapter_of(height: int, width: int, *, colour: bool = True, framing: str = "resize") -> ImageAdapter:
    """Return a fitted adapter with statistics that are no round numbers."""
    channels = 3 if colour else 1
    state = {
        "height_": height,
        "width_": width,
        "colour_": colour,
        "mean_": [120.3, 99.7, 81.1][:channels],
        "std_": [61.9, 47.3, 55.5][:channels],
        "pixel_ranges_": {},
        "survey_": {},
    }
    return ImageAdapter(size=(height, width), framing=framing).restore(state)


def exported(adapter: ImageAdapter) -> Any:
    """Return a function that maps decoded pictures of one size to grids, by onnxruntime."""
    graph = Graph()
    windows = adapter.add_to(graph, adapter.frontend())
    assert windows.item is None
    graph.output("grids", windows.grids, np.float32, ["batch", *adapter.spec_.shape])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(
        graph.model().SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda batch: session.run(None, {"pictures": batch})[0]


def grids_of(adapter: ImageAdapter, item: Any) -> np.ndarray:
    import torch

    with torch.inference_mode():
        grids: np.ndarray = adapter.frontend()(torch.from_numpy(adapter.encode(item))).numpy()
    return grids


sides = st.one_of(st.integers(1, 12), st.integers(1, 300))


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.tuples(sides, sides, st.sampled_from([1, 3])), min_size=1, max_size=6),
    grid=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    colour=st.booleans(),
    framing=st.sampled_from(["resize", "crop"]),
    seed=st.integers(0, 2**32 - 1),
    harsh=st.booleans(),
)
def test_any_picture_becomes_the_grid_that_encode_and_the_frontend_make(
    sizes: list[tuple[int, int, int]], grid: tuple[int, int], colour: bool, framing: str, seed: int, harsh: bool
) -> None:
    adapter, random = adapter_of(*grid, colour=colour, framing=framing), np.random.default_rng(seed)
    run = exported(adapter)
    for size in sizes:
        picture = random.integers(0, 256, size).astype(np.uint8)
        if harsh:  # which overshoots, and must be clipped in both passes
            picture = (picture > 127) * np.uint8(255)
        assert np.array_equal(run(picture[None]), grids_of(adapter, picture))


@pytest.mark.skipif(int(Image.__version__.split(".")[0]) < 13, reason="older Pillows always resize the rows first")
@pytest.mark.parametrize("size", [(300, 20), (20, 300), (299, 150), (150, 150), (7, 9), (1, 1), (16, 300), (300, 16)])
@pytest.mark.parametrize("framing", ["resize", "crop"])
def test_encoding_is_one_call_of_pillow_since_its_version_13(size: tuple[int, int], framing: str) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8))
    fit = ImageOps.fit if framing == "crop" else Image.Image.resize
    shape, lanczos = (16, 12), Image.Resampling.LANCZOS
    expected = fit(picture, shape[::-1], lanczos)  # type: ignore[operator]
    assert np.array_equal(np.asarray(resized(picture, shape, crop=framing == "crop")), np.asarray(expected))


def test_a_grey_model_turns_colours_grey_in_the_graph_as_on_the_host() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.uint8)
    adapter = adapter_of(256, 256, colour=False)  # no resizing: every rounding of grey is seen
    decoded = adapter.decode(colours)
    assert decoded.shape == (256, 256, 1)
    assert np.array_equal(exported(adapter)(colours[None]), exported(adapter)(decoded[None]))
    assert np.array_equal(exported(adapter)(colours[None]), grids_of(adapter, colours))


def test_a_colour_model_takes_pictures_of_one_channel() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (40, 30, 1)).astype(np.uint8)
    adapter = adapter_of(16, 16)
    assert adapter.decode(grey).shape == (40, 30, 3)
    assert np.array_equal(exported(adapter)(grey[None]), grids_of(adapter, grey))


@pytest.mark.parametrize("size", [(50, 40), (400, 40)])
def test_all_pictures_of_a_batch_are_resized(size: tuple[int, int]) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (5, *size, 3)).astype(np.uint8)
    adapter = adapter_of(20, 24)
    grids = exported(adapter)(pictures)
    assert grids.shape == (5, 3, 20, 24)
    assert np.array_equal(grids, np.concatenate([grids_of(adapter, each) for each in pictures]))


def files(folder: Path) -> list[Path]:
    """Write pictures of several modes, depths and formats, and return where they are."""
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (90, 120, 4)).astype(np.uint8)
    deep = random.integers(0, 2**16, (80, 50)).astype(np.uint16)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    pictures = {
        "colour.png": Image.fromarray(colours[..., :3]),
        "grey.png": Image.fromarray(colours[..., 0]),
        "transparent.png": Image.fromarray(colours),
        "palette.gif": Image.fromarray(colours[..., :3]).quantize(16),
        "black and white.png": Image.fromarray(colours[..., 0]).convert("1"),
        "deep.png": Image.fromarray(deep),
        "floats.tif": Image.fromarray((deep / 2**16).astype(np.float32)),
        "print.tif": Image.fromarray(colours[..., :3]).convert("CMYK"),
        "photograph.jpg": Image.fromarray(colours[..., :3]).resize((1000, 700)),
    }
    for name, picture in pictures.items():
        picture.save(folder / name)
    pictures["photograph.jpg"].save(folder / "on its side.jpg", exif=rotated)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("colour", [True, False])
def test_decoded_files_of_any_mode_become_the_same_grid(tmp_path: Path, colour: bool) -> None:
    adapter = adapter_of(32, 32, colour=colour)
    run = exported(adapter)
    for path in files(tmp_path):
        decoded = adapter.decode(path)
        assert decoded.dtype == np.uint8
        assert decoded.shape[2] == (3 if colour else 1)
        assert np.array_equal(run(decoded[None]), grids_of(adapter, path)), path.name


def test_large_jpegs_are_decoded_at_a_fraction_as_in_training(tmp_path: Path) -> None:
    files(tmp_path)
    assert adapter_of(8, 8).decode(tmp_path / "photograph.jpg").shape == (88, 125, 3)
    assert adapter_of(8, 8).decode(tmp_path / "on its side.jpg").shape == (125, 88, 3)


def test_decoding_needs_only_the_state_that_is_exported_with_a_model() -> None:
    adapter = adapter_of(16, 16)
    other = ImageAdapter().restore(adapter.state())
    picture = np.random.default_rng(0).integers(0, 2**12, (40, 30)).astype(np.uint16)
    assert np.array_equal(other.decode(picture), adapter.decode(picture))


def test_pictures_to_try_a_model_have_several_sizes_and_both_modes() -> None:
    adapter = adapter_of(16, 24)
    items = adapter.trial_items(np.random.default_rng(0))
    assert {item.shape[2] for item in items} == {1, 3}
    assert len({item.shape[:2] for item in items}) == 5
    for item in items:
        assert np.array_equal(exported(adapter)(item[None]), grids_of(adapter, item))


@needs_data
def test_photographs_of_mixed_sizes_become_the_same_grids() -> None:
    paths = sorted(Path(str(DATA), "cifar10", "test").glob("*/*.jpg"))[::30][:300]
    assert len(paths) == 300
    random = np.random.default_rng(0)
    for colour, framing, grid in ((True, "resize", (32, 32)), (False, "crop", (28, 40)), (True, "crop", (64, 48))):
        adapter = adapter_of(*grid, colour=colour, framing=framing)
        run = exported(adapter)
        for path in paths:
            with Image.open(path) as opened:
                width, height = (int(side) for side in random.integers(20, 400, 2))
                photograph = opened.resize((width, height), Image.Resampling.BICUBIC)
            photograph = photograph.convert(str(random.choice(["RGB", "L", "RGBA"])))
            assert np.array_equal(run(adapter.decode(photograph)[None]), grids_of(adapter, photograph))
