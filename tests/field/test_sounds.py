"""Sounds as users have them: ultrasound, inverted channels, old codings, broken headers, and odd settings."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import gridcnn
from gridcnn.adapters import AudioAdapter, from_state, sound_frames
from gridcnn.adapters.sound_files import read_header, read_sound
from gridcnn.bundle import load, save
from gridcnn.cli import main
from gridcnn.errors import ConfigurationError, DataError, ItemError

RATE = 8_000
QUICK: dict[str, Any] = {"epochs": 25, "kernels": (8, 16), "cache": False, "random_state": 0, "device": "cpu"}


def tone(frequency: float, seconds: float = 1.0, rate: int = RATE, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def hiss(seconds: float = 1.0, rate: int = RATE, level: float = 0.05, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=level, size=round(seconds * rate)).astype(np.float32)


def written(path: Path, sound: np.ndarray, rate: int = RATE, **options: Any) -> Path:
    soundfile.write(path, sound, rate, **options)
    return path


def calls(folder: Path, rate: int, pitches: tuple[float, float], n: int) -> tuple[list[Path], list[str]]:
    """Write recordings of two species, each of which calls at its own pitch at some moment."""
    paths, labels = [], []
    for index in range(n):
        random = np.random.default_rng(index)
        sound = hiss(0.15, rate, 0.02, index)
        start = random.integers(0, len(sound) // 2)
        call = tone(pitches[index % 2] * random.uniform(0.97, 1.03), 0.05, rate, 0.3)
        sound[start : start + len(call)] += call
        paths.append(written(folder / f"{index}.wav", sound, rate))
        labels.append("ab"[index % 2])
    return paths, labels


def code_of(command: list[str]) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        main(command)
    return ended.value.code


def remark(adapter: AudioAdapter, words: str) -> str:
    (found,) = [each for each in adapter.remarks() if words in each]
    return found


# --- ultrasound ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "pitches"), [(96_000, (30e3, 42e3)), (256_000, (30e3, 55e3)), (500_000, (60e3, 110e3))]
)
def test_bats_are_told_apart_by_what_nobody_hears(tmp_path, rate, pitches):
    """Bats at 256 kHz that call at 30 and at 55 kHz were told apart by chance."""
    paths, labels = calls(tmp_path, rate, pitches, 60)
    model = gridcnn.fit(AudioAdapter(), paths[:40], labels[:40], QUICK)
    assert np.mean(gridcnn.predict(model, paths[40:]).labels == np.array(labels[40:])) > 0.9
    assert model.adapter.sample_rate_ == rate
    assert not any("does not hear" in each for each in model.adapter.remarks())
    save(model, tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.adapter.survey_ == model.adapter.survey_


@pytest.mark.parametrize("rate", [96_000, 192_000, 256_000, 384_000, 500_000])
def test_spectrograms_of_ultrasound_stay_small(tmp_path, rate):
    """Recordings of 5 s at 500 kHz have 2.5 million samples."""
    adapter = AudioAdapter().fit([written(tmp_path / "a.wav", hiss(5, rate), rate)])
    assert adapter.samples_ <= 2**19
    bands, frames = adapter.spec_.sizes
    assert bands == 96
    assert 50 < frames <= 129
    assert adapter.n_fft_ >= 2 * adapter.hop_length_
    (frequency, _) = adapter.coordinates(tmp_path / "a.wav")
    assert frequency.high[-1] == pytest.approx(rate / 2)
    windows = adapter.encode(tmp_path / "a.wav")
    assert len(windows) * adapter.samples_ >= 5 * rate * 0.95  # nothing is left out
    assert torch.isfinite(adapter.frontend()(torch.from_numpy(windows[:1]))).all()


def test_ordinary_rates_are_read_as_ever(tmp_path):
    for rate, mels in ((8_000, 40), (16_000, 64), (44_100, 64), (48_000, 64)):
        adapter = AudioAdapter().fit([written(tmp_path / "a.wav", hiss(5, rate), rate)])
        assert (adapter.sample_rate_, adapter.samples_, adapter.n_mels_) == (rate, 5 * rate, mels)
        assert adapter.remarks() == []


def test_a_rate_that_was_set_too_low_says_what_is_lost(tmp_path):
    """--sample-rate 48000 on recordings of bats: a part of the energy lies above 24 kHz."""
    sound = tone(10e3, 0.5, 256_000, 0.4) + tone(40e3, 0.5, 256_000, 0.2)  # power 4 : 1
    path = written(tmp_path / "a.wav", sound, 256_000)
    adapter = AudioAdapter(sample_rate=48_000).fit([path])
    assert remark(adapter, "does not hear") == (
        "20 % of the energy lies above 24 kHz, which the model does not hear: --sample-rate 256000 keeps it."
    )
    restored = from_state("AudioAdapter", *json.loads(json.dumps([adapter.get_params(), adapter.state()])))
    assert restored.remarks() == adapter.remarks()
    assert AudioAdapter(f_max=20e3).fit([path]).remarks() == [
        "20 % of the energy lies above 20 kHz, which the model does not hear: a higher f_max keeps it."
    ]


def test_a_few_recordings_of_a_high_rate_among_many_of_a_low_one(tmp_path):
    """Two of ten recordings come from another recorder, and half of what they hold is cut off."""
    paths = [written(tmp_path / f"{index}.wav", hiss(0.5, 16_000), 16_000) for index in range(8)]
    sound = tone(1_000, 0.5, 96_000) + tone(30_000, 0.5, 96_000)
    paths += [written(tmp_path / f"high{index}.wav", sound, 96_000) for index in range(2)]
    adapter = AudioAdapter().fit(paths)
    assert adapter.sample_rate_ == 16_000
    assert remark(adapter, "does not hear") == (
        "In 2 of 10 recordings, 50 % of the energy lies above 8,000 Hz, which the model does not hear: "
        "--sample-rate 96000 keeps it."
    )
    assert remark(adapter, "resampled") == "2 of 10 recordings have 96,000 Hz and are resampled to 16,000 Hz."


def test_a_rate_too_costly_for_a_large_set_gives_way_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(sound_frames, "MOST_TRAINING_SAMPLES", 100_000)
    path = written(tmp_path / "a.wav", tone(10e3, 0.5, 256_000) + tone(100e3, 0.5, 256_000), 256_000)
    adapter = AudioAdapter().fit([path])
    assert adapter.sample_rate_ == 128_000
    assert "50 % of the energy lies above 64 kHz" in remark(adapter, "does not hear")
    assert AudioAdapter().fit([path] * 100).sample_rate_ == 48_000  # never less


def test_the_command_line_says_what_is_cut_off_before_it_trains(tmp_path, capsys):
    for name in "ab":
        (tmp_path / "set" / name).mkdir(parents=True)
        for index in range(8):
            sound = tone(10e3, 0.2, 192_000) + tone(50e3 + index, 0.2, 192_000)
            written(tmp_path / "set" / name / f"{index}.wav", sound, 192_000)
    command = ["train", str(tmp_path / "set"), "-o", str(tmp_path / "m.safetensors"), "--dry-run"]
    assert code_of([*command, "--sample-rate", "44100"]) == 0
    said = " ".join("".join(capsys.readouterr()).split())
    assert "50 % of the energy lies above 22.05 kHz, which the model does not hear: --sample-rate 192000" in said


# --- channels that cancel each other ---------------------------------------------------------------------------------

LEFT = tone(440) + hiss(level=0.01)
LATE = np.concatenate([LEFT[:4_000], -LEFT[4_000:]])
HUM = tone(100)


@pytest.mark.parametrize(
    "channels",
    [
        [LEFT, -LEFT],
        [LEFT, -0.5 * LEFT],
        [LEFT, -LEFT + hiss(level=0.05, seed=1)],
        [LEFT, LATE],
        [HUM + 0.5 * LEFT, HUM - 0.5 * LEFT],
        [LEFT, -LEFT, LEFT, -LEFT],
        [LEFT, -LEFT, 0 * LEFT],
        [tone(1_000), np.roll(tone(1_000), 4)],
    ],
    ids=["inverted", "weaker", "noisy", "in part", "beside a hum", "four", "three, one dead", "delayed"],
)
def test_channels_that_cancel_are_not_mixed(tmp_path, channels):
    """A cable with its poles swapped: left is minus right, and the mix was silence."""
    sound = np.stack(channels)
    adapter = AudioAdapter(sample_rate=RATE, duration=1.0).fit([sound] * 3)
    strongest = max(channels, key=np.var)
    np.testing.assert_array_equal(np.abs(adapter.encode(sound)[0]), np.abs(strongest))
    assert adapter.cautions(sound) == [
        "its channels cancel each other when they are mixed, so only the strongest is heard"
    ]
    assert remark(adapter, "cancel").startswith("3 of 3 recordings listened to have channels that cancel")
    path = written(tmp_path / "a.wav", sound.T, subtype="FLOAT")
    np.testing.assert_array_equal(adapter.encode(path), adapter.encode(sound))


@pytest.mark.parametrize(
    "channels",
    [
        [LEFT, LEFT],
        [LEFT, 0 * LEFT],
        [LEFT, 0.2 * LEFT],
        [tone(440), tone(880)],
        [hiss(seed=1), hiss(seed=2)],
        [hiss(seed=1), hiss(seed=2), hiss(seed=3), 0 * LEFT],
        [LEFT + 0.3, LEFT - 0.3],
        [0 * LEFT, 0 * LEFT],
        [LEFT, -0.1 * LEFT],
    ],
    ids=["equal", "dead", "panned", "tones", "noise", "four", "offsets", "silence", "crosstalk"],
)
def test_ordinary_channels_are_mixed_as_ever(channels):
    sound = np.stack(channels)
    adapter = AudioAdapter(sample_rate=RATE, duration=1.0).fit([sound])
    np.testing.assert_array_equal(adapter.encode(sound)[0], sound.T.mean(axis=1, dtype=np.float32))
    assert not any("cancel" in each for each in [*adapter.cautions(sound), *adapter.remarks()])


# --- files -----------------------------------------------------------------------------------------------------------

CODINGS = [
    (each, subtype)
    for each in ("WAV", "AIFF", "AU", "W64", "CAF", "FLAC", "OGG")
    for subtype in soundfile.available_subtypes(each)
    if soundfile.check_format(each, subtype)
]


@pytest.mark.parametrize(("container", "subtype"), CODINGS)
def test_every_coding_is_read(tmp_path, container, subtype):
    """One GSM, G.721 or NMS-ADPCM file among 60 good ones ended the run."""
    path = tmp_path / f"a.{container.lower()}"
    try:
        written(path, LEFT, subtype=subtype, format=container)
    except soundfile.LibsndfileError:
        pytest.skip("libsndfile reads this coding, but does not write it at this rate")
    samples, rate = read_sound(path)
    assert rate == RATE
    assert len(samples) == pytest.approx(RATE, rel=0.05)
    assert read_header(path)[1] == pytest.approx(1, rel=0.05)
    spectrum = np.abs(np.fft.rfft(samples[:RATE, 0], RATE))
    assert spectrum.argmax() == pytest.approx(440, abs=2)
    (window,) = AudioAdapter(duration=1.0).fit([path]).encode(path)
    assert np.std(window) == pytest.approx(np.std(LEFT), rel=0.1)
    path.write_bytes(path.read_bytes()[:60])  # whatever else happens, one bad file is one error
    with pytest.raises(ItemError, match=path.name):
        AudioAdapter(sample_rate=RATE).fit([LEFT]).encode(path)


@pytest.mark.parametrize("samples", [320, 640, 960, 1_600, 7_900, 8_000, 8_001, 40_000])
@pytest.mark.parametrize("subtype", ["GSM610", "G721_32", "NMS_ADPCM_16", "NMS_ADPCM_32"])
@pytest.mark.parametrize("stated", [True, False])
def test_telephone_recordings_do_not_end_in_noise(tmp_path, samples, subtype, stated):
    """libsndfile made 40 ms of noise at full scale of the byte that pads an odd number of GSM blocks."""
    path = written(tmp_path / "a.wav", tone(440, samples / RATE), subtype=subtype)
    if not stated:
        content = bytearray(path.read_bytes())
        for name, at in ((b"data", 4), (b"fact", 8)):
            start = content.index(name) + at
            content[start : start + 4] = bytes(4)
        path.write_bytes(content)
    sound, rate = read_sound(path)
    assert len(sound) == samples if stated else samples <= len(sound) < samples + 320
    assert read_header(path) == (rate, len(sound) / rate)
    assert np.abs(sound[samples:]).max(initial=0) < 0.9  # the rest of the last block
    assert np.abs(sound).max() < 0.9
    assert not any("clipped" in each for each in AudioAdapter().fit([path]).remarks())


def wav_of_unknown_length(path: Path, size: int, riff: int | None, **options: Any) -> Path:
    content = bytearray(written(path, LEFT, **options).read_bytes())
    data = content.index(b"data")
    content[data + 4 : data + 8] = size.to_bytes(4, "little")
    if riff is not None:
        content[4:8] = riff.to_bytes(4, "little")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("size", [0, 36, 44, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x80000000])
@pytest.mark.parametrize("riff", [None, 0, 36, 0xFFFFFFFF])
@pytest.mark.parametrize("options", [{}, {"subtype": "FLOAT"}, {"format": "WAVEX"}, {"subtype": "PCM_24"}])
def test_a_wav_whose_header_states_no_length_is_read_to_its_end(tmp_path, size, riff, options):
    """A recorder that lost its power, or ffmpeg writing into a pipe, leaves 0 or 0xFFFFFFFF bytes in the header."""
    path = wav_of_unknown_length(tmp_path / "a.wav", size, riff, **options)
    samples, rate = read_sound(path)
    np.testing.assert_allclose(samples[:, 0], LEFT, atol=1e-4)
    assert read_header(path) == (rate, 1.0) == (RATE, 1.0)


def test_an_au_file_and_silence_without_a_length_are_read_too(tmp_path):
    content = bytearray(written(tmp_path / "a.au", LEFT).read_bytes())
    content[8:12] = bytes(4)
    (tmp_path / "a.au").write_bytes(content)
    assert len(read_sound(tmp_path / "a.au")[0]) == RATE
    content = written(tmp_path / "zeros.wav", 0 * LEFT).read_bytes().replace(b"data\x80\x3e", b"data\x00\x00")
    (tmp_path / "zeros.wav").write_bytes(content)
    assert len(read_sound(tmp_path / "zeros.wav")[0]) == RATE


@pytest.mark.parametrize("size", [0, 8])
@pytest.mark.parametrize("form", [None, 46])
def test_an_aiff_of_a_recorder_that_stopped_is_read_to_its_end(tmp_path, size, form):
    """Its header holds what was written first: 0 samples in a chunk of 8 bytes, which are no sound."""
    path = written(tmp_path / "a.aiff", LEFT)
    content = bytearray(path.read_bytes())
    common, sound = content.index(b"COMM"), content.index(b"SSND")
    content[common + 10 : common + 14] = bytes(4)
    content[sound + 4 : sound + 8] = size.to_bytes(4, "big")
    if form is not None:
        content[4:8] = form.to_bytes(4, "big")
    path.write_bytes(content)
    assert read_header(path) == (RATE, 1.0)
    np.testing.assert_allclose(read_sound(path)[0][:, 0], LEFT, atol=1e-4)


def test_a_few_samples_before_other_chunks_are_the_whole_recording(tmp_path):
    for name in ("a.wav", "a.aiff"):
        path = written(tmp_path / name, LEFT[:20])
        path.write_bytes(
            path.read_bytes() + (b"LIST\x04\x00\x00\x00INFO" if "wav" in name else b"ANNO\x00\x00\x00\x02hi")
        )
        assert len(read_sound(path)[0]) == 20


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("lost", [1, 100, 2_000])
def test_an_ogg_that_is_cut_in_its_last_page_is_not_read_short(tmp_path, subtype, lost):
    """A download that broke off just before its end was read without its last second, without a word."""
    path = written(tmp_path / "a.ogg", hiss(10, 16_000), 16_000, format="OGG", subtype=subtype)
    whole = path.read_bytes()
    assert len(read_sound(path)[0]) == 160_000
    path.write_bytes(whole[:-lost])
    with pytest.raises(ItemError, match=r"a\.ogg: truncated: its last page is missing or cut"):
        read_sound(path)
    path.write_bytes(whole + bytes(500))
    assert len(read_sound(path)[0]) == 160_000


def test_a_flac_that_was_written_into_a_pipe_is_read_to_its_end(tmp_path):
    """`ffmpeg … -f flac - > a.flac` cannot go back to write the number of samples into the header."""
    path = written(tmp_path / "a.flac", LEFT)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert read_header(path) == (RATE, 1.0)
    np.testing.assert_allclose(read_sound(path)[0][:, 0], LEFT, atol=1e-4)
    assert AudioAdapter().fit([path]).samples_ == RATE


def test_a_wav_without_samples_is_still_empty(tmp_path):
    path = written(tmp_path / "a.wav", np.zeros(0, np.float32))
    for more in (b"", b"LIST\x04\x00\x00\x00INFO"):
        path.write_bytes(path.read_bytes() + more)
        with pytest.raises(ItemError, match="empty"):
            AudioAdapter(sample_rate=RATE).fit([LEFT]).encode(path)


@pytest.mark.parametrize("name", ["a voice.m4a", "a voice.amr", "a voice.wma", "a voice.xyz"])
def test_other_formats_are_told_how_to_become_wav(tmp_path, name, monkeypatch):
    """A phone's recordings: the message named no format that can be read, and no way there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / name).write_bytes(b"\0\0\0\x20ftypM4A made up, as no decoder is here")
    for read in (read_sound, read_header):
        with pytest.raises(ItemError, match=rf"wav, flac, ogg, opus, mp3|ffmpeg -i '{name}' 'a voice\.wav'") as raised:
            read(tmp_path / name)
        assert f"ffmpeg -i '{name}' 'a voice.wav'" in str(raised.value)
        assert "flac" in str(raised.value)


