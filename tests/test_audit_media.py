"""The audit of pictures and sounds: copies that are stored in another way, broken and empty files, shortcuts, rates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from PIL import Image

from gridcnn.adapters import AudioAdapter, ImageAdapter
from gridcnn.evaluation.audit import QUICK, Audit, audit

RATE = 16_000


def kinds(found: Audit) -> list[str]:
    return [finding.kind for finding in found.findings]


def scene(seed: int, side: int = 72) -> Image.Image:
    """Draw coloured patches over a gradient, different for each seed."""
    rng = np.random.default_rng(seed)
    pixels = np.linspace(rng.uniform(0, 120, 3), rng.uniform(120, 255, 3), side)[:, None].repeat(side, axis=1)
    for _ in range(25):
        top, left = rng.integers(0, side - 8, 2)
        height, width = rng.integers(4, 30, 2)
        pixels[top : top + height, left : left + width] = rng.uniform(0, 255, 3)
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Forty different pictures, as PNG files."""
    folder = tmp_path_factory.mktemp("scenes")
    paths = [folder / f"{at:02d}.png" for at in range(40)]
    for at, path in enumerate(paths):
        scene(at).save(path)
    return paths


CHANGES: dict[str, Callable[[Image.Image, Path], None]] = {
    "jpeg": lambda picture, to: picture.save(to.with_suffix(".jpg"), quality=60),
    "smaller": lambda picture, to: picture.resize((36, 36)).save(to.with_suffix(".png")),
    "larger": lambda picture, to: picture.resize((160, 160)).save(to.with_suffix(".jpg"), quality=80),
    "mirrored": lambda picture, to: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(to.with_suffix(".png")),
    "darker": lambda picture, to: picture.point(lambda level: int(0.7 * level)).save(to.with_suffix(".png")),
    "squeezed": lambda picture, to: picture.resize((72, 50)).save(to.with_suffix(".webp"), quality=70),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_picture_that_is_stored_in_another_way_is_a_copy(change: str, scenes: list[Path], tmp_path: Path) -> None:
    CHANGES[change](scene(7), tmp_path / "copy")
    (copy,) = tmp_path.iterdir()
    parts = ["train"] * 40 + ["test"]

    found = audit(ImageAdapter(), [*scenes, copy], ["a", "b"] * 20 + ["b"], parts=parts, checks=["copies"])

    assert [(finding.kind, finding.affected) for finding in found.findings] == [("copies-across-parts", (7, 40))]
    assert found.findings[0].numbers["exact"] == 0


def test_the_same_pixels_in_another_format_are_an_exact_copy(scenes: list[Path], tmp_path: Path) -> None:
    scene(3).save(tmp_path / "copy.bmp")

    found = audit(ImageAdapter(), [*scenes, tmp_path / "copy.bmp"], checks=["copies"])

    assert found.findings[0].affected == (3, 40)
    assert found.findings[0].numbers["exact"] == 1


def test_forty_different_pictures_have_no_finding(scenes: list[Path]) -> None:
    assert audit(ImageAdapter(), scenes, ["a", "b"] * 20, checks=QUICK).findings == ()


def test_pictures_in_memory_are_audited_too() -> None:
    pictures = [np.asarray(scene(at)) for at in range(12)]
    pictures.append(pictures[4][:, ::-1])

    assert [each.affected for each in audit(ImageAdapter(), pictures, checks=QUICK).findings] == [(4, 12)]


def test_tiny_pictures_are_copies_only_if_they_are_equal() -> None:
    rng = np.random.default_rng(0)
    curve = np.array([[0, 8, 12, 0], [2, 14, 15, 1], [0, 9, 14, 3], [0, 3, 11, 2]])
    pictures = [(16 * (curve + rng.integers(0, 2, curve.shape))).clip(0, 255).astype(np.uint8) for _ in range(30)]

    assert audit(ImageAdapter(), pictures, checks=["copies"]).findings == ()
    assert audit(ImageAdapter(), [*pictures, pictures[5]], checks=["copies"]).findings[0].affected == (5, 30)


def test_broken_and_plain_pictures_are_found(scenes: list[Path], tmp_path: Path) -> None:
    broken, plain = tmp_path / "broken.png", tmp_path / "plain.png"
    broken.write_bytes(scenes[0].read_bytes()[:300])
    Image.new("RGB", (40, 40), "navy").save(plain)

    found = audit(ImageAdapter(), [*scenes, broken, plain], checks=["readable", "flaws"])

    assert [(finding.kind, finding.affected) for finding in found.findings] == [
        ("unreadable", (40,)),
        ("of-one-colour", (41,)),
    ]


@pytest.mark.parametrize("fault", ["quality", "size", "format"])
def test_a_class_that_is_stored_in_a_way_of_its_own_is_found(fault: str, tmp_path: Path) -> None:
    paths, labels = [], []
    for at in range(60):
        second = at % 2
        picture = scene(at, side=48 if fault == "size" and second else 64)
        path = tmp_path / f"{at}.{'png' if fault == 'format' and second else 'jpg'}"
        picture.save(path, quality=70 if fault == "quality" and second else 90)
        paths.append(path)
        labels.append("ab"[second])

    found = audit(ImageAdapter(), paths, labels, checks=["shortcuts"]).findings[0]

    assert found.severity == "warning"
    assert {"quality": "JPEG quality", "size": "width", "format": "format"}[fault] in found.numbers
    assert (
        audit(ImageAdapter(), paths, np.random.default_rng(0).permutation(labels), checks=["shortcuts"]).findings == ()
    )


# ---- sounds


def call(seed: int, seconds: float = 0.9) -> np.ndarray:
    """Make a few chirps in noise, different for each seed."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    wave = 0.01 * rng.normal(size=time.size)
    for _ in range(4):
        start, length = rng.uniform(0.05, 0.6), rng.uniform(0.05, 0.2)
        inside = np.clip((time - start) / length, 0, 1)
        wave += 0.2 * np.sin(np.pi * inside) * np.sin(2 * np.pi * rng.uniform(300, 2500) * time * (1 + 0.2 * time))
    return wave.astype(np.float32)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Thirty different sounds, as WAV files."""
    folder = tmp_path_factory.mktemp("calls")
    paths = [folder / f"{at:02d}.wav" for at in range(30)]
    for at, path in enumerate(paths):
        soundfile.write(path, call(at), RATE)
    return paths


SOUNDS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int, str]] = {
    "softer": (lambda wave: 0.2 * wave, RATE, "wav"),
    "later": (lambda wave: np.concatenate([np.zeros(3000, np.float32), wave]), RATE, "wav"),
    "cut": (lambda wave: wave[600:], RATE, "wav"),
    "ogg": (lambda wave: wave, RATE, "ogg"),
    "mp3": (lambda wave: 0.8 * wave, RATE, "mp3"),
    "upsampled": (lambda wave: soxr.resample(wave, RATE, 44_100), 44_100, "flac"),
    "inverted and later": (lambda wave: -np.concatenate([np.zeros(777, np.float32), wave]), RATE, "ogg"),
}


