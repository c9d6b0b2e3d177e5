"""The arrows of ARCHITECTURE.md, read from the imports: rooms are known, no arrow runs up, and there is no circle."""

from __future__ import annotations

import ast
import doctest
import graphlib
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

GROUND = {
    "display",
    "durable",
    "errors",
    "constraints",
    "stored_json",
    "searched",
    "parameters",
    "grid",
    "versions",
    "onnx_graph",
    "predictions",
    "multilabel",
    "calibration",
    "certainty",
    "answer_rule",
    "segments",
    "channels",
    "stored",
    "temporary",
}
DATA = {*GROUND, "ordering", "datasets"}
PARTS = {*GROUND, "ordering", "adapters", "network"}
MODEL = {*PARTS, "pipeline", "model"}

MAY_IMPORT = {
    "display": set(),
    "durable": set(),
    "errors": set(),
    "versions": set(),
    "constraints": set(),
    "stored_json": set(),
    "searched": set(),
    "parameters": {"errors", "constraints", "searched"},
    "onnx_graph": set(),
    "multilabel": set(),
    "calibration": {"multilabel"},
    "certainty": {"calibration", "errors"},
    "answer_rule": {"certainty", "errors", "multilabel"},
    "temporary": set(),
    "stored": {"errors", "temporary"},
    "channels": set(),
    "segments": {"errors", "stored"},
    "predictions": {"answer_rule", "display", "segments"},
    "grid": {"errors"},
    "ordering": {"display", "errors"},
    "datasets": {"channels", "display", "durable", "errors", "segments", "stored", "temporary"},
    "adapters": {*GROUND, "ordering"},
    "network": GROUND,
    "pipeline": PARTS,
    "model": PARTS,
    "training": MODEL,
    "inference": MODEL,
    "explain": MODEL,
    "bundle": MODEL,
    "evaluation": {*MODEL, "inference", "training"},
    "tuning": {*MODEL, "training"},
    "estimator": {*MODEL, "training", "inference", "bundle"},
    "render": {*MODEL, "inference", "explain", "evaluation", "tuning"},
    "export": {*MODEL, "inference", "explain", "bundle", "evaluation", "render"},
    "serve": {*MODEL, "inference", "explain", "bundle", "evaluation", "render", "export"},
    "scale": {*MODEL, "datasets", "training", "inference", "bundle"},
    "cli": {
        *MODEL,
        "datasets",
        "training",
        "inference",
        "explain",
        "bundle",
        "evaluation",
        "render",
        "export",
        "serve",
        "scale",
        "tuning",
    },
    "": {
        "estimator",
        "evaluation",
        "explain",
        "render",
        "bundle",
        "errors",
        "grid",
        "inference",
        "model",
        "network",
        "ordering",
        "training",
        "tuning",
    },
}
"""The rooms, and what each may import from other rooms; "" is the public face, which imports lazily."""

MODALITY_ASKED_FOR = re.compile(
    r"""[=!]=\s*["'](sound|image|text|array)["']|isinstance\([^)]*\b\w+Adapter\b|["'](sound|image|text|array)["']\s*[=!]="""
)


def sources() -> Iterator[tuple[str, Path]]:
    """Yield the installed name and the file of every module."""
    for folder, package in (("gridcnn", "gridcnn"), ("adapters", "gridcnn.adapters"), ("datasets", "gridcnn.datasets")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            inner = path.relative_to(ROOT / folder).with_suffix("").parts
            yield ".".join([package, *(name for name in inner if name != "__init__")]), path


SOURCES = dict(sources())


def part_of(module: str) -> str:
    """Return the room that a module belongs to: "gridcnn.adapters.image" is of "adapters", and "gridcnn" of ""."""
    return [*module.split("."), ""][1]


def imports(path: Path) -> Iterator[tuple[ast.stmt, str]]:
    """Yield every import of a file, those inside functions and type checks included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}, line {node.lineno}: import by the installed name, not relatively"
            yield node, node.module or ""
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def own_imports(module: str) -> set[str]:
    """Return the other rooms that a module imports from."""
    found = {part_of(name) for _, name in imports(SOURCES[module]) if name.startswith("gridcnn.")}
    return found - {part_of(module)}


@pytest.mark.parametrize("module", SOURCES)
def test_a_room_imports_only_what_lies_below_it(module: str) -> None:
    assert part_of(module) in MAY_IMPORT, f"{module} is in no room that this test knows"
    assert own_imports(module) <= MAY_IMPORT[part_of(module)]


def test_no_arrow_of_the_plan_itself_runs_in_a_circle() -> None:
    assert list(graphlib.TopologicalSorter(MAY_IMPORT).static_order())


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {
        module: {
            name
            for _, imported in imports(path)
            for name in (imported, imported.rpartition(".")[0])
            if name in SOURCES and name not in {module, "gridcnn"} and not module.startswith(f"{name}.")
        }
        for module, path in SOURCES.items()
    }

    assert list(graphlib.TopologicalSorter(graph).static_order())


def test_only_adapters_ask_which_modality_it_is() -> None:
    asked = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in [*SOURCES.values(), *(ROOT / "gridcnn").rglob("*.js"), *(ROOT / "gridcnn").rglob("*.html")]
        if not path.is_relative_to(ROOT / "adapters")
        for line in path.read_text(encoding="utf-8").splitlines()
        if MODALITY_ASKED_FOR.search(line) or re.search(r"modality\s*===?", line)
    ]

    assert asked == []


@pytest.mark.parametrize("module", SOURCES)
def test_no_file_is_longer_than_350_lines(module: str) -> None:
    assert len(SOURCES[module].read_text(encoding="utf-8").splitlines()) <= 350


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
