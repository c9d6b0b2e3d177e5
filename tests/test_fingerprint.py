"""Digests of files: a file that has not changed is not read again, and one that has always is."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from gridcnn.pipeline import cache as cache_module
from gridcnn.pipeline import fingerprint as contents
from gridcnn.pipeline.cache import NOTES, clear
from gridcnn.pipeline.fingerprint import fingerprint


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that lie there since long before they are read: the clock is ahead of the file system's."""
    monkeypatch.setattr(time, "time_ns", lambda now=time.time_ns: now() + 60 * 10**9)
    folder = tmp_path / "files"
    folder.mkdir()
    paths = [folder / name for name in "abc"]
    for path in paths:
        path.write_text(path.name)
    return paths


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on no file may be read."""
    monkeypatch.setattr(contents, "_read", lambda paths: pytest.fail(f"read again: {paths}"))


def test_unchanged_files_are_not_read_again(files, cache, monkeypatch):
    first = fingerprint(files, cache)
    unread(monkeypatch)
    assert fingerprint([str(path) for path in files], cache) == first


def test_the_digest_is_of_contents_in_their_order(files, cache, tmp_path):
    first = fingerprint(files, cache)
    moved = [path.rename(path.with_suffix(".moved")) for path in files]
    copies = [tmp_path / f"copy of {path.name}" for path in moved]
    for path, copy in zip(moved, copies, strict=True):
        copy.write_bytes(path.read_bytes())
    assert fingerprint(moved, cache) == fingerprint(copies, cache) == first
    assert len({first, fingerprint(moved[::-1], cache), fingerprint(moved[:2], cache)}) == 3


@pytest.mark.parametrize("restored", [False, True])
def test_a_changed_file_is_seen_also_where_its_size_and_time_were_kept(files, cache, restored):
    first = fingerprint(files, cache)
    before = files[1].stat()
    while files[1].stat().st_ctime_ns == before.st_ctime_ns:  # wait for the file system's next tick
        files[1].write_text("x")
        if restored:
            os.utime(files[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert fingerprint(files, cache) != first


def test_a_file_that_is_exchanged_for_another_is_seen(files, cache):
    first = fingerprint(files, cache)
    files[0].rename(files[0].with_name("z"))
    files[1].rename(files[0])
    files[0].with_name("z").rename(files[1])
    assert fingerprint(files, cache) != first


def test_files_that_changed_a_moment_ago_are_read_again(files, cache, monkeypatch):
    monkeypatch.undo()
    files[2].write_text("x")  # a second change within the same tick could not be told from it
    first = fingerprint(files, cache)
    assert not (cache / NOTES).exists()
    state = files[2].stat()
    monkeypatch.setattr(os, "stat", lambda path, stat=os.stat: state if path == files[2] else stat(path))
    files[2].write_text("y")
    assert fingerprint(files, cache) != first


@pytest.mark.parametrize("how", ["missing", "a folder"])
def test_what_cannot_be_read_is_tried_again(files, cache, how):
    files[1].unlink()
    if how == "a folder":
        files[1].mkdir()
    first = fingerprint(files, cache)
    assert fingerprint(files, cache) == first
    assert not (cache / NOTES).exists()
    assert first != fingerprint(files[::2], cache)


@pytest.mark.parametrize("damage", ["", "[1]", "1", "{", "\x00"])
def test_damaged_notes_are_replaced(files, cache, monkeypatch, damage):
    first = fingerprint(files, cache)
    (cache / NOTES).write_text(damage)
    assert fingerprint(files, cache) == first
    unread(monkeypatch)
    assert fingerprint(files, cache) == first


def test_notes_are_bounded_and_the_oldest_forgotten(files, cache, monkeypatch):
    monkeypatch.setattr(cache_module, "MOST_NOTES", 2)
    for path in files:
        fingerprint([path], cache)
    assert len(json.loads((cache / NOTES).read_text())) == 2
    unread(monkeypatch)
    for path in files[1:]:
        fingerprint([path], cache)
    with pytest.raises(pytest.fail.Exception, match="read again"):
        fingerprint(files[:1], cache)


def test_a_cleared_cache_holds_no_notes(files, cache):
    fingerprint(files, cache)
    assert (cache / NOTES).exists()
    clear(cache)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_costs_only_time(files, tmp_path):
    nowhere = tmp_path / "a file"
    nowhere.write_text("")
    assert fingerprint(files, nowhere) == fingerprint(files, nowhere)
