"""Convolutions with fewer multiplications give the maps of the usual ones, and are chosen where they pay."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import max_pool2d

from gridcnn.grid import GridSpec
from gridcnn.inference import winograd
from gridcnn.inference.predictor import WORTH_IT, Predictor, _use_tiles
from gridcnn.inference.winograd import TILES, Winograd, cheapest_tile, transforms
from gridcnn.model import Network
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.config import BackboneConfig

CPU = torch.device("cpu")
PICTURE = GridSpec.of("colour", 3, height=15, width=16)


def convolution(channels=5, kernels=7):
    torch.manual_seed(0)
    return nn.Conv2d(channels, kernels, 3, padding="same").requires_grad_(False)


@pytest.mark.parametrize("side", [*TILES, 3, 5])
def test_a_tile_is_what_the_kernel_makes_of_it(side):
    of_tile, of_kernel, back = transforms(side)
    rng = np.random.default_rng(0)
    cells, kernel = rng.normal(size=side + 2), rng.normal(size=3)
    np.testing.assert_allclose(
        back @ ((of_kernel @ kernel) * (of_tile @ cells)), np.correlate(cells, kernel, mode="valid"), atol=1e-12
    )


@pytest.mark.parametrize("tile", [(2, 2), (4, 4), (6, 6), (2, 6), (6, 4)])
@pytest.mark.parametrize("sizes", [(8, 12), (7, 9), (5, 4), (1, 1), (2, 13)])
def test_the_maps_are_those_of_the_usual_convolution(tile, sizes):
    usual = convolution()
    maps = torch.randn(3, 5, *sizes, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(Winograd(usual, tile, pooled=False)(maps), usual(maps), atol=2e-5, rtol=0)
    torch.testing.assert_close(
        Winograd(usual, tile, pooled=True)(maps),
        max_pool2d(usual(maps), 2, ceil_mode=True),
        atol=2e-5,
        rtol=0,
    )


def test_a_picture_gives_the_same_alone_and_among_others():
    layer = Winograd(convolution(16, 16), (4, 4), pooled=True)
    maps = torch.randn(9, 16, 11, 6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(torch.cat([layer(each[None]) for each in maps]), layer(maps), atol=1e-6, rtol=0)


def test_threads_do_not_disturb_each_other():
    layer = Winograd(convolution(16, 16), (4, 4), pooled=False)
    pictures = [torch.full((4, 16, 20, 20), float(value)) for value in range(8)]
    expected = [layer(each).clone() for each in pictures]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            assert all(map(torch.equal, threads.map(layer, pictures), expected))


def test_what_was_computed_stays_when_the_memory_is_used_again():
    layer = Winograd(convolution(), (4, 4), pooled=True)
    ones, zeros = torch.ones(2, 5, 8, 8), torch.zeros(2, 5, 8, 8)
    first = layer(ones)
    kept = first.clone()
    layer(zeros)
    assert torch.equal(first, kept)


def test_a_large_batch_is_computed_in_parts(monkeypatch):
    usual = convolution()
    maps = torch.randn(7, 5, 8, 8, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(winograd, "CACHE", 4 * 36 * 4 * 7 * 2)  # bytes: of points, tiles and maps of two pictures
    layer, sizes = Winograd(usual, (4, 4), pooled=False), []
    of_few = layer._convolved
    monkeypatch.setattr(layer, "_convolved", lambda part: sizes.append(len(part)) or of_few(part))
    torch.testing.assert_close(layer(maps), usual(maps), atol=2e-5, rtol=0)
    assert sizes == [2, 2, 2, 1]


def test_many_maps_and_kernels_are_worth_it_and_few_are_not():
    shares = [cheapest_tile(width, width, (16, 16))[0] for width in (8, 32, 128, 256)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 1 > WORTH_IT > shares[2]


def test_the_tile_fits_the_maps():
    assert cheapest_tile(256, 256, (16, 8))[1] == (4, 4)
    assert cheapest_tile(256, 256, (6, 12))[1] == (6, 6)
    assert cheapest_tile(256, 256, (2, 12))[1] == (2, 6)


def network_for(spec=PICTURE, **config):
    torch.manual_seed(1)
    net = ConvPoolDense(spec, BackboneConfig(**{"kernels": (128, 256)} | config), n_classes=3)
    for name, values in net.state_dict().items():
        if "norms" in name and "num_batches" not in name:
            values.copy_(torch.rand_like(values) + 0.5)
    return Network(nn.Identity(), net).eval()


@torch.inference_mode()
def eager(network, windows):
    return network(torch.from_numpy(windows)).double().softmax(dim=1).numpy()


def used_by(network):
    """Return how many convolutions the prediction of a network computes in tiles."""
    built = []
    original = _use_tiles
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "gridcnn.inference.predictor._use_tiles",
            lambda folded, tiles: built.append(len(tiles)) or original(folded, tiles),
        )
        runtime = Predictor(network, CPU).runtime
    return built[0] if runtime == "torch" else 0


@pytest.mark.parametrize(
    "config",
    [
        {"convs_per_block": 2, "pool_after": 1},
        {"convs_per_block": 2, "pool_after": 2, "head": "global_max"},
        {"convs_per_block": 2, "pool": "average", "head": "global_average"},
        {"convs_per_block": 2, "pool_size": 3, "pool_stride": 2, "dense": (8,)},
        {"convs_per_block": 2, "pool_size": 2, "pool_stride": 1},
        {"convs_per_block": 2, "pool_size": 1, "batch_norm": False},
    ],
)
def test_a_wide_network_answers_the_same_in_torch(config):
    network = network_for(**config)
    windows = np.random.default_rng(0).normal(size=(9, *PICTURE.shape)).astype(np.float32)
    fast = Predictor(network, CPU)
    assert fast.runtime == "torch"
    assert used_by(network) == 3  # the first convolution reads three channels only
    np.testing.assert_allclose(fast(windows), eager(network, windows), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("spec", "config"),
    [
        (PICTURE, {"kernels": (8, 16)}),
        (PICTURE, {"kernel_sizes": (5,)}),
        (PICTURE, {"kernel_sizes": (3, 5)}),
        (PICTURE, {"padding": "valid"}),
        (GridSpec.of("sensor", 3, time=40), {}),
    ],
)
def test_other_networks_are_computed_as_before(spec, config, monkeypatch):
    network = network_for(spec, **config)
    monkeypatch.setattr("gridcnn.inference.predictor.in_onnxruntime", lambda _: None)
    windows = np.random.default_rng(0).normal(size=(4, *spec.shape)).astype(np.float32)
    assert used_by(network) == 0
    np.testing.assert_allclose(Predictor(network, CPU)(windows), eager(network, windows), atol=1e-5, rtol=0)
