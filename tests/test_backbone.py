"""The one network: shapes, costs, and refusals that say what would work."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from gridcnn.errors import ConfigurationError
from gridcnn.grid import Axis, GridSpec
from gridcnn.network.backbone import ConvPoolDense, maxima_first, sizes_after_blocks
from gridcnn.network.config import BackboneConfig
from gridcnn.network.heads import HEADS, n_features, pyramid_regions

FLAT = GridSpec.of("sensor", 3, time=50)
PICTURE = GridSpec.of("colour", 3, height=20, width=30)


@pytest.mark.parametrize("spec", [FLAT, PICTURE])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"kernel_sizes": (3, 4, 5)},
        {"dilations": (1, 2)},
        {"padding": "valid"},
        {"pool": "average", "pool_stride": 1},
        {"pool_size": 1},
    ],
)
def test_one_code_reads_both_kinds_of_grid(spec, head, change):
    net = ConvPoolDense(spec, BackboneConfig(kernels=(4, 6), head=head, dense=(5,), **change), n_classes=7)
    assert net(torch.zeros(2, *spec.shape)).shape == (2, 7)


@pytest.mark.parametrize("spec", [FLAT, PICTURE])
@pytest.mark.parametrize("head", ["global_max", "global_average"])
@pytest.mark.parametrize("pool", ["max", "average"])
def test_maxima_before_relu_change_neither_logits_nor_gradients(spec, head, pool):
    torch.manual_seed(0)
    net = ConvPoolDense(spec, BackboneConfig(kernels=(4, 6), convs_per_block=2, pool=pool, head=head), n_classes=3)
    grids = torch.randn(8, *spec.shape)

    def learned_from(logits):
        net.zero_grad()
        logits.square().sum().backward()
        return [logits, *(each.grad.clone() for each in net.parameters())]

    values = grids
    for step in net.steps():
        values = step.run(values)
    for one, other in zip(learned_from(net(grids)), learned_from(values), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    order = [step.kind for step in maxima_first(net.steps(), net.config)]
    assert order[:5] == ["convolution", "norm", "relu", "convolution", "norm"]
    assert order[5:7] == (["pool", "relu"] if pool == "max" else ["relu", "pool"])
    assert order[-3] == ("relu" if (pool, head) == ("max", "global_max") else "features")


@pytest.mark.parametrize("pool_size", [1, 2, 3])
@pytest.mark.parametrize("pool_stride", [None, 1, 2, 3])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("pool_after", [None, 1])
@pytest.mark.parametrize("size", [12, 23])
def test_the_predicted_sizes_are_those_of_the_maps_or_refused(size, pool_after, padding, pool_stride, pool_size):
    config = BackboneConfig(
        kernels=(2, 2),
        convs_per_block=2,
        pool_after=pool_after,
        padding=padding,
        pool_size=pool_size,
        pool_stride=pool_stride,
    )
    spec, expected = GridSpec.of("sensor", 1, time=size), sizes_after_blocks((size,), config)
    if min(expected[-1]) < 1:
        with pytest.raises(ConfigurationError, match=f"below one cell in block {len(expected)}"):
            ConvPoolDense(spec, config, 2)
        return
    net = ConvPoolDense(spec, config, 2)
    maps = torch.zeros(2, 1, size)
    for block, sizes in zip(net.blocks, expected, strict=True):
        maps = block(maps)
        assert tuple(maps.shape[2:]) == sizes


def test_pooling_after_the_first_convolution_spares_the_second_three_quarters_of_its_work():
    first, last = (
        ConvPoolDense(PICTURE, BackboneConfig(kernels=(4,), convs_per_block=2, pool_after=after), n_classes=2)
        for after in (1, None)
    )
    costs = [{layer.name: layer.multiply_adds for layer in net.layers()} for net in (first, last)]
    assert costs[0]["blocks.0.convs.0.0"] == costs[1]["blocks.0.convs.0.0"]
    assert 4 * costs[0]["blocks.0.convs.1.0"] == costs[1]["blocks.0.convs.1.0"]
    with pytest.raises(ConfigurationError, match="from 1 to 2; got 3"):
        BackboneConfig(convs_per_block=2, pool_after=3)


def test_forward_runs_the_steps_and_nothing_else():
    net = ConvPoolDense(PICTURE, BackboneConfig(kernels=(4,), convs_per_block=2, pool_after=1, dense=(5,)), 2).eval()
    values = grids = torch.randn(3, *PICTURE.shape)
    kinds = []
    for step in net.steps():
        values = step.run(values)
        kinds.append(step.kind)
    assert torch.equal(values, net(grids))
    convolution = ["convolution", "norm", "relu"]
    assert kinds == [*convolution, "pool", *convolution, "features", "dropout", "dense", "relu", "dropout", "logits"]


def test_the_classic_walk_pools_seven_cells_to_four():
    config = BackboneConfig(kernels=(3,), padding="valid")
    assert sizes_after_blocks((9, 9), config) == [(4, 4)]


def test_a_grid_that_would_vanish_is_refused_with_its_sizes_and_what_works():
    config = BackboneConfig(kernels=(8, 8, 8), padding="valid")
    with pytest.raises(ConfigurationError, match=r"9×9 → 4×4 → 1×1 → -1×-1.*nearest .* kernels=\(8, 8\)"):
        ConvPoolDense(GridSpec.of("colour", 1, height=9, width=9), config, 2)
    with pytest.raises(ConfigurationError, match="padding='same'"):
        ConvPoolDense(GridSpec.of("colour", 1, height=2, width=9), BackboneConfig(kernels=(8,), padding="valid"), 2)


def test_the_layer_table_counts_parameters_and_multiply_adds():
    net = ConvPoolDense(PICTURE, BackboneConfig(kernels=(4,), dense=(6,)), n_classes=2)
    layers = {layer.name: layer for layer in net.layers()}
    convolution = layers["blocks.0.convs.0.0"]
    assert convolution.shape == (4, 20, 30)
    assert convolution.parameters == 4 * 3 * 9
    assert convolution.multiply_adds == 4 * 3 * 9 * 20 * 30
    assert layers["blocks.0.pool"].shape == (4, 10, 15)
    assert layers["dense.0"].multiply_adds == 600 * 6
    assert sum(layer.parameters for layer in net.layers()) == sum(p.numel() for p in net.parameters())


def test_global_heads_take_the_largest_and_the_mean_of_each_map():
    maps = torch.arange(12.0).reshape(1, 2, 2, 3)
    columns = {
        head: ConvPoolDense(PICTURE, BackboneConfig(head=head), 2).features(maps).tolist()
        for head in ("flatten", "global_max", "global_average", "max_average", "share_average")
    }
    assert columns == {
        "flatten": [list(range(12))],
        "global_max": [[5, 11]],
        "global_average": [[2.5, 8.5]],
        "max_average": [[5, 11, 2.5, 8.5]],
        "share_average": [[pytest.approx(5 / 6), 1, 2.5, 8.5]],
    }


def test_a_cell_above_zero_has_its_part_in_the_share_by_its_gradient():
    maps = torch.tensor([[[0.0, 2.0, 0.0, 8.0]]], requires_grad=True)
    net = ConvPoolDense(GridSpec.of("value", 1, x=4), BackboneConfig(head="share_average", kernels=(1,)), 2)
    share = net.features(maps)[0, 0]
    share.backward()
    assert share == 0.5
    assert (maps * maps.grad).tolist() == [[[0, 0.25, 0, 0.25]]]


def test_dilated_kernels_lie_on_cells_with_gaps():
    config = BackboneConfig(kernels=(1,), kernel_sizes=(3,), dilations=(1, 4), batch_norm=False, pool_size=1)
    net = ConvPoolDense(GridSpec.of("value", 1, x=9), config, 2)
    grid = torch.zeros(1, 1, 9)
    grid[..., 4] = 1
    for branch in net.blocks[0].convs[0]:
        branch.weight.data[:] = torch.tensor([1.0, 2.0, 3.0])
    maps = net.blocks[0](grid)[0]
    assert maps[0].tolist() == [0, 0, 0, 3, 2, 1, 0, 0, 0]
    assert maps[1].tolist() == [3, 0, 0, 0, 2, 0, 0, 0, 1]


def test_even_kernels_have_no_gaps_and_unlike_branches_need_padding():
    with pytest.raises(ConfigurationError, match="odd sizes"):
        BackboneConfig(kernel_sizes=(4,), dilations=(1, 2))
    with pytest.raises(ConfigurationError, match="different sizes"):
        BackboneConfig(dilations=(1, 2), padding="valid")
    valid = BackboneConfig(kernels=(2,), dilations=(3,), padding="valid", pool_size=1)
    assert sizes_after_blocks((20,), valid) == [(14,)]


def test_a_pyramid_takes_the_largest_of_the_whole_its_halves_and_its_quarters():
    net = ConvPoolDense(GridSpec.of("value", 1, x=8), BackboneConfig(kernels=(2,), head="pyramid_max", pool_size=1), 2)
    maps = torch.stack([torch.arange(8.0), -torch.arange(8.0)])[None]
    whole, halves, quarters = [7, 0], [3, 0, 7, -4], [1, 0, 3, -2, 5, -4, 7, -6]
    assert net.features(maps).tolist() == [[*whole, *halves, *quarters]]


@pytest.mark.parametrize("sizes", [(1,), (2,), (5,), (2, 9)])
def test_every_cell_lies_in_a_region_of_each_level_of_a_pyramid(sizes):
    regions = pyramid_regions(sizes)
    assert len(regions) == len(set(regions)) == n_features("pyramid_max", 1, sizes)
    covered = np.zeros(sizes, dtype=int)
    for region in regions:
        covered[tuple(slice(*part) for part in region)] += 1
    assert (covered >= min(max(sizes).bit_length(), 3)).all()


def test_kernels_of_several_sizes_stand_side_by_side():
    net = ConvPoolDense(FLAT, BackboneConfig(kernels=(4,), kernel_sizes=(2, 5)), 2)
    assert [tuple(m.weight.shape) for m in net.modules() if isinstance(m, nn.Conv1d)] == [(4, 3, 2), (4, 3, 5)]
    assert net.output.in_features == 8 * math.ceil(50 / 2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kernels": ()}, "kernels must be a number or a non-empty tuple of numbers"),
        ({"kernels": (0,)}, "at least 1"),
        ({"pool": "median"}, "one of 'max', 'average'"),
        ({"dropout": 1.0}, r"\[0, 1\)"),
        ({"padding": "valid", "kernel_sizes": (3, 5)}, "use padding='same'"),
        ({"pool_stride": 0}, "pool_stride"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(ConfigurationError, match=message):
        BackboneConfig(**values)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Axis("", 3), "needs a name"),
        (lambda: Axis("time", 0), "at least 1 cell"),
        (lambda: Axis("time", 3, step=0), "above 0"),
        (lambda: GridSpec(Axis("time", 3), (Axis("height", 3),)), "cannot be the channel axis"),
        (lambda: GridSpec(Axis("c", 3, ordered=False), ()), "one or two ordered axes"),
        (lambda: GridSpec(Axis("c", 3, ordered=False), (Axis("sensor", 2, ordered=False),)), "make it channels"),
        (lambda: GridSpec.of("time", 3, time=4), "different names"),
    ],
)
def test_grids_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_a_spec_survives_json():
    assert GridSpec.from_dict(PICTURE.to_dict()) == PICTURE
