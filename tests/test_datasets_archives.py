"""Pictures and sounds in archives: read where they lie, under their names, by many threads, and never mistaken."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import shutil
import tarfile
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from PIL import Image

from gridcnn import stored
from gridcnn.adapters import AudioAdapter, ImageAdapter
from gridcnn.cli.long_items import long_items
from gridcnn.datasets import archives, list_media_files, load_folder, load_manifest, members, open_archives
from gridcnn.datasets.members import Member, folder_of, member_at
from gridcnn.datasets.unpacking import unpacked
from gridcnn.errors import DataError, ItemError, NotFetchedError
from gridcnn.pipeline.duplicates import content_keys, identity
from gridcnn.pipeline.encode import encode_items
from gridcnn.pipeline.fingerprint import fingerprint
from gridcnn.scale.sharing import file_among, whole_names
from gridcnn.stored import as_path
from gridcnn.training.fit import fit

N = 6


def picture(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


FILES = {f"{label}/{at}.png": picture(100 * ord(label[0]) + at) for label in ("cat", "dog") for at in range(N)}


def zipped(place: Path, files: dict[str, bytes] = FILES, packed: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(place, "w", packed) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return place


def tarred(place: Path, files: dict[str, bytes] = FILES) -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    data = buffer.getvalue()
    if place.suffix == ".zst":
        with pa.OSFile(str(place), "wb") as file, pa.CompressedOutputStream(file, "zstd") as packed:
            packed.write(data)
        return place
    how: Any = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}.get(place.suffix, bytes)
    place.write_bytes(how(data))
    return place


def made(folder: Path, name: str) -> Path:
    return zipped(folder / name) if name.endswith(".zip") else tarred(folder / name)


def content(item: Any) -> bytes:
    with as_path(item) as path:
        return Path(path).read_bytes()


@pytest.fixture(autouse=True)
def _nothing_is_open() -> None:
    open_archives._archives.clear()
    members._holds_media.cache_clear()


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, which is empty at first."""
    (tmp_path / "rooms").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "rooms"))
    monkeypatch.setattr(stored, "MEMORY", tmp_path / "none")
    stored._shelf.cache_clear()
    yield tmp_path / "rooms"
    stored._shelf.cache_clear()


# ---- an item --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz", "a.tar.zst"])
def test_an_archive_is_the_folder_that_it_would_unpack_to(tmp_path: Path, name: str) -> None:
    archive = made(tmp_path, name)
    data, folder = load_folder(archive), load_folder(unpacked(archive))

    assert data.name == name
    assert list(map(str, data.items)) == [f"{archive}/{each}" for each in FILES]
    assert data.labels.tolist() == folder.labels.tolist() == ["cat"] * N + ["dog"] * N
    assert list(map(content, data.items)) == list(FILES.values())
    assert list(map(str, list_media_files(archive).items)) == list(map(str, data.items))


def test_a_member_can_be_printed_hashed_pickled_and_sorted_as_a_path(tmp_path: Path) -> None:
    items = load_folder(zipped(tmp_path / "a.zip")).items
    again = pickle.loads(pickle.dumps(items))

    assert (again, len({*items, *again})) == (items, 2 * N)
    assert [identity(item, 0) for item in items] == [os.fsencode(tmp_path / "a.zip" / name) for name in FILES]
    assert (items[0].name, items[0].stem, items[0].suffix, items[0].parts) == ("0.png", "0", ".png", ("cat", "0.png"))
    assert list(map(content, again)) == list(FILES.values())


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_nothing_of_a_zip_or_plain_tar_lies_on_the_disk(tmp_path: Path, rooms: Path, name: str) -> None:
    items = load_folder(made(tmp_path, name)).items
    assert list(rooms.iterdir()) == []
    with as_path(items[0]) as path:
        assert path.read_bytes() == FILES["cat/0.png"]
        assert [each for each in rooms.rglob("*") if each.is_file() and each.stat().st_size] == [path]