@pytest.mark.parametrize("rate", [1, 50, 2_000_000_000])
def test_an_impossible_rate_in_a_header_is_one_bad_file(tmp_path, rate):
    path = written(tmp_path / "a.wav", hiss(0.1), rate)
    with pytest.raises(
        ItemError, match=r"a\.wav: its header states a sample rate of [\d,]+ Hz, which is outside 100 to"
    ):
        AudioAdapter(sample_rate=RATE).fit([LEFT]).encode(path)
    with pytest.raises(DataError, match=r"none of the sampled .* outside 100 to"):
        AudioAdapter().fit([path])


# --- what a person must know -----------------------------------------------------------------------------------------


def test_answers_for_unusual_recordings_come_with_a_caution(tmp_path):
    """A model of 16 kHz answered for telephone recordings of 8 kHz as for all others."""
    sound = hiss(1.0, 16_000)
    adapter = AudioAdapter().fit([written(tmp_path / f"{index}.wav", sound, 16_000) for index in range(5)])
    assert adapter.cautions(tmp_path / "0.wav") == []
    for name, item, rate, caution in [
        (
            "low",
            hiss(),
            8_000,
            "recorded at 8,000 Hz: it holds nothing above 4,000 Hz, and the model hears up to 8,000 Hz",
        ),
        (
            "high",
            tone(20e3, 1, 48_000),
            48_000,
            "much of its energy lies above 8,000 Hz, which the model does not hear",
        ),
        ("silent", 0 * sound, 16_000, "it is silent"),
        ("offset", 0 * sound + 0.5, 16_000, "it is silent"),
        ("clipped", (20 * sound).clip(-1, 1), 16_000, "it is clipped: too loud for its format"),
        ("short", sound[:1_000], 16_000, "it is much shorter than the window of 1 s"),
    ]:
        assert adapter.cautions(written(tmp_path / f"{name}.wav", item, rate)) == [caution]
    assert adapter.cautions(written(tmp_path / "loud.wav", tone(440, rate=16_000, level=1.0), 16_000)) == []
    assert adapter.cautions(tmp_path / "missing.wav") == []


