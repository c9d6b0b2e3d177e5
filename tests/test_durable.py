"""After a power cut at any moment, a file or folder under its final name is whole, the one before, or not there.

The disk is modelled: what was not synced may be lost, names and contents independently of each other, or half of it may
be there. Every such state of the disk, after every system call that matters, is built and read with the real readers.
"""

from __future__ import annotations

import ast
import errno
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gridcnn import GridClassifier, bundle, durable
from gridcnn.adapters import ImageAdapter
from gridcnn.cli.output import write_csv, written
from gridcnn.datasets import formats, public
from gridcnn.errors import ItemError
from gridcnn.pipeline import cache
from gridcnn.pipeline.encode import encode_items
from gridcnn.pipeline.replacing import LEFTOVER_AGE, replacing

CALLS = ("rename", "replace", "mkdir", "unlink", "remove", "rmdir")
"""The functions of `os` by which names change."""


class Disk:
    """What a disk may hold below a folder if the power is cut after any system call that changes names or syncs.

    Parameters
    ----------
    root : Path
        An existing folder, whose content is on the disk.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.cuts = root, []
        self._ids, self._next = {}, itertools.count()
        self._content: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        for folder in (root, *(each for each in root.rglob("*") if each.is_dir())):
            self._names[self._id(folder.stat())] = self._listing(folder)
        self._content = {self._id(each.stat()): each.read_bytes() for each in root.rglob("*") if each.is_file()}
        self._root = self._id(root.stat())
        self._look()
        for name in CALLS:
            monkeypatch.setattr(os, name, self._watched(getattr(os, name)))
        monkeypatch.setattr(os, "fsync", self._synced(os.fsync))

    def states(self) -> Iterator[tuple[str, dict[str, bytes | None]]]:
        """Yield each distinct state of the disk, all its paths with contents (None is a folder), and when it was."""
        seen = set()
        for at, (names, content, lasting_names, lasting) in enumerate(self.cuts):
            for kept_names, kept in itertools.product((True, False), ("all", "half", "nothing")):
                held = {
                    each: data if kept == "all" or lasting.get(each) == data else _partly(data, lasting.get(each), kept)
                    for each, data in content.items()
                }
                tree = dict(_walk(names if kept_names else lasting_names, {**lasting, **held}, self._root))
                if (fixed := tuple(sorted(tree.items()))) not in seen:
                    seen.add(fixed)
                    yield f"call {at}, names {'kept' if kept_names else 'lost'}, unsynced content: {kept}", tree

    def last(self) -> Iterator[dict[str, bytes | None]]:
        """Yield what may be on the disk now: a promise to a person must hold in all of it."""
        self.cuts = [self.cuts[-1]]
        yield from (tree for _, tree in self.states())

    def _id(self, status: os.stat_result) -> int:
        return self._ids.setdefault(status.st_ino, next(self._next))

    def _listing(self, folder: Path) -> dict[str, int]:
        return {each.name: self._id(each.lstat()) for each in folder.iterdir()}

    def _look(self) -> None:
        """Note what there is, and what of it is on the disk; the number of a file that is gone may be used again."""
        names, content, present = {}, {}, {self.root.stat().st_ino}
        for folder, _, files in os.walk(self.root):
            place = Path(folder)
            names[self._id(place.stat())] = self._listing(place)
            for each in files:
                content[self._id((place / each).stat())] = (place / each).read_bytes()
            present.update(each.lstat().st_ino for each in place.iterdir())
        self._ids = {inode: each for inode, each in self._ids.items() if inode in present}
        self.cuts.append((names, content, dict(self._names), dict(self._content)))

    def _watched(self, call: Callable) -> Callable:
        def watching(*arguments, **named):
            result = call(*arguments, **named)
            self._look()
            return result

        return watching

    def _synced(self, fsync: Callable) -> Callable:
        def syncing(descriptor: int) -> None:
            fsync(descriptor)
            place = Path(f"/proc/self/fd/{descriptor}").readlink()
            if place.is_dir():
                self._names[self._id(place.stat())] = self._listing(place)
            else:
                self._content[self._id(os.fstat(descriptor))] = place.read_bytes()
            self._look()

        return syncing


def _partly(now: bytes, lasting: bytes | None, kept: str) -> bytes:
    """Return what a disk may hold of a file whose last writes were not synced."""
    return now[: len(now) // 2] if kept == "half" else (lasting or b"")


def _walk(names: dict, content: dict, folder: int, path: str = "") -> Iterator[tuple[str, bytes | None]]:
    for name, inner in sorted(names.get(folder, {}).items()):
        if inner in content:
            yield path + name, content[inner]
        else:
            yield path + name, None
            yield from _walk(names, content, inner, f"{path}{name}/")


def build(tree: dict[str, bytes | None], place: Path) -> Path:
    """Write a state of a disk to a folder."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name, content in tree.items():
        if content is None:
            (place / name).mkdir()
        else:
            (place / name).write_bytes(content)
    return place


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


