"""The package runs no code from files: what could is found in its source, and what it imports by a name is known."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("gridcnn", "adapters", "datasets", "examples")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

CODE_IN_FILES = {
    "pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "code", "codeop", "runpy",
    "xml", "telnetlib", "pty",
}  # fmt: skip
"""Modules that run code from what they read, or start a shell, or (xml) follow what a file names."""

NEVER = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv", "os.spawnl", "subprocess.getoutput",
    "subprocess.getstatusoutput", "joblib.load", "joblib.dump", "pandas.read_pickle", "torch.jit.load",
    "torch.hub.load", "torch.package.PackageImporter", "torch.compiler.load", "yaml.load", "yaml.load_all",
    "yaml.full_load", "yaml.unsafe_load", "numpy.fromregex", "tempfile.mktemp", "importlib.reload",
}  # fmt: skip
"""Calls for which there is no safe form, or a better one."""

ONLY_WITH = {
    "torch.load": ("weights_only", True),
    "numpy.load": ("allow_pickle", False),
    "numpy.lib.format.read_array": ("allow_pickle", False),
    "numpy.lib.format.write_array": ("allow_pickle", False),
}
"""Calls that are safe with one argument: its name and its value."""

NEVER_GIVEN = {("shell", True), ("allow_pickle", True), ("weights_only", False), ("trust_remote_code", True)}
METHODS_WITH_CODE = {"to_pickle", "read_pickle", "eval", "query"}
"""Methods that read or write code; `eval()` without an argument is that of a torch module."""

IMPORTERS = {
    "gridcnn/__init__.py": "the public names, which are written there",
    "adapters/__init__.py": "built-in adapters, and those that installed packages announce",
    "gridcnn/ordering/__init__.py": "the public names, which are written there",
    "gridcnn/export/hub_errors.py": "modules of huggingface_hub",
    "gridcnn/export/exported_model.py": "onnx and onnxruntime, by the callers' constants",
    "gridcnn/training/tracking.py": "torch's TensorBoard and mlflow, by constants in that file",
}
"""Files that import a module whose name stands in a variable, and where the name comes from."""


def dangers(source: str, *, may_import: bool = False) -> Iterator[str]:
    """Yield the line and the kind of everything in a source that could run code from a file or a name."""
    tree = ast.parse(source)
    known = dict(_imported(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"{node.lineno}: imports {name}" for name in names if name.partition(".")[0] in CODE_IN_FILES)
        if isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Store):
            name = _full_name(node, known)
            if name in NEVER:
                yield f"{node.lineno}: {name}"
        if isinstance(node, ast.Call):
            yield from (f"{node.lineno}: {what}" for what in _dangers_of_call(node, known, may_import=may_import))


def _dangers_of_call(call: ast.Call, known: dict[str, str], *, may_import: bool) -> Iterator[str]:
    name = _full_name(call.func, known)
    given = {each.arg: each.value.value for each in call.keywords if isinstance(each.value, ast.Constant)}
    if name in ONLY_WITH:
        argument, value = ONLY_WITH[name]
        if given.get(argument) is not value:
            yield f"{name} without {argument}={value}"
    yield from (f"{argument}={value}" for argument, value in given.items() if (argument, value) in NEVER_GIVEN)
    if name.partition(".")[0] == "requests" and given.get("verify") is False:
        yield "verify=False"
    if isinstance(call.func, ast.Attribute):
        method = call.func.attr
        if method in METHODS_WITH_CODE and (call.args or call.keywords):
            yield f".{method}(…)"
    if name == "importlib.import_module" and not may_import and not isinstance(call.args[0], ast.Constant):
        yield "imports by a name in a variable"


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield each name that an import binds, and what it stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                yield (each.asname, each.name) if each.asname else (each.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom):
            yield from ((each.asname or each.name, f"{node.module}.{each.name}") for each in node.names)


def _full_name(node: ast.expr, known: dict[str, str]) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([known.get(node.id, node.id), *reversed(parts)])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_of_the_package_can_run_code_that_it_reads(path: Path) -> None:
    may_import = str(path.relative_to(ROOT)) in IMPORTERS

    assert list(dangers(path.read_text(encoding="utf-8"), may_import=may_import)) == []


@pytest.mark.parametrize("name", IMPORTERS)
def test_the_list_of_files_that_import_by_a_name_is_as_short_as_it_can_be(name: str) -> None:
    assert [each for each in dangers((ROOT / name).read_text(encoding="utf-8")) if "in a variable" in each]


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads as read",
        "def f():\n    import shelve",
        "import xml.etree.ElementTree",
        "eval(text)",
        "run = eval",
        "exec(text, {})",
        "compile(text, 'x', 'exec')",
        "import os\nos.system(command)",
        "from os import system as run\nrun(command)",
        "import os as o\no.popen(command)",
        "import subprocess\nsubprocess.run(command, shell=True)",
        "from subprocess import run\nrun(command, shell=True)",
        "import joblib\njoblib.load(path)",
        "from joblib import load\nload(path)",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "import torch as t\nt.load(path, weights_only=flag)",
        "import numpy as np\nnp.load(path)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "from numpy import load\nload(path)",
        "import pandas as pd\npd.read_pickle(path)",
        "frame.to_pickle(path)",
        "frame.eval('a + b')",
        "frame.query(text)",
        "import yaml\nyaml.load(text, Loader=yaml.SafeLoader)",
        "import importlib\nimportlib.import_module(name)",
        "from importlib import import_module\nimport_module(values['module'])",
        "__import__(name)",
        "import requests\nrequests.get(url, verify=False)",
        "model = load(name, trust_remote_code=True)",
    ],
)
def test_code_in_files_is_found(source: str) -> None:
    assert list(dangers(source))


@pytest.mark.parametrize(
    "source",
    [
        "import re\nre.compile('a')",
        "network.eval()",
        "import torch\ntorch.load(path, weights_only=True)",
        "import numpy as np\nnp.load(path, allow_pickle=False)",
        "import yaml\nyaml.safe_load(text)",
        "import json\njson.load(file)",
        "import subprocess\nsubprocess.run(['ls', name])",
        "import importlib\nimportlib.import_module('onnx')",
        "from gridcnn.bundle import load\nload(path)",
    ],
)
def test_what_only_looks_like_it_is_let_through(source: str) -> None:
    assert list(dangers(source)) == []
