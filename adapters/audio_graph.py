"""Recordings in an exported model: cut into windows, and turned into log-mel spectrograms as `LogMel` does it.

Everything is computed in float64, so that what differs from torch are torch's own roundings only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gridcnn.adapters.log_mel import LEAST_POWER
from gridcnn.onnx_graph import Graph, Windows

__all__ = ["add_log_mel", "add_windows"]


def add_windows(graph: Graph, waveforms: str, length: int, trimmed: int) -> Windows:
    """Add the nodes that cut recordings of equal lengths into windows; see `AudioAdapter`.

    Parameters
    ----------
    graph : Graph
        Where to.
    waveforms : str
        Name of the recordings, float32 `(batch, samples)`.
    length : int
        Samples of a window.
    trimmed : int
        Samples that a recording may be longer, and is trimmed rather than cut in two.

    Returns
    -------
    Windows
        Its `grids` are waveforms, float32 `(windows, length)`. It shows the `start` of each window: a sample, int64.
    """
    n_items, samples = graph.size(waveforms, 0), graph.size(waveforms, 1)
    zero, one = graph.constant([0]), graph.constant([1])
    missing = graph("Max", graph("Sub", graph.constant([length]), samples), zero)
    before = graph("Div", missing, graph.constant([2]))
    padding = graph.shape(0, before, 0, graph("Sub", missing, before))
    padded = graph("Pad", waveforms, padding)  # (batch, at least `length`)

    excess = graph("Max", graph("Sub", samples, graph.constant([length])), zero)
    is_cut = graph("Greater", excess, graph.constant([trimmed]))
    needed = graph("Div", graph("Add", samples, graph.constant([length - 1])), graph.constant([length]))
    count = graph("Where", is_cut, needed, one)
    last = graph("Sub", count, one)
    place = graph.range(count)
    exact = graph.cast(excess, np.float64)
    step = graph("Div", exact, graph.cast(graph("Max", last, one), np.float64))  # as numpy.linspace computes it
    starts = graph.cast(graph("Round", graph("Mul", graph.cast(place, np.float64), step)), np.int64)  # half to even
    starts = graph("Where", graph("Equal", place, last), excess, starts)
    starts = graph("Where", is_cut, starts, graph("Div", excess, graph.constant([2])))  # (count,)

    within = graph("Add", graph("Unsqueeze", starts, one), graph.range(graph.constant([length])))  # (count, length)
    cut = graph("Gather", padded, within, axis=1)  # (batch, count, length)
    windows = graph("Reshape", cut, graph.constant([-1, length]))
    item = graph("Expand", graph("Unsqueeze", graph.range(n_items), one), graph.shape(1, count))
    begins = graph("Expand", graph("Sub", starts, before), graph.shape(n_items, count))  # below 0 between zeros
    shown = {"start": graph("Reshape", begins, graph.constant([-1]))}
    return Windows(windows, graph("Reshape", item, graph.constant([-1])), n_items, shown)


def add_log_mel(graph: Graph, waveforms: str, frontend: Any) -> str:
    """Return waveforms, float32 `(windows, samples)`, as grids, float32 `(windows, 1, mels, frames)`, by a `LogMel`."""

    def number(value: float) -> str:
        return graph.constant(value, np.float64)

    spectrogram = frontend.mel.spectrogram
    half = spectrogram.n_fft // 2
    mirrored = graph("Pad", graph.cast(waveforms, np.float64), graph.constant([0, half, 0, half]), mode="reflect")
    window = graph.cast(graph.constant(spectrogram.window.numpy()), np.float64)
    hop = graph.constant(np.int64(spectrogram.hop_length))
    frames = graph("Unsqueeze", mirrored, graph.constant([2]))
    spectrum = graph("STFT", frames, hop, window, onesided=1)  # (windows, frames, frequencies, 2)
    power = graph("ReduceSumSquare", spectrum, graph.constant([3]), keepdims=0)
    bands = graph("MatMul", power, _filters(graph, frontend.mel.mel_scale.fb.numpy()))  # (windows, frames, mels)
    bands = graph("Unsqueeze", graph("Transpose", bands, perm=[0, 2, 1]), graph.constant([1]))

    cells = graph.constant([1, 2, 3])
    levels = graph("Mul", graph("Log", graph("Max", bands, number(LEAST_POWER))), number(10 / np.log(10)))
    loudest = graph("ReduceMax", levels, cells, keepdims=1)
    levels = graph("Max", levels, graph("Sub", loudest, number(frontend.decibels.top_db)))
    heights = graph("Sub", levels, graph("ReduceMin", levels, cells, keepdims=1))
    sounding = graph.cast(graph("Greater", heights, number(0.0)), np.float64)
    n_sounding = graph("Max", graph("ReduceSum", sounding, cells, keepdims=1), number(1.0))
    centred = graph("Sub", heights, graph("Div", graph("ReduceSum", heights, cells, keepdims=1), n_sounding))
    squares = graph("ReduceSum", graph("Mul", graph("Mul", centred, centred), sounding), cells, keepdims=1)
    std = graph("Max", graph("Sqrt", graph("Div", squares, n_sounding)), number(1.0))
    return graph.cast(graph("Div", centred, std), np.float32)


def _filters(graph: Graph, filters: np.ndarray) -> str:
    """Return filters `(frequencies, mels)` as float64; only what is not 0 takes space in the file."""
    places = np.flatnonzero(filters)
    zeros = graph("Expand", graph.constant(np.float32(0)), graph.constant([filters.size]))
    filled = graph(
        "ScatterElements", zeros, graph.constant(places.astype(np.int32)), graph.constant(filters.ravel()[places])
    )
    return graph.cast(graph("Reshape", filled, graph.constant(list(filters.shape))), np.float64)
