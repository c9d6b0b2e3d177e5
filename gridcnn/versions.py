"""The versions that a model's numbers depend on."""

from __future__ import annotations

import platform
from importlib import metadata

__all__ = ["versions"]

PACKAGES = ("gridcnn", "torch", "scikit-learn", "numpy")


def versions() -> dict[str, str]:
    """Return the versions in use of the packages that compute, and of Python."""
    return {**{name: metadata.version(name) for name in PACKAGES}, "Python": platform.python_version()}
