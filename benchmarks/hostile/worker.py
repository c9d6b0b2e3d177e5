"""A process that tries files one after another, and tells how each ended, how long it took and how much memory."""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from families import load_all
from mutations import digest

from gridcnn.errors import GridcnnError

HANGS = 120.0
"""Seconds after which a file is given up: the process is ended."""

ADDRESS_SPACE = 12 * 2**30
"""Bytes that a worker may ask for, so that a bomb that goes off takes the worker and not the machine."""


class Outcome(NamedTuple):
    """How a file ended."""

    kind: str
    """"answered", "refused", or a finding: "error", "crash", "hang"."""
    detail: str = ""
    """Of an answer the digest of the content that was read, of a refusal the message, of a finding what happened."""
    seconds: float = 0.0
    """Of the processor, since other programs may run at the same time."""
    extra: float = 0.0
    """Bytes of memory, at the peak, beyond what the process held before."""


def _status(name: str) -> float:
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024.0 * float(text.partition(f"{name}:")[2].split()[0])


def attempted(family: Any, loaded: Any, path: Path) -> Outcome:
    """Try one file in this process."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak of memory begins here
    before, started = _status("VmRSS"), time.process_time()
    try:
        family.attempt(loaded, path)
        kind, detail = "answered", ""
    except GridcnnError as error:
        kind, detail = "refused", str(error)
    except Exception as error:
        kind, detail = "error", f"{type(error).__name__}: {error}"
    seconds, extra = time.process_time() - started, max(_status("VmHWM") - before, 0.0)
    return Outcome(kind, detail or digest(family.content(loaded, path)), seconds, extra)


def _serve(name: str, prepared: Any, pipe: Connection) -> None:
    """Try what comes through the pipe: (file name, content), until there is no more."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    family = load_all()[name]
    loaded = family.load(prepared)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders written in C complain there
    with tempfile.TemporaryDirectory() as folder:
        while True:
            try:
                file_name, content = pipe.recv()
            except EOFError:
                return
            path = Path(folder) / file_name
            path.write_bytes(content)
            pipe.send(attempted(family, loaded, path))
            path.unlink()


class Worker:
    """A process for one family, which is started anew if a file ends it."""

    def __init__(self, name: str, prepared: Any) -> None:
        self._task = (name, prepared)
        self._process: Any = None

    def __call__(self, file_name: str, content: bytes) -> Outcome:
        """Try a file."""
        if self._process is None or not self._process.is_alive():
            self._start()
        started = time.perf_counter()
        self._pipe.send((file_name, content))
        try:
            if self._pipe.poll(HANGS):
                outcome: Outcome = self._pipe.recv()
                return outcome
            self.close()
            return Outcome("hang", f"no end after {HANGS:g} s", time.perf_counter() - started)
        except (EOFError, ConnectionResetError):
            self._process.join()
            return Outcome("crash", f"the process ended with code {self._process.exitcode}")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(*self._task, theirs), daemon=True)
        self._process.start()
        theirs.close()
        try:  # what is imported at the first file is not its own memory
            self._pipe.send(("warm-up", b""))
            self._pipe.recv()
        except (EOFError, OSError):
            raise SystemExit(f"the worker for {self._task[0]} does not start") from None


# --- pools -----------------------------------------------------------------------------------------------------------

_loaded: dict[str, Any] = {}


def _load(name: str, prepared: Any) -> None:
    _loaded[name] = load_all()[name].load(prepared)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _try(name: str, path: Path) -> Outcome:
    return attempted(load_all()[name], _loaded[name], path)


def in_pool(kind: str, name: str, prepared: Any, paths: list[Path], workers: int = 4) -> list[Outcome]:
    """Try files in a pool of "threads" or of "processes", and return how they ended, in order."""
    if kind == "processes":
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, _load, (name, prepared)) as pool:
            return list(pool.map(_try, [name] * len(paths), paths, timeout=HANGS * len(paths)))
    family = load_all()[name]
    loaded = family.load(prepared)
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda path: attempted(family, loaded, path), paths))
