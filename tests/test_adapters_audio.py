"""AudioAdapter: decoding, resampling, windows and the log-mel frontend."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from gridcnn.adapters import AudioAdapter, from_state
from gridcnn.errors import ConfigurationError, DataError, ItemError

ROOT = Path(__file__).parent.parent
RATE = 8_000


def tone(frequency: float, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def lifted(adapter: AudioAdapter, *waveforms: np.ndarray) -> torch.Tensor:
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
    adapter = AudioAdapter(sample_rate=RATE, duration=0.001).fit([tone(440)])
    assert adapter.samples_ == 8
    np.testing.assert_array_equal(adapter.encode(np.full(8, -(2**15), np.int16)), -np.ones((1, 8)))
    np.testing.assert_array_equal(adapter.encode(np.full(8, 2**30, np.int32)), 0.5 * np.ones((1, 8)))
    np.testing.assert_array_equal(adapter.encode(np.full(8, 192, np.uint8)), 0.5 * np.ones((1, 8)))


def test_rate_and_duration_are_learned_from_the_headers(tmp_path):
    for index, (rate, seconds) in enumerate([(44_100, 0.5), (44_100, 0.5), (16_000, 0.5), (44_100, 0.5)]):
        soundfile.write(tmp_path / f"{index}.wav", tone(440, seconds, rate), rate)
    adapter = AudioAdapter().fit(sorted(tmp_path.glob("*.wav")))
    assert adapter.sample_rate_ == 44_100
    assert adapter.samples_ == 22_050
    soundfile.write(tmp_path / "bat.wav", tone(440, 0.5, 96_000), 96_000)
    assert AudioAdapter().fit([tmp_path / "bat.wav"]).sample_rate_ == 48_000  # at most
    assert AudioAdapter(sample_rate=RATE).fit([tone(440, 0.01)]).samples_ == 800  # at least 0.1 s
    assert AudioAdapter(sample_rate=RATE).fit([tone(440, 9)]).samples_ == 40_000  # at most 5 s
    assert AudioAdapter(sample_rate=RATE, duration=9).fit([tone(440, 1)]).samples_ == 72_000


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
    assert adapter.encode(ramp[:8_200]).shape == (1, 8_000)  # a little longer: without_padding
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
    usual = lifted(AudioAdapter(**base).fit([sound]), sound)
    assert usual.shape == (1, 1, 40, 101)
    for change, shape in [
        ({"n_mels": 20}, (1, 1, 20, 101)),
        ({"hop_length": 160}, (1, 1, 40, 51)),
        ({"n_fft": 1024}, usual.shape),
        ({"f_min": 300.0}, usual.shape),
        ({"f_max": 2_000.0}, usual.shape),
        ({"top_db": 20.0}, usual.shape),
    ]:
        grid = lifted(AudioAdapter(**base, **change).fit([sound]), sound)
        assert grid.shape == shape, change
        assert grid.shape != usual.shape or not torch.allclose(grid, usual, atol=0.01), change
    assert lifted(AudioAdapter(sample_rate=16_000, duration=1.0).fit([tone(440)]), sound).shape[2] == 64


def test_a_higher_tone_lies_higher_in_the_grid():
    adapter = AudioAdapter(sample_rate=RATE, duration=1.0).fit([tone(440)])
    rows = [int(lifted(adapter, tone(frequency))[0, 0, :, 50].argmax()) for frequency in (200, 800, 3_000)]
    assert rows == sorted(set(rows))


def test_clips_are_standardised_one_by_one():
    adapter = AudioAdapter(sample_rate=RATE, duration=1.0).fit([tone(440)])
    noise = np.random.default_rng(0).normal(scale=0.1, size=RATE).astype(np.float32)
    quiet, loud = 0.001 * noise, tone(440) + noise
    together, alone = lifted(adapter, quiet, loud), lifted(adapter, quiet)
    torch.testing.assert_close(together[:1], alone)  # a loud neighbour in the batch changes nothing
    for grid in together:
        sounding = grid[grid > grid.min()]
        torch.testing.assert_close(sounding.mean(), torch.tensor(0.0), atol=1e-4, rtol=0)
        torch.testing.assert_close(sounding.std(correction=0), torch.tensor(1.0))


def test_silence_around_a_sound_changes_nothing_in_it():
    sound = np.random.default_rng(0).normal(scale=0.1, size=RATE // 4).astype(np.float32)
    short, long = (
        lifted(AudioAdapter(sample_rate=RATE, duration=seconds, hop_length=80).fit([sound]), sound)
        for seconds in (1.0, 2.0)  # the sound stands in the middle, between zeros
    )
    torch.testing.assert_close(short, long[..., 50:-50], atol=1e-4, rtol=0)
    sounding = short[short > short.min()]
    assert float(sounding.mean()) == pytest.approx(0, abs=1e-4)
    assert float(sounding.std(correction=0)) == pytest.approx(1, abs=1e-4)


def test_silence_becomes_zeros():
    silence = np.zeros(RATE, np.float32)
    adapter = AudioAdapter(sample_rate=RATE).fit([silence])
    torch.testing.assert_close(lifted(adapter, silence), torch.zeros(1, *adapter.spec_.shape), atol=1e-3, rtol=0)


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
    with pytest.raises(DataError, match=r"none of the training recordings.*empty\.wav"):
        AudioAdapter().fit([tmp_path / "empty.wav"])


def test_a_restored_adapter_encodes_and_lifts_alike():
    sound = tone(440, 0.7)
    adapter = AudioAdapter(sample_rate=RATE, n_mels=24, top_db=50).fit([sound])
    settings, state = json.loads(json.dumps([adapter.get_params(), adapter.state()]))
    again = from_state("AudioAdapter", settings, state)
    assert torch.equal(lifted(again, sound), lifted(adapter, sound))
    assert again.spec_ == adapter.spec_


# --- torchaudio ------------------------------------------------------------------------------------------------------


def test_one_module_imports_torchaudio():
    modules = [path for folder in ("gridcnn", "adapters", "datasets") for path in (ROOT / folder).rglob("*.py")]
    importing = {path.name for path in modules if "import torchaudio" in path.read_text(encoding="utf-8")}
    importing |= {path.name for path in modules if "from torchaudio" in path.read_text(encoding="utf-8")}
    assert importing == {"torchaudio_transforms.py"}


def torchaudio_like(folder: Path, *, init: str = "", extension: str = "") -> subprocess.CompletedProcess[str]:
    """Import our module beside a stand-in for torchaudio, and print where its extension comes from."""
    package = folder / "torchaudio"
    (package / "_extension").mkdir(parents=True)
    (package / "__init__.py").write_text(f"{init}\nfrom . import _extension")
    (package / "_extension" / "__init__.py").write_text(f"_IS_TORCHAUDIO_EXT_AVAILABLE = True\n{extension}")
    (package / "functional.py").write_text("from torchaudio._extension import *\nmelscale_fbanks = None")
    (package / "transforms.py").write_text("AmplitudeToDB = MelSpectrogram = None")
    program = (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "import gridcnn.adapters.torchaudio_transforms, torchaudio._extension as extension\n"
        "print(extension._IS_TORCHAUDIO_EXT_AVAILABLE)"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_a_healthy_torchaudio_keeps_its_extension(tmp_path):
    assert torchaudio_like(tmp_path).stdout == "True\n"


def test_torchaudio_works_where_its_extension_cannot_load(tmp_path):
    assert torchaudio_like(tmp_path, extension="raise OSError('libc10_cuda.so')").stdout == "False\n"


def test_other_errors_of_torchaudio_are_not_hidden(tmp_path):
    result = torchaudio_like(tmp_path, init="raise OSError('disk on fire')")
    assert result.returncode != 0
    assert "disk on fire" in result.stderr
