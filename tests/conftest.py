"""What all tests share: one torch thread, a cache of their own, a browser, commands."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

LONGEST = [
    "test_scale_client.py", "test_tune.py", "test_examples.py", "test_estimator.py", "test_scale_train.py",
    "test_predicting_resumed.py", "test_static_site.py", "test_scale_predict.py", "test_checkpoints.py",
    "test_serve_process.py", "test_scale_resume.py", "test_live_page.py", "test_deploy.py", "test_datasets_buckets.py",
]  # fmt: skip
"""Files that take longest begin first, so that none is waited for; those with Ray, one at a time, lie apart."""

os.environ.setdefault("OMP_NUM_THREADS", "1")  # also in the processes that tests start: workers share the cores
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's processes would wait for the tests that run beside theirs


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest-xdist keep the order of the files, not put those of few tests last: these are the longest."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    rank = {name: at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = os.environ.get("GRIDCNN_CACHE")
    os.environ["GRIDCNN_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["GRIDCNN_CACHE"]
    else:
        os.environ["GRIDCNN_CACHE"] = before


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def only_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Wait until no other tests use Ray: clusters that run side by side take each other's ports."""
    with (tmp_path_factory.getbasetemp().parent / "ray.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, with a microphone and a camera that play something made up."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed")
    flags = ["--no-sandbox", "--disable-quic", "--disable-background-networking",
             "--autoplay-policy=no-user-gesture-required",
             "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]  # fmt: skip
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def imported_by() -> Callable[[str], set[str]]:
    """Run code in a fresh interpreter and return the modules it imported."""

    def run_and_list(code: str) -> set[str]:
        report = f"import sys\ntry:\n    {code}\nfinally:\n    print('\\n' + ' '.join(sys.modules))"
        done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=False)
        return set(done.stdout.splitlines()[-1].split())

    return run_and_list


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command line, such as `run("check", path)`."""
    from gridcnn.cli import main

    def run_main(*arguments: object) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run_main


@pytest.fixture(scope="session")
def beside() -> Callable[[str], ModuleType]:
    """Import a file beside this one, which is no module of any package."""

    def imported(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return imported
