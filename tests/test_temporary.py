"""Folders of temporary files: they go when the program ends, and after a kill when the next one begins."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gridcnn import temporary
from gridcnn.temporary import remove_folder, temporary_folder

fcntl = pytest.importorskip("fcntl", reason="Windows has no locks that end with their process")

HOLDING = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from gridcnn.temporary import temporary_folder
folder = temporary_folder("pets")
(folder / "cat.png").write_bytes(b"x" * 9)
print(folder, flush=True)
if sys.argv[2] == "wait":
    sys.stdin.read()
"""


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def holding(rooms: Path, how: str) -> tuple[subprocess.Popen[str], Path]:
    command = [sys.executable, "-c", HOLDING, str(rooms), how]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_folder_goes_with_the_program(rooms: Path) -> None:
    process, folder = holding(rooms, "end")

    assert process.wait(60) == 0
    assert folder.name == "pets"
    assert list(rooms.iterdir()) == []


def test_the_next_program_removes_what_a_killed_one_left(rooms: Path) -> None:
    process, folder = holding(rooms, "wait")
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert (folder / "cat.png").exists()

    mine = temporary_folder("dogs")

    assert [each.name for each in rooms.iterdir()] == [mine.parent.name]
    remove_folder(mine)
    assert list(rooms.iterdir()) == []


def test_the_folder_of_a_program_that_runs_is_left_alone(rooms: Path) -> None:
    process, folder = holding(rooms, "wait")
    try:
        remove_folder(temporary_folder("dogs"))
        assert (folder / "cat.png").exists()
    finally:
        process.communicate()
    assert list(rooms.iterdir()) == []


def test_folders_without_a_lock_and_links_are_left_alone(rooms: Path) -> None:
    (rooms / "gridcnn-mine").mkdir()
    other = rooms / "other"
    other.mkdir()
    (other / ".in-use").touch()
    (rooms / "gridcnn-link").symlink_to(other)
    (rooms / "gridcnn-file").touch()
    remove_folder(temporary_folder("a"))
    assert len(list(rooms.iterdir())) == 4


def test_a_folder_is_never_seen_with_a_lock_that_nobody_holds(rooms: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that begin at once: where the one has made its folder and not locked it yet, another one cleans up."""
    real, seen = fcntl.flock, list[bool]()

    def between(descriptor: int, how: int) -> None:
        if not seen:
            seen.append(True)
            temporary._remove_abandoned(rooms)
        real(descriptor, how)

    monkeypatch.setattr("fcntl.flock", between)
    mine = temporary_folder("a")
    temporary._remove_abandoned(rooms)

    assert seen
    assert mine.is_dir()
    remove_folder(mine)


def test_programs_that_begin_at_the_same_time_keep_their_folders(rooms: Path) -> None:
    dead, left = holding(rooms, "wait")
    dead.kill()
    dead.communicate()
    command = [sys.executable, "-c", HOLDING, str(rooms), "wait"]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    folders = [Path(each.stdout.readline().strip()) for each in started if each.stdout is not None]
    try:
        assert all((each / "cat.png").exists() for each in folders)
        assert not left.exists()
    finally:
        for each in started:
            each.communicate()
    assert list(rooms.iterdir()) == []


def test_a_process_that_was_forked_does_not_remove_what_its_parent_uses(rooms: Path) -> None:
    folder = temporary_folder("a")
    child = os.fork()
    if not child:
        temporary._remove_at_end(folder.parent, os.getppid())
        os._exit(0)
    os.waitpid(child, 0)

    assert folder.exists()
    temporary._remove_at_end(folder.parent, os.getpid())
    assert not folder.exists()


def test_only_what_this_program_made_is_removed(tmp_path: Path) -> None:
    theirs = tmp_path / "gridcnn-theirs" / "pets"
    theirs.mkdir(parents=True)
    with pytest.raises(ValueError, match="no temporary folder of this program"):
        remove_folder(theirs)
    assert theirs.is_dir()
