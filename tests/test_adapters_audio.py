"""AudioAdapter: decoding, resampling, windows and the log-mel frontend."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import audioread
import librosa
import numpy as np
import pytest
import soundfile
import torch

from gridcnn.adapters import AudioAdapter, from_state
from gridcnn.adapters.sound_files import read_header, read_sound
from gridcnn.errors import ConfigurationError, DataError, ItemError

RATE = 8_000


def tone(frequency: float, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def grids(adapter: AudioAdapter, *waveforms: np.ndarray) -> torch.Tensor:
    return adapter.frontend()(torch.from_numpy(np.concatenate([adapter.encode(waveform) for waveform in waveforms])))


def root_mean_square(waveform: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(waveform))))


@pytest.mark.parametrize(("suffix", "tolerance"), [("wav", 1e-4), ("flac", 1e-4), ("ogg", 0.05), ("mp3", 0.1)])
def test_every_format_gives_the_same_waveform(tmp_path, suffix, tolerance):
    path, sound = tmp_path / f"a.{suffix}", tone(440)
    soundfile.write(path, sound, RATE)
    adapter = AudioAdapter(duration=1.0).fit([path])
    assert adapter.sample_rate_ == RATE
    (window,) = adapter.encode(path)
    assert window.dtype == np.float32
    middle = slice(1000, 7000)
    assert np.abs(window[middle] - sound[middle]).max() < tolerance
    peak = np.abs(np.fft.rfft(window)).argmax() * RATE / len(window)
    assert peak == pytest.approx(440, abs=1)


def test_a_tone_above_the_new_nyquist_frequency_vanishes(tmp_path):
    soundfile.write(tmp_path / "high.wav", tone(6_000, rate=44_100), 44_100)
    soundfile.write(tmp_path / "low.wav", tone(1_000, rate=44_100), 44_100)
    adapter = AudioAdapter(sample_rate=RATE, duration=1.0).fit([tmp_path / "low.wav"])
    (high,), (low,) = adapter.encode(tmp_path / "high.wav"), adapter.encode(tmp_path / "low.wav")
    assert root_mean_square(high[200:-200]) < 1e-3  # a plain decimation would fold it to 2 kHz at full level
    assert root_mean_square(low) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_stereo_is_mixed_to_mono(tmp_path):
    left, right = tone(500), tone(900)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    adapter = AudioAdapter(sample_rate=RATE, duration=1.0).fit([tmp_path / "a.wav"])
    np.testing.assert_allclose(adapter.encode(tmp_path / "a.wav")[0], (left + right) / 2, atol=1e-6)
    np.testing.assert_allclose(adapter.encode(np.stack([left, right]))[0], (left + right) / 2, atol=1e-6)


def test_integers_are_scaled_to_one():
    adapter = AudioAdapter(sample_rate=RATE, duration=0.002).fit([tone(440)])
    assert adapter.samples_ == 16
    np.testing.assert_array_equal(adapter.encode(np.full(16, -(2**15), np.int16)), -np.ones((1, 16)))
    np.testing.assert_array_equal(adapter.encode(np.full(16, 2**30, np.int32)), 0.5 * np.ones((1, 16)))
    np.testing.assert_array_equal(adapter.encode(np.full(16, 192, np.uint8)), 0.5 * np.ones((1, 16)))


def test_rate_and_duration_are_learned_from_the_headers(tmp_path):
    for index, (rate, seconds) in enumerate([(44_100, 0.5), (44_100, 0.5), (16_000, 0.5), (44_100, 0.5)]):
        soundfile.write(tmp_path / f"{index}.wav", tone(440, seconds, rate), rate)
    adapter = AudioAdapter().fit(sorted(tmp_path.glob("*.wav")))
    assert adapter.sample_rate_ == 44_100
    assert adapter.samples_ == 22_050
    soundfile.write(tmp_path / "bat.wav", tone(440, 0.5, 96_000), 96_000)
    assert AudioAdapter().fit([tmp_path / "bat.wav"]).sample_rate_ == 96_000
    assert AudioAdapter(sample_rate=RATE).fit([tone(440, 0.01)]).samples_ == 800  # at least 0.1 s
    assert AudioAdapter(sample_rate=RATE).fit([tone(440, 9)]).samples_ == 40_000  # at most 5 s
    assert AudioAdapter(sample_rate=RATE, duration=9).fit([tone(440, 1)]).samples_ == 72_000


def test_a_few_long_recordings_do_not_make_the_window_long():
    short, long = [tone(440, 0.4)] * 8, [tone(440, 2.0)] * 2
    adapter = AudioAdapter(sample_rate=RATE).fit([*short, *long])
    assert adapter.samples_ == round(0.6 * RATE), "1.5 times the median, where the 95th percentile is 2 s"
    assert [len(adapter.encode(sound)) for sound in (short[0], long[0])] == [1, 4]


@pytest.mark.parametrize("rate", [RATE, 44_100, 192_000])
def test_training_hardly_moves_frequencies_since_pitch_tells_classes_apart(rate):
    augment = AudioAdapter(sample_rate=rate, duration=0.5).fit([tone(440, rate=rate)]).defaults(1_000)["augment"]
    assert augment["shift"]["frequency"] == augment["scale"]["frequency"] == 0.02
    assert augment["shift"]["time"] == 0.12


def test_a_large_set_is_heard_less_often_and_a_small_one_more():
    adapter = AudioAdapter(sample_rate=RATE).fit([tone(440)])
    assert [adapter.defaults(n_items)["epochs"] for n_items in (15, 80, 160, 200)] == [80, 80, 50, 40]
    assert [adapter.defaults(n_items)["epochs"] for n_items in (500, 1_000, 5_000, 12_000)] == [40, 35, 7, 6]


def test_arrays_need_a_sample_rate():
    with pytest.raises(DataError, match="sample_rate="):
        AudioAdapter().fit([tone(440)])


def test_short_recordings_stand_in_the_middle_of_zeros():
    adapter = AudioAdapter(sample_rate=RATE, duration=1.0).fit([tone(440)])
    (window,) = adapter.encode(np.ones(2_001, np.float32))
    assert window.shape == (8_000,)
    assert np.flatnonzero(window)[[0, -1]].tolist() == [2_999, 4_999]


def test_long_recordings_are_covered_by_equally_spaced_windows():
    adapter = AudioAdapter(sample_rate=RATE, duration=1.0).fit([tone(440)])
    ramp = np.arange(20_000, dtype=np.float32) / 20_000
    windows = adapter.encode(ramp)
    np.testing.assert_array_equal(windows, [ramp[:8_000], ramp[6_000:14_000], ramp[12_000:]])
    assert adapter.encode(ramp[:8_200]).shape == (1, 8_000)  # a little longer: trimmed
    np.testing.assert_array_equal(adapter.encode(ramp[:8_200])[0], ramp[100:8_100])


def test_frames_stay_few_and_at_least_10_ms_apart():
    short = AudioAdapter(sample_rate=RATE, duration=0.5).fit([tone(440)])
    long = AudioAdapter(sample_rate=RATE, duration=5).fit([tone(440)])
    assert (short.hop_length_, short.n_fft_, short.n_mels_) == (80, 256, 40)
    assert long.hop_length_ == 313
    assert long.n_fft_ == 1024
    frequency, time = long.spec_.axes
    assert (frequency.name, frequency.size, time.name, time.unit) == ("frequency", 40, "time", "s")
    assert time.size <= 129
    assert time.step == pytest.approx(313 / RATE)


def test_every_mel_parameter_changes_the_grid():
    sound = tone(440)
    base: dict[str, object] = {"sample_rate": RATE, "duration": 1.0}
    usual = grids(AudioAdapter(**base).fit([sound]), sound)
    assert usual.shape == (1, 1, 40, 101)
    for change, shape in [
        ({"n_mels": 20}, (1, 1, 20, 101)),
        ({"hop_length": 160}, (1, 1, 40, 51)),
        ({"n_fft": 1024}, usual.shape),
        ({"f_min": 300.0}, usual.shape),
        ({"f_max": 2_000.0}, usual.shape),
        ({"top_db": 20.0}, usual.shape),
    ]:
        grid = grids(AudioAdapter(**base, **change).fit([sound]), sound)
        assert grid.shape == shape, change
        assert grid.shape != usual.shape or not torch.allclose(grid, usual, atol=0.01), change
    assert grids(AudioAdapter(sample_rate=16_000, duration=1.0).fit([tone(440)]), sound).shape[2] == 64


def test_a_higher_tone_lies_higher_in_the_grid():
    adapter = AudioAdapter(sample_rate=RATE, duration=1.0).fit([tone(440)])
    rows = [int(grids(adapter, tone(frequency))[0, 0, :, 50].argmax()) for frequency in (200, 800, 3_000)]
    assert rows == sorted(set(rows))


def test_clips_are_standardised_one_by_one():
    adapter = AudioAdapter(sample_rate=RATE, duration=1.0).fit([tone(440)])
    noise = np.random.default_rng(0).normal(scale=0.1, size=RATE).astype(np.float32)
    quiet, loud = 0.001 * noise, tone(440) + noise
    together, alone = grids(adapter, quiet, loud), grids(adapter, quiet)
    torch.testing.assert_close(together[:1], alone)  # a loud neighbour in the batch changes nothing
    for grid in together:
        sounding = grid[grid > grid.min()]
        torch.testing.assert_close(sounding.mean(), torch.tensor(0.0), atol=1e-4, rtol=0)
        torch.testing.assert_close(sounding.std(correction=0), torch.tensor(1.0))


def test_silence_around_a_sound_changes_nothing_in_it():
    sound = np.random.default_rng(0).normal(scale=0.1, size=RATE // 4).astype(np.float32)
    short, long = (
        grids(AudioAdapter(sample_rate=RATE, duration=seconds, hop_length=80).fit([sound]), sound)
        for seconds in (1.0, 2.0)  # the sound stands in the middle, between zeros
    )
    torch.testing.assert_close(short, long[..., 50:-50], atol=1e-4, rtol=0)
    sounding = short[short > short.min()]
    assert float(sounding.mean()) == pytest.approx(0, abs=1e-4)
    assert float(sounding.std(correction=0)) == pytest.approx(1, abs=1e-4)


def test_silence_becomes_zeros():
    silence = np.zeros(RATE, np.float32)
    adapter = AudioAdapter(sample_rate=RATE).fit([silence])
    torch.testing.assert_close(grids(adapter, silence), torch.zeros(1, *adapter.spec_.shape), atol=1e-3, rtol=0)


def test_bands_without_a_frequency_are_avoided_or_refused():
    silence = np.zeros(1000, np.float32)
    for rate in (1_000, 4_000, 11_025, 16_000, 44_100, 96_000):
        mel = AudioAdapter(sample_rate=rate, duration=1.0).fit([silence]).frontend().mel.mel_scale.fb
        assert (mel.amax(dim=0) > 0).all(), rate
    assert AudioAdapter(sample_rate=RATE, n_mels=128).fit([silence]).n_fft_ > 256
    assert AudioAdapter(sample_rate=RATE, n_fft=64).fit([silence]).n_mels_ < 40
    with pytest.raises(ConfigurationError, match=r"nearest that works is n_mels=\d+") as raised:
        AudioAdapter(sample_rate=RATE, n_mels=128, n_fft=256).fit([silence])
    nearest = int(str(raised.value).split("n_mels=")[2].split(",")[0])
    assert AudioAdapter(sample_rate=RATE, n_mels=nearest, n_fft=256).fit([silence]).n_mels_ == nearest


@pytest.mark.parametrize(
    "change",
    [{"f_min": 5_000.0}, {"f_max": 4_001.0}, {"f_min": -1.0}, {"n_mels": 0}, {"duration": 0.0}, {"top_db": 0.0}],
)
def test_impossible_parameters_are_refused(change):
    (name,) = change
    with pytest.raises(ConfigurationError, match=name):
        AudioAdapter(sample_rate=RATE, **change).fit([tone(440)])


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_truncated_files_are_refused_by_name(tmp_path, suffix, share):
    path = tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 8 * RATE)
    soundfile.write(path, noise, RATE)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ItemError, match=rf"cut\.{suffix}: .*(truncated|damaged)"):
        AudioAdapter(sample_rate=RATE).fit([tone(440)]).encode(path)


def test_a_wav_written_into_a_pipe_is_whole(tmp_path):
    path = tmp_path / "pipe.wav"
    soundfile.write(path, tone(440), RATE)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    adapter = AudioAdapter(duration=1.0).fit([path])
    np.testing.assert_allclose(adapter.encode(path)[0], tone(440), atol=1e-4)


def test_broken_items_say_what_is_wrong(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no sound at all")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), RATE)
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan), RATE, subtype="FLOAT")
    adapter = AudioAdapter(sample_rate=RATE).fit([tone(440)])
    for item, reason in [
        (tmp_path / "empty.wav", "empty"),
        (tmp_path / "none.wav", "0 samples"),
        (tmp_path / "text.wav", "not a sound file"),
        (tmp_path / "nan.wav", "NaN or infinite"),
        (tmp_path / "missing.wav", "no such file"),
        (tmp_path, "is a folder"),
        (np.array([0.0, np.inf]), "NaN or infinite"),
        (np.zeros((100, 2)), "transposed"),
        (np.zeros(0), "0 samples"),
        (np.array(["a"]), "expected a path"),
        (None, "expected a path"),
    ]:
        with pytest.raises(ItemError, match=reason):
            adapter.encode(item)


def test_unreadable_training_recordings_are_passed_over_unless_all_are(tmp_path):
    (tmp_path / "empty.wav").touch()
    assert AudioAdapter(sample_rate=RATE).fit([tmp_path / "empty.wav", tone(440)]).samples_ == RATE
    with pytest.raises(DataError, match=r"none of the sampled training recordings.*empty\.wav"):
        AudioAdapter().fit([tmp_path / "empty.wav"])


def test_a_restored_adapter_makes_the_same_grids():
    sound = tone(440, 0.7)
    adapter = AudioAdapter(sample_rate=RATE, n_mels=24, top_db=50).fit([sound])
    settings, state = json.loads(json.dumps([adapter.get_params(), adapter.state()]))
    again = from_state("AudioAdapter", settings, state)
    assert torch.equal(grids(again, sound), grids(adapter, sound))
    assert again.spec_ == adapter.spec_


# --- what a person sees ----------------------------------------------------------------------------------------------


def test_a_band_is_where_the_frontend_answers_to_its_frequency():
    adapter = AudioAdapter(sample_rate=RATE, duration=1.0).fit([tone(440)])
    frequency, _ = adapter.coordinates(tone(440))
    assert (frequency.name, frequency.unit, len(frequency.centre)) == ("frequency", "Hz", 40)
    assert (frequency.low[0], frequency.high[-1]) == pytest.approx((20, 4_000))
    np.testing.assert_allclose(frequency.low[2:], frequency.high[:-2])  # every second band begins where one ended
    for band in (10, 20, 35):
        assert int(grids(adapter, tone(frequency.centre[band]))[0, 0, :, 50].argmax()) == band
    assert adapter.spec_.axes[0].upwards
    assert not adapter.spec_.axes[1].upwards


def test_frames_count_seconds_from_the_beginning_of_the_recording(tmp_path):
    adapter = AudioAdapter(sample_rate=RATE, duration=1.0).fit([tone(440)])
    soundfile.write(tmp_path / "long.wav", tone(440, 2.5), RATE)
    soundfile.write(tmp_path / "rate.wav", tone(440, 2.5, 2 * RATE), 2 * RATE)  # resampled before it is cut
    (_, first) = adapter.coordinates(tone(440))
    np.testing.assert_allclose(first.centre, np.arange(101) / 100)
    assert (first.low[0], first.high[0], first.high[-1]) == pytest.approx((0, 0.005, 1))
    for item in (tone(440, 2.5), np.stack([tone(440, 2.5)] * 2), tmp_path / "long.wav", str(tmp_path / "rate.wav")):
        (_, second) = adapter.coordinates(item, window=2, n_windows=3)
        assert (second.low[0], second.high[-1]) == pytest.approx((0.75, 1.75))
    (_, short) = adapter.coordinates(np.ones(2_001, np.float32))  # from sample 2,999 on
    assert short.low[0] == pytest.approx(-2_999 / RATE)
    (_, trimmed) = adapter.coordinates(tone(440, 1.025))
    assert trimmed.low[0] == pytest.approx(100 / RATE)


def test_a_preview_is_a_clip_of_the_first_window():
    adapter = AudioAdapter(sample_rate=RATE, duration=1.0).fit([tone(440)])
    for seconds, note in ((1.0, ""), (2.5, "the first 1 s")):
        preview = adapter.preview(tone(440, seconds))
        np.testing.assert_array_equal(preview.waveform, tone(440))
        assert (preview.sample_rate, preview.note, preview.pixels, preview.text) == (RATE, note, None, "")
    window = adapter.encode(tone(440, 2.5))[1]
    assert adapter.preview_window(window).waveform is window
    assert adapter.preview_window(window).sample_rate == RATE


def test_recordings_are_files_and_their_frontend_is_frozen():
    assert (AudioAdapter.reads_files, AudioAdapter.reads_texts, AudioAdapter.reads_rows) == (True, False, False)
    assert AudioAdapter.frontend_is_frozen
    assert not list(AudioAdapter(sample_rate=RATE).fit([tone(440)]).frontend().parameters())


# --- files that libsndfile does not read -----------------------------------------------------------------------------

FFMPEG = """#!{python}
import pathlib, sys
if "-version" not in sys.argv:
    content = pathlib.Path(sys.argv[sys.argv.index("-i") + 1]).read_bytes()
    if not content.startswith(b"made up"):
        sys.exit("Invalid data found when processing input")
    print("  Duration: 00:00:00.50, start: 0.000000, bitrate: 64 kb/s", file=sys.stderr)
    print("    Stream #0:0: Audio: aac (LC), {rate} Hz, stereo, fltp, 64 kb/s", file=sys.stderr, flush=True)
    sys.stdout.buffer.write(content.removeprefix(b"made up"))
