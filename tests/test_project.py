"""What the project says about itself is true: dependencies, packages, sizes of files, workflows, the tree of errors."""

from __future__ import annotations

import ast
import pickle
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridcnn import errors

ROOT = Path(__file__).parent.parent
FOLDERS = {"gridcnn": "gridcnn", "adapters": "gridcnn.adapters", "datasets": "gridcnn.datasets"}
"""The folders that are installed, and the packages that they become."""

MODULE_OF = {
    "charset-normalizer": "charset_normalizer",
    "fastapi-offline": "fastapi_offline",
    "jinja2": "jinja2",
    "pillow": "PIL",
    "prometheus-client": "prometheus_client",
    "python-multipart": "python_multipart",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
}
"""Names of modules that differ from the names of their distributions."""

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


USED_BY_OTHERS = {"httptools", "psycopg"}
"""What other packages import if it is there: uvicorn's fast parser, and SQLAlchemy's way to PostgreSQL."""

ROOMS_OF_EXTRAS = (ROOT / "gridcnn/serve", ROOT / "gridcnn/tuning")
"""Rooms that are imported by commands of an extra alone."""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def modules_of(requirements: list[str]) -> set[str]:
    """Return the names of the modules that requirements such as "Pillow>=10" install."""
    names = [re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0].lower() for requirement in requirements]
    return {MODULE_OF.get(name, name) for name in names}


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield the top-level name of each imported module, and whether it is imported as soon as the file is."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    later = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            names = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        yield from ((name.partition(".")[0], node not in later) for name in names)


def foreign_imports(*, at_once: bool = False) -> set[str]:
    modules = [path for path in MODULES if not (at_once and any(map(path.is_relative_to, ROOMS_OF_EXTRAS)))]
    found = {name for path in modules for name, immediate in imports_of(path) if immediate or not at_once}
    return found - {"gridcnn"} - sys.stdlib_module_names


REQUIRED = modules_of(PROJECT["project"]["dependencies"])
EXTRAS = ("excel", "export", "fast", "hub", "openvino", "scale", "serve", "sign", "tune")
OPTIONAL = modules_of([each for name in EXTRAS for each in PROJECT["project"]["optional-dependencies"][name]])


def test_every_import_of_the_package_is_declared() -> None:
    assert foreign_imports() - REQUIRED - OPTIONAL == set()


def test_every_declared_dependency_is_imported() -> None:
    assert (REQUIRED | OPTIONAL) - foreign_imports() == USED_BY_OTHERS


def test_optional_dependencies_are_imported_only_inside_functions_and_in_the_room_that_needs_them() -> None:
    assert foreign_imports(at_once=True) & OPTIONAL == set()


def test_every_dependency_is_pinned() -> None:
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    groups = [PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"].values()]
    declared = {re.split(r"[\[<>=]", each)[0].lower() for group in groups for each in group}

    assert declared - {"gridcnn"} <= pinned


def test_the_list_of_packages_is_that_of_the_folders() -> None:
    found = {
        ".".join([package, *path.parent.relative_to(ROOT / folder).parts])
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder).rglob("__init__.py")
    }

    assert PROJECT["tool"]["setuptools"]["packages"] == sorted(found)


def test_no_file_of_the_package_has_more_than_350_lines() -> None:
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}

    assert {name: count for name, count in lines.items() if count > 350} == {}


def decisions_by_message(path: Path) -> Iterator[int]:
    """Yield the lines at which the text of a caught error is compared, or searched by a regular expression."""
    for handler in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(handler, ast.ExceptHandler) and handler.name:
            texts = {f"str({handler.name})", f"repr({handler.name})", f"{handler.name}.args"}
            for node in ast.walk(handler):
                is_search = isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.")
                if (isinstance(node, ast.Compare) or is_search) and any(text in ast.unparse(node) for text in texts):
                    yield node.lineno


def test_no_decision_reads_the_message_of_an_error() -> None:
    assert [f"{name_of(path)}, line {line}" for path in MODULES for line in decisions_by_message(path)] == []


def test_the_guide_for_contributors_is_short_and_names_what_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:adapters|datasets|gridcnn|benchmarks|docs|\.github)/[\w./-]*\w\.\w+)`", text))

    assert len(text.splitlines()) < 120
    assert len(named) > 5
    assert [name for name in sorted(named) if "NAME" not in name and not (ROOT / name).exists()] == []


def test_the_workflow_runs_what_a_contributor_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["check"]
    commands = [step["run"].split() for step in job["steps"] if "run" in step]
    targets = {word for command in commands if command[0] == "make" for word in command[1:]}

    assert {"lint", "test"} <= targets
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert PROJECT["project"]["requires-python"] == ">=3.11"


@pytest.mark.parametrize("path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=name_of)
def test_issue_templates_can_be_read(path: Path) -> None:
    template = yaml.safe_load(path.read_text(encoding="utf-8"))

    if path.name == "config.yml":
        assert set(template) == {"blank_issues_enabled"}
    else:
        assert {"name", "description", "body"} <= set(template)
        assert len({field["id"] for field in template["body"] if field["type"] != "markdown"}) > 1


def test_hooks_run_the_tools_of_the_project_and_nothing_from_elsewhere() -> None:
    (source,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]

    assert source["repo"] == "local"
    assert [hook["id"] for hook in source["hooks"]] == ["ruff-check", "ruff-format", "mypy"]
    for hook in source["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith((".venv/bin/", "make "))


def test_no_file_names_a_place_on_a_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git repository")
    place = re.compile(rb"(?<![\w.$}/-])(?:/(?:home|root|Users|work|mnt)/|[A-Z]:\\Users)\w")
    found = [
        f"{name}: {line.decode(errors='replace').strip()[:120]}"
        for name in listed.stdout.splitlines()
        if (path := ROOT / name).is_file() and b"\0" not in (content := path.read_bytes())
        for line in content.splitlines()
        if place.search(line)
    ]

    assert found == []


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from subclasses(each)


def test_the_tree_in_the_docstring_is_the_tree_of_the_errors() -> None:
    assert errors.__doc__ is not None
    lines = [line for line in errors.__doc__.splitlines() if line.rstrip(")").endswith("Error")]
    parents: list[str] = []
    drawn = {}
    for line in lines:
        name = re.search(r"\w+Error", line)
        assert name is not None
        depth = (name.start() - 4) // 4
        parents[depth:] = [name[0]]
        drawn[name[0]] = parents[depth - 1] if depth else "Exception"

    actual = {
        each.__name__: each.__bases__[0].__name__ for each in (errors.GridcnnError, *subclasses(errors.GridcnnError))
    }
    assert drawn == actual
    assert set(actual) | {"Skipped"} == set(errors.__all__)


@pytest.mark.parametrize(
    "error",
    [
        errors.ItemError("a.png", "not a picture"),
        errors.OrderingError("refused", report={"verdict": "exchangeable"}),
        errors.MissingAdapterError("m.safetensors", "ProteinAdapter", "gridcnn-proteins"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_keep_their_fields_between_processes(error: errors.GridcnnError) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_a_missing_adapter_is_named_with_its_package() -> None:
    error = errors.MissingAdapterError("m.safetensors", "ProteinAdapter", "gridcnn-proteins")

    assert (error.adapter, error.package) == ("ProteinAdapter", "gridcnn-proteins")
    assert str(error).startswith("m.safetensors needs the adapter 'ProteinAdapter', which is not installed: install")
    assert "'gridcnn-proteins'" in str(error)
