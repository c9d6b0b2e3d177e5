"""Journals of unfinished predictions that no run has written, or that a disk has damaged."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gridcnn.cli.partial import Partial
from gridcnn.cli.resuming import differences
from gridcnn.errors import ConfigurationError

RUN: dict[str, Any] = {
    "gridcnn": "1",
    "model": ["m", "digest"],
    "columns": ["item"],
    "inputs": [["a", ""]],
    "options": {"--format": "csv"},
}


@pytest.fixture
def unfinished(tmp_path: Path) -> Path:
    """The name of a file of which two parts are written."""
    output = tmp_path / "rows.csv"
    partial = Partial(output)
    partial.begin(RUN, lambda before: differences(before, RUN))
    with contextlib.suppress(KeyboardInterrupt), partial.writing():
        for rows in (1, 2):
            partial.write(b"row\n")
            partial.mark(rows, 0, "names")
        raise KeyboardInterrupt
    return output


def change_line(output: Path, at: int, change: Callable[[Any], Any] | bytes) -> None:
    journal = output.with_name("rows.csv.partial.journal")
    lines = journal.read_bytes().splitlines()
    lines[at] = change if isinstance(change, bytes) else json.dumps(change(json.loads(lines[at]))).encode()
    journal.write_bytes(b"\n".join(lines) + b"\n")


@pytest.mark.parametrize(
    "line",
    [b"5", b"[1, 2]", b'["a", "b", 1, "c", 2]', b'{"a": 1}', b"[" * 10**5, b'[-1, 0, "names", 8, 1]',
     b'[1e9, 0, "names", 8, 1]', b'[2, 0, "names", -8, 1]', b"\xff", b"9" * 6000, b""],
)  # fmt: skip
def test_a_line_that_is_no_mark_ends_the_rows_like_a_torn_one(unfinished: Path, line: bytes) -> None:
    change_line(unfinished, 2, line)
    with pytest.raises(ConfigurationError, match="1 row of an unfinished run"):
        Partial(unfinished).refuse_to_lose()
    mark = Partial(unfinished).begin(RUN, lambda before: differences(before, RUN))
    assert mark is not None
    assert mark.rows == 1
    assert unfinished.with_name("rows.csv.partial").read_bytes() == b"row\n"


@pytest.mark.parametrize(
    "run",
    [[1], {}, 3, "run", *({**RUN, name: 7} for name in ("model", "columns", "inputs", "options"))],
    ids=str,
)
def test_a_journal_that_does_not_say_what_made_the_rows_is_refused_and_they_stay(unfinished: Path, run: Any) -> None:
    change_line(unfinished, 0, lambda _: run)
    with pytest.raises(ConfigurationError, match="does not say what made its rows|another run"):
        Partial(unfinished).begin(RUN, lambda before: differences(before, RUN))
    assert unfinished.with_name("rows.csv.partial").read_bytes() == b"row\nrow\n"


def test_names_that_no_file_can_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="too long"):
        Partial(tmp_path / ("q" * 245)).refuse_to_lose()
    (tmp_path / "rows.csv.partial.journal").mkdir()
    with pytest.raises(ConfigurationError, match="directory"):
        Partial(tmp_path / "rows.csv").refuse_to_lose()