@pytest.fixture
def cut(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Disk]]:
    """Begin to watch the disk, which holds what is there."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    with monkeypatch.context() as patched:
        yield lambda: Disk(root, patched)


def test_the_model_loses_what_was_not_synced(root, cut):
    disk = cut()
    (root / "draft").write_bytes(b"new!")
    (root / "draft").replace(root / "result")
    assert {tree.get("result") for _, tree in disk.states()} == {None, b"", b"ne", b"new!"}


def test_the_model_keeps_what_was_synced(root, cut):
    (root / "result").write_bytes(b"old")
    disk = cut()
    with (root / "draft").open("wb") as file:
        file.write(b"new!")
        file.flush()
        os.fsync(file.fileno())
    (root / "draft").replace(root / "result")
    assert {tree["result"] for tree in disk.last()} == {b"old", b"new!"}  # nobody waited for the name
    durable.sync_folder(root)
    assert {tree["result"] for tree in disk.last()} == {b"new!"}


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_file_that_is_replaced_is_old_or_new_and_at_the_end_new(root, cut, before):
    if before is not None:
        (root / "result.csv").write_bytes(before)
    disk = cut()
    with replacing(root / "result.csv") as file:
        file.write(b"n" * 100_000)
        file.flush()
        file.write(b"ew")
    assert {tree.get("result.csv") for _, tree in disk.states()} == {before, b"n" * 100_000 + b"ew"}
    assert all(tree["result.csv"] == b"n" * 100_000 + b"ew" for tree in disk.last())


def test_a_file_in_a_new_folder_is_there_at_the_end(root, cut):
    disk = cut()
    with written(root / "a" / "b" / "result.html") as file:
        file.write("<p>")
    assert all(tree.get("a/b/result.html") == b"<p>" for tree in disk.last())


def test_permissions_are_on_the_disk_before_the_name(root, monkeypatch):
    modes = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: modes.append(os.fstat(descriptor).st_mode & 0o777))
    umask = os.umask(0o022)
    try:
        with replacing(root / "result") as file:
            file.write(b"x")
    finally:
        os.umask(umask)
    assert modes[0] == 0o644


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(24, 8)).astype(np.float32), ["a", "b"] * 12
    return GridClassifier(ordering="assume", epochs=1, kernels=(2,), random_state=0).fit(X, y).model_


def test_a_bundle_is_old_or_new_and_at_the_end_new(root, tmp_path, cut, model):
    place = root / "model.safetensors"
    bundle.save(model, place)
    old = place.read_bytes()
    model.scores["note"] = "later"
    disk = cut()
    bundle.save(model, place)
    new = place.read_bytes()
    assert old != new
    for when, tree in disk.states():
        assert tree["model.safetensors"] in (old, new), when
        bundle.load(build(tree, tmp_path / "after") / "model.safetensors")
    assert all(tree["model.safetensors"] == new for tree in disk.last())


def test_predictions_are_old_or_new_and_at_the_end_new(root, tmp_path, cut, model, run):
    bundle.save(model, tmp_path / "model.safetensors")
    rows = "\n".join(",".join(f"{number}" for number in row) for row in np.arange(80).reshape(10, 8))
    (tmp_path / "rows.csv").write_text(f"a,b,c,d,e,f,g,h\n{rows}\n", encoding="utf-8")
    (root / "out.csv").write_text("item,prediction,old\n", encoding="utf-8")
    disk = cut()
    assert run("predict", tmp_path / "model.safetensors", tmp_path / "rows.csv", "-o", root / "out.csv").code == 0
    whole = (root / "out.csv").read_bytes()
    assert len(whole.splitlines()) == 11
    assert {tree["out.csv"] for _, tree in disk.states()} == {b"item,prediction,old\n", whole}
    assert all(tree["out.csv"] == whole for tree in disk.last())


def results(n: int = 5) -> Iterator[cache.Result]:
    for at in range(n):
        if at == 2:
            yield at, ItemError("two", "is broken")
        else:
            yield at, cache.Encoded(np.full((2, 3), at, dtype=np.float32), bytes([at] * cache.FINGERPRINT))


def test_a_cache_entry_is_whole_or_not_there_and_at_the_end_there(root, tmp_path, cut):
    disk = cut()
    stored = cache.store(root / "new" / "cache", "key", results(), "a test")
    for when, tree in disk.states():
        if "new/cache/key" in tree:
            read = cache.read(build(tree, tmp_path / "after") / "new" / "cache" / "key")
            assert read is not None, when
            assert read.windows.tobytes() == stored.windows.tobytes(), when
            assert read.failures == [(2, "is broken")], when
    assert all("new/cache/key/meta.json" in tree for tree in disk.last())


def test_an_entry_that_is_removed_is_whole_or_not_there(root, tmp_path, cut):
    cache.store(root, "key", results(), "a test")
    disk = cut()
    assert [each.key for each in cache.clear(root)] == ["key"]
    for when, tree in disk.states():
        if "key" in tree:
            assert cache.read(build(tree, tmp_path / "after") / "key") is not None, when


def test_notes_are_whole(root, cut):
    cache.note(root, "first", [1, 2])
    disk = cut()
    cache.note(root, "second", {"a": "b"})
    found = [json.loads(tree["notes.json"] or b"{}") for _, tree in disk.states()]
    assert all(each in ({"first": [1, 2]}, {"first": [1, 2], "second": {"a": "b"}}) for each in found)


@pytest.mark.parametrize("name", [*cache.CHECKED, "meta.json"])
@pytest.mark.parametrize("damage", ["emptied", "halved", "zeros", "one bit"])
def test_an_entry_that_a_disk_lost_in_part_is_found_out_and_made_again(root, name, damage):
    cache.store(root, "key", results(), "a test")
    file = root / "key" / name
    whole = bytearray(file.read_bytes())
    flipped = bytes(whole[:-9]) + bytes([whole[-9] ^ 64]) + bytes(whole[-8:])
    changed = {
        "emptied": b"",
        "halved": bytes(whole[: len(whole) // 2]),
        "zeros": bytes(len(whole)),
        "one bit": flipped,
    }
    file.write_bytes(changed[damage])
    assert cache.read(root / "key") is None
    assert not (root / "key").exists()


def test_a_damaged_entry_costs_a_run_only_time(root, tmp_path):
    from PIL import Image

    files = [tmp_path / f"{at}.png" for at in range(4)]
    for at, path in enumerate(files):
        Image.new("L", (4, 4), 60 * at).save(path)
    adapter = ImageAdapter().fit(files)
    first = encode_items(adapter, files, cache=root)
    with (root / first.key / "windows.bin").open("r+b") as file:
        file.write(b"\xff")
    second = encode_items(adapter, files, cache=root)
    assert first.windows.tobytes() == second.windows.tobytes()
    assert cache.read(root / first.key) is not None


def test_an_archive_is_unpacked_whole_or_not_at_all(root, cut):
    contents = {f"set/{at}.txt": bytes([65 + at]) * 50 for at in range(3)}
    with zipfile.ZipFile(root / "set.zip", "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    disk = cut()
    formats._unpack(root / "set.zip")
    for when, tree in disk.states():
        found = {name.removeprefix("set/"): content for name, content in tree.items() if name.startswith("set/")}
        assert {name: content for name, content in found.items() if content is not None} in ({}, contents), when
    assert all("set/set/2.txt" in tree for tree in disk.last())


def test_a_download_is_whole_or_not_there(root, cut, monkeypatch):
    pooch = pytest.importorskip("pooch")

    def retrieve(url, known_hash, fname, path):
        place = Path(path) / fname
        place.write_bytes(b"content")
        return str(place)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    disk = cut()
    public._fetch("https://example.org/a.zip", root / "set" / "a.zip")
    assert {tree.get("set/a.zip") for _, tree in disk.states()} == {None, b"content"}
    assert all(tree["set/a.zip"] == b"content" for tree in disk.last())
    assert [each.name for each in (root / "set").iterdir()] == ["a.zip"]


# ---- file systems and errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_cannot_sync_is_written_all_the_same(root, monkeypatch, number):
    def fsync(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    write_csv(root / "result.csv", ["a"], [[1]])
    assert (root / "result.csv").read_bytes() == b"a\n1\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_disk_that_fails_when_it_is_synced_keeps_the_file_before(root, monkeypatch, number):
    def fsync(descriptor):
        raise OSError(number, os.strerror(number))

    (root / "result.csv").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match=re.escape(os.strerror(number))):
        write_csv(root / "result.csv", ["a"], [[1]])
    assert [each.name for each in root.iterdir()] == ["result.csv"]
    assert (root / "result.csv").read_bytes() == b"old"


def test_a_full_disk_costs_the_cache_only_time(root, monkeypatch):
    def fsync(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space"):
        cache.store(root, "key", results(), "a test")
    assert not list(root.iterdir())


def test_what_a_killed_run_left_is_removed_a_day_later_and_nothing_else(root):
    left = root / ".model.safetensors.ab3_xyz9.draft"
    others = [
        root / ".model.safetensors.ab3_xyz9",
        root / ".model.safetensors.previous",
        root / ".other.ab3_xyz9.draft",
    ]
    for each in (left, *others):
        each.write_bytes(b"draft")
        os.utime(each, times=(time.time() - LEFTOVER_AGE + 60,) * 2)
    write_csv(root / "model.safetensors", ["a"], [])
    assert left.exists()  # it might still be at work
    for each in (left, *others):
        os.utime(each, times=(time.time() - LEFTOVER_AGE - 60,) * 2)
    write_csv(root / "model.safetensors", ["a"], [])
    assert not left.exists()
    assert all(each.exists() for each in others)


# ---- the system calls themselves -------------------------------------------------------------------------------------

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from gridcnn.pipeline import cache
from gridcnn.pipeline.replacing import replacing
root = Path(sys.argv[1])
with replacing(root / "result.csv", "w") as file:
    file.write("x")
cache.store(root / "cache", "key", iter([(0, cache.Encoded(np.zeros((1, 3)), bytes(16)))]), "a test")
"""


