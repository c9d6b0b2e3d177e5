"""Broken and lying sounds, each of which once got an answer, took gigabytes, or minutes."""

from __future__ import annotations

import io
import re
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridcnn.adapters import AudioAdapter
from gridcnn.adapters.limits import limited
from gridcnn.adapters.recordings import mixed
from gridcnn.adapters.sound_files import read_header, read_sound
from gridcnn.adapters.sound_survey import share_above
from gridcnn.errors import ItemError

RATE = 8_000


def tone(seconds: float = 0.5, hertz: float = 440.0) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return 0.5 * np.sin(2 * np.pi * hertz * time) + np.random.default_rng(0).normal(0, 0.01, len(time))


ADAPTER = AudioAdapter(sample_rate=RATE, duration=0.5).fit([tone()])


def written(samples: np.ndarray, kind: str, coding: str | None = None, rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, coding, format=kind)
    return buffer.getvalue()


def refusal(folder: Path, name: str, content: bytes) -> str:
    """Return why a file is refused; "" if it is not."""
    (folder / name).write_bytes(content)
    try:
        ADAPTER.encode(folder / name)
    except ItemError as error:
        return error.reason
    return ""


def wav(size: int, content: bytes, rate: int = RATE, channels: int = 1, bits: int = 16, coding: int = 1) -> bytes:
    block = channels * bits // 8
    head = struct.pack("<HHIIHH", coding, channels, rate, rate * block % 2**32, block % 2**16, bits)
    return (
        b"RIFF" + struct.pack("<I", (size + 36) % 2**32) + b"WAVEfmt " + struct.pack("<I", 16) + head
        + b"data" + struct.pack("<I", size) + content
    )  # fmt: skip


# --- answers to what is not there ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "lost"),
    [
        ("CAF", 2),
        ("CAF", 4),
        ("CAF", 300),
        ("VOC", 2),
        ("VOC", 300),
        ("NIST", 2),
        ("NIST", 300),
        ("SVX", 1),
        ("W64", 300),
    ],
)
def test_a_file_that_ends_before_its_header_says_is_refused_in_every_format(tmp_path, kind, lost):
    """libsndfile shortens these to what is there, and says so in a log if at all."""
    good = written(tone(), kind, "PCM_16")
    assert refusal(tmp_path, f"a.{kind.lower()}", good) == ""
    assert refusal(tmp_path, f"a.{kind.lower()}", good[:-lost]).startswith("truncated: ")


@pytest.mark.parametrize("coding", ["VORBIS", "OPUS"])
def test_an_ogg_with_a_damaged_or_a_missing_page_is_refused(tmp_path, coding):
    """libogg leaves such a page out, and the sound is a little shorter."""
    good = written(tone(12), "OGG", coding)
    pages = [b"OggS" + each for each in good.split(b"OggS")[1:]]
    assert len(pages) > 4
    assert refusal(tmp_path, "a.ogg", good) == ""
    assert refusal(tmp_path, "a.ogg", good + bytes(1000)) == ""  # what follows the last page does not matter
    for at in range(2, len(pages) - 1):
        without = b"".join(pages[:at] + pages[at + 1 :])
        assert refusal(tmp_path, "a.ogg", without) == f"damaged: pages are missing before page {at + 1}"
        changed = bytearray(pages[at])
        changed[-1] ^= 1
        damaged = b"".join([*pages[:at], bytes(changed), *pages[at + 1 :]])
        assert refusal(tmp_path, "a.ogg", damaged) == f"damaged: page {at + 1} does not agree with its checksum"


def test_a_flac_with_a_changed_bit_is_refused(tmp_path):
    good = written(tone(2), "FLAC")
    for at in range(100, len(good), 997):
        changed = bytearray(good)
        changed[at] ^= 4
        assert refusal(tmp_path, "a.flac", bytes(changed)).startswith("trunc")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_a_float_wav_without_usable_numbers_is_refused(tmp_path, value):
    content = np.full(2_000, value, np.float32).tobytes()
    assert refusal(tmp_path, "a.wav", wav(8_000, content, bits=32, coding=3)).startswith("it has samples")


