"""The arrows of ARCHITECTURE.md, read from the imports: they never run back up."""

from __future__ import annotations

import ast
import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

DATA_SIDE = {"errors", "grid", "ordering"}
NETWORK_SIDE = {"errors", "grid", "layers", "backbone", "augment", "optimiser", "prefetch", "trimming", "training"}
ABOVE_THE_ESTIMATOR = {
    "estimator",
    "bundle",
    "explain",
    "page",
    "plots",
    "report",
    "export",
    "serve",
    "scale",
    "tune",
    "cli",
}

MAY_IMPORT = {
    "errors": set(),
    "grid": {"errors"},
    "ordering": {"errors"},
    "adapters": DATA_SIDE,
    "datasets": {"errors"},
    "layers": set(),
    "backbone": {"errors", "grid", "layers"},
    "augment": {"errors", "grid"},
    "memory": set(),
    "optimiser": set(),
    "trimming": {"backbone"},
    "training": NETWORK_SIDE,
    "winograd": set(),
    "distinct_words": {"layers"},
    "inference": {"layers", "backbone", "augment", "trimming", "training", "winograd", "distinct_words"},
    "mirroring": {"augment", "grid"},
    "metrics": {"errors"},
    "budget": {*NETWORK_SIDE, "adapters", "encoding"},
    "progress": {"errors", "training", "budget"},
    "cache": {"errors"},
    "threads": set(),
    "contents": {"cache", "threads"},
    "prefetch": set(),
    "encoding": {"errors", "adapters", "cache", "contents", "prefetch", "threads"},
    "grid_check": {*DATA_SIDE, "adapters", "encoding"},
    "baseline": {"errors", "adapters", "encoding"},
    "exhibit": {"errors", "adapters"},
    "versions": set(),
    "training_set": {"errors"},
    "rendering": {"versions"},
}
"""What the parts below the estimator may import from other parts."""


def sources() -> Iterator[tuple[str, Path]]:
    """Yield the installed name and the file of every module."""
    for folder, package in (("gridcnn", "gridcnn"), ("adapters", "gridcnn.adapters"), ("datasets", "gridcnn.datasets")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            inner = path.relative_to(ROOT / folder).with_suffix("").parts
            yield ".".join([package, *(name for name in inner if name != "__init__")]), path


SOURCES = dict(sources())


def part_of(module: str) -> str:
    """Return the part that a module belongs to: "gridcnn.adapters.image" is of "adapters"."""
    return [*module.split("."), ""][1]


def imports(path: Path) -> Iterator[tuple[ast.stmt, str]]:
    """Yield every import of a file, those inside functions and type checks included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}, line {node.lineno}: import by the installed name, not relatively"
            if node.module == "gridcnn":
                yield from ((node, f"gridcnn.{alias.name}") for alias in node.names)
            else:
                yield node, node.module or ""


def own_imports(module: str) -> set[str]:
    found = {part_of(name) for _, name in imports(SOURCES[module]) if name.startswith("gridcnn.")}
    return found - {part_of(module)}


@pytest.mark.parametrize("module", [name for name in SOURCES if part_of(name) in MAY_IMPORT])
def test_a_part_imports_only_what_lies_below_it(module: str) -> None:
    assert own_imports(module) <= MAY_IMPORT[part_of(module)]


@pytest.mark.parametrize("module", SOURCES)
def test_nothing_below_the_estimator_knows_what_lies_above_it(module: str) -> None:
    part = part_of(module)
    if part in ABOVE_THE_ESTIMATOR - {"estimator"} or not part:
        pytest.skip("lies above, or is the public face")
    allowed = {"bundle"} if part == "estimator" else set()  # save and load are methods, imported when they are called
    assert not own_imports(module) & (ABOVE_THE_ESTIMATOR - allowed)


def test_nothing_imports_the_command_line() -> None:
    assert [module for module in SOURCES if "cli" in own_imports(module)] == []


def test_torchaudio_is_imported_in_one_place() -> None:
    def names_torchaudio(path: Path) -> bool:
        tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        by_string = any(
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module"
            and any(isinstance(each, ast.Constant) and str(each.value).startswith("torchaudio") for each in node.args)
            for node in tree
        )
        return by_string or any(name.partition(".")[0] == "torchaudio" for _, name in imports(path))

    assert len([module for module, path in SOURCES.items() if names_torchaudio(path)]) == 1


@pytest.mark.parametrize(
    "path", sorted({*ROOT.glob("*/*.py"), *SOURCES.values()}), ids=lambda path: str(path.relative_to(ROOT))
)
def test_packages_are_imported_under_their_installed_names(path: Path) -> None:
    assert [name for _, name in imports(path) if name.partition(".")[0] in {"adapters", "datasets"}] == []


@pytest.mark.parametrize("module", SOURCES)
def test_examples_in_docstrings_run(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS

    assert doctest.testmod(importlib.import_module(module), optionflags=flags).failed == 0
