"""Starting is cheap and changes nothing: heavy modules wait until they are needed, and imports have no side effects."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gridcnn import GridClassifier
from gridcnn.adapters import ImageAdapter, TextAdapter

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "torchaudio", "librosa", "sklearn", "pandas", "matplotlib"}
MODELS = {"sklearn.linear_model", "sklearn.ensemble", "sklearn.svm", "sklearn.model_selection", "gridcnn.ordering"}
"""What only training, baselines and the ordering check need."""


@pytest.mark.parametrize(
    "code",
    [
        "import gridcnn",
        "from gridcnn.cli import main; main(['--help'])",
        "from gridcnn.cli import main; main(['train', '--help'])",
        "from gridcnn.cli import main; main(['--version'])",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(imported_by: Callable[[str], set[str]], code: str) -> None:
    modules = imported_by(code)

    assert "gridcnn" in modules
    assert not HEAVY & modules


def test_a_public_name_is_imported_when_it_is_first_used(imported_by: Callable[[str], set[str]]) -> None:
    assert "torch" in imported_by("import gridcnn; gridcnn.ConvPoolDense")


def test_explaining_a_picture_imports_no_other_models_and_no_other_modality(
    imported_by: Callable[[str], set[str]], tmp_path: Path
) -> None:
    model, item, page = (tmp_path / name for name in ("m.safetensors", "item.png", "why.html"))
    pictures = np.random.default_rng(0).integers(0, 255, (8, 12, 12), dtype=np.uint8)
    classifier = GridClassifier(adapter=ImageAdapter(), epochs=1, kernels=(3,), cache=False)
    classifier.fit(pictures, list("ab" * 4)).save(model)
    Image.fromarray(pictures[0]).save(item)

    modules = imported_by(f"from gridcnn.cli import main; main({['explain', str(model), str(item), '-o', str(page)]})")

    assert page.exists()
    assert not {*MODELS, "torchaudio", "librosa", "gridcnn.adapters.text"} & modules


def test_predicting_texts_imports_no_compiler(imported_by: Callable[[str], set[str]], tmp_path: Path) -> None:
    model, lines, answers = (tmp_path / name for name in ("m.safetensors", "lines.txt", "answers.csv"))
    texts = [f"{word} film number {at}" for at in range(6) for word in ("good", "bad")]
    GridClassifier(adapter=TextAdapter(), epochs=1, kernels=(3,), cache=False).fit(texts, ["a", "b"] * 6).save(model)
    lines.write_text("good film")

    modules = imported_by(
        f"from gridcnn.cli import main; main({['predict', str(model), str(lines), '-o', str(answers)]})"
    )

    assert answers.exists()
    assert not {"torch._dynamo", "pyarrow.parquet", "sklearn", *MODELS} & modules


def every_module() -> list[str]:
    """Return the installed name of every module of the package."""
    names = []
    for folder, package in (("gridcnn", "gridcnn"), ("adapters", "gridcnn.adapters"), ("datasets", "gridcnn.datasets")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            inner = path.relative_to(ROOT / folder).with_suffix("").parts
            names.append(".".join([package, *(name for name in inner if name != "__init__")]))
    return names


def foreign_imports() -> list[str]:
    """Return every import statement of the package that names a module of another package."""
    statements = set()
    for folder in ("gridcnn", "adapters", "datasets"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    named = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
                    if (named or "").partition(".")[0] not in {"gridcnn", "__future__"}:
                        statements.add(ast.unparse(node))
    return sorted(statements)


STATE_OF_THE_PROCESS = """
import ctypes, json, logging, os, random, signal, sys, warnings

def state():
    import matplotlib, numpy, PIL.Image, torch
    return {
        "warning filters": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "environment": dict(os.environ),
        "path": list(sys.path),
        "hooks": (sys.excepthook, sys.displayhook, sys.stdout, sys.stderr, list(sys.meta_path)),
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "logging": (logging.root.level, list(logging.root.handlers)),
        "random numbers": (random.getstate(), torch.random.get_rng_state().tolist(), str(numpy.random.get_state())),
        "numpy's errors": numpy.geterr(),
        "torch": (torch.get_num_threads(), torch.get_num_interop_threads(), torch.get_default_dtype(),
                  torch.is_grad_enabled(), torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()),
        "matplotlib": (matplotlib.get_backend(auto_select=False),
                       [(name, matplotlib.rcParams[name]) for name in matplotlib.rcParams if name != "backend"]),
        "largest picture": PIL.Image.MAX_IMAGE_PIXELS,
        "malloc settings": opened,
    }

opened = 0

class Recorded(ctypes.CDLL):
    def __init__(self, name, *arguments, **options):
        global opened
        opened += name is None  # whoever changes malloc settings opens the C library, which has no name
        super().__init__(name, *arguments, **options)

def run(statements):
    for statement in statements:
        try:
            exec(statement, {})
        except (ImportError, OSError):
            if "torchaudio" not in statement and "onnx" not in statement:
                raise
"""


def test_importing_every_module_changes_nothing_of_the_process() -> None:
    code = f"""{STATE_OF_THE_PROCESS}
run({foreign_imports()!r})
ctypes.CDLL = Recorded
modules, before = dict(sys.modules), state()
run([f"import {{name}}" for name in {every_module()!r}])
after = state()
changed = [name for name in before if before[name] != after[name]]
changed += [name for name in modules if sys.modules.get(name) is not modules[name]]
print("\\n" + json.dumps(changed))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


USE_TORCHAUDIO = """
import sys
try:
    import torchaudio
    outcome = "imported", torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE
except Exception as error:
    outcome = type(error).__name__, str(error)
made_up = [
    name
    for name, module in sys.modules.items()
    if name.partition(".")[0] == "torchaudio" and getattr(module, "__file__", None) is None
]
print("\\n" + repr((outcome, made_up)))
"""


def test_a_program_imports_torchaudio_as_if_gridcnn_were_not_there() -> None:
    use_gridcnn = """
import numpy
from gridcnn.adapters import AudioAdapter
AudioAdapter(sample_rate=8000).fit([numpy.zeros(8000, numpy.float32)]).frontend()
"""
    outcomes = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()[-1]
        for code in (USE_TORCHAUDIO, use_gridcnn + USE_TORCHAUDIO)
    ]
    plain, beside_gridcnn = map(ast.literal_eval, outcomes)

    assert beside_gridcnn == plain
