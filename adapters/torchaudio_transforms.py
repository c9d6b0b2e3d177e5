"""torchaudio's transforms, even if its compiled extension cannot load. Nothing else in gridcnn imports torchaudio.

On Linux x86-64 the PyPI wheel of torchaudio is linked against CUDA. Beside a CPU-only torch its extension fails to load
with OSError (`libc10_cuda.so: cannot open shared object file`), and so does `import torchaudio`. The transforms need no
extension, so in this one case they are imported with a stand-in for it, and `sys.modules` is left as it was: a later
`import torchaudio` of the user behaves as if gridcnn were not there.
"""

from __future__ import annotations

import importlib
import sys
import threading
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ["AmplitudeToDB", "MelSpectrogram", "melscale_fbanks"]

_LOCK = threading.Lock()


def _import_transforms() -> tuple[ModuleType, ModuleType]:
    """Return torchaudio's modules `transforms` and `functional`."""
    with _LOCK:
        before = _torchaudio_modules()
        try:
            return _both()
        except OSError as error:
            frames = traceback.walk_tb(error.__traceback__)
            if not any(frame.f_globals.get("__name__", "").startswith("torchaudio._extension") for frame, _ in frames):
                raise
        try:
            _remove_torchaudio_modules()
            sys.modules["torchaudio._extension"] = _stand_in_for_extension()
            return _both()
        finally:
            _remove_torchaudio_modules()
            sys.modules.update(before)


def _both() -> tuple[ModuleType, ModuleType]:
    return importlib.import_module("torchaudio.transforms"), importlib.import_module("torchaudio.functional")


def _torchaudio_modules() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "torchaudio"}


def _remove_torchaudio_modules() -> None:
    for name in _torchaudio_modules():
        del sys.modules[name]


def _stand_in_for_extension() -> ModuleType:
    """Return a stand-in for `torchaudio._extension` that behaves as on a platform without the library."""
    extension: Any = ModuleType("torchaudio._extension")

    def fail_if_no_align(function: Callable[..., Any]) -> Callable[..., Any]:
        def fail(*args: Any, **kwargs: Any) -> Any:
            raise RuntimeError(f"{function.__name__} needs torchaudio's compiled extension, which could not be loaded")

        return fail

    extension._IS_TORCHAUDIO_EXT_AVAILABLE = False
    extension._IS_ALIGN_AVAILABLE = False
    extension.fail_if_no_align = fail_if_no_align
    return extension  # type: ignore[no-any-return]


_transforms, _functional = _import_transforms()
AmplitudeToDB: Any = _transforms.AmplitudeToDB
MelSpectrogram: Any = _transforms.MelSpectrogram
melscale_fbanks: Any = _functional.melscale_fbanks