"""
"""Stands in for ffmpeg: "decodes" files that hold 16-bit samples after a mark."""


@pytest.fixture
def decoders(tmp_path, monkeypatch) -> Iterator[Callable[..., None]]:
    """Put a folder with a stand-in for ffmpeg, or with nothing, in the place of all programs."""

    def use(*, ffmpeg: bool, rate: int = RATE) -> None:
        folder = tmp_path / "programs"
        folder.mkdir(exist_ok=True)
        if ffmpeg:
            program = folder / "ffmpeg"
            program.write_text(FFMPEG.format(python=sys.executable, rate=rate))
            program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        audioread.available_backends(flush_cache=True)

    yield use
    monkeypatch.undo()
    audioread.available_backends(flush_cache=True)


def made_up_m4a(path: Path) -> np.ndarray:
    """Write half a second of stereo that only the stand-in can read; return it, shape (samples, 2)."""
    sound = np.stack([tone(440, 0.5), tone(880, 0.5)], axis=1)
    levels = (sound * 2**15).astype("<i2")
    path.write_bytes(b"made up" + levels.tobytes())
    return levels / np.float32(2**15)


def test_other_decoders_read_what_libsndfile_cannot(tmp_path, decoders):
    sound = made_up_m4a(tmp_path / "a.m4a")
    decoders(ffmpeg=True)
    samples, rate = read_sound(tmp_path / "a.m4a")
    assert (rate, samples.dtype) == (RATE, np.float32)
    np.testing.assert_allclose(samples, sound, atol=1e-6)
    assert read_header(tmp_path / "a.m4a") == (RATE, 0.5)
    adapter = AudioAdapter().fit([tmp_path / "a.m4a"])
    assert (adapter.sample_rate_, adapter.samples_) == (RATE, RATE // 2)
    np.testing.assert_allclose(adapter.encode(tmp_path / "a.m4a")[0], sound.mean(axis=1), atol=1e-6)


def test_without_a_decoder_the_message_says_what_to_install(tmp_path, decoders):
    made_up_m4a(tmp_path / "a.m4a")
    decoders(ffmpeg=False)
    for read in (read_sound, read_header):
        with pytest.raises(ItemError, match=r"a\.m4a: no decoder for m4a files.*install ffmpeg.*-i a\.m4a a\.wav"):
            read(tmp_path / "a.m4a")


def test_a_damaged_file_of_another_format_is_refused_by_name(tmp_path, decoders):
    decoders(ffmpeg=True)
    (tmp_path / "broken.m4a").write_bytes(b"something else")
    (tmp_path / "empty.m4a").touch()
    for name, reason in (("broken.m4a", "damaged"), ("empty.m4a", "empty"), ("gone.m4a", "no such file")):
        with pytest.raises(ItemError, match=rf"{name}: .*{reason}"):
            read_sound(tmp_path / name)
    decoders(ffmpeg=True, rate=0)
    made_up_m4a(tmp_path / "still.m4a")
    with pytest.raises(ItemError, match=r"still\.m4a: .*damaged"):
        read_header(tmp_path / "still.m4a")


def test_other_decoders_are_kept_away_from_files_of_libsndfiles_own_formats(tmp_path, decoders):
    decoders(ffmpeg=True)
    made_up_m4a(tmp_path / "a.wav")
    with pytest.raises(ItemError, match="not a sound file that libsndfile can read"):
        read_sound(tmp_path / "a.wav")


def test_decoding_in_threads_leaves_the_filters_of_warnings_alone(tmp_path, decoders):
    sound = made_up_m4a(tmp_path / "a.m4a")
    decoders(ffmpeg=True)
    assert librosa.load  # imports what it needs before the filters are looked at
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as threads:
        decoded = list(threads.map(read_sound, [tmp_path / "a.m4a"] * 16))
    assert warnings.filters == before
    for samples, _ in decoded:
        np.testing.assert_allclose(samples, sound, atol=1e-6)


# --- torchaudio ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_a_copy_of_the_frontend_answers_alike(copied):
    frontend = AudioAdapter(sample_rate=RATE, n_mels=24, top_db=50).fit([tone(440)]).frontend().eval()
    again = copied(frontend)
    sound = torch.from_numpy(tone(440)[None])
    assert torch.equal(again(sound), frontend(sound))
    assert again.mel is not frontend.mel
    assert not again.training
    assert list(again.state_dict()) == list(frontend.state_dict())


def test_a_copy_of_the_frontend_keeps_its_type_of_numbers():
    frontend = AudioAdapter(sample_rate=RATE).fit([tone(440)]).frontend().double()
    sound = torch.from_numpy(tone(440)[None]).double()
    assert copy.deepcopy(frontend)(sound).dtype == torch.float64
    torch.testing.assert_close(copy.deepcopy(frontend)(sound), frontend(sound))


def test_a_pickled_frontend_needs_no_torchaudio_to_be_importable():
    frontend = AudioAdapter(sample_rate=RATE).fit([tone(440)]).frontend()
    assert b"torchaudio" not in pickle.dumps(frontend)


TELL = """
def tell():
    try:
        import torchaudio, torchaudio.transforms
    except OSError as error:
        return f"OSError: {error}"
    return torchaudio.__file__, torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE, torchaudio.transforms.MelSpectrogram