def test_a_rate_that_was_there_in_training_needs_no_caution(tmp_path):
    paths = [written(tmp_path / f"{rate}.wav", hiss(1.0, rate), rate) for rate in (16_000, 8_000)]
    adapter = AudioAdapter().fit(paths)
    assert adapter.cautions(paths[1]) == []
    assert "1 of 2 recordings, of a lower rate, hold nothing above 4,000 Hz" in remark(adapter, "lower rate")


def test_windows_padding_silence_and_clipping_are_remarked_on(tmp_path):
    sounds = [hiss(seconds) for seconds in (1, 1, 1, 1, 1, 1, 1, 12, 0.25)]
    paths = [written(tmp_path / f"{index}.wav", sound) for index, sound in enumerate([*sounds, 0 * LEFT])]
    adapter = AudioAdapter(duration=1.0).fit(paths)
    assert adapter.remarks() == [
        "10 % of the recordings are longer than a window of 1 s (up to 12 s): each is read in several windows, whose "
        "answers are averaged.",
        "10 % of the recordings are shorter than a window of 1 s (down to 0.25 s) and are padded with silence.",
        "1 of 10 recordings listened to is silent.",
    ]
    loud = AudioAdapter(sample_rate=RATE).fit([(20 * hiss(seed=each)).clip(-1, 1) for each in range(4)])
    assert loud.remarks() == ["4 of 4 recordings listened to are clipped: too loud for their format."]


