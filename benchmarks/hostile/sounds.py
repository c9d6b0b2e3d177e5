"""Sounds of every format that libsndfile writes here, mutations that know RIFF and Ogg, and how they are tried."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import soundfile
from families import Family, Unsuited, register
from models import attempt, load, trained
from picture_mutations import riff_sizes

RATE, SAMPLES = 8_000, 4_000
"""Of every seed, and of the model, so that nothing is resampled or cut and a changed sample shows."""

CHECKED = {".flac", ".ogg", ".opus"}
"""Formats with checksums."""

STATELESS = {".mp3", ".pvf", ".sf"}
"""Formats that need not say how long they are, so that a file that ends early is a shorter sound."""


def tone(seed: int = 0, channels: int = 1) -> np.ndarray:
    """Return a fading chord with noise, shape (samples, channels)."""
    time, random = np.arange(SAMPLES) / RATE, np.random.default_rng(seed)
    waves = [np.sin(2 * np.pi * (300 + 110 * seed + 400 * channel) * time) for channel in range(channels)]
    return np.stack(waves, axis=1) * np.exp(-2 * time)[:, None] * 0.5 + random.normal(0, 0.01, (SAMPLES, channels))


def _written(samples: np.ndarray, kind: str, coding: str | None = None, rate: int = RATE, **options: Any) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, coding, format=kind, **options)
    return buffer.getvalue()


def seeds() -> dict[str, bytes]:
    """Return sounds of all formats and codings, by their names."""
    mono, stereo = tone(), tone(channels=2)
    kinds = {
        "pcm16.wav": ("WAV", "PCM_16"), "pcm24.wav": ("WAV", "PCM_24"), "pcm8.wav": ("WAV", "PCM_U8"),
        "pcm32.wav": ("WAV", "PCM_32"), "float.wav": ("WAV", "FLOAT"), "double.wav": ("WAV", "DOUBLE"),
        "ulaw.wav": ("WAV", "ULAW"), "ima.wav": ("WAV", "IMA_ADPCM"), "ms.wav": ("WAV", "MS_ADPCM"),
        "gsm.wav": ("WAV", "GSM610"), "extended.wav": ("WAVEX", "PCM_16"), "long.rf64": ("RF64", "PCM_16"),
        "pcm16.aiff": ("AIFF", "PCM_16"), "float.aiff": ("AIFF", "FLOAT"), "pcm16.au": ("AU", "PCM_16"),
        "ulaw.au": ("AU", "ULAW"), "pcm16.caf": ("CAF", "PCM_16"), "alac.caf": ("CAF", "ALAC_16"),
        "pcm16.w64": ("W64", "PCM_16"), "pcm16.voc": ("VOC", "PCM_16"), "pcm16.nist": ("NIST", "PCM_16"),
        "pcm16.sf": ("IRCAM", "PCM_16"), "pcm16.svx": ("SVX", "PCM_16"), "pcm16.pvf": ("PVF", "PCM_16"),
        "pcm16.flac": ("FLAC", "PCM_16"), "pcm24.flac": ("FLAC", "PCM_24"), "vorbis.ogg": ("OGG", "VORBIS"),
        "opus.opus": ("OGG", "OPUS"), "layer3.mp3": ("MP3", "MPEG_LAYER_III"),
    }  # fmt: skip
    made = {name: _written(mono, *how) for name, how in kinds.items()}
    long = np.concatenate([tone(seed)[:, 0] for seed in range(8)])
    made["long.flac"], made["long.ogg"] = _written(long, "FLAC", "PCM_16"), _written(long, "OGG", "VORBIS")
    made["long.opus"], made["long.mp3"] = _written(long, "OGG", "OPUS"), _written(long, "MP3", "MPEG_LAYER_III")
    made["stereo.wav"] = _written(stereo, "WAV", "PCM_16")
    made["stereo.flac"] = _written(stereo, "FLAC", "PCM_16")
    made["stereo.ogg"] = _written(stereo, "OGG", "VORBIS")
    return made


def ogg_pages(data: bytes, random: Random) -> bytes:
    """Leave out, repeat or exchange pages of an Ogg file, or change one and compute its checksum again."""
    if not data.startswith(b"OggS"):
        raise Unsuited
    pages = [b"OggS" + each for each in data.split(b"OggS")[1:]]
    at, how = random.randrange(len(pages)), random.randrange(4)
    if how == 0:
        del pages[at]
    elif how == 1:
        pages.insert(at, pages[at])
    elif how == 2:
        random.shuffle(pages)
    else:
        page = bytearray(pages[at])
        page[random.randrange(4, len(page))] ^= 1 << random.randrange(8)
        page[22:26] = bytes(4)
        page[22:26] = ogg_checksum(bytes(page)).to_bytes(4, "little")
        pages[at] = bytes(page)
    return b"".join(pages)


def ogg_checksum(page: bytes) -> int:
    """Return the checksum of a page whose own field is zero: polynomial 0x04C11DB7, bit by bit."""
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value


def wav_header(data: bytes, random: Random) -> bytes:
    """Let the header of a wav state another coding, rate, depth, or number of channels."""
    at = data.find(b"fmt ", 0, 64)
    if data[:4] not in (b"RIFF", b"RF64") or at < 0:
        raise Unsuited
    place, width = random.choice(((8, 2), (10, 2), (12, 4), (16, 4), (20, 2), (22, 2)))
    value = random.choice((0, 1, 2, 3, 6, 7, 8, 17, 24, 32, 49, 64, 255, 1024, 65535, 192_000, 2**31, 2**32 - 1))
    value %= 256**width
    return data[: at + place] + value.to_bytes(width, "little") + data[at + place + width :]


# --- bombs -----------------------------------------------------------------------------------------------------------


def _wav(size: int, content: bytes, rate: int = RATE, channels: int = 1, bits: int = 16, coding: int = 1) -> bytes:
    block = channels * bits // 8
    head = struct.pack("<HHIIHH", coding, channels, rate, rate * block % 2**32, block % 2**16, bits)
    return (
        b"RIFF"
        + struct.pack("<I", (size + 36) % 2**32)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + head
        + (b"data" + struct.pack("<I", size) + content)
    )


def _of_zeros(kind: str, coding: str, seconds: int, rate: int = 48_000, channels: int = 1) -> bytes:
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, channels, coding, format=kind) as file:
        for _ in range(seconds):
            file.write(np.zeros((rate, channels), np.float32))
    return buffer.getvalue()


def _flac_claiming(samples: int) -> bytes:
    data = bytearray(_written(tone(), "FLAC", "PCM_16"))
    head = int.from_bytes(data[18:26], "big") >> 36 << 36 | samples
    data[18:26] = head.to_bytes(8, "big")
    return bytes(data)


BOMBS: Mapping[str, Callable[[], bytes]] = {
    "four-gigabytes.wav": lambda: _wav(2**32 - 1, bytes(2000)),
    "one-sample.wav": lambda: _wav(2, b"\1\1"),
    "one-sample-192k.wav": lambda: _wav(2, b"\1\1", rate=192_000),
    "192k-24-bits.wav": lambda: _wav(576_000, bytes(range(256)) * 2250, rate=192_000, bits=24),
    "nan.wav": lambda: _wav(8000, np.full(2000, np.nan, np.float32).tobytes(), bits=32, coding=3),
    "infinite.wav": lambda: _wav(8000, np.full(2000, -np.inf, np.float32).tobytes(), bits=32, coding=3),
    "huge.wav": lambda: _wav(8000, np.full(2000, 3e38, np.float32).tobytes(), bits=32, coding=3),
    "many-channels.wav": lambda: _wav(2**21, bytes(2**21), channels=1024),
    "65535-channels.wav": lambda: _wav(2**21, bytes(2**21), channels=65535),
    "highest-rate.wav": lambda: _wav(4000, bytes(4000), rate=2**32 - 1),
    "lowest-rate.wav": lambda: _wav(4000, bytes(4000), rate=1),
    "half-an-hour-at-100-hertz.wav": lambda: _wav(360_000, bytes(360_000), rate=100),
    "days-at-100-hertz.wav": lambda: _wav(2**26, bytes(2**26), rate=100),
    "longest.flac": lambda: _of_zeros("FLAC", "PCM_16", 1_800),
    "longest-stereo.flac": lambda: _of_zeros("FLAC", "PCM_16", 900, channels=2),
    "longest-of-8-channels.flac": lambda: _of_zeros("FLAC", "PCM_16", 225, channels=8),
    "too-long.flac": lambda: _of_zeros("FLAC", "PCM_16", 1_801),
    "three-hours.flac": lambda: _of_zeros("FLAC", "PCM_16", 10_800, rate=8_000),
    "longest.mp3": lambda: _of_zeros("MP3", "MPEG_LAYER_III", 1_800),
    "longest.ogg": lambda: _of_zeros("OGG", "VORBIS", 1_800),
    "longest.opus": lambda: _of_zeros("OGG", "OPUS", 1_800),
    "claiming.flac": lambda: _flac_claiming(2**36 - 1),
    "unknown-length.flac": lambda: _flac_claiming(0),
    "an-mp3.wav": lambda: seeds()["layer3.mp3"],
    "a-flac.mp3": lambda: seeds()["pcm16.flac"],
    "a-text.wav": lambda: b"hello " * 1000,
}


# --- how they are tried ----------------------------------------------------------------------------------------------


def prepare(folder: Path) -> Path:
    """Train a small network on tones of the seeds' length, and save it."""
    from gridcnn.adapters import AudioAdapter  # noqa: PLC0415  (torch: not needed to make the corpus)

    adapter = AudioAdapter(sample_rate=RATE, duration=SAMPLES / RATE)
    return trained(adapter, [tone(seed)[:, 0] for seed in range(12)], folder / "sounds.safetensors")


def content(model: Any, path: Path) -> bytes:
    """Return the waveform that the network heard."""
    waveform: bytes = model.adapter.decode(path).tobytes()
    return waveform


def damage_shows(seed: str, mutation: str) -> bool:
    """Whether a changed file of this format cannot be another good sound."""
    suffix = Path(seed).suffix
    if mutation == "truncated":
        return suffix not in STATELESS
    return suffix in CHECKED and mutation in {"flipped", "removed", "blanked", "inserted", "exchanged"}


register(
    Family(
        "sounds",
        seeds,
        prepare,
        load,
        attempt,
        content,
        damage_shows,
        own={each.__name__: each for each in (wav_header, ogg_pages, riff_sizes)},
        bombs=BOMBS,
        in_folders=True,
    )
)