def present():
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "torchaudio"}
"""


def beside_torchaudio(folder: Path, program: str, *, init: str = "", extension: str = "") -> str:
    """Run a program beside a stand-in for torchaudio, and return what it printed."""
    package = folder / "torchaudio"
    (package / "_extension").mkdir(parents=True)
    (package / "__init__.py").write_text(f"{init}\nfrom . import _extension")
    (package / "_extension" / "__init__.py").write_text(
        f"from . import utils\n_IS_TORCHAUDIO_EXT_AVAILABLE = True\n{extension}"
    )
    (package / "_extension" / "utils.py").touch()
    (package / "functional.py").write_text("from torchaudio._extension import *\nmelscale_fbanks = None")
    (package / "transforms.py").write_text("AmplitudeToDB = None\nclass MelSpectrogram: ...")
    program = f"import sys\nsys.path.insert(0, {str(folder)!r})\n{TELL}\n{program}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


OURS = "from gridcnn.adapters.torchaudio_transforms import MelSpectrogram"


def test_a_healthy_torchaudio_is_used_as_it_is(tmp_path):
    program = f"{OURS}; file, extension, theirs = tell(); print(file, extension, theirs is MelSpectrogram)"
    assert beside_torchaudio(tmp_path, program) == f"{tmp_path / 'torchaudio' / '__init__.py'} True True\n"


def test_a_torchaudio_that_is_already_imported_stays_the_same(tmp_path):
    program = f"tell(); before = present(); {OURS}; after = present(); print(before == {{n: after[n] for n in before}})"
    assert beside_torchaudio(tmp_path, program) == "True\n"


BROKEN = "raise OSError('libc10_cuda.so')"


def test_the_transforms_are_there_even_if_the_extension_cannot_load(tmp_path):
    program = f"{OURS}; print(MelSpectrogram.__name__)"
    assert beside_torchaudio(tmp_path, program, extension=BROKEN) == "MelSpectrogram\n"


@pytest.mark.parametrize("first", ["pass", "tell()"], ids=["never imported", "tried before"])
def test_a_broken_torchaudio_fails_in_a_program_as_without_gridcnn(tmp_path, first):
    program = f"{first}; before = present(); {OURS}; print(present() == before, tell())"
    assert beside_torchaudio(tmp_path, program, extension=BROKEN) == "True OSError: libc10_cuda.so\n"


def test_other_errors_of_torchaudio_are_not_hidden(tmp_path):
    assert "OSError: disk on fire" in beside_torchaudio(tmp_path, OURS, init="raise OSError('disk on fire')")
