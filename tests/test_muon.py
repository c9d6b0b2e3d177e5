"""Muon: orthogonal steps of the size that was asked for."""

import pytest
import torch

from gridcnn.training.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (9, 9)])
def test_singular_values_come_near_one_and_directions_stay(shape):
    torch.manual_seed(0)
    left, values, right = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    values = torch.linspace(1, 0.05, len(values))
    result = orthogonalised(left @ torch.diag(values) @ right)
    made = left.T @ result @ right.T
    assert ((made.diagonal() > 0.69) & (made.diagonal() < 1.21)).all()
    torch.testing.assert_close(made, torch.diag(made.diagonal()), atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [(6, 40), (40, 6)])
def test_the_result_is_that_of_the_iteration_as_published(shape):
    torch.manual_seed(0)
    matrix = 1e-3 * torch.randn(shape)
    x = matrix / matrix.norm()
    for _ in range(3):
        x = 3.4445 * x - 4.7750 * x @ x.T @ x + 2.0315 * x @ x.T @ x @ x.T @ x
    torch.testing.assert_close(orthogonalised(matrix), x, atol=1e-3, rtol=0)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_layout_of_a_kernel_in_memory_changes_nothing(layout):
    torch.manual_seed(0)
    gradient = torch.randn(8, 4, 3, 3)
    kernel = torch.nn.Parameter(torch.zeros(8, 4, 3, 3).contiguous(memory_format=layout))
    kernel.grad = gradient.contiguous(memory_format=layout)
    Muon([kernel], lr=1.0).step()
    wanted = -0.2 * 6 * orthogonalised(gradient.flatten(1)).reshape(8, 4, 3, 3)
    torch.testing.assert_close(kernel.detach(), wanted)


def test_a_matrix_of_zeros_stays_one():
    assert (orthogonalised(torch.zeros(3, 4)) == 0).all()


def test_a_step_has_the_size_of_the_learning_rate_whatever_the_gradient():
    torch.manual_seed(0)
    moves = []
    for scale in (1.0, 1000.0):
        kernel = torch.nn.Parameter(torch.zeros(8, 4, 3, 3))
        kernel.grad = scale * torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(1))
        Muon([kernel], lr=0.1).step()
        moves.append(kernel.detach())
    torch.testing.assert_close(moves[0], moves[1])
    assert moves[0].square().mean().sqrt() == pytest.approx(0.1 * 0.2, rel=0.2)


def test_decay_shrinks_by_the_learning_rate_times_the_decay_and_momentum_goes_on_without_a_gradient():
    kernel = torch.nn.Parameter(torch.ones(2, 2, 3))
    kernel.grad = torch.zeros(2, 2, 3)
    optimiser = Muon([kernel], lr=0.5, weight_decay=0.1)
    optimiser.step()
    torch.testing.assert_close(kernel.detach(), torch.full((2, 2, 3), 0.95))
    kernel.grad = torch.eye(2)[:, :, None].expand(2, 2, 3).clone()
    optimiser.step()
    before = kernel.detach().clone()
    kernel.grad = torch.zeros(2, 2, 3)
    optimiser.step()
    assert not torch.equal(kernel.detach(), before * 0.95)
