"""The runtime of a page: found in folders, fetched by npm, checked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from gridcnn.errors import ExportError
from gridcnn.export import web_runtime


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """Return a folder whose files have the names of the runtime's."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    for name in web_runtime.FILES:
        (folder / name).write_bytes(name.encode())
    return folder


def test_the_runtime_is_found_in_a_package_and_around_it(tmp_path: Path, runtime: Path) -> None:
    shutil.copytree(runtime, tmp_path / "node_modules" / "onnxruntime-web" / "dist")
    for named in ("", "node_modules", "node_modules/onnxruntime-web", "node_modules/onnxruntime-web/dist"):
        assert set(web_runtime.web_runtime(tmp_path / named)) == set(web_runtime.FILES)


def test_the_runtime_is_taken_from_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, runtime: Path
) -> None:
    monkeypatch.setenv(web_runtime.VARIABLE, str(runtime))
    assert set(web_runtime.web_runtime()) == set(web_runtime.FILES)
    monkeypatch.setenv(web_runtime.VARIABLE, str(tmp_path))
    with pytest.raises(ExportError, match=r"has no ort\.wasm\.min\.mjs: name the folder dist"):
        web_runtime.web_runtime()


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hide every runtime of this machine, and return the folder of programs."""
    monkeypatch.delenv(web_runtime.VARIABLE, raising=False)
    monkeypatch.setenv("GRIDCNN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "bin"


def test_without_npm_the_error_says_what_to_do(nowhere: Path) -> None:
    with pytest.raises(
        ExportError, match=r"npm install onnxruntime-web@[\d.]+\) and name its folder dist with --runtime"
    ):
        web_runtime.web_runtime()


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for npm is a shell script")
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 1", "npm could not fetch it"),
        ('/bin/echo other > "$6/onnxruntime-web.tgz"', "npm fetched another onnxruntime-web"),
    ],
)
def test_what_npm_brings_is_checked(nowhere: Path, script: str, message: str) -> None:
    (nowhere / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (nowhere / "npm").chmod(0o755)
    with pytest.raises(ExportError, match=message):
        web_runtime.web_runtime()
    assert not list((nowhere.parent / "cache").glob("*/*"))


def test_a_runtime_is_for_pages_only(run: Any, tmp_path: Path) -> None:
    done = run("export", tmp_path / "m.safetensors", "-o", tmp_path / "m.onnx", "--runtime", tmp_path)
    assert (done.code, done.err.strip()) == (2, "error: --runtime is for pages: say --web, too, or leave it out.")