# --- settings --------------------------------------------------------------------------------------------------------

ABSURD: dict[str, list[Any]] = {
    "sample_rate": [0, -1, 50, 10**9, 10**30, float("nan"), 8000.5, True, "8000"],
    "duration": [0, -1, 1e-9, 0.001, 1e9, 1e300, 10**400, float("nan"), float("inf")],
    "n_mels": [0, 2_000, 10**9, 10**30, float("nan")],
    "n_fft": [0, 1, 10**6, 10**30, float("nan")],
    "hop_length": [0, -5, 1_000_000, 10**30, float("nan")],
    "f_min": [-1, 4_000, 1e9, float("nan")],
    "f_max": [0, 20, 1e-9, 4_001, 1e300, float("nan")],
    "top_db": [0, -80, 1e-300, 1e300, float("nan"), float("inf")],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ABSURD.items() for value in values])
def test_absurd_settings_are_refused_with_what_is_allowed(tmp_path, name, value):
    """--duration 0.001, --hop 1000000 and --sample-rate 50 ended in tracebacks."""
    adapters: list[tuple[Callable[..., AudioAdapter], Any]] = [
        (lambda **more: AudioAdapter(**{"sample_rate": RATE, **more}), LEFT)
    ]
    if name != "sample_rate":
        adapters.append((AudioAdapter, written(tmp_path / "a.wav", LEFT)))  # the rate is learned
    for adapter, item in adapters:
        with pytest.raises(ConfigurationError, match=rf"{name}.*(must|works)"):
            adapter(**{name: value}).fit([item])


