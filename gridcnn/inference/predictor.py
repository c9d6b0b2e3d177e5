"""A trained network made ready to predict: the same answers, up to rounding, in less time.

Batch normalisation is folded into the convolutions, and the rest runs in OpenVINO or onnxruntime if one is installed
(`pip install gridcnn[fast]`), otherwise in torch. Two kinds run in torch in any case: wide networks over pictures, by
Winograd's algorithm with fewer multiplications, and texts, without padding and with each distinct word computed once.
Where there are several threads, each computes batches of its own.

In bfloat16, numbers have 8 bits of precision in place of 24, and some CPUs multiply them several times faster. Texts
whose distinct words are computed once stay in float32: little is left to multiply.
"""

from __future__ import annotations

import copy
import functools
import itertools
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gridcnn.errors import ConfigurationError
from gridcnn.inference.distinct_words import DistinctWords
from gridcnn.inference.folding import Logits, fold_batch_norm, folded_steps, probabilities, run_in_sequence
from gridcnn.inference.onnx_runtime import in_onnxruntime
from gridcnn.inference.openvino_runtime import in_openvino
from gridcnn.inference.winograd import KERNEL, Tile, Winograd, cheapest_tile
from gridcnn.inference.workers import batch_by_batch
from gridcnn.model import Network, one_thread_in_forked_processes
from gridcnn.network.augment import flipped_copies
from gridcnn.network.backbone import ConvPoolDense, Layer, Step
from gridcnn.network.layers import ParallelBranches, to_channels_last
from gridcnn.pipeline.bucketing import lengths_needed, without_padding
from gridcnn.pipeline.device import multiplies_bfloat16

__all__ = ["LARGEST_BATCH", "Predictor", "first_maps", "predictor", "texts_at_once", "windows_at_once"]

CACHE = 8 * 2**20
"""Bytes that the largest maps of a batch may take on a CPU, so that its caches hold the maps between two steps."""

LARGEST_BATCH = 256
"""Largest number of windows at a time; of texts as many as the memory below allows."""

MEMORY = 128 * 2**20
"""Bytes that a batch of texts may take if all words are distinct; usually it takes a tenth of that."""

WORTH_IT = 0.75
"""A convolution is computed by Winograd's algorithm if that is estimated to take at most this share of its time; and a
network so, rather than in another runtime, which is some tenths faster than torch, if the same holds for all of it."""

BLOCK = 16
"""Maps that onnxruntime computes together on a CPU with AVX-512; it fills the last block with zeros."""

WORTH_FILLING = 1.1
"""Share of multiply-adds, zeros counted, above which OpenVINO is faster than onnxruntime; below, they are equally fast,
and onnxruntime answers single items in half the time."""

PRECISIONS = ("float32", "bfloat16")


def predictor(network: Network, device: torch.device, precision: str = "float32") -> Predictor:
    """Return the predictor of a network, which is made at its first use, and again if its weights changed."""
    one_thread_in_forked_processes()
    weights = network.state_dict().values()
    made_of = [(tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version) for tensor in weights]
    known = _PREDICTORS.get(network)
    if known is None or known[0] != made_of:
        known = _PREDICTORS[network] = made_of, {}
    conditions = (device, torch.get_num_threads(), precision, network.temperature, network.several)
    if conditions not in known[1]:
        known[1][conditions] = Predictor(network, device, precision)
    return known[1][conditions]


_PREDICTORS: weakref.WeakKeyDictionary[Network, tuple[Any, dict[Any, Predictor]]] = weakref.WeakKeyDictionary()


