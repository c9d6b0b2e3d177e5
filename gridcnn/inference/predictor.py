"""A trained network made ready to answer: the same votes, up to rounding, in less time.

Batch normalisation is folded into the convolution before it, and max pooling comes before ReLU, which then has fewer
cells to cut off. What is left runs in onnxruntime where that is installed (`pip install gridcnn[fast]`), gives the same
and has one thread to compute; in torch elsewhere, whose threads share the work better. Two kinds always run in torch,
where they are faster: wide networks over pictures, with fewer multiplications, and texts, without padding and with
each different word computed once.

Source: Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", section 3.2, for the folding.
"""

from __future__ import annotations

import copy
import math
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from gridcnn.inference.distinct_words import DistinctWords
from gridcnn.inference.winograd import KERNEL, Tile, Winograd, cheapest_tile
from gridcnn.network.augment import flipped_copies
from gridcnn.network.backbone import ConvPoolDense, Layer, Step
from gridcnn.network.layers import ParallelBranches, to_channels_last
from gridcnn.pipeline.bucketing import batches_in_order, lengths_needed, without_padding
from gridcnn.training.loop import Network

__all__ = ["Predictor", "fold_normalisation", "predictor"]

CACHE = 8 * 2**20
"""Bytes that the largest maps of a batch may take on a CPU, so that its caches hold what one step hands to the next."""

LARGEST_BATCH = 256
"""Windows at a time, at most; of texts as many as the memory below allows."""

MEMORY = 128 * 2**20
"""Bytes that a batch of texts may take, all words of which are different; it takes a tenth of it as a rule."""

WORTH_IT = 0.75
"""Share of its time, as estimated, below which a convolution is computed with fewer multiplications; and below which
that makes a whole network faster than onnxruntime, which is some tenths faster than the usual way."""

PROBES = 4
"""Random grids that another runtime is tried with."""

TOLERANCE = 1e-5
"""How far its probabilities may lie from those of torch."""

OPSET, IR_VERSION = 19, 9  # of ONNX: the first that averages incomplete pooling windows as torch does

Logits = Callable[[Tensor], Tensor]


