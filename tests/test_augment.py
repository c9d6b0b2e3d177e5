"""Augmentation changes what it is told to change, along the axes it is told."""

import pytest
import torch

from gridcnn.errors import ConfigurationError
from gridcnn.grid import GridSpec
from gridcnn.network.augment import Augmenter, flipped_copies
from gridcnn.network.config import AugmentConfig

SPEC = GridSpec.of("level", 1, frequency=8, time=16)


def augmented(grids, **config):
    torch.manual_seed(0)
    return Augmenter(AugmentConfig(**config), SPEC)(grids)


def rows_and_columns():
    """A batch in which each cell says where it stood: frequency in tens, time in ones."""
    return (10.0 * torch.arange(8)[:, None] + torch.arange(16) / 16).repeat(32, 1, 1, 1)


def test_nothing_configured_changes_nothing():
    grids = rows_and_columns()
    assert torch.equal(augmented(grids), grids)


def test_a_shift_moves_whole_cells_along_its_axis_only():
    grids = rows_and_columns()
    moved = augmented(grids, shift={"frequency": 0.4})
    offsets = ((moved - grids) / 10).round()
    assert len({offset.item() for offset in offsets[:, 0, 4, 0]}) > 3
    assert offsets.abs().max() <= 3
    torch.testing.assert_close(moved - 10 * offsets, grids, atol=1e-3, rtol=0)


def test_scaling_keeps_the_centre_and_moves_the_ends():
    grids = rows_and_columns()
    scaled = augmented(grids, scale={"frequency": 0.5})
    torch.testing.assert_close(scaled[:, 0, 3:5].mean(1), grids[:, 0, 3:5].mean(1), atol=1e-3, rtol=0)
    assert (scaled[:, 0, 0] - grids[:, 0, 0]).abs().amax() > 5


def test_what_a_shift_brings_in_repeats_the_border():
    grids = rows_and_columns()
    moved = augmented(grids, shift={"frequency": 0.4, "time": 0.2})
    down = ((moved - grids)[:, 0, 4, 8] / 10).round().long()
    right = ((moved % 10 - grids % 10)[:, 0, 4, 8] * 16).long()
    assert down.unique().numel() > 3
    assert right.unique().numel() > 3
    for item, grid in enumerate(grids):
        rows = (torch.arange(8) + down[item]).clamp(0, 7)
        columns = (torch.arange(16) + right[item]).clamp(0, 15)
        assert torch.equal(moved[item], grid[:, rows][:, :, columns])


def test_a_flip_mirrors_some_grids_and_only_along_its_axis():
    grids = rows_and_columns()
    flipped = augmented(grids, flip=("time",))
    mirrored = (flipped == grids.flip(3)).flatten(1).all(1)
    kept = (flipped == grids).flatten(1).all(1)
    assert (mirrored ^ kept).all()
    assert 4 < mirrored.sum() < 28


@pytest.mark.parametrize("scale", [{}, {"frequency": 1e-6}])
def test_a_flip_and_a_shift_go_together(scale):
    moved = augmented(rows_and_columns(), flip=("frequency",), shift={"time": 0.2}, scale=scale)
    mirrored = moved[:, 0, 0, 0] > moved[:, 0, 7, 0]
    assert 4 < mirrored.sum() < 28
    upright = torch.where(mirrored[:, None, None, None], moved.flip(2), moved)
    times = upright - 10 * torch.arange(8.0)[:, None]
    torch.testing.assert_close(times, times[:, :, :1].expand_as(times), atol=1e-3, rtol=0)
    assert times[:, 0, 0, 8].unique().numel() > 3


def test_rotation_turns_about_the_centre_and_keeps_proportions():
    grids = torch.zeros(64, 1, 8, 16)
    grids[:, :, 3:5, 12] = 1.0  # 4.5 cells to the right of the centre
    turned = augmented(grids, rotate=40.0)
    mass = turned / turned.sum((2, 3), keepdim=True)
    down = (mass[:, 0].sum(2) * (torch.arange(8) - 3.5)).sum(1)
    right = (mass[:, 0].sum(1) * (torch.arange(16) - 7.5)).sum(1)
    torch.testing.assert_close((down**2 + right**2).sqrt(), torch.full((64,), 4.5), atol=0.3, rtol=0)
    assert down.min() < -2
    assert down.max() > 2


