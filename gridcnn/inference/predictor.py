"""A trained network made ready to predict: the same answers, up to rounding, in less time.

Batch normalisation is folded into the convolutions, and the rest runs in onnxruntime if that is installed
(`pip install gridcnn[fast]`) and there is one thread; otherwise in torch, whose threads share the work better. Two
kinds always run in torch: wide networks over pictures, by Winograd's algorithm with fewer multiplications, and texts,
without padding and with each distinct word computed once.
"""

from __future__ import annotations

import copy
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gridcnn.inference.distinct_words import DistinctWords
from gridcnn.inference.folding import Logits, fold_batch_norm, folded_steps, probabilities, run_in_sequence
from gridcnn.inference.onnx_runtime import in_onnxruntime
from gridcnn.inference.winograd import KERNEL, Tile, Winograd, cheapest_tile
from gridcnn.model import Network, one_thread_in_forked_processes
from gridcnn.network.augment import flipped_copies
from gridcnn.network.backbone import ConvPoolDense, Layer
from gridcnn.network.layers import ParallelBranches, to_channels_last
from gridcnn.pipeline.bucketing import batches_in_order, lengths_needed, without_padding

__all__ = ["Predictor", "predictor"]

CACHE = 8 * 2**20
"""Bytes that the largest maps of a batch may take on a CPU, so that its caches hold the maps between two steps."""

LARGEST_BATCH = 256
"""Largest number of windows at a time; of texts as many as the memory below allows."""

MEMORY = 128 * 2**20
"""Bytes that a batch of texts may take if all words are distinct; usually it takes a tenth of that."""

WORTH_IT = 0.75
"""A convolution is computed by Winograd's algorithm if that is estimated to take at most this share of its time; and a
network so, rather than in onnxruntime, which is some tenths faster than torch, if the same holds for all of it."""


def predictor(network: Network, device: torch.device) -> Predictor:
    """Return the predictor of a network, which is made at its first use, and again if its weights changed."""
    one_thread_in_forked_processes()
    weights = network.state_dict().values()
    made_of = [(tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version) for tensor in weights]
    conditions = (device, torch.get_num_threads(), made_of)
    known = _PREDICTORS.get(network)
    if known is None or known[0] != conditions:
        known = _PREDICTORS[network] = conditions, Predictor(network, device)
    return known[1]


_PREDICTORS: weakref.WeakKeyDictionary[Network, tuple[Any, Predictor]] = weakref.WeakKeyDictionary()


class Predictor:
    """Turns encoded windows into probabilities.

    Parameters
    ----------
    network : Network
        A trained network, on the CPU and in evaluation mode. It stays as it is.
    device : torch.device
        Where to compute.

    Attributes
    ----------
    runtime : {"onnxruntime", "torch"}
        The library that computes. The choice depends on the network, the device, the threads and the installed
        packages, never on the windows, so that an item gets the same answer alone and among others, up to rounding.
    batch_size : int
        Windows that are computed together.
    """

    def __init__(self, network: Network, device: torch.device) -> None:
        on_cpu = device.type == "cpu"
        backbone = fold_batch_norm(network.backbone)
        frontend = network.frontend if on_cpu else copy.deepcopy(network.frontend).to(device)
        self._backbone, self._apply_frontend = backbone, frontend
        distinct_words = _by_distinct_words(frontend, backbone) if on_cpu and not network.flip_axes else None
        if distinct_words is not None:
            self.runtime = "torch"
            self.batch_size, self._logits = distinct_words
        else:
            layers = backbone.layers()
            largest_maps = 4 * max(math.prod(layer.shape) for layer in layers)  # bytes
            self.batch_size = min(max(CACHE // largest_maps, 1), LARGEST_BATCH) if on_cpu else LARGEST_BATCH
            self.runtime, logits = _fastest(backbone.to(device), layers)
            self._logits = _of_each_copy(frontend, logits, network, device)

    @torch.inference_mode()
    def __call__(self, windows: np.ndarray) -> np.ndarray:
        r"""Return the probabilities of windows `(n, \*encoded_shape)`, float64 of shape `(n, n_classes)`.

        Each is the mean over the window and its flipped copies, if training flipped grids.
        """
        sizes = lengths_needed(windows, self._apply_frontend, self._backbone)
        answers = np.empty((len(windows), self._backbone.n_classes))
        for batch in batches_in_order(len(windows), self.batch_size, sizes):
            by_copy = self._logits(without_padding(windows[batch], sizes, batch))
            answers[batch] = np.mean([probabilities(logits) for logits in by_copy], axis=0)
        return answers


def _of_each_copy(
    frontend: nn.Module, logits: Logits, network: Network, device: torch.device
) -> Callable[[np.ndarray], list[Tensor]]:
    spec, flip_axes = network.backbone.spec, network.flip_axes

    def of_each_copy(windows: np.ndarray) -> list[Tensor]:
        grids = frontend(torch.from_numpy(windows).to(device))
        return [logits(each) for each in flipped_copies(grids, spec, flip_axes)]

    return of_each_copy


def _fastest(folded: ConvPoolDense, layers: list[Layer]) -> tuple[str, Logits]:
    """Return the fastest runtime, and a function that computes logits in it."""
    if folded.output.weight.device.type != "cpu":
        return "torch", _in_torch(folded)
    tiles, share = _worthwhile_tiles(folded, layers)
    other = in_onnxruntime(folded) if share >= WORTH_IT and torch.get_num_threads() == 1 else None
    if other is not None:
        return "onnxruntime", other
    _use_tiles(folded, tiles)
    return "torch", _in_torch(folded)


def _in_torch(folded: ConvPoolDense) -> Logits:
    for parameter in folded.parameters():
        parameter.data = to_channels_last(parameter.data)
    run = run_in_sequence(folded_steps(folded))
    return lambda grids: run(to_channels_last(grids))


def _worthwhile_tiles(folded: ConvPoolDense, layers: list[Layer]) -> tuple[dict[nn.Module, Tile], float]:
    """Return the tiles of the convolutions that are faster with them, and the time of the network as a share."""
    config = folded.config
    suits = len(folded.spec.axes) == 2 and config.kernel_sizes == (KERNEL,) and config.padding == "same"
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
    if not getattr(frontend, "cell_by_cell", False) or folded.config.padding != "same":
        return None
    first, *others = folded_steps(folded)
    assert isinstance(first.run, ParallelBranches)  # for the type checker
    maps = DistinctWords(frontend, first.run)
    logits = run_in_sequence(others)
    at_once = max(MEMORY // (maps.bytes_a_cell * folded.spec.axes[0].size), 1)
    return at_once, lambda windows: [logits(maps(windows))]