def test_a_packed_tar_is_one_plain_file_for_a_while_and_texts_in_one_are_unpacked(tmp_path: Path, rooms: Path) -> None:
    load_folder(tarred(tmp_path / "a.tar.gz"))
    assert [each.name for each in rooms.rglob("*.*") if each.is_file() and each.name != ".in-use"] == ["content.tar"]
    texts = load_folder(tarred(tmp_path / "b.tar.gz", {"a/1.txt": b"one", "b/2.txt": b"two"}))

    assert texts.items == ["one", "two"]
    assert [each.path.name for _, each in open_archives._archives] == ["a.tar.gz"]
    assert len(list(rooms.rglob("content.tar"))) == 1


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_threads_share_one_open_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    listed: list[Path] = []
    before = open_archives.OpenArchive._list

    def noted(opened: open_archives.OpenArchive) -> None:
        listed.append(opened.archive.path)
        before(opened)

    monkeypatch.setattr(open_archives.OpenArchive, "_list", noted)
    items = load_folder(made(tmp_path, name)).items * 20
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(content, items)) == list(FILES.values()) * 20
    assert listed == [tmp_path / name]


def test_more_archives_than_are_kept_open_are_read(tmp_path: Path) -> None:
    places = [made(tmp_path, f"{at}{end}") for at in range(open_archives.OPEN) for end in (".zip", ".tar")]
    items = [item for place in places for item in load_folder(place).items]

    assert [content(item) for item in items[::-1]] == list(FILES.values())[::-1] * len(places)
    assert len(open_archives._archives) == open_archives.OPEN


def test_a_picture_without_a_suffix_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    files = {name.removesuffix(".png"): each for name, each in FILES.items()} | {"cat/notes": b"no picture"}
    data = load_folder(zipped(tmp_path / "a.zip", files))

    assert (data.modality, len(data)) == ("image", 2 * N)
    assert [(each.item, each.reason) for each in data.skipped] == [
        (f"{tmp_path / 'a.zip'}/cat/notes", "neither a picture nor a sound")
    ]