def predictor(network: Network, device: torch.device) -> Predictor:
    """Return what computes the answers of a network: made at its first use, and again where its weights changed."""
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
        What computes. It depends on the network, the device, the threads and on what is installed, never on the
        windows, so that an item gets the same answer alone and among others.
    batch_size : int
        Windows that are computed together.
    """

    def __init__(self, network: Network, device: torch.device) -> None:
        on_cpu = device.type == "cpu"
        backbone = fold_normalisation(network.backbone)
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
            self._logits = _of_each_view(frontend, logits, network, device)

    @torch.inference_mode()
    def __call__(self, windows: np.ndarray) -> np.ndarray:
        r"""Return the probabilities of windows `(n, \*encoded_shape)`, float64 of shape `(n, n_classes)`.

        Each is the mean over the window's views: mirrored, where training mirrored it.
        """
        sizes = lengths_needed(windows, self._apply_frontend, self._backbone)
        answers = np.empty((len(windows), self._backbone.n_classes))
        for batch in batches_in_order(len(windows), self.batch_size, sizes):
            by_view = self._logits(without_padding(windows[batch], sizes, batch))
            answers[batch] = np.mean([_probabilities(logits) for logits in by_view], axis=0)
        return answers


def fold_normalisation(backbone: ConvPoolDense) -> ConvPoolDense:
    """Return a copy in which each convolution does the work of the normalisation after it, folded in double precision.

    Examples
    --------
    >>> from gridcnn.network.backbone import BackboneConfig
    >>> from gridcnn.grid import GridSpec
    >>> net = ConvPoolDense(GridSpec.of("colour", 1, height=9, width=9), BackboneConfig(kernels=(3,)), 2).eval()
    >>> grids = torch.rand(5, 1, 9, 9)
    >>> torch.allclose(fold_normalisation(net)(grids), net(grids), atol=1e-5)
    True
    """
    folded = copy.deepcopy(backbone).eval().double()
    blocks: Any = folded.blocks  # a ModuleList forgets what it holds
    for block in blocks:
        for index, (branches, norm) in enumerate(zip(block.convolutions, block.norms, strict=True)):
            if isinstance(norm, nn.Identity):
                continue
            first = 0
            for branch in branches:
                maps = slice(first, first := first + branch.out_channels)
                branch.weight, branch.bias = fuse_conv_bn_weights(
                    branch.weight, branch.bias,
                    norm.running_mean[maps], norm.running_var[maps], norm.eps, norm.weight[maps], norm.bias[maps],
                )  # fmt: skip
            block.norms[index] = nn.Identity()
    return folded.float()


def _steps(folded: ConvPoolDense) -> Iterator[Step]:
    """Yield the steps that have something to compute; what takes the largest comes before the ReLU that it follows."""
    relu = None
    for step in folded.steps():
        if step.kind == "dropout" or isinstance(step.run, nn.Identity):
            continue
        takes_largest = step.kind == "column" and folded.config.head == "global_max"
        if relu is not None and not (takes_largest or isinstance(step.run, nn.MaxPool1d | nn.MaxPool2d)):
            yield relu
            relu = None
        if step.kind == "relu":
            relu = step
        else:
            yield step


def _of_each_view(
    frontend: nn.Module, logits: Logits, network: Network, device: torch.device
) -> Callable[[np.ndarray], list[Tensor]]:
    spec, mirrored = network.backbone.spec, network.flip_axes

    def of_each_view(windows: np.ndarray) -> list[Tensor]:
        grids = frontend(torch.from_numpy(windows).to(device))
        return [logits(view) for view in flipped_copies(grids, spec, mirrored)]

    return of_each_view


def _fastest(folded: ConvPoolDense, layers: list[Layer]) -> tuple[str, Logits]:
    """Return the runtime that answers fastest, and what computes logits in it."""
    if folded.votes.weight.device.type != "cpu":
        return "torch", _in_torch(folded)
    tiles, share = _worthwhile_tiles(folded, layers)
    in_onnxruntime = _in_onnxruntime(folded) if share >= WORTH_IT and torch.get_num_threads() == 1 else None
    if in_onnxruntime is not None:
        return "onnxruntime", in_onnxruntime
    _use_tiles(folded, tiles)
    return "torch", _in_torch(folded)


def _probabilities(logits: Tensor) -> np.ndarray:
    probabilities: np.ndarray = logits.cpu().double().softmax(dim=1).numpy()
    return probabilities


# --- torch -----------------------------------------------------------------------------------------------------------


def _in_torch(folded: ConvPoolDense) -> Logits:
    for parameter in folded.parameters():
        parameter.data = to_channels_last(parameter.data)
    run = _one_after_another(_steps(folded))
    return lambda grids: run(to_channels_last(grids))


def _worthwhile_tiles(folded: ConvPoolDense, layers: list[Layer]) -> tuple[dict[nn.Module, Tile], float]:
    """Return the tiles of the convolutions that need less time with them, and the whole network's share of its time."""
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
    """Let these convolutions be computed in tiles, together with the pooling of 2 × 2 after them."""
    config = folded.config
    can_pool = config.pool == "max" and config.pool_size == 2 and config.pool_stride in {None, 2}
    blocks: Any = folded.blocks  # a ModuleList forgets what it holds
    for block in blocks:
        for index, (convolution, *_) in enumerate(block.convolutions):
            if convolution in tiles:
                pooled = can_pool and block.pool_after == index + 1
                block.convolutions[index] = Winograd(convolution, tiles[convolution], pooled)
                if pooled:
                    block.pool = nn.Identity()


def _one_after_another(steps: Iterable[Step]) -> Logits:
    run = [torch.relu_ if step.kind == "relu" else step.run for step in steps]

    def logits(values: Tensor) -> Tensor:
        for each in run:
            values = each(values)
        return values

    return logits