class Predictor:
    """Turns encoded windows into probabilities.

    Parameters
    ----------
    network : Network
        A trained network, on the CPU and in evaluation mode. It stays as it is.
    device : torch.device
        Where to compute.
    precision : {"float32", "bfloat16"}
        How exactly to compute.

    Attributes
    ----------
    runtime : {"openvino", "onnxruntime", "torch"}
        The library that computes. The choice depends on the network, the device, the threads and the installed
        packages, never on the windows, so that an item gets the same answer alone and among others, up to rounding.
    batch_size : int
        Windows that are computed together, by all threads.

    Raises
    ------
    ConfigurationError
        If the precision is unknown, or would be slower here than float32.
    """

    def __init__(self, network: Network, device: torch.device, precision: str = "float32") -> None:
        on_cpu, bfloat16 = device.type == "cpu", _is_bfloat16(precision, device)
        backbone = fold_batch_norm(network.calibrated())
        frontend = network.frontend if on_cpu else copy.deepcopy(network.frontend).to(device)
        self._backbone, self._apply_frontend, self._several = backbone, frontend, network.several
        self._n_threads = torch.get_num_threads() if on_cpu else 1  # each computes batches of its own
        distinct_words = _by_distinct_words(frontend, backbone) if on_cpu and not network.flip_axes else None
        if distinct_words is not None:
            self.runtime = "torch"
            self.batch_size, self._logits = distinct_words
        else:
            layers = backbone.layers()
            self.batch_size = self._n_threads * (windows_at_once(layers) if on_cpu else LARGEST_BATCH)
            self.runtime, logits = _fastest(backbone.to(device), layers, bfloat16=bfloat16)
            self._logits = _of_each_copy(frontend, logits, network, device)

    @torch.inference_mode()
    def __call__(self, windows: np.ndarray) -> np.ndarray:
        r"""Return the probabilities of windows `(n, \*encoded_shape)`, float64 of shape `(n, n_classes)`.

        Each is the mean over the window and its flipped copies, if training flipped grids.
        """
        sizes = lengths_needed(windows, self._apply_frontend, self._backbone)
        answers = np.empty((len(windows), self._backbone.n_classes))

        def answer(batch: np.ndarray) -> None:
            by_copy = self._logits(without_padding(windows[batch], sizes, batch))
            answers[batch] = np.mean([probabilities(logits, several=self._several) for logits in by_copy], axis=0)

        batch_by_batch(answer, len(windows), self.batch_size, sizes, self._n_threads)
        return answers


