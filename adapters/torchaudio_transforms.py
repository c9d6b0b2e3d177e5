"""torchaudio's transforms, also where its compiled extension cannot load. Nothing else in gridcnn imports torchaudio.

On Linux x86-64 the PyPI wheel of torchaudio is linked against CUDA, and beside a CPU-only torch its extension fails to
load with OSError (`libc10_cuda.so: cannot open shared object file`), which ends `import torchaudio`. The transforms
need no extension, so in that one case torchaudio is told that it has none.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ["AmplitudeToDB", "MelSpectrogram", "melscale_fbanks"]


def _extension_that_is_absent() -> ModuleType:
    """Return a stand-in for `torchaudio._extension` that speaks as where no library is shipped."""
    extension: Any = ModuleType("torchaudio._extension")

    def fail_if_no_align(function: Callable[..., Any]) -> Callable[..., Any]:
        def fail(*args: Any, **kwargs: Any) -> Any:
            raise RuntimeError(f"{function.__name__} needs torchaudio's compiled extension, which could not be loaded")

        return fail

    extension._IS_TORCHAUDIO_EXT_AVAILABLE = False
    extension._IS_ALIGN_AVAILABLE = False
    extension.fail_if_no_align = fail_if_no_align
    return extension  # type: ignore[no-any-return]


try:
    import torchaudio  # noqa: F401
except OSError as error:
    frames = traceback.walk_tb(error.__traceback__)
    if not any(frame.f_globals.get("__name__", "").startswith("torchaudio._extension") for frame, _ in frames):
        raise
    sys.modules["torchaudio._extension"] = _extension_that_is_absent()

from torchaudio.functional import melscale_fbanks  # noqa: E402
from torchaudio.transforms import AmplitudeToDB, MelSpectrogram  # noqa: E402