def _by_distinct_words(
    frontend: nn.Module, folded: ConvPoolDense
) -> tuple[int, Callable[[np.ndarray], list[Tensor]]] | None:
    """Return how many texts to compute at once, and what computes their logits; None where the items are no texts."""
    if not getattr(frontend, "cell_by_cell", False) or folded.config.padding != "same":
        return None
    first, *others = _steps(folded)
    assert isinstance(first.run, ParallelBranches)  # for the type checker
    maps = DistinctWords(frontend, first.run)
    logits = _one_after_another(others)
    at_once = max(MEMORY // (maps.bytes_a_cell * folded.spec.axes[0].size), 1)
    return at_once, lambda windows: [logits(maps(windows))]


# --- onnxruntime -----------------------------------------------------------------------------------------------------


def _in_onnxruntime(folded: ConvPoolDense) -> Logits | None:
    """Return what computes logits in onnxruntime; None where it is not installed, or does not give the same."""
    try:
        import onnxruntime  # noqa: PLC0415  (optional, as is onnx)

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(_onnx_model(folded), options, providers=["CPUExecutionProvider"])

        def logits(grids: Tensor) -> Tensor:
            return torch.from_numpy(session.run(None, {"grids": grids.contiguous().numpy()})[0])

        probes = torch.randn(PROBES, *folded.spec.shape, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            difference = np.abs(_probabilities(logits(probes)) - _probabilities(folded(probes))).max()
    except ImportError:
        return None
    except Exception as error:  # what another runtime may raise is open-ended, and torch can answer
        warnings.warn(f"onnxruntime cannot run this network, so torch does, slower: {error}", stacklevel=2)
        return None
    return logits if difference <= TOLERANCE else None


def _onnx_model(folded: ConvPoolDense) -> bytes:
    """Write a network without normalisation as an ONNX model: `grids`, float32 `(batch, *spec.shape)`, to logits.

    A grid of one axis is computed as a picture of one row, for which onnxruntime has its fastest kernels.
    """
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    config, n_axes = folded.config, len(folded.spec.axes)
    row = [1] * (2 - n_axes)
    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(values: Tensor) -> str:
        constants.append(numpy_helper.from_array(values.detach().numpy(), f"constant {len(constants)}"))
        return f"constant {len(constants) - 1}"

    def node(operator: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [f"values {len(nodes)}"], **attributes))
        return f"values {len(nodes) - 1}"

    def convolution(maps: str, branch: Any) -> str:
        size = [*row, *branch.kernel_size]
        kernels = branch.weight.reshape(*branch.weight.shape[:2], *size)
        lost = [side - 1 if branch.padding == "same" else 0 for side in size]
        pads = [cells // 2 for cells in lost] + [cells - cells // 2 for cells in lost]  # at the starts, at the ends
        return node("Conv", maps, constant(kernels), constant(branch.bias), kernel_shape=size, pads=pads)

    def pooling(maps: str) -> str:
        operator = "MaxPool" if config.pool == "max" else "AveragePool"
        size, stride = config.pool_size, config.pool_stride or config.pool_size
        kernel_shape, strides = ([*row, *[side] * n_axes] for side in (size, stride))
        return node(operator, maps, kernel_shape=kernel_shape, strides=strides, ceil_mode=1)

    def column(maps: str) -> str:
        if config.head != "flatten":
            maps = node("GlobalMaxPool" if config.head == "global_max" else "GlobalAveragePool", maps)
        return node("Flatten", maps)

    values = node("Unsqueeze", "grids", constant(torch.tensor([2]))) if row else "grids"
    for kind, _, run in _steps(folded):
        layer: Any = run
        match kind:
            case "convolution":
                branches = [convolution(values, branch) for branch in layer]
                values = branches[0] if len(branches) == 1 else node("Concat", *branches, axis=1)
            case "relu":
                values = node("Relu", values)
            case "pool":
                values = pooling(values)
            case "column":
                values = column(values)
            case "dense" | "votes":
                values = node("Gemm", values, constant(layer.weight), constant(layer.bias), transB=1)
    shape = folded.spec.shape if folded.padding_margin is None else (folded.spec.shape[0], "length")
    grids = helper.make_tensor_value_info("grids", TensorProto.FLOAT, ["batch", *shape])
    logits = helper.make_tensor_value_info(values, TensorProto.FLOAT, ["batch", folded.n_classes])
    graph = helper.make_graph(nodes, "gridcnn", [grids], [logits], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    written: bytes = model.SerializeToString()
    return written