# --- headers that lie ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (wav(2**31 - 2**17, bytes(2_000)), "truncated: 2000 of 2147352576 bytes"),
        (wav(2**21, bytes(2**10), channels=1024), "truncated"),
        (wav(2**10, bytes(2**10), channels=65_535), "not a sound file"),
        (wav(4_000, bytes(4_000), rate=2**32 - 1), "its header states a sample rate|not a sound file"),
        (wav(4_000, bytes(4_000), rate=1), "its header states a sample rate of 1 Hz"),
        (b"hello " * 1_000, "not a sound file"),
    ],
)
def test_a_wav_with_an_impossible_header_is_refused(tmp_path, content, reason):
    assert re.match(reason, refusal(tmp_path, "a.wav", content))


@pytest.mark.parametrize(
    "content",
    [
        wav(2, b"\1\1"),
        wav(2, b"\1\1", rate=192_000),
        wav(3 * 19_200, bytes(range(240)) * 240, rate=192_000, bits=24),
        wav(2**32 - 1, tone().astype("<f4").tobytes(), bits=32, coding=3),  # as programs write into a pipe
    ],
)
def test_odd_but_good_sounds_are_read(tmp_path, content):
    assert refusal(tmp_path, "a.wav", content) == ""


def test_a_wrong_suffix_does_not_matter(tmp_path):
    assert refusal(tmp_path, "a.wav", written(tone(), "MP3")) == ""
    assert refusal(tmp_path, "a.mp3", written(tone(), "FLAC")) == ""


@pytest.mark.parametrize("claimed", [2**36 - 1, 10**9])
def test_a_flac_that_claims_hours_is_refused_by_its_header(tmp_path, claimed):
    data = bytearray(written(tone(), "FLAC"))
    data[18:26] = (int.from_bytes(data[18:26], "big") >> 36 << 36 | claimed).to_bytes(8, "big")
    assert "more than 1,800 seconds" in refusal(tmp_path, "a.flac", bytes(data))


def test_a_sound_of_unknown_length_is_decoded_up_to_the_limit_only(tmp_path, monkeypatch):
    """A flac of silence, written into a pipe: it states no length, and 100 KB of it are hours."""
    data = bytearray(written(np.zeros(90 * RATE), "FLAC"))
    data[18:26] = (int.from_bytes(data[18:26], "big") >> 36 << 36).to_bytes(8, "big")
    path = tmp_path / "a.flac"
    path.write_bytes(data)
    assert read_header(path) == (RATE, 90.0)
    read, original = [], soundfile.SoundFile.read

    def counted(file: soundfile.SoundFile, *arguments: object, **options: object) -> np.ndarray:
        read.append(original(file, *arguments, **options))
        return read[-1]

    monkeypatch.setattr(soundfile.SoundFile, "read", counted)
    for reader in (read_sound, read_header):
        read.clear()
        with limited(seconds=10), pytest.raises(ItemError, match="more than 10 seconds"):
            reader(path)
        assert sum(map(len, read)) <= 10 * RATE + 65_536


# --- memory and time -------------------------------------------------------------------------------------------------


def test_the_energy_of_a_long_recording_is_judged_by_parts_of_it():
    """A Fourier transform of half an hour took 2 GB and minutes."""
    time = np.arange(2**21 + 7) / RATE
    channels = (np.sin(2 * np.pi * 500 * time) + 2 * np.sin(2 * np.pi * 3_000 * time))[:, None].astype(np.float32)
    assert share_above(channels, RATE, 1_000) == pytest.approx(0.8, abs=0.001)
    assert share_above(channels[: 2**18], RATE, 1_000) == pytest.approx(0.8, abs=0.001)


def test_a_thousand_channels_are_mixed_in_little_memory():
    channels = np.random.default_rng(0).normal(size=(20_000, 1_000)).astype(np.float32)
    tracemalloc.start()
    mixed(channels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * channels.nbytes


# --- mutations -------------------------------------------------------------------------------------------------------

KINDS = ("WAV", "FLAC", "OGG", "MP3", "AIFF", "AU")
GOOD = {f"a.{kind.lower()}": written(tone(0.1), kind) for kind in KINDS}


@given(st.sampled_from(sorted(GOOD)), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_in_any_place_are_read_or_refused(tmp_path, name, data):
    content = bytearray(GOOD[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
        content = content or bytearray(b"\0")
    path = tmp_path / name
    if not refusal(tmp_path, name, bytes(content)):  # which lets nothing pass but an ItemError
        windows = ADAPTER.encode(path)
        assert windows.shape[1] == ADAPTER.samples_
        assert np.isfinite(windows).all()
    assert isinstance(ADAPTER.cautions(path), list)
