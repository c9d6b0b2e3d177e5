"""Recordings in an exported model: the graph cuts windows and computes spectrograms as encode and the frontend do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcnn.adapters import AudioAdapter
from gridcnn.adapters.recordings import Recording
from gridcnn.onnx_graph import Graph, Windows

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

DATA = os.environ.get("GRIDCNN_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="GRIDCNN_DATA names no folder of public data sets")

ROUNDING = 2e-4
"""What float32 in torch's Fourier transform makes of cells 80 dB below the loudest one, in standard deviations."""


def session_of(graph: Graph) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(graph.model().SerializeToString(), options, providers=["CPUExecutionProvider"])


def exported(adapter: AudioAdapter) -> Any:
    """Return a function that maps decoded recordings of one length to grids and the item of each, by onnxruntime."""
    graph = Graph()
    windows = adapter.add_to(graph, adapter.frontend())
    assert windows.item is not None
    graph.output("grids", windows.grids, np.float32, ["windows", *adapter.spec_.shape])
    graph.output("item", windows.item, np.int64, ["windows"])
    session = session_of(graph)
    return lambda batch: session.run(["grids", "item"], {"waveforms": batch})


def grids_of(adapter: AudioAdapter, item: Any) -> np.ndarray:
    import torch

    with torch.inference_mode():
        grids: np.ndarray = adapter.frontend()(torch.from_numpy(adapter.encode(item))).numpy()
    return grids


def chirp(samples: int, rate: int, seed: int = 0) -> np.ndarray:
    """Return a tone that rises and fades, in noise 60 dB below it."""
    time = np.arange(samples) / rate
    noise = 1e-3 * np.random.default_rng(seed).normal(size=samples)
    return (np.sin(2 * np.pi * rate / 10 * time * (1 + time)) * np.exp(-3 * time) + noise).astype(np.float32)


def fitted(rate: int = 8_000, duration: float = 0.5, **settings: Any) -> AudioAdapter:
    adapter = AudioAdapter(sample_rate=rate, duration=duration, **settings)
    return adapter.fit([chirp(round(duration * rate), rate)])


@pytest.fixture(scope="module")
def cutting() -> Any:
    """Return an adapter with windows of 20 samples, and a session that only cuts."""
    from gridcnn.adapters.audio_graph import add_windows

    adapter = fitted(rate=200, duration=0.1, n_fft=16, n_mels=2, hop_length=8)
    graph = Graph()
    waveforms = graph.input("waveforms", np.float32, ["batch", "samples"])
    windows: Windows = add_windows(graph, waveforms, adapter.samples_, 1)
    graph.output("cut", windows.grids, np.float32, ["windows", adapter.samples_])
    graph.output("item", str(windows.item), np.int64, ["windows"])
    graph.output("n_items", str(windows.n_items), np.int64, [1])
    return adapter, session_of(graph)


@settings(max_examples=200, deadline=None)
@given(samples=st.one_of(st.integers(1, 70), st.integers(1, 5_000)), n_items=st.integers(1, 3))
def test_recordings_of_any_length_are_cut_into_the_same_windows(cutting: Any, samples: int, n_items: int) -> None:
    adapter, session = cutting
    recordings = np.arange(1, n_items * samples + 1, dtype=np.float32).reshape(n_items, samples)
    cut, item, n = session.run(None, {"waveforms": recordings})
    expected = [adapter.encode(each) for each in recordings]
    assert np.array_equal(cut, np.concatenate(expected))
    assert np.array_equal(item, np.repeat(np.arange(n_items), len(expected[0])))
    assert n.tolist() == [n_items]


@pytest.mark.parametrize(
    "given_settings",
    [
        {},
        {"n_fft": 400, "hop_length": 100},  # no power of two
        {"n_fft": 251, "n_mels": 12},  # odd
        {"f_min": 300.0, "f_max": 3_000.0, "n_mels": 20},
        {"top_db": 30.0},
        {"n_mels": 1},
        {"rate": 250_000, "duration": 0.1},
        {"rate": 48_000, "duration": 5.0},
    ],
    ids=repr,
)
def test_spectrograms_are_those_of_the_frontend(given_settings: dict[str, Any]) -> None:
    adapter = fitted(**given_settings)
    run = exported(adapter)
    for share in (1.0, 0.4, 1.02, 2.3):
        recording = chirp(round(share * adapter.samples_), adapter.sample_rate_)
        grids, _ = run(adapter.decode(recording)[None])
        expected = grids_of(adapter, recording)
        assert grids.shape == expected.shape
        assert np.abs(grids - expected).max() < ROUNDING


def test_a_range_that_float32_cannot_resolve_is_computed_in_float64_by_torch_too() -> None:
    adapter, narrow = fitted(top_db=140.0), fitted(top_db=80.0)
    recording = chirp(4_000, 8_000)
    recording[2_000:] *= 1e-4
    recording[:200] = recording[-200:] = 0
    assert np.abs(exported(adapter)(recording[None])[0] - grids_of(adapter, recording)).max() < 1e-6
    assert np.abs(grids_of(narrow, recording) - grids_of(adapter, recording)).max() > 0.1