def test_settings_that_are_allowed_work_in_every_combination():
    random = np.random.default_rng(0)
    allowed: dict[str, list[Any]] = {
        "sample_rate": [100, 1_000, 8_000, 96_000],
        "duration": [None, 0.002, 0.02, 1, 20],
        "n_mels": [None, 1, 8, 200],
        "n_fft": [None, 2, 64, 65_536],
        "hop_length": [None, 1, 50, 5_000],
        "f_min": [0, 20.0, 300],
        "f_max": [None, 50, 400, 4_000],
    }
    fitted = 0
    for _ in range(200):
        settings = {name: values[random.integers(len(values))] for name, values in allowed.items()}
        try:
            adapter = AudioAdapter(**settings).fit([LEFT])
        except ConfigurationError:
            continue
        fitted += 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            grid = adapter.frontend()(torch.from_numpy(adapter.encode(LEFT)[:1]))
        assert grid.shape[1:] == adapter.spec_.shape, settings
        assert torch.isfinite(grid).all(), settings
        assert adapter.coarser(0.5) is None or adapter.coarser(0.5).fit([LEFT])
    assert fitted > 20


@pytest.mark.parametrize("options", [["--duration", "0.001"], ["--hop", "1000000"], ["--sample-rate", "50"]])
def test_the_command_line_refuses_them_in_one_line(tmp_path, options, capsys):
    for name in "ab":
        (tmp_path / "set" / name).mkdir(parents=True)
        for index in range(6):
            written(tmp_path / "set" / name / f"{index}.wav", hiss(seed=index + 6 * (name == "a")))
    command = ["train", str(tmp_path / "set"), "-o", str(tmp_path / "m.safetensors"), *options]
    assert code_of(command) == 2
    said = "".join(capsys.readouterr())
    assert "Traceback" not in said
    assert "must" in said


