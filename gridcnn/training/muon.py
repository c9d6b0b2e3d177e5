"""Muon: momentum with orthogonalised steps, for the kernels of a convolution.

A few directions dominate the gradient of a layer. Muon makes all directions of a step about equally large.

References
----------
Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; Liu et al. 2025, "Muon is scalable for
LLM training", for the size of a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

__all__ = ["Muon", "orthogonalised"]

SMALLEST_NORM = 1e-7  # gradients near this are rounding, and make small steps


class Muon(torch.optim.Optimizer):
    """Nesterov momentum with orthogonalised steps and decoupled weight decay.

    Parameters
    ----------
    params : iterable of Parameter
        Kernels `(out, in, *size)` with at least 2 axes; each is treated as a matrix `(out, in × size)`.
    lr : float
        Learning rate; a step moves the entries of a kernel by 0.2 `lr` (root mean square), as AdamW's steps do.
    momentum : float
        Share of the old momentum in the new one, in [0, 1).
    weight_decay : float
        A step shrinks every kernel by `lr` times this.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float, *, momentum: float = 0.9, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every kernel once; `closure` is not supported."""
        for group in self.param_groups:
            for kernel in group["params"]:
                if kernel.grad is None:
                    continue
                state = self.state[kernel]
                if not state:
                    state["momentum"] = torch.zeros_like(kernel)
                momentum = state["momentum"].lerp_(kernel.grad, 1 - group["momentum"])
                direction = kernel.grad.lerp(momentum, group["momentum"]).movedim(1, -1)  # (out, *size, in)
                matrix = orthogonalised(direction.flatten(1))  # no copy where channels are last
                size = 0.2 * max(matrix.shape) ** 0.5
                kernel.mul_(1 - group["lr"] * group["weight_decay"])
                kernel.add_(matrix.reshape(direction.shape).movedim(-1, 1), alpha=-group["lr"] * size)


def orthogonalised(matrix: Tensor, steps: int = 3) -> Tensor:
    """Return the matrix with its singular values brought near 1, by a Newton-Schulz iteration.

    Three steps bring those of at least a fiftieth of the matrix's norm to between 0.7 and 1.21.

    Parameters
    ----------
    matrix : Tensor of shape (rows, columns)
        The matrix. If its norm is near 1e-7 or below, the result is small; zeros stay zeros.
    steps : int
        Iterations.

    Returns
    -------
    Tensor of shape (rows, columns)
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonalised(matrix.T, steps).T
    # Each step multiplies x by a polynomial of its gram matrix x xᵀ. These commute, so they can be multiplied with each
    # other, which are small and square, before x is multiplied once.
    gram = matrix @ matrix.T
    norm = gram.trace().sqrt() + SMALLEST_NORM
    gram = gram / norm.square()
    factor = product = _quintic(gram)
    for _ in range(steps - 1):
        gram = factor @ gram @ factor
        factor = _quintic(gram)
        product = factor @ product
    return (product / norm) @ matrix


def _quintic(gram: Tensor) -> Tensor:
    """Return the factor by which one step multiplies a matrix with this gram matrix."""
    factor = torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
    factor.diagonal().add_(3.4445)
    return factor
