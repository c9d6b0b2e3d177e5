"""Starting is cheap: nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gridcnn import GridClassifier
from gridcnn.adapters import ImageAdapter

HEAVY = {"torch", "torchaudio", "librosa", "sklearn", "pandas", "matplotlib"}
MODELS = {"sklearn.linear_model", "sklearn.ensemble", "sklearn.svm", "sklearn.model_selection", "gridcnn.ordering"}
"""What only training, baselines and the ordering check need."""


def imported_by(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the modules it imported."""
    report = f"import sys\ntry:\n    {code}\nfinally:\n    print('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=False)
    return set(done.stdout.splitlines()[-1].split())


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


def test_explaining_a_picture_imports_no_other_models_and_no_other_modality(tmp_path: Path) -> None:
    model, item, page = (tmp_path / name for name in ("m.safetensors", "item.png", "why.html"))
    pictures = np.random.default_rng(0).integers(0, 255, (8, 12, 12), dtype=np.uint8)
    classifier = GridClassifier(adapter=ImageAdapter(), epochs=1, kernels=(3,), cache=False)
    classifier.fit(pictures, list("ab" * 4)).save(model)
    Image.fromarray(pictures[0]).save(item)

    modules = imported_by(f"from gridcnn.cli import main; main({['explain', str(model), str(item), '-o', str(page)]})")

    assert page.exists()
    assert not {*MODELS, "torchaudio", "librosa", "gridcnn.adapters.text"} & modules