def test_a_path_into_an_archive_means_what_lies_there(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", FILES | {"labels.csv": b"path,label\n"})
    found = member_at(archive / "cat")

    assert found is not None
    assert [each.inside for each in found.below()] == [name for name in FILES if name.startswith("cat")]
    assert str(member_at(archive / "cat/1.png")) == f"{archive}/cat/1.png"
    assert member_at(archive / "labels.csv") is None
    assert member_at(tmp_path) is None
    with pytest.raises(DataError, match=r"cat/9\.png: there is no such file in .*a\.zip"):
        member_at(archive / "cat/9.png")


def test_a_folder_that_metadata_describe_and_one_without_pictures_are_unpacked(tmp_path: Path) -> None:
    listed = zipped(tmp_path / "a.zip", {"metadata.csv": b"file_name,label\ncat/0.png,cat\n", **FILES})
    texts = zipped(tmp_path / "b.zip", {"a/1.txt": b"one", "b/2.txt": b"two"})

    assert isinstance(folder_of(listed), Path)
    assert isinstance(folder_of(texts), Path)
    assert isinstance(folder_of(zipped(tmp_path / "c.zip")), Member)


# ---- what is wrong --------------------------------------------------------------------------------------------------


def changed(archive: Path, before: bytes, after: bytes) -> Path:
    data = archive.read_bytes()
    assert before in data
    archive.write_bytes(data.replace(before, after))
    return archive


def test_a_member_whose_checksum_is_wrong_is_left_out_and_the_others_are_read(tmp_path: Path) -> None:
    good = FILES["cat/1.png"]
    archive = changed(zipped(tmp_path / "a.zip", packed=zipfile.ZIP_STORED), good, good[:-1] + b"?")
    data = load_folder(archive)
    adapter = ImageAdapter().fit([item for item in data.items if item.name != "1.png"])
    encoded = encode_items(adapter, data.items, on_error="skip")

    assert [each.item for each in encoded.skipped] == [f"{archive}/cat/1.png"]
    assert encoded.skipped[0].reason.startswith("damaged in the archive (Bad CRC-32")
    assert len(encoded.windows) == 2 * N - 1


def test_encrypted_members_and_unknown_compressions_say_what_to_do(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip")
    data = bytearray(archive.read_bytes())
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + flags] |= 1
    second = [at for at in range(len(data)) if data[at : at + 4] == b"PK\1\2"][1]
    data[second + 10] = 99
    archive.write_bytes(data)
    items = load_folder(archive).items
    for item, why in zip(items, ("encrypted", "compression method"), strict=False):
        with pytest.raises(ItemError, match=f"{why}.*: unpack the archive yourself") as caught:
            content(item)
        assert caught.value.item == item
    assert content(items[2]) == FILES["cat/2.png"]


def test_an_archive_that_is_cut_or_climbs_out_is_refused(tmp_path: Path) -> None:
    for name in ("a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.zst"):
        archive = made(tmp_path, name)
        archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
        with pytest.raises(DataError, match="archive is damaged"):
            load_folder(archive)
    with pytest.raises(DataError, match="leads outside of it"):
        load_folder(tarred(tmp_path / "b.tar", {"../cat/1.png": b"", **FILES}))
    with pytest.raises(DataError, match="is a file and a folder"):
        load_folder(tarred(tmp_path / "c.tar", {"cat": b"", **FILES}))
    climbing = {f"../../{name}" if name.startswith("cat") else f"/{name}": each for name, each in FILES.items()}
    assert list(map(str, load_folder(zipped(tmp_path / "d.zip", climbing)).items)) == [
        f"{tmp_path}/d.zip/{name}" for name in FILES
    ]


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.bz2"])
def test_a_changed_byte_anywhere_is_an_error_of_the_archive_or_of_an_item(tmp_path: Path, name: str) -> None:
    data = made(tmp_path, name).read_bytes()
    n_good = n_bad = n_refused = 0
    for at in range(0, len(data), len(data) // 60):
        place = tmp_path / f"{at}{name}"
        place.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        try:
            items = load_folder(place).items
        except DataError:
            n_refused += 1
            continue
        for item in items:
            try:
                n_good += content(item) in FILES.values()
            except ItemError:
                n_bad += 1
    assert n_refused > 0
    assert n_good > 0 or name == "a.tar.bz2"
    assert n_bad > 0 or not name.endswith(".zip")


def test_what_would_become_too_large_is_refused_before_it_is_read(
    tmp_path: Path, rooms: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "ALWAYS", 1000)
    monkeypatch.setenv("GRIDCNN_MAX_EXPANSION", "1")
    large = {"cat/1.png": bytes(100_000), "dog/1.png": bytes(100_000)}
    for archive in (zipped(tmp_path / "a.zip", large), tarred(tmp_path / "a.tar.gz", large)):
        with pytest.raises(DataError, match="many times its size"):
            load_folder(archive)
    assert list(rooms.iterdir()) == []


def test_links_are_left_out_and_files_with_holes_are_not_read(tmp_path: Path) -> None:
    with tarfile.open(tarred(tmp_path / "a.tar"), "a") as archive:
        link = tarfile.TarInfo("cat/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.warns(UserWarning, match="1 links and devices in it are left out"):
        items = load_folder(tmp_path / "a.tar").items
    assert len(items) == 2 * N
    opened = open_archives.open_archive(items[0].archive)
    opened.files["cat/0.png"] = opened.files["cat/0.png"]._replace(size=open_archives.WITH_HOLES)
    with pytest.raises(ItemError, match="stored with holes: unpack the archive yourself"):
        content(items[0])


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_an_archive_that_was_changed_meanwhile_is_not_mistaken(tmp_path: Path, name: str) -> None:
    items = load_folder(made(tmp_path, name)).items
    os.utime(tmp_path / name, (1, 1))
    with pytest.raises(NotFetchedError, match="was changed after it was listed: begin again"):
        content(items[0])
    assert items[0].version() == b""


# ---- at work --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.zip", "a.tar.xz"])
def test_training_gives_the_weights_of_the_folder(tmp_path: Path, name: str) -> None:
    archive = made(tmp_path, name)
    folder = tmp_path / "folder"
    shutil.copytree(unpacked(archive), folder)
    weights = []
    for data in (load_folder(archive), load_folder(folder)):
        model = fit(ImageAdapter(), data.items, data.labels, {"epochs": 1, "kernels": (2,)})
        weights.append([value.numpy() for value in model.network.state_dict().values()])
    assert all(np.array_equal(one, other) for one, other in zip(*weights, strict=True))


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_copies_in_an_archive_are_found_by_their_bytes(tmp_path: Path, name: str) -> None:
    files = FILES | {"dog/again.png": FILES["cat/2.png"], "dog/empty.png": b"", "dog/nothing.png": b""}
    archive = zipped(tmp_path / name, files) if name.endswith("zip") else tarred(tmp_path / name, files)
    items = load_folder(archive).items
    keys = content_keys(items, [identity(item, 0) for item in items], files=True)

    alike = [item.inside for item, key in zip(items, keys, strict=True) if keys.count(key) > 1]
    assert alike == ["cat/2.png", "dog/again.png"]


def test_what_was_encoded_is_known_again_until_the_archive_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zipped(tmp_path / "a.zip")
    assert load_folder(archive).items[0].version() == b""  # it could change again within a tick of the clock
    monkeypatch.setattr(members, "SETTLED", -(10**12))
    first = fingerprint(load_folder(archive).items, None)
    assert fingerprint(load_folder(archive).items, None) == first
    zipped(archive, {name: picture(at) for at, name in enumerate(FILES)})
    assert fingerprint(load_folder(archive).items, None) != first


def test_items_for_other_machines_are_named_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    items = load_folder(zipped(Path("a.zip"))).items
    named = whole_names(items)

    assert (str(items[0]), str(named[0])) == ("a.zip/cat/0.png", f"{tmp_path}/a.zip/cat/0.png")
    assert file_among(named) == tmp_path / "a.zip"
    monkeypatch.chdir("/")
    assert content(pickle.loads(pickle.dumps(named[0]))) == FILES["cat/0.png"]


def test_a_table_may_list_files_of_several_archives(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip")
    tarred(tmp_path / "b.tar.gz")
    rows = "a.zip/cat/0.png,cat\nb.tar.gz/dog/3.png,dog\na.zip/cat/9.png,cat\n"
    (tmp_path / "labels.csv").write_text(f"path,label\n{rows}")
    data = load_manifest(tmp_path / "labels.csv", path_column="path", label="label", on_error="skip")

    assert [content(item) for item in data.items] == [FILES["cat/0.png"], FILES["dog/3.png"]]
    assert [(each.row, each.reason) for each in data.skipped] == [(4, f"no such file: {tmp_path}/a.zip/cat/9.png")]


def test_recordings_in_an_archive_are_encoded_as_from_their_folder(tmp_path: Path) -> None:
    for label, pitch in (("low", 0.1), ("high", 0.4)):
        (tmp_path / "d" / label).mkdir(parents=True)
        for at in range(3):
            wave = np.sin(np.arange(8000 + 100 * at) * pitch) / 2
            soundfile.write(tmp_path / "d" / label / f"{at}.{('wav', 'flac', 'ogg')[at]}", wave, 8000)
    archive = shutil.make_archive(str(tmp_path / "d"), "zip", tmp_path / "d")
    packed, plain = load_folder(archive), load_folder(tmp_path / "d")
    adapter = AudioAdapter(sample_rate=8000).fit(plain.items)

    assert packed.modality == "sound"
    one, other = (encode_items(adapter, data.items).windows for data in (packed, plain))
    assert np.array_equal(one, other)


def test_recordings_in_an_archive_are_looked_through_each_once(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {f"{label}/{at}.wav": b"RIFF" for label in "ba" for at in range(2)})
    found = long_items([str(archive), f"{archive}/b/1.wav"], AudioAdapter())

    assert [each.name for each in found] == [f"{archive}/{name}.wav" for name in ("a/0", "a/1", "b/0", "b/1")]
    assert {type(each.item) for each in found} == {Member}
    assert found[0].state[0] == archive.stat().st_size


def test_commands_name_members_as_answers_do_and_leave_nothing(tmp_path: Path, run: Any, rooms: Path) -> None:
    archive = zipped(tmp_path / "a.zip")
    model = tmp_path / "m.safetensors"
    assert run("train", archive, "-o", model, "--epochs", 1, "--kernels", 2, "-q").code == 0
    answers = run("predict", model, archive).out.splitlines()
    assert [line.partition(",")[0] for line in answers[1:]] == [f"{archive}/{name}" for name in FILES]
    assert run("predict", model, f"{archive}/cat/1.png").out.splitlines()[1] == answers[2]
    assert run("predict", model, f"{archive}/dog").out.splitlines()[1:] == answers[1 + N :]
    assert run("explain", model, f"{archive}/cat/1.png", "-o", tmp_path / "why.html").code == 0
    assert "1.png" in (tmp_path / "why.html").read_text(encoding="utf-8")
    listing = {"metadata.csv": b"file_name,label\n", **FILES}  # which is unpacked
    unpacked_ = run("predict", model, zipped(tmp_path / "b.zip", listing)).out.splitlines()
    assert [line.partition(",")[0] for line in unpacked_[1:]] == [f"{tmp_path}/b.zip/{name}" for name in FILES]
    assert "holds a folder: name one picture" in run("explain", model, archive, "-o", tmp_path / "no.html").err
    assert "--label" in run("train", archive, "--label", "x", "--dry-run").err
    assert not list(rooms.rglob("*.zip"))
    assert [each.parent.name for each in rooms.rglob("cat")] == ["b"]
    assert tempfile.gettempdir() == str(rooms)


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".zip"])
@pytest.mark.parametrize("named", ["relative", "link", "link from afar"])
def test_unpacking_an_archive_removes_nothing_of_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, named: str
) -> None:
    """A tar file that had been reached by another name was taken for a temporary one, and its folder was removed."""
    work = tmp_path / "home" / "me" / "work"
    work.mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "home", work.parent, work):
        (folder / "precious").write_text("x")
    texts = {f"{label}/{at}.txt": b"some words" for label in ("pos", "neg") for at in range(3)}
    archive = (zipped if suffix == ".zip" else tarred)(work / f"texts{suffix}", texts)
    if named == "link":
        archive = work.parent / f"link{suffix}"
        archive.symlink_to(work / f"texts{suffix}")
    elif named == "link from afar":
        archive = tmp_path / f"link{suffix}"
        archive.symlink_to(work / f"texts{suffix}")
    monkeypatch.chdir(archive.parent)
    before = sorted(tmp_path.rglob("*"))

    assert load_folder(archive.name).modality == "text"
    assert load_folder(archive).modality == "text"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_table_in_an_archive_and_an_empty_one_remove_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any, suffix: str
) -> None:
    work = tmp_path / "a" / "b"
    work.mkdir(parents=True)
    (work / "precious").write_text("x")
    rows = b"text,label\n" + b"good words,pos\nbad words,neg\n" * 5
    tarred(work / f"t{suffix}", {"t.csv": rows})
    tarred(work / f"empty{suffix}", {})
    monkeypatch.chdir(work)
    before = sorted(tmp_path.rglob("*"))
    for command in (
        ("audit", f"t{suffix}", "--text", "text", "--label", "label"),
        ("train", f"t{suffix}/t.csv", "--text", "text", "--label", "label", "--dry-run"),
        ("train", f"empty{suffix}", "--dry-run"),
    ):
        run(*command)
        assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_of_archives_says_what_it_is_and_what_to_name(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("cat/1.png", b"x")
    (tmp_path / "README.md").write_text("two archives")
    for read in (load_folder, list_media_files):
        with pytest.raises(DataError, match="holds 2 archives .a.zip, b.zip., and archives are read if") as told:
            read(tmp_path)
        assert f"name the one that holds the set, such as {tmp_path / 'a.zip'}" in str(told.value)

    (tmp_path / "b.zip").unlink()
    with pytest.raises(DataError, match="holds 1 archive .a.zip., and archives are read if they are named: name this"):
        load_folder(tmp_path)
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as outer:
        outer.write(tmp_path / "a.zip", "a.zip")
    with pytest.raises(DataError, match="holds 1 archive .a.zip. in an archive: unpack it first"):
        list_media_files(tmp_path / "outer.zip")
