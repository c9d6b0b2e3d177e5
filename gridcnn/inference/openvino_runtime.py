"""A folded network in OpenVINO, which is the fastest on CPUs in bfloat16, and for narrow networks in float32."""

from __future__ import annotations

import functools
import os
import sys
import threading
from typing import Any

import torch
from torch import Tensor

from gridcnn.inference.folding import Logits
from gridcnn.inference.onnx_runtime import TOLERANCE, onnx_model, started
from gridcnn.network.backbone import ConvPoolDense

__all__ = ["imported", "in_openvino"]

TOLERANCE_BFLOAT16 = 0.05
"""Largest difference allowed between probabilities in bfloat16 and torch's in float32, on random grids."""


def in_openvino(folded: ConvPoolDense, n_threads: int, *, bfloat16: bool = False) -> Logits | None:
    """Return a function that computes logits in OpenVINO; so many threads may call it at the same time.

    None if it is not installed, or gives other answers.
    """

    def start() -> Logits:
        core = _core()
        compiled = core.compile_model(
            core.read_model(onnx_model(folded)),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
                "INFERENCE_NUM_THREADS": n_threads,
                "NUM_STREAMS": n_threads,
                "ENABLE_CPU_PINNING": False,  # or several processes would share one core
            },
        )
        of_thread = threading.local()

        def logits(grids: Tensor) -> Tensor:
            if not hasattr(of_thread, "request"):
                of_thread.request = compiled.create_infer_request()
            answer = of_thread.request.infer([grids.contiguous().numpy()], share_inputs=True)[0]
            return torch.from_numpy(answer)

        return logits

    return started("OpenVINO", start, folded, TOLERANCE_BFLOAT16 if bfloat16 else TOLERANCE)


def imported() -> Any:
    """Return the package openvino, or raise ImportError.

    It reports each import to Google Analytics, and keeps an identifier of the user in the home folder, unless its
    package openvino_telemetry is missing; so that is hidden from it.
    """
    package = "openvino_telemetry"
    before = sys.modules.get(package)
    sys.modules[package] = None  # type: ignore[assignment]  # importing it raises ImportError
    try:
        import openvino  # noqa: PLC0415  (optional)
    finally:
        del sys.modules[package]
        if before is not None:
            sys.modules[package] = before
    return openvino


def _core() -> Any:
    """Return what compiles, or raise ImportError in a fork, which the threads that it had before do not survive."""
    core, process = _first_core(imported())
    if process != os.getpid():
        raise ImportError("OpenVINO was started before this process was forked")
    return core


@functools.cache
def _first_core(openvino: Any) -> tuple[Any, int]:
    return openvino.Core(), os.getpid()