def test_the_kernel_sees_content_then_name_then_folder(root):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    log = root.parent / "calls.txt"
    calls = "fsync,fdatasync,rename,renameat,renameat2"
    command = ["strace", "-f", "-y", "-o", log, "-e", f"trace={calls}", sys.executable, "-c", SCRIPT, root]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode and "ptrace" in done.stderr:
        pytest.skip("strace may not look at processes here")
    assert done.returncode == 0, done.stderr
    synced, renamed = set(), []
    for line in log.read_text().splitlines():
        if (sync := re.search(r"f(?:data)?sync\(\d+<([^>]*)>\)\s*= 0", line)) is not None:
            synced.add(sync[1])
            renamed = [(name, folder) for name, folder in renamed if folder != sync[1]]
        elif (names := re.search(r'rename\w*\(.*?"([^"]*)", .*?"([^"]*)".*= 0', line)) is not None:
            draft, target = names.groups()
            assert draft in synced, f"{draft} was renamed before it was on the disk"
            renamed.append((target, str(Path(target).parent)))
    assert not renamed, "these folders were not synced after the rename"
    assert {str(root), str(root / "cache")} <= synced


# ---- who writes ------------------------------------------------------------------------------------------------------

ROOT = Path(__file__).parent.parent
TREES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for folder in ("gridcnn", "adapters", "datasets")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
WRITERS = {
    "gridcnn/durable.py": {"open", "replace"},  # the rule itself
    "gridcnn/pipeline/replacing.py": {"mkstemp", "fdopen"},
    "gridcnn/pipeline/cache.py": {"TemporaryFile", "mkdtemp", "open", "write_text", "save", "rename"},  # drafts
    "gridcnn/cli/answers.py": {"open"},  # pipes and devices
    "gridcnn/cli/formats.py": {"ParquetWriter", "write_table"},  # to what `replacing` opened
    "gridcnn/cli/output.py": {"open", "NamedTemporaryFile"},  # pipes and devices; a probe
    "gridcnn/cli/partial.py": {"open"},  # rows without their name, which are synced and renamed
    "gridcnn/export/signing.py": {"open"},  # an empty file whose permissions hold what replaces it
    "gridcnn/scale/predicting.py": {"TemporaryDirectory", "write_bytes"},  # the model, read back at once
    "gridcnn/scale/session.py": {"open"},  # standard error, and what is dropped
    "gridcnn/scale/sharing.py": {"write_bytes"},  # a file that is looked for and removed
    "gridcnn/scale/training.py": {"TemporaryDirectory"},  # checkpoints of one machine
    "gridcnn/scale/shards.py": {"TemporaryFile", "write_table"},  # what follows the rows; a shard in memory
    "gridcnn/serve/sent.py": {"TemporaryDirectory", "write_bytes"},  # what was sent, for one answer
    "gridcnn/export/hub.py": {"TemporaryDirectory"},  # read back at once
    "gridcnn/export/precision.py": {"TemporaryDirectory"},
    "gridcnn/export/web_runtime.py": {"TemporaryDirectory", "TemporaryFile"},
    "datasets/annotations.py": {"mkstemp", "fdopen"},  # then synced and renamed
    "datasets/event_files/plain.py": {"ParquetWriter", "write_table"},  # to the file that annotations.py opened
    "gridcnn/temporary.py": {"mkdtemp", "open", "rename"},  # as long as the program runs, and its lock
    "datasets/shards.py": {"write_bytes"},  # one item, while it is read
    "datasets/archives.py": {"open"},  # a tar file that is not compressed, as long as the program runs
    "datasets/unpacking.py": {"extract", "extractall"},  # unpacked as long as the program runs
    "datasets/members.py": {"open"},  # one item, while it is read
    "datasets/formats.py": {"TemporaryDirectory", "extractall"},  # then synced and renamed
    "datasets/remote.py": {"TemporaryDirectory", "open"},  # a copy, while it is read
    "datasets/public.py": {"TemporaryDirectory", "retrieve"},  # then synced and renamed
}
"""Which files of the package write other than by `replacing`, and with what; what has a final name is in the order of
`durable`. Who adds a line says why nothing is lost there."""