# --- recordings in memory --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "convert",
    [
        torch.from_numpy,
        lambda sound: torch.from_numpy(sound).double().requires_grad_(),
        lambda sound: torch.from_numpy(sound)[None],
        lambda sound: torch.from_numpy(np.stack([sound, sound])),
        lambda sound: torch.from_numpy(np.round(sound * 2**15).astype(np.int16)),
        lambda sound: np.round(sound * 2**15).astype(np.int16),
        lambda sound: np.round(sound * 2**15).astype(np.int64),
        lambda sound: np.round(sound * 2**15).astype(np.int32),
        lambda sound: np.round(sound * 2**31).astype(np.int64).astype(np.int32),
        lambda sound: np.ma.masked_array(sound, mask=False),
        lambda sound: sound.astype(">f4"),
        lambda sound: sound.astype(np.float16),
        lambda sound: sound.tolist(),
        lambda sound: torch.from_numpy(sound).to_sparse(),
    ],
)
def test_every_kind_of_array_is_the_same_sound(convert):
    """Waveforms from torchaudio are tensors (channels, samples); pandas makes 64-bit integers of 16-bit ones."""
    item = convert(LEFT)
    adapter = AudioAdapter(sample_rate=RATE, duration=1.0).fit([item])
    np.testing.assert_allclose(adapter.encode(item)[0], LEFT, atol=5e-4)
    assert adapter.coordinates(item)[1].low[0] == pytest.approx(0)


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy, np.ma.masked_array, list])
@pytest.mark.parametrize("channels", [1, 2])
def test_an_array_of_recordings_is_a_set(convert, channels):
    """X of shape (n, samples), as scikit-learn's users have it, or (n, channels, samples)."""
    X = np.stack([tone(500 if index % 2 else 1_500, 0.2) + hiss(0.2, seed=index) for index in range(20)])
    items = convert(X if channels == 1 else np.stack([X, X], axis=1))
    model = gridcnn.fit(AudioAdapter(sample_rate=RATE), items, ["a", "b"] * 10, {**QUICK, "epochs": 1})
    answers = gridcnn.predict(model, items)
    assert len(answers.labels) == 20
    assert np.isfinite(answers.probabilities).all()
    np.testing.assert_array_equal(answers.probabilities, gridcnn.predict(model, list(X)).probabilities)