@pytest.mark.parametrize(
    "recording",
    [
        np.zeros(1),
        np.zeros(4_000),
        np.zeros(9_000),
        np.ones(1),
        np.full(4_000, 0.25),
        np.full(4_000, 1e-30),
        np.full(4_000, 1e8),
    ],
    ids=["one sample", "silence", "long silence", "a click", "constant", "faint", "loud"],
)
def test_recordings_that_hold_little_become_the_same_finite_grids(recording: np.ndarray) -> None:
    adapter = fitted()
    grids, _ = exported(adapter)(adapter.decode(recording.astype(np.float32))[None])
    assert np.isfinite(grids).all()
    assert np.abs(grids - grids_of(adapter, recording.astype(np.float32))).max() < ROUNDING
    assert (grids == 0).all() == (np.abs(recording).max() < 1e-9)


def test_each_recording_of_a_batch_has_its_own_loudest_cell() -> None:
    adapter = fitted()
    batch = np.stack([chirp(9_000, 8_000), 1e-3 * chirp(9_000, 8_000, seed=1), np.zeros(9_000, np.float32)])
    grids, item = exported(adapter)(batch)
    assert item.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    expected = np.concatenate([grids_of(adapter, each) for each in batch])
    assert np.abs(grids - expected).max() < ROUNDING


def test_decoding_needs_only_the_state_that_is_exported_with_a_model(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(
        tmp_path / "stereo.wav", np.stack([chirp(22_050, 22_050), chirp(22_050, 22_050, seed=1)], 1), 22_050
    )
    adapter = AudioAdapter().fit([tmp_path / "stereo.wav"])
    adapter.sample_rate_ = 16_000
    other = AudioAdapter().restore(adapter.state())
    decoded = other.decode(tmp_path / "stereo.wav")
    assert decoded.shape == (16_000,)
    assert decoded.dtype == np.float32
    assert np.array_equal(decoded, adapter.decode(tmp_path / "stereo.wav"))


def test_decoding_imports_neither_torch_nor_scikit_learn(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "a.wav", chirp(800, 8_000), 8_000)
    program = (
        "import sys; from gridcnn.adapters import AudioAdapter, ImageAdapter; import numpy as np\n"
        "sound, picture = AudioAdapter(), ImageAdapter()\n"
        f"sound.sample_rate_ = 8000; sound.decode({str(tmp_path / 'a.wav')!r})\n"
        "picture.height_ = picture.width_ = 8; picture.colour_, picture.pixel_ranges_ = True, {}\n"
        "picture.decode(np.zeros((9, 9), np.uint8))\n"
        "assert not {'torch', 'sklearn', 'librosa', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_recordings_to_try_a_model_have_several_lengths_and_know_their_rate(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "a.wav", chirp(8_000, 8_000), 8_000)
    adapter = AudioAdapter().fit([tmp_path / "a.wav"])  # which says nothing of the rate of arrays
    items = adapter.check_items(adapter.trial_items(np.random.default_rng(0)))
    assert sorted(len(adapter.decode(item)) for item in items) == [2_400, 8_000, 8_000, 8_320, 12_000, 29_600]
    for item in items:
        assert np.abs(exported(adapter)(adapter.decode(item)[None])[0] - grids_of(adapter, item)).max() < ROUNDING


def test_samples_that_a_service_is_sent_are_at_the_rate_of_a_model_of_files(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "a.wav", chirp(8_000, 8_000), 8_000)
    adapter = AudioAdapter().fit([tmp_path / "a.wav"])
    (item,) = adapter.check_items([adapter.received([0.5, -0.25] * 100, {})])
    assert isinstance(item, Recording)
    assert np.array_equal(adapter.decode(item)[:2], [0.5, -0.25])
    assert adapter.coordinates(item)[1].centre[0] == pytest.approx((200 - 8_000) // 2 / 8_000)


def test_the_graph_holds_no_large_matrices() -> None:
    adapter = fitted(rate=250_000, duration=1.0)
    graph = Graph()
    adapter.add_to(graph, adapter.frontend())
    assert adapter.n_fft_ == 8_192
    assert len(graph.model().SerializeToString()) < 150_000


@needs_data
def test_spoken_digits_of_several_lengths_become_the_same_grids() -> None:
    paths = sorted(Path(str(DATA), "fsdd", "recordings").glob("*_[0-4].wav"))
    assert len(paths) == 300
    adapter = AudioAdapter().fit(paths)
    run = exported(adapter)
    assert len({len(adapter.decode(path)) for path in paths}) > 200
    for path in paths:
        assert np.abs(run(adapter.decode(path)[None])[0] - grids_of(adapter, path)).max() < ROUNDING