WRITE = {
    "write_text", "write_bytes", "rename", "renames", "tofile", "savetxt", "savez", "to_csv", "to_parquet", "to_json",
    "to_feather", "to_pickle", "to_excel", "write_table", "ParquetWriter", "save_file", "copy2", "copyfile",
    "copyfileobj", "copytree", "move", "extract", "extractall", "mkstemp", "mkdtemp", "NamedTemporaryFile",
    "TemporaryFile", "TemporaryDirectory", "SpooledTemporaryFile", "fdopen", "retrieve", "urlretrieve", "hardlink_to",
    "symlink_to", "imsave",
}  # fmt: skip
"""Calls that write to the disk, whatever their arguments."""

FILLS = {"np.save", "figure.savefig"}
"""Those that write to the disk if they are not given an open file."""


def writes(tree: ast.Module) -> set[str]:
    """Return the calls in a file that write other than to a file that `replacing` opened."""
    found, calls = set(), [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = {id(call.func) for call in calls}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "open" and id(node) not in called:
            found.add("open")  # handed on, to be called with a mode later
    for call in calls:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        values = [*call.args, *(each.value for each in call.keywords)]
        texts = [each.value for each in values if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        modes = [text for text in texts if re.fullmatch(r"(?=.*[wax+])[rwaxbt+]+", text)]
        of_path = name == "replace" and len(call.args) == 1 and not call.keywords  # that of a text takes two arguments
        to_path = name in {"save", "savefig"} and ast.unparse(values[0]) not in {"file", "buffer"}
        creates = name == "open" and (modes or "O_CREAT" in ast.unparse(call))
        if name in WRITE or creates or of_path or (to_path and ast.unparse(call.func) in FILLS):
            found.add(name)
    return found


def test_every_place_that_writes_is_known():
    found = {name: writes(tree) for name, tree in TREES.items()}
    assert {name: calls for name, calls in found.items() if calls} == WRITERS


def test_arrays_are_read_without_pickle():
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"np.load", "numpy.load"}:
                allowed = {each.arg: ast.unparse(each.value) for each in node.keywords}.get("allow_pickle")
                assert allowed == "False", f"{name}, line {node.lineno}"