@pytest.mark.parametrize("one", [LEFT, torch.from_numpy(LEFT), LEFT.tolist(), "a.wav"])
def test_one_recording_is_no_sequence_of_recordings(one):
    with pytest.raises(TypeError, match="put it in a list"):
        AudioAdapter(sample_rate=RATE).check_items(one)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (np.ma.masked_array(LEFT, mask=LEFT > 0.49), "masked samples"),
        (torch.full((100,), float("nan")), "NaN or infinite"),
        (np.full(100, 1e300), "NaN or infinite"),
        (LEFT * 1e20, "expected about -1 to 1"),
        (torch.zeros(0), "0 samples"),
        (np.zeros((2, 0)), "0 samples"),
        ([], "0 samples"),
        (torch.zeros(100, 2), "transposed"),
        (np.array(0.5), "expected a path"),
        (np.zeros((2, 2, 100)), "expected a path"),
        (LEFT.astype(complex), "expected a path"),
        (torch.zeros(100, dtype=torch.bool), "expected a path"),
        ([[0.1, 0.2], [0.3]], "expected a path"),
        ([None, 0.5], "expected a path"),
    ],
)
def test_what_is_no_recording_is_one_bad_item(item, reason):
    adapter = AudioAdapter(sample_rate=RATE).fit([LEFT, item])  # passed over
    with pytest.raises(ItemError, match=reason) as raised:
        adapter.encode(item)
    assert len(str(raised.value)) < 200
    assert adapter.cautions(item) == []
