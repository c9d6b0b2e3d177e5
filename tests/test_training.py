"""The loop: the same weights for the same seed, the right optimiser for each weight."""

import contextlib

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from gridcnn.grid import GridSpec
from gridcnn.model import Network
from gridcnn.network.augment import Augmenter
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.config import AugmentConfig, BackboneConfig
from gridcnn.network.layers import to_channels_last
from gridcnn.training import loop as training
from gridcnn.training.config import TrainingConfig
from gridcnn.training.loop import Examples, _backpropagate, _uphill, seeded, train

SPEC = GridSpec.of("level", 1, height=6, width=6)
CPU = torch.device("cpu")
FLIPS_AND_SHIFTS = AugmentConfig(shift={"height": 0.2}, flip=("width",))
EVERYTHING = AugmentConfig(
    shift={"height": 0.2}, scale={"width": 0.2}, mask={"height": 0.2}, flip=("width",), rotate=10, tilt={"width": 0.2},
    gain=0.1, noise=0.1,
)  # fmt: skip


def examples(n_items=40):
    """Pictures with a bright upper or lower half."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, n_items)
    windows = rng.normal(size=(n_items, *SPEC.shape)).astype(np.float32)
    windows[:, 0, :3] += 4 * target[:, None, None] - 2
    return Examples(windows, target, np.ones(n_items, np.float32))


def trained(*, seed=0, **config):
    with seeded(seed, CPU):
        network = Network(torch.nn.Identity(), ConvPoolDense(SPEC, BackboneConfig(kernels=(4, 8)), 2))
        config = TrainingConfig(**{"epochs": 3, "batch_size": 8, **config})
        outcome = train(network, examples(), config, validation=examples())
    return network, outcome


def weights(network):
    return torch.cat([value.flatten().float() for value in network.state_dict().values()])


def test_a_fading_augmentation_leaves_the_last_epoch_as_it_is(monkeypatch):
    seen = []
    monkeypatch.setattr(
        training, "Augmenter", lambda config, spec: seen.append(config.rotate) or Augmenter(config, spec)
    )
    trained(augment=AugmentConfig(rotate=10, annealed=True), epochs=3)
    assert seen == [10, 5, 0]


@pytest.mark.parametrize("augment", [AugmentConfig(), FLIPS_AND_SHIFTS, EVERYTHING])
def test_one_seed_gives_the_same_weights_bit_for_bit_and_another_seed_others(augment):
    first = weights(trained(augment=augment)[0])
    assert torch.equal(first, weights(trained(augment=augment)[0]))
    assert not torch.equal(first, weights(trained(augment=augment, seed=1)[0]))


@pytest.mark.parametrize("channels", [1, 3])
def test_feature_maps_have_their_channels_last_whatever_the_number_of_channels_of_the_grid(channels):
    spec = GridSpec.of("colour", channels, height=6, width=6)
    network = Network(torch.nn.Identity(), ConvPoolDense(spec, BackboneConfig(kernels=(4,)), 2))
    network.kernels_channels_last()
    convolution = network.backbone.blocks[0].convs[0]
    for grids in (torch.zeros(5, *spec.shape), to_channels_last(torch.zeros(5, *spec.shape))):
        assert convolution(grids).is_contiguous(memory_format=torch.channels_last)
    plain = ConvPoolDense(spec, BackboneConfig(kernels=(4,)), 2).blocks[0].convs[0]
    assert plain(to_channels_last(torch.zeros(5, *spec.shape))).is_contiguous(memory_format=torch.channels_last)


def test_the_loop_learns():
    _, outcome = trained(epochs=8)
    assert outcome.history[-1].validation_accuracy == 1.0
    assert outcome.history[-1].loss < outcome.history[0].loss


@pytest.mark.parametrize(
    ("rate", "moved"),
    [({"kernel_learning_rate": 1e-12}, {"output", "norms"}), ({"learning_rate": 1e-12}, {"convs"})],
)
def test_one_rate_moves_the_kernels_and_the_other_the_rest(rate, moved):
    with seeded(0, CPU):
        before = dict(ConvPoolDense(SPEC, BackboneConfig(kernels=(4, 8)), 2).named_parameters())
    after = dict(trained(weight_decay=0, **rate)[0].backbone.named_parameters())
    change = {name: (after[name] - before[name]).abs().max().item() for name in before}
    for name, size in change.items():
        assert (size > 1e-4) == any(part in name for part in moved), (name, size)


def test_an_adversarial_step_learns_from_each_grid_and_from_its_worst_neighbour(monkeypatch):
    monkeypatch.setattr("gridcnn.training.loop.mixed_precision", lambda _: contextlib.nullcontext())  # exact
    torch.manual_seed(0)
    network = Network(torch.nn.Conv2d(1, 1, 1), ConvPoolDense(SPEC, BackboneConfig(kernels=(4,), dropout=0), 2)).eval()
    windows, target = torch.randn(5, *SPEC.shape), torch.tensor([0, 1, 1, 0, 1])
    weight = torch.tensor([1.0, 2.0, 0.5, 1.0, 0.0])

    def loss(grids):
        return (cross_entropy(network.backbone(grids), target, reduction="none") * weight).mean()

    grids = network.frontend(windows)
    slope = torch.autograd.grad(loss(grids), grids, retain_graph=True)[0]
    cell = grids.detach().square().flatten(1).mean(dim=1).sqrt()
    length = 0.3 * cell / slope.flatten(1).norm(dim=1).clamp(min=1e-12)
    worse = grids + length[:, None, None, None] * slope
    assert loss(worse) > loss(grids)
    expected = torch.autograd.grad(loss(grids) + loss(grids + (worse - grids).detach()), list(network.parameters()))

    _backpropagate(
        network, network.frontend(windows), target, weight, TrainingConfig(adversarial=0.3, label_smoothing=0)
    )
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_padding_does_not_lengthen_an_adversarial_step():
    grids, gradient = torch.zeros(2, 3, 8), torch.zeros(2, 3, 8)
    grids[:, 0, :4], grids[:, 1, :4] = 3.0, 4.0  # the norm of every cell is 5, or 0
    gradient[0, 2, 1] = 0.01
    moved = _uphill(grids, gradient, share=0.4) - grids
    assert moved[0, 2, 1] == pytest.approx(2.0)
    assert moved.count_nonzero() == 1  # nor does anything move where there is no way up
