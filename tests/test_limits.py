"""How large one item may be: defaults, options, the environment, threads, other processes, the cache."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from gridcnn.adapters import AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.adapters.limits import OPTIONS, Limits, current, limited, within
from gridcnn.bundle import load, save
from gridcnn.errors import ConfigurationError, ItemError
from gridcnn.pipeline.encode import encode_items


def encoded(path: Path) -> str:
    """Return what is wrong with a picture."""
    try:
        ImageAdapter(size=8, colour=False).fit([np.eye(8, dtype=np.uint8)]).encode(path)
    except ItemError as error:
        return error.reason
    return ""


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(np.eye(20, dtype=np.uint8) * 99).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_a_limit_holds_inside_its_block_only(picture: Path) -> None:
    before = dict(os.environ)
    with limited(pixels=399) as limits:
        assert limits == current() == Limits(pixels=399)
        assert encoded(picture) == (
            "it has more than 399 pixels: if you trust it, allow more by --max-pixels or GRIDCNN_MAX_PIXELS"
        )
        with limited(pixels=400):
            assert encoded(picture) == ""
        assert current().pixels == 399
    assert current() == Limits()
    assert dict(os.environ) == before


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_a_limit_reaches_the_threads_and_processes_of_a_pool(picture: Path, pool: str) -> None:
    adapter = ImageAdapter(size=8).fit([picture])
    with limited(pixels=399):
        executor: Any = (
            ThreadPoolExecutor(1) if pool == "threads" else ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        )
        with executor, pytest.raises(ItemError, match="more than 399 pixels"):
            executor.submit(adapter.encode, picture).result()


def test_every_unit_is_limited_and_the_message_names_the_option(tmp_path: Path, picture: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(4_000)), 2_000)
    text = TextAdapter().fit(["some words", "and more words"])
    sound = AudioAdapter(sample_rate=2_000).fit([np.sin(np.arange(4_000))])
    for name, limit, adapter, item in (
        ("seconds", 1.999, sound, tmp_path / "a.wav"),
        ("characters", 8, text, "nine char"),
        ("pixels", 399, ImageAdapter(size=8).fit([picture]), picture),
    ):
        adapter.encode(item)
        with limited(**{name: limit}), pytest.raises(ItemError, match=f"more than {limit:g} {name}: .*--max-{name} "):
            adapter.encode(item)


def test_more_samples_a_second_leave_fewer_seconds(tmp_path: Path) -> None:
    adapter = AudioAdapter(sample_rate=8_000).fit([np.sin(np.arange(4_000))])
    soundfile.write(tmp_path / "a.wav", np.zeros((24_000, 4)), 24_000)  # a second of 96,000 samples
    with limited(seconds=2):
        adapter.encode(tmp_path / "a.wav")
    with limited(seconds=1.9), pytest.raises(ItemError, match="more than 0.95 seconds at 96,000 samples a second"):
        adapter.encode(tmp_path / "a.wav")


def test_what_resampling_makes_is_limited_too(tmp_path: Path) -> None:
    adapter = AudioAdapter(sample_rate=192_000, duration=0.1).fit([np.sin(np.arange(4_000))])
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 100)  # 100 samples, of which 192,000 are made
    with limited(seconds=3.9), pytest.raises(ItemError, match="more than 0.975 seconds at 192,000 samples a second"):
        adapter.encode(tmp_path / "a.wav")


def test_deep_transparent_and_long_pictures_may_have_fewer_pixels(tmp_path: Path) -> None:
    adapter = ImageAdapter(size=8, colour=True).fit([np.eye(8, dtype=np.uint8)])
    pixels = np.zeros((100, 100), np.uint8)
    for name, picture, weight in (
        ("plain", Image.fromarray(pixels), 1),
        ("deep", Image.fromarray(pixels.astype(np.uint16)), 3),
        ("transparent", Image.fromarray(pixels).convert("LA"), 1.5),
        ("long", Image.fromarray(pixels.reshape(1, 10_000)), 12),  # 120,000, for the weights of its columns
    ):
        picture.save(tmp_path / f"{name}.png")
        with limited(pixels=10_000 * weight):
            adapter.encode(tmp_path / f"{name}.png")
        with limited(pixels=10_000 * weight - 3), pytest.raises(ItemError, match="pixels"):
            adapter.encode(tmp_path / f"{name}.png")


def test_pillow_s_own_limit_is_raised_by_a_larger_one_only(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # by a program that wants to be careful
    with limited(pixels=400):
        assert "could be decompression bomb" in encoded(picture)
    with limited(pixels=90_000_000):
        assert encoded(picture) == ""


@pytest.mark.parametrize("text", ["many", "nan", "inf", "-1", "0"])
def test_a_variable_that_is_no_number_above_0_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GRIDCNN_MAX_SECONDS", text)
    with pytest.raises(ConfigurationError, match=r"seconds|SECONDS"):
        current()


def test_unknown_limits_and_impossible_ones_are_refused() -> None:
    with (
        pytest.raises(ConfigurationError, match="no limit on colours: there are pixels, seconds, characters"),
        limited(colours=3),
    ):
        pass
    with pytest.raises(ConfigurationError, match="pixels must be a number above 0, got -1"), limited(pixels=-1):
        pass


def test_a_cached_refusal_does_not_outlive_its_limit(tmp_path: Path, picture: Path) -> None:
    adapter = ImageAdapter(size=8).fit([picture])
    for limit, skipped in ((399, 1), (400, 0), (399, 1)):
        with limited(pixels=limit):
            done = encode_items(adapter, [str(picture)], on_error="skip", cache=tmp_path / "cache")
        assert len(done.skipped) == skipped


def test_a_service_says_that_the_limit_is_its_own() -> None:
    with pytest.raises(ItemError, match="more than 10 pixels, the most that this service takes"):
        within("a.png", "pixels", 11, {"pixels": 10})
    within("a.png", "pixels", 11, {})


def test_commands_have_the_options_and_models_hold_no_limit(tmp_path: Path, run: Any) -> None:
    for index, label in enumerate("abababab"):
        folder = tmp_path / "set" / label
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(index).integers(0, 256, (9, 9), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{index}.png")
    Image.new("L", (40, 40)).save(tmp_path / "set" / "a" / "large.png")
    model, quick = tmp_path / "m.safetensors", ["--epochs", "1", "--kernels", "2", "--no-cache", "-q"]
    done = run("train", tmp_path / "set", "-o", model, *quick, "--max-pixels", 1_000, "--on-error", "skip")
    assert "it has more than 1,000 pixels: if you trust it, allow more by --max-pixels" in done.err
    assert "1600" not in str(load(model).summary)
    large = tmp_path / "set" / "a" / "large.png"
    assert ",," not in run("predict", model, large).out
    assert "more than 1,000 pixels" in run("predict", model, large, "--max-pixels", 1_000).out
    commands = "train evaluate predict explain report embed search review export audit check"
    for command in commands.split():
        assert all(f"--max-{name}" in run(command, "--help").out for name in OPTIONS)


def test_saving_a_model_under_a_limit_changes_no_byte(tmp_path: Path) -> None:
    import gridcnn

    pictures = [np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8) for seed in range(8)]
    quick = {"epochs": 1, "kernels": (2,), "cache": False, "device": "cpu"}
    for name, limit in (("a", None), ("b", 64)):
        with limited(pixels=limit):
            save(gridcnn.fit(ImageAdapter(), pictures, ["a", "b"] * 4, quick), tmp_path / name)
    first, second = (load(tmp_path / name) for name in "ab")
    assert first.adapter.state() == second.adapter.state()
    assert first.adapter.get_params() == second.adapter.get_params()
