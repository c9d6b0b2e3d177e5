"""Where to compute, and in which precision."""

from __future__ import annotations

import contextlib

import torch

from gridcnn.errors import ConfigurationError

__all__ = ["choose_device", "mixed_precision", "multiplies_bfloat16"]


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of a name; `"auto"` takes cuda, then mps, then cpu.

    Raises
    ------
    ConfigurationError
        If torch knows no such device, or this machine or this build of torch has none.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # what torch raises depends on the device
        why = str(error).strip().partition("\n")[0]
        raise ConfigurationError(f"device {name!r} cannot be used here ({why}); use auto, cpu, cuda or mps") from error
    return device


def multiplies_bfloat16(device: torch.device) -> bool:
    """Return whether the hardware multiplies bfloat16; CPUs that do not are several times slower with it."""
    if device.type == "cpu":
        if not hasattr(torch.cpu, "get_capabilities"):
            return False  # older releases of torch cannot tell
        return any(torch.cpu.get_capabilities().get(unit, False) for unit in ("avx512_bf16", "amx_bf16"))
    return device.type == "cuda"


def mixed_precision(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Compute in bfloat16 on hardware that multiplies it."""
    return (
        torch.autocast(device.type, dtype=torch.bfloat16) if multiplies_bfloat16(device) else contextlib.nullcontext()
    )