def test_a_mask_blanks_one_stretch_of_whole_rows():
    masked = augmented(torch.ones(200, 1, 8, 16), mask={"frequency": 0.5})
    blank = (masked == 0).all(3)[:, 0]
    assert torch.equal(blank, (masked == 0).any(3)[:, 0])
    assert blank.sum(1).max() <= 5
    assert blank.any(1).float().mean() > 0.5


def test_gain_lifts_a_whole_grid_and_tilt_a_curve_over_its_axis():
    grids = torch.zeros(50, 1, 8, 16)
    gained = augmented(grids, gain=0.5)
    assert gained.flatten(1).std(1).max() < 1e-6
    assert 0.3 < gained[:, 0, 0, 0].std() < 0.7
    tilted = augmented(grids, tilt={"frequency": 0.5})
    assert tilted.std(3).max() < 1e-6
    assert tilted.std(2).mean() > 0.2


def test_noise_and_rotation_change_single_cells():
    assert 0.1 < augmented(torch.zeros(20, 1, 8, 16), noise=0.2).std() < 0.3
    assert (augmented(rows_and_columns(), rotate=30.0) - rows_and_columns()).abs().max() > 1


def test_one_dimensional_grids_are_changed_by_the_same_code():
    spec = GridSpec.of("sensor", 2, time=12)
    grids = torch.arange(12.0).repeat(16, 2, 1)
    moved = Augmenter(AugmentConfig(shift={"time": 0.3}, mask={"time": 0.2}), spec)(grids)
    assert moved.shape == grids.shape
    assert not torch.equal(moved, grids)


def test_views_mirror_every_named_axis_alone_and_together():
    grids = rows_and_columns()
    one, up, across, both = flipped_copies(grids, SPEC, ("frequency", "time"))
    assert one is grids
    assert torch.equal(up, grids.flip(2))
    assert torch.equal(across, grids.flip(3))
    assert torch.equal(both, grids.flip(2, 3))
    with pytest.raises(ConfigurationError, match="no ordered axis 'width'"):
        flipped_copies(grids, SPEC, ("width",))


def test_strength_scales_everything_but_flips():
    config = AugmentConfig(shift={"time": 0.4}, flip=("time",), tilt={"time": 1.0}, gain=0.2, noise=0.2, rotate=10)
    half = config.scaled(0.5)
    assert half == AugmentConfig(shift={"time": 0.2}, flip=("time",), tilt={"time": 0.5}, gain=0.1, noise=0.1, rotate=5)


def test_what_fades_weakens_evenly_and_is_gone_in_the_last_epoch():
    config = AugmentConfig(shift={"time": 0.4}, flip=("time",), rotate=10, annealed=True)
    assert [config.in_epoch(epoch, 5).rotate for epoch in range(1, 6)] == [10, 7.5, 5, 2.5, 0]
    assert config.in_epoch(5, 5) == AugmentConfig(shift={"time": 0}, flip=("time",), annealed=True)
    assert config.in_epoch(1, 1) == config


def test_what_does_not_fade_is_as_strong_in_the_last_epoch():
    config = AugmentConfig(shift={"time": 0.4}, rotate=10)
    assert config.in_epoch(5, 5) == config


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"shift": {"time": 1.5}}, "share of the axis"),
        ({"noise": -1}, "at least 0"),
        ({"shifts": {"time": 0.1}}, "unknown augmentation shifts; known: shift"),
        ({"shift": {"width": 0.1}}, "no ordered axis 'width'; it has frequency, time"),
    ],
)
def test_what_makes_no_sense_is_refused(config, message):
    with pytest.raises(ConfigurationError, match=message):
        Augmenter(AugmentConfig.from_dict(config), SPEC)


def test_a_line_cannot_be_rotated():
    with pytest.raises(ConfigurationError, match="two ordered axes"):
        Augmenter(AugmentConfig(rotate=5), GridSpec.of("sensor", 1, time=9))