@pytest.mark.parametrize("change", SOUNDS)
def test_a_sound_that_is_stored_in_another_way_is_a_copy(change: str, calls: list[Path], tmp_path: Path) -> None:
    changed, rate, suffix = SOUNDS[change]
    copy = tmp_path / f"copy.{suffix}"
    soundfile.write(copy, changed(call(11)), rate)

    found = audit(AudioAdapter(), [*calls, copy], ["a", "b"] * 15 + ["a"], checks=["copies"])

    assert [(finding.kind, finding.affected) for finding in found.findings] == [
        ("copies-of-different-classes", (11, 30))
    ]


def test_thirty_different_sounds_have_no_finding(calls: list[Path]) -> None:
    assert audit(AudioAdapter(), calls, ["a", "b"] * 15, checks=QUICK).findings == ()


def test_broken_silent_and_clipped_sounds_and_other_rates_are_found(calls: list[Path], tmp_path: Path) -> None:
    broken, silent, clipped, other = (tmp_path / f"{name}.wav" for name in ("broken", "silent", "clipped", "other"))
    broken.write_bytes(calls[0].read_bytes()[:5000])
    soundfile.write(silent, np.zeros(RATE), RATE)
    soundfile.write(clipped, np.clip(20 * call(50), -1, 1), RATE)
    soundfile.write(other, soxr.resample(call(51), RATE, 22_050), 22_050)

    found = audit(AudioAdapter(), [*calls, broken, silent, clipped, other], checks=["readable", "flaws", "mixed"])

    assert {finding.kind: finding.affected for finding in found.findings} == {
        "unreadable": (30,),
        "silent": (31,),
        "clipped": (32,),
        "mixed-sample-rate": (33,),
    }


@pytest.mark.parametrize("fault", ["rate", "duration", "silence"])
def test_a_class_of_sounds_that_is_recorded_in_a_way_of_its_own_is_found(fault: str, tmp_path: Path) -> None:
    items: list[Any] = []
    for at in range(60):
        wave, rate, second = call(at), RATE, at % 2
        if fault == "rate" and second:
            wave, rate = soxr.resample(wave, RATE, 8_000), 8_000
        if fault == "duration" and second:
            wave = np.concatenate([wave, call(at + 1000, 0.2)])
        if fault == "silence" and second:
            wave[:800] = 0
        items.append(tmp_path / f"{at}.wav")
        soundfile.write(items[-1], wave, rate)

    found = audit(AudioAdapter(), items, ["a", "b"] * 30, checks=["shortcuts"]).findings[0]

    name = {"rate": "sample rate", "duration": "duration", "silence": "silence at the beginning"}[fault]
    assert found.numbers[name]["score"] > 0.9
