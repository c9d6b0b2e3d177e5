"""Starting is cheap: nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "torchaudio", "librosa", "sklearn", "pandas", "matplotlib"}


def imported_by(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the top-level modules it imported."""
    report = f"import sys\ntry:\n    {code}\nfinally:\n    print('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=False)
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


@pytest.mark.parametrize(
    "code",
    [
        "import gridcnn",
        "from gridcnn.cli import main; main(['--help'])",
        "from gridcnn.cli import main; main(['train', '--help'])",
        "from gridcnn.cli import main; main(['--version'])",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code: str) -> None:
    modules = imported_by(code)

    assert "gridcnn" in modules
    assert not HEAVY & modules


def test_a_public_name_is_imported_when_it_is_first_used() -> None:
    assert "torch" in imported_by("import gridcnn; gridcnn.ConvPoolDense")
