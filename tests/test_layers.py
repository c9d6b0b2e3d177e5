"""Lines are computed as rows, with the numbers of torch's own layers for lines."""

import itertools

import pytest
import torch
from torch import nn

from gridcnn.network.layers import ParallelBranches, SequenceAveragePool, SequenceMaxPool, SequenceNorm


def lines(last_channels=False):
    values = torch.randn(4, 3, 19, generator=torch.Generator().manual_seed(0))
    return values.transpose(1, 2).contiguous().transpose(1, 2) if last_channels else values


def gradients(layer, values):
    """Return what the layer makes of the values, and the gradients of all that it was made from."""
    values = values.clone(memory_format=torch.preserve_format).requires_grad_()
    layer.zero_grad()
    made = layer(values)
    (made * torch.linspace(-1, 2, made.numel()).reshape(made.shape)).sum().backward()
    return [made, values.grad, *(parameter.grad for parameter in layer.parameters())]


@pytest.mark.parametrize("last_channels", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("sizes", "padding"),
    [((1,), "same"), ((4,), "same"), ((3, 4, 5), "same"), ((2, 7, 4), "same"), ((4,), "valid"), ((5,), "valid")],
)
def test_kernels_of_all_sizes_at_once_give_what_each_gives_alone(sizes, padding, bias, last_channels):
    torch.manual_seed(1)
    side_by_side = ParallelBranches([nn.Conv1d(3, 2, size, padding=padding, bias=bias) for size in sizes])

    class OneByOne(nn.ModuleList):
        def forward(self, values):
            return torch.cat([branch(values) for branch in self], dim=1)

    values = lines(last_channels)
    for ours, torchs in itertools.zip_longest(
        gradients(side_by_side, values), gradients(OneByOne(side_by_side), values)
    ):
        torch.testing.assert_close(ours, torchs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("last_channels", [False, True])
@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (3, 5), (19, 19)])
def test_pooling_gives_what_torch_gives(size, stride, last_channels):
    for ours, torchs in ((SequenceMaxPool, nn.MaxPool1d), (SequenceAveragePool, nn.AvgPool1d)):
        pools = [kind(size, stride=stride, ceil_mode=True) for kind in (ours, torchs)]
        for each, expected in zip(*(gradients(pool, lines(last_channels)) for pool in pools), strict=True):
            torch.testing.assert_close(each, expected)


@pytest.mark.parametrize("last_channels", [False, True])
def test_normalisation_gives_what_torch_gives_and_learns_the_same_statistics(last_channels):
    norms = SequenceNorm(3), nn.BatchNorm1d(3)
    for training in (True, False):
        for norm in norms:
            norm.train(training)
        for each, expected in zip(*(gradients(norm, lines(last_channels)) for norm in norms), strict=True):
            torch.testing.assert_close(each, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(dict(norms[0].state_dict()), dict(norms[1].state_dict()))