def windows_at_once(layers: list[Layer]) -> int:
    """Return how many windows a thread of a CPU computes together."""
    largest_maps = 4 * max(math.prod(layer.shape) for layer in layers)  # bytes
    return min(max(CACHE // largest_maps, 1), LARGEST_BATCH)


def _of_each_copy(
    frontend: nn.Module, logits: Logits, network: Network, device: torch.device
) -> Callable[[np.ndarray], list[Tensor]]:
    spec, flip_axes = network.backbone.spec, network.flip_axes

    def of_each_copy(windows: np.ndarray) -> list[Tensor]:
        grids = frontend(torch.from_numpy(windows).to(device))
        return [logits(each) for each in flipped_copies(grids, spec, flip_axes)]

    return of_each_copy


def _is_bfloat16(precision: str, device: torch.device) -> bool:
    """Return whether a precision is bfloat16, and refuse it where it is unknown or slow."""
    if precision not in PRECISIONS:
        raise ConfigurationError(f"precision: expected one of {', '.join(PRECISIONS)}; got {precision!r}")
    if precision == "bfloat16" and not multiplies_bfloat16(device):
        raise ConfigurationError(
            f"precision bfloat16 would be slower than float32 on this {device.type}, which does not multiply such "
            "numbers (CPUs with AMX or AVX-512 BF16 do, and most NVIDIA GPUs); use precision float32"
        )
    return precision == "bfloat16"


def _fastest(folded: ConvPoolDense, layers: list[Layer], *, bfloat16: bool) -> tuple[str, Logits]:
    """Return the fastest runtime, and a function that computes logits in it."""
    on_cpu, n_threads = folded.output.weight.device.type == "cpu", torch.get_num_threads()
    if bfloat16:
        other = in_openvino(folded, n_threads, bfloat16=True) if on_cpu else None
        return ("openvino", other) if other is not None else ("torch", _in_bfloat16(folded))
    if not on_cpu:
        return "torch", _in_torch(folded)
    tiles, share = _worthwhile_tiles(folded, layers)
    if share >= WORTH_IT:
        runtimes: list[tuple[str, Callable[[ConvPoolDense], Logits | None]]] = [
            ("onnxruntime", in_onnxruntime),
            ("openvino", functools.partial(in_openvino, n_threads=n_threads)),
        ]
        for name, start in reversed(runtimes) if _filling(layers) > WORTH_FILLING else runtimes:
            other = start(folded)
            if other is not None:
                return name, other
    _use_tiles(folded, tiles)
    return "torch", _in_torch(folded)


def _filling(layers: list[Layer]) -> float:
    """Return the multiply-adds of onnxruntime over those of the network: it computes maps in whole blocks."""
    needed = computed = 0.0
    for before, layer in itertools.pairwise(layers):
        if len(layer.shape) > 1 and layer.multiply_adds:
            channels = before.shape[0] if before.shape[0] >= BLOCK else BLOCK  # the first reads a grid as it is
            filled = [math.ceil(maps / BLOCK) * BLOCK / maps for maps in (channels, layer.shape[0])]
            needed += layer.multiply_adds
            computed += layer.multiply_adds * math.prod(filled)
    return computed / needed if needed else 1.0


def _in_torch(folded: ConvPoolDense) -> Logits:
    for parameter in folded.parameters():
        parameter.data = to_channels_last(parameter.data)
    run = run_in_sequence(folded_steps(folded))
    return lambda grids: run(to_channels_last(grids))


def _in_bfloat16(folded: ConvPoolDense) -> Logits:
    logits = _in_torch(folded.bfloat16())
    return lambda grids: logits(grids.bfloat16())


def _worthwhile_tiles(folded: ConvPoolDense, layers: list[Layer]) -> tuple[dict[nn.Module, Tile], float]:
    """Return the tiles of the convolutions that are faster with them, and the time of the network as a share."""
    config = folded.config
    suits = len(folded.spec.axes) == 2 and config.branches == [(KERNEL, 1)] and config.padding == "same"
    modules = dict(folded.named_modules())
    tiles: dict[nn.Module, Tile] = {}
    time = 0.0
    for layer in layers:
        module, share = modules.get(layer.name), 1.0
        if suits and isinstance(module, nn.Conv2d):
            estimate, tile = cheapest_tile(module.in_channels, module.out_channels, layer.shape[1:])
            if estimate < WORTH_IT:
                tiles[module], share = tile, estimate
        time += share * layer.multiply_adds
    return tiles, time / sum(layer.multiply_adds for layer in layers)


def _use_tiles(folded: ConvPoolDense, tiles: dict[nn.Module, Tile]) -> None:
    """Compute these convolutions in tiles, together with the pooling of 2 × 2 after them."""
    config = folded.config
    can_pool = config.pool == "max" and config.pool_size == 2 and config.pool_stride in {None, 2}
    blocks: Any = folded.blocks  # a ModuleList forgets what it holds
    for block in blocks:
        for index, (convolution, *_) in enumerate(block.convs):
            if convolution in tiles:
                pooled = can_pool and block.pool_after == index + 1
                block.convs[index] = Winograd(convolution, tiles[convolution], pooled)
                if pooled:
                    block.pool = nn.Identity()


def _by_distinct_words(
    frontend: nn.Module, folded: ConvPoolDense
) -> tuple[int, Callable[[np.ndarray], list[Tensor]]] | None:
    """Return the number of texts in a batch, and a function that computes their logits; None for other items."""
    maps, others = first_maps(frontend, folded)
    if maps is None:
        return None
    logits = run_in_sequence(others)
    return texts_at_once(maps, folded), lambda windows: [logits(maps(windows))]


def first_maps(frontend: nn.Module, folded: ConvPoolDense) -> tuple[DistinctWords | None, list[Step]]:
    """Return what computes the first convolution of texts, and the steps after it; for other items None, and all."""
    steps = list(folded_steps(folded))
    if not getattr(frontend, "cell_by_cell", False) or folded.config.padding != "same":
        return None, steps
    first, *others = steps
    assert isinstance(first.run, ParallelBranches)  # for the type checker
    return DistinctWords(frontend, first.run), others


def texts_at_once(maps: DistinctWords, folded: ConvPoolDense) -> int:
    """Return how many texts may be computed together."""
    return max(MEMORY // (maps.bytes_a_cell * folded.spec.axes[0].size), 1)
