"""A Python process of its own, watched from outside: its time, and the most private memory that it held."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

EVERY = 0.02  # seconds between two looks


class Watched(NamedTuple):
    """What was seen of a process."""

    answer: dict[str, Any]
    """What it printed last, as JSON."""
    seconds: float
    """From its start to its end."""
    private: int
    """The most bytes of memory that were its own: not those of files, which can be read again."""
    limit: int | None
    """Bytes that it was allowed, files in memory included; None where this user may set no such limit."""


def watch(script: str, *arguments: Any, limit: int | None = None, **environment: str) -> Watched:
    """Run `script` with arguments, and memory limited to `limit` bytes where that can be done.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails, for want of memory for example.
    """
    command = [sys.executable, script, *map(str, arguments)]
    with _memory_limit(limit) as members:
        join = None if members is None else lambda: members.write_text("0") and None  # 0 is who writes it
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            env=os.environ | environment | {"STARTED": str(started)},
            preexec_fn=join,  # noqa: PLW1509
        )
        private = 0
        while process.poll() is None:
            private = max(private, private_bytes(process.pid))
            time.sleep(EVERY)
        seconds = time.monotonic() - started
        output = process.stdout.read() if process.stdout else b""
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output)
    return Watched(json.loads(output.splitlines()[-1]), seconds, private, limit if members else None)


def private_bytes(process: int) -> int:
    """Return the bytes of memory that are only a process's own, without files."""
    """Return the bytes of memory that are a process's own."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def _memory_limit(limit: int | None) -> Iterator[Path | None]:
    """Make a control group (Linux, version 1 or 2) and yield the file that its members are written to, or None."""
    for folder, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(folder) / f"gridcnn-{os.getpid()}"
        if limit is None:
            break
        try:
            group.mkdir()
            (group / name).write_text(str(limit))
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        try:
            yield group / "cgroup.procs"
        finally:
            group.rmdir()
        return
    yield None
