"""Folders as people have them: parts above classes and below them, sites, archives within archives, odd names."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gridcnn.datasets import archives, load_folder
from gridcnn.datasets.parts import part_of
from gridcnn.datasets.unpacking import unpacked
from gridcnn.errors import DataError

QUICK = ("--epochs", "1", "--kernels", "4", "--quiet")


def tree(root: Path, *folders: str, n: int = 3) -> Path:
    """Make folders of small pictures, all different: horizontal bars or disks by the last name but a number."""
    for folder in folders:
        place = root / folder
        place.mkdir(parents=True)
        for number in range(n):
            rng = np.random.default_rng(abs(hash((folder, number))) % 2**32)
            Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(place / f"{number}.png")
    return root


def split_counts(root: Path) -> dict[tuple[str, str], int]:
    data = load_folder(root)
    assert data.split is not None
    pairs = [(str(part), str(label)) for part, label in zip(data.split, data.labels, strict=True)]
    return {pair: pairs.count(pair) for pair in sorted(set(pairs))}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("training_set", "train"), ("test_set", "test"), ("Train", "train"), ("TESTING", "test"),
        ("val-images", "validation"), ("trainset", "train"), ("testset", "test"), ("train2017", "train"),
        ("Validation Data", "validation"), ("seg_train", "train"), ("eval", "test"),
        ("dev", "validation"), ("hold-out", "test"),
        ("cat", None), ("training_wheels", None), ("train_test", None), ("tests", None), ("contest", None),
        ("2020", None), ("fold1", None), ("set", None),
    ],
)  # fmt: skip
def test_folders_of_parts_are_known_by_their_usual_names(name, part):
    assert part_of(name) == part


def test_the_parts_of_a_set_are_not_its_classes(tmp_path):
    """Pictures from a course: d/training_set/{disk,bars} and d/test_set/{disk,bars}."""
    root = tree(tmp_path, "training_set/disk", "training_set/bars", "test_set/disk", "test_set/bars")
    assert split_counts(root) == {
        ("test", "bars"): 3, ("test", "disk"): 3, ("train", "bars"): 3, ("train", "disk"): 3,
    }  # fmt: skip
    assert any("training_set/ as train" in line and "test_set/ as test" in line for line in load_folder(root).notes)


def test_train_scores_the_test_part_and_prints_classes_with_counts(tmp_path, run: Callable):
    root = tree(tmp_path / "d", "training_set/disk", "training_set/bars", "test_set/disk", "test_set/bars", n=12)
    done = run("train", root, "-o", tmp_path / "m.safetensors", *QUICK)
    assert done.code == 0
    assert "2 classes: bars 12, disk 12" in done.out
    assert "parts: test 24, train 24" in done.out
    assert "on 24 items, by the saved model" in done.out


def test_a_part_that_lacks_a_class_is_still_a_part(tmp_path):
    counts = split_counts(tree(tmp_path, "train/a", "train/b", "train/c", "test/a", "test/b"))
    assert ("train", "c") in counts
    assert ("test", "c") not in counts


def test_an_archive_within_an_archive_is_looked_through(tmp_path):
    """A set from Kaggle: seg_train/seg_train/forest, and seg_pred without class folders."""
    root = tree(
        tmp_path, "a/seg_train/seg_train/sea", "a/seg_train/seg_train/ice", "a/seg_test/seg_test/sea",
        "a/seg_test/seg_test/ice", "a/seg_pred/seg_pred",
    )  # fmt: skip
    with pytest.raises(DataError, match="seg_pred"):
        load_folder(root / "a" / "seg_pred")
    assert set(split_counts(root)) == {("test", "ice"), ("test", "sea"), ("train", "ice"), ("train", "sea")}


def test_a_flat_test_folder_is_left_out_and_predict_is_named(tmp_path, run: Callable):
    """A competition: train/{cat,dog}, and test/ without labels."""
    root = tree(tmp_path / "d", "train/cat", "train/dog", "test", n=12)
    data = load_folder(root)
    assert set(data.labels.tolist()) == {"cat", "dog"}
    assert len(data) == 24
    assert any("test/ holds 12 files without class folders" in line for line in data.notes)
    done = run("train", root, "-o", tmp_path / "m.safetensors", *QUICK)
    assert done.code == 0
    assert "gridcnn predict MODEL" in done.err


def test_parts_may_stand_below_the_classes(tmp_path):
    counts = split_counts(tree(tmp_path, "cat/train", "cat/test", "dog/train", "dog/test"))
    assert counts[("test", "cat")] == counts[("train", "dog")] == 3


@pytest.mark.parametrize("outer", [("site1", "site2"), ("2019", "2020"), ("fold1", "fold2"), ("anna", "bert")])
def test_sites_with_the_same_classes_are_refused_rather_than_guessed(tmp_path, outer):
    """Recorders at two sites, with the species below: the sites were learned."""
    root = tree(tmp_path, *(f"{site}/{name}" for site in outer for name in ("frog", "wren")))
    with pytest.raises(DataError, match="not clear which are the classes"):
        load_folder(root)


def test_a_site_that_lacks_a_class_does_not_hide_the_others(tmp_path):
    with pytest.raises(DataError, match="not clear"):
        load_folder(tree(tmp_path, "s1/frog", "s1/wren", "s1/owl", "s2/frog", "s2/wren"))


def test_folders_within_class_folders_are_pooled_and_named(tmp_path):
    data = load_folder(tree(tmp_path, "cat/2020", "dog/2020", "dog/2021"))
    assert data.counts == {"cat": 3, "dog": 6}
    assert data.notes == ("folders within class folders make no difference: 2020, 2021",)


def test_one_folder_around_everything_is_looked_into(tmp_path):
    data = load_folder(tree(tmp_path, "archive/data/cat", "archive/data/dog"))
    assert data.counts == {"cat": 3, "dog": 3}
    assert "only folder" in data.notes[0]


def test_only_a_training_part_says_that_there_is_no_test(tmp_path):
    data = load_folder(tree(tmp_path, "train/cat", "train/dog"))
    assert data.counts == {"cat": 3, "dog": 3}
    assert "no test part" in data.notes[0]


def test_classes_called_like_parts_are_classes_beside_others(tmp_path):
    """Vehicles: train, car, plane."""
    assert load_folder(tree(tmp_path, "train", "car", "plane")).counts == {"car": 3, "plane": 3, "train": 3}


def test_names_in_bytes_that_are_no_utf8_are_kept(tmp_path):
    """An old Windows disk, mounted without its encoding."""
    for name in (b"caf\xe9", b"tea"):
        folder = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118
        os.mkdir(folder)  # noqa: PTH102
        Image.new("L", (8, 8)).save(os.fsdecode(os.path.join(folder, b"\xff.png")))  # noqa: PTH118
    data = load_folder(tmp_path)
    assert data.counts == {"caf\udce9": 1, "tea": 1}
    assert all(Path(item).exists() for item in data.items)


def test_a_model_of_such_classes_is_trained_saved_evaluated_and_printed(tmp_path, run: Callable):
    for name in (b"caf\xe9", b"[noise]"):
        folder = os.path.join(os.fsencode(tmp_path), b"d", name)  # noqa: PTH118
        os.makedirs(folder)  # noqa: PTH103
        for number in range(6):
            Image.new("L", (8, 8), number).save(os.fsdecode(os.path.join(folder, b"\xff%d.png" % number)))  # noqa: PTH118
    model = tmp_path / "m.safetensors"
    assert run("train", tmp_path / "d", "-o", model, *QUICK).code == 0
    done = run("evaluate", model, tmp_path / "d")
    assert done.code == 0
    assert "caf\\udce9" in done.out
    assert "[noise]" in done.out
    done = run("predict", model, tmp_path / "d", "-o", tmp_path / "p.csv")
    assert done.code == 0
    assert (tmp_path / "p.csv").read_text(encoding="utf-8").count("caf\\udce9") >= 7


def test_folders_of_documents_are_texts(tmp_path, run: Callable):
    """One review a file."""
    for label, word in (("good", "lovely"), ("bad", "awful")):
        (tmp_path / "d" / label).mkdir(parents=True)
        for number in range(8):
            (tmp_path / "d" / label / f"{number}.txt").write_text(f"{word} film\nnumber {number}", encoding="utf-8")
    (tmp_path / "d" / "good" / "empty.txt").write_text("\n")
    data = load_folder(tmp_path / "d")
    assert data.modality == "text"
    assert data.counts == {"bad": 8, "good": 8}
    assert data.items[0] == "awful film\nnumber 0"
    assert [each.reason for each in data.skipped] == ["the file is empty"]
    done = run("train", tmp_path / "d", "-o", tmp_path / "m.safetensors", "--epochs", "1", "--quiet")
    assert done.code == 0


def test_a_file_is_explained_as_the_text_in_it_and_a_long_sentence_is_no_file(tmp_path, run: Callable):
    """`explain m review.txt` explained the words of the file's name."""
    for label, word in (("good", "lovely"), ("bad", "awful")):
        (tmp_path / "d" / label).mkdir(parents=True)
        for number in range(8):
            (tmp_path / "d" / label / f"{number}.txt").write_text(f"{word} film number {number}", encoding="utf-8")
    model, page = tmp_path / "m.safetensors", tmp_path / "why.html"
    assert run("train", tmp_path / "d", "-o", model, "--epochs", "1", "--quiet").code == 0
    assert run("explain", model, tmp_path / "d" / "good" / "1.txt", "-o", page).code == 0
    assert "lovely" in page.read_text(encoding="utf-8")
    assert run("explain", model, "lovely film " * 60, "-o", page).code == 0


# ------------------------------------------------------------------------------------------------ how a path is written


def test_a_path_is_found_however_it_is_written(tmp_path, run: Callable, monkeypatch):
    """Copied from a browser, a Windows prompt, a shell script."""
    tree(tmp_path / "my data", "a", "b", n=4)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for written in (f"file://{tmp_path}/my%20data", "~/my data", ".\\my data", "'my data'", " my data "):
        assert run("train", written, "--dry-run", *QUICK).code == 0, written


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("flowers", "did you mean flowers.csv?"),
        ("flowers.cvs", "did you mean flowers.csv?"),
        ("https://example.org/x.zip", "download it first"),
        ("pics/*.png", "not a pattern"),
        ("flower/x.csv", "check the spelling"),
    ],
)
def test_a_path_that_does_not_exist_gets_a_hint(tmp_path, run: Callable, monkeypatch, written, hint):
    (tmp_path / "flowers.csv").write_text("a,label\n1,x\n")
    monkeypatch.chdir(tmp_path)
    done = run("train", written, "-o", "m.safetensors")
    assert done.code == 2
    assert hint in done.err


def test_items_of_another_kind_than_the_models_are_named(tmp_path, run: Callable):
    """The picture model was asked about sounds."""
    import soundfile

    root = tree(tmp_path / "d", "a", "b", n=4)
    assert run("train", root, "-o", tmp_path / "m.safetensors", *QUICK).code == 0
    for name in ("a", "b"):
        (tmp_path / "s" / name).mkdir(parents=True)
        soundfile.write(tmp_path / "s" / name / "1.wav", np.zeros(8000), 8000)
    done = run("evaluate", tmp_path / "m.safetensors", tmp_path / "s")
    assert done.code == 2
    assert f"this model reads pictures, and {tmp_path / 's'} holds sounds" in done.err
    rows = "".join(f"{tmp_path}/s/{name}/1.wav,{name}\n" for name in ("a", "b"))
    (tmp_path / "s.csv").write_text(f"path,label\n{rows}")
    done = run("evaluate", tmp_path / "m.safetensors", tmp_path / "s.csv")
    assert done.code == 2
    assert "this model reads pictures" in done.err
    assert "holds sounds" in done.err


def test_classes_that_the_model_does_not_know_are_listed_beside_its_own(tmp_path, run: Callable):
    """A model of another project."""
    assert run("train", tree(tmp_path / "d", "a", "b"), "-o", tmp_path / "m.safetensors", *QUICK).code == 0
    done = run("evaluate", tmp_path / "m.safetensors", tree(tmp_path / "e", "x", "y"))
    assert done.code == 2
    assert "knows (a, b); the labels here are x, y" in done.err


def test_evaluate_counts_the_cautions_of_its_items(tmp_path, run: Callable):
    """The camera had its cap on."""
    root = tree(tmp_path / "d", "a", "b", n=6)
    assert run("train", root, "-o", tmp_path / "m.safetensors", *QUICK).code == 0
    for number in range(4):
        Image.new("L", (8, 8), number).save(root / "a" / f"{number}.png")
    done = run("evaluate", tmp_path / "m.safetensors", root)
    assert done.code == 0
    assert "0.png, …): it is of one colour" in done.err


# ------------------------------------------------------------------------------------------- archives and hard folders


@pytest.mark.parametrize("packing", ["zip", "tar", "gztar", "bztar", "xztar"])
def test_an_archive_of_class_folders_is_a_source(tmp_path, run: Callable, packing):
    """Downloaded, and given as it is; everything is in one folder within."""
    tree(tmp_path / "d", "set/cat", "set/dog", n=4)
    archive = shutil.make_archive(str(tmp_path / "pets"), packing, tmp_path / "d")
    done = run("train", archive, "-o", tmp_path / "m.safetensors", *QUICK)
    assert done.code == 0
    assert "2 classes: cat 4, dog 4" in done.out
    assert Path(archive).name in done.out
    done = run("evaluate", tmp_path / "m.safetensors", archive)
    assert done.code == 0
    assert "items              8" in done.out


def zstandard(tmp_path, tree_of: Path) -> Path:
    pa = pytest.importorskip("pyarrow")
    plain = Path(shutil.make_archive(str(tmp_path / "pets"), "tar", tree_of))
    with pa.OSFile(str(tmp_path / "pets.tar.zst"), "wb") as file, pa.CompressedOutputStream(file, "zstd") as packed:
        packed.write(plain.read_bytes())
    return tmp_path / "pets.tar.zst"


def test_an_archive_of_zstandard_is_read_and_a_half_one_is_damaged(tmp_path, run: Callable):
    """tar --zstd, as newer data sets are packed."""
    archive = zstandard(tmp_path, tree(tmp_path / "d", "set/cat", "set/dog", n=9))
    assert "2 classes: cat 9, dog 9" in run("train", archive, "--dry-run").out
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    assert "archive is damaged" in run("train", archive, "--dry-run").err


def test_a_full_disk_says_where_there_must_be_room(tmp_path, run: Callable, monkeypatch):
    """/tmp is small, and in memory: texts are unpacked there, and a packed tar file becomes a plain one."""
    (tmp_path / "rooms").mkdir()
    for label in "ab":
        (tmp_path / "d" / label).mkdir(parents=True)
        (tmp_path / "d" / label / "1.txt").write_text("some words")
    texts = shutil.make_archive(str(tmp_path / "texts"), "zip", tmp_path / "d")
    packed = shutil.make_archive(str(tmp_path / "pets"), "gztar", tree(tmp_path / "p", "cat", "dog", n=4))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "rooms"))

    def full(*_: object, **__: object):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extractall", full)
    monkeypatch.setattr(archives._Room, "require", full)
    for archive in (texts, packed):
        done = run("train", archive, "--dry-run")
        assert done.code == 2
        assert f"cannot be unpacked to {tmp_path / 'rooms'} (No space left on device): set TMPDIR" in done.err
        assert list((tmp_path / "rooms").iterdir()) == []


def test_what_a_mac_packs_beside_the_files_and_umlauts_are_no_trouble(tmp_path, run: Callable):
    """A zip from the Finder: __MACOSX, ._files, .DS_Store, names in decomposed Unicode."""
    tree(tmp_path / "d", "set/K\u0061\u0308fer", "set/M\u00f6we", n=4)
    archive = Path(shutil.make_archive(str(tmp_path / "pets"), "zip", tmp_path / "d"))
    with zipfile.ZipFile(archive, "a") as more:
        for name in ("__MACOSX/set/M\u00f6we/._0.png", "set/.DS_Store", "set/M\u00f6we/._0.png", "__MACOSX/._set"):
            more.writestr(name, b"\0\5\x16\7")
    done = run("train", archive, "--dry-run")
    assert done.code == 0
    assert "2 classes: K\u00e4fer 4, M\u00f6we 4" in done.out
    assert "left out" not in done.out + done.err


class Untold(zipfile.ZipInfo):
    """A member whose name is written in an encoding that the file does not tell."""

    encoding = "utf-8"

    def _encodeFilenameFlags(self):  # noqa: N802  (of zipfile)
        return self.filename.encode(self.encoding), self.flag_bits & ~0x800


@pytest.mark.parametrize("encoding", ["utf-8", "cp437"])
def test_names_in_a_zip_that_does_not_tell_their_encoding_are_read(tmp_path, run: Callable, monkeypatch, encoding):
    """The archive utility of macOS, and the Explorer of Windows."""
    monkeypatch.setattr(Untold, "encoding", encoding)
    folder = tree(tmp_path / "d", "K\u00e4fer", "dog", n=4)
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.writestr(Untold(str(path.relative_to(folder))), path.read_bytes())
    with zipfile.ZipFile(tmp_path / "pets.zip") as archive:
        assert not any(member.flag_bits & 0x800 for member in archive.infolist())
    assert "2 classes: K\u00e4fer 4, dog 4" in run("train", tmp_path / "pets.zip", "--dry-run").out


def test_a_table_and_a_readme_beside_wrapped_class_folders_change_nothing(tmp_path, run: Callable):
    """An archive with set/labels.csv, set/README and set/cat/..."""
    tree(tmp_path / "d", "set/cat", "set/dog", n=4)
    (tmp_path / "d/set/labels.csv").write_text("path,label\n")
    (tmp_path / "d/set/README.txt").write_text("about")
    archive = shutil.make_archive(str(tmp_path / "pets"), "zip", tmp_path / "d")
    assert "2 classes: cat 4, dog 4" in run("train", archive, "--dry-run").out


def test_a_table_beside_a_folder_of_all_files_is_offered(tmp_path, run: Callable):
    """labels.csv and images/."""
    folder = tree(tmp_path / "d", "images", n=4)
    (folder / "labels.csv").write_text("path,label\nimages/0.png,cat\n")
    told = f"if labels.csv says which class each file has, give {folder / 'labels.csv'}"
    assert told in " ".join(run("train", folder, "--dry-run").err.split())


def test_an_archive_is_checked_and_its_items_are_called_by_their_places_in_it(tmp_path, run: Callable):
    """The answers named temporary files that were gone."""
    archive = shutil.make_archive(str(tmp_path / "pets"), "zip", tree(tmp_path / "d", "cat", "dog", n=4))
    assert run("check", archive).code in {0, 4}
    assert run("train", archive, "-o", tmp_path / "m.safetensors", *QUICK).code == 0
    answers = run("predict", tmp_path / "m.safetensors", archive).out.splitlines()
    assert [line.partition(",")[0] for line in answers[1:]] == [
        f"{archive}/{label}/{at}.png" for label in ("cat", "dog") for at in range(4)
    ]


def test_a_set_of_the_hub_in_an_archive_is_found(tmp_path, run: Callable):
    """pets.zip with pets/train/metadata.csv."""
    folder = tree(tmp_path / "d", "pets/train", n=4)
    files = sorted((folder / "pets/train").glob("*.png"))
    rows = [f"{path.name},{('cat', 'dog')[at % 2]}\n" for at, path in enumerate(files)]
    (folder / "pets/train/metadata.csv").write_text("file_name,label\n" + "".join(rows))
    archive = shutil.make_archive(str(tmp_path / "pets"), "zip", folder)
    assert "2 classes: cat 2, dog 2" in run("train", archive, "--dry-run").out


def test_no_member_of_an_archive_leaves_its_folder(tmp_path):
    """Names that climb out, and a link to elsewhere."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../../climbed.txt", "x")
        archive.writestr("/tmp_absolute/x.txt", "x")
    inside = unpacked(tmp_path / "a.zip")
    assert sorted(path.name for path in inside.rglob("*.txt")) == ["climbed.txt", "x.txt"]
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("../climbed.txt"))
    with pytest.raises(DataError, match="damaged|outside"):
        unpacked(tmp_path / "b.tar")


def test_an_archive_that_grows_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "ALWAYS", 1000)
    monkeypatch.setenv("GRIDCNN_MAX_EXPANSION", "1")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.png", bytes(100_000))
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("a/1.png")
        member.size = 100_000
        archive.addfile(member, io.BytesIO(bytes(100_000)))
    for name in ("bomb.zip", "bomb.tar.gz"):
        with pytest.raises(DataError, match="unpack it yourself"):
            unpacked(tmp_path / name)


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar", "x.tar.xz"])
def test_a_damaged_archive_is_an_error_in_one_line(tmp_path, run: Callable, name):
    """The download stopped half-way."""
    (tmp_path / name).write_bytes(b"PK\x03\x04 and no more")
    done = run("train", tmp_path / name, "--dry-run")
    assert done.code == 2
    assert "archive is damaged" in done.err
    assert len(done.err.splitlines()) == 1


def test_a_half_archive_is_damaged_too(tmp_path, run: Callable):
    tree(tmp_path / "d", "cat", "dog", n=9)
    for packing in ("zip", "gztar", "xztar"):
        archive = Path(shutil.make_archive(str(tmp_path / "pets"), packing, tmp_path / "d"))
        archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
        done = run("train", archive, "--dry-run")
        assert done.code == 2, packing
        assert "archive is damaged" in done.err, packing


def test_a_damaged_archive_leaves_nothing_unpacked(tmp_path, monkeypatch):
    """Each try left a folder behind, which filled the disk of a service that ran for months."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    tree(tmp_path / "d", "cat", "dog", n=9)
    archive = Path(shutil.make_archive(str(tmp_path / "pets"), "gztar", tmp_path / "d"))
    archive.write_bytes(archive.read_bytes()[:-20])
    with pytest.raises(DataError, match="archive is damaged"):
        unpacked(archive)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_other_archives_get_the_command_that_unpacks_them(tmp_path, run: Callable):
    (tmp_path / "x.7z").write_bytes(b"7z")
    assert "7z x" in run("train", tmp_path / "x.7z", "--dry-run").err


def test_classes_that_differ_only_in_case_are_pointed_out(tmp_path, run: Callable):
    """Packed on two systems: train/Cat and test/cat."""
    done = run("train", tree(tmp_path, "train/Cat", "train/dog", "test/cat", "test/dog"), "--dry-run")
    assert "differ only in case, spaces, hyphens or underscores: 'Cat'" in done.err


def test_an_earlier_model_beside_the_class_folders_is_no_item(tmp_path, run: Callable, monkeypatch):
    """cd d; gridcnn train . -o m.safetensors, twice: the results of the first were items left out of the second."""
    monkeypatch.chdir(tree(tmp_path / "d", "a", "b", n=4))
    for _ in range(2):
        done = run("train", ".", "-o", "m.safetensors", *QUICK)
        assert done.code == 0
        assert "left out" not in done.out


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    """Copied from another account."""
    root = tree(tmp_path, "cat", "dog", "dog/private")
    scan, iterate = os.scandir, Path.iterdir

    def refuse(path):
        if str(path).endswith("private"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    data = load_folder(root)
    assert data.counts == {"cat": 3, "dog": 3}
    assert [(Path(each.item).name, each.reason) for each in data.skipped] == [("private", "this folder cannot be read")]

    def refuse_dog(path):
        if path.name == "dog":
            raise PermissionError(13, "Permission denied", str(path))
        return iterate(path)

    monkeypatch.setattr(Path, "iterdir", refuse_dog)
    with pytest.raises(DataError, match="dog: cannot be read .Permission denied"):
        load_folder(root)


def test_a_pipe_among_the_files_is_not_waited_for(tmp_path):
    root = tree(tmp_path, "cat", "dog")
    os.mkfifo(root / "cat" / "pipe")
    assert [Path(each.item).name for each in load_folder(root).skipped] == ["pipe"]


def test_class_folders_with_odd_names_are_classes(tmp_path):
    names = {"-o", "a\nb", "[red]", "café", " spaced ", "犬"}
    assert set(load_folder(tree(tmp_path, *names, n=1)).counts) == names


def test_thousands_of_classes_are_read(tmp_path):
    root = tree(tmp_path, *(f"class{number}" for number in range(1500)), n=1)
    assert len(load_folder(root).counts) == 1500


def test_parts_within_folders_that_hold_nothing_else_are_found(tmp_path):
    root = tree(
        tmp_path, "data/images/train/cat", "data/images/train/dog", "data/images/val/cat", "data/images/val/dog",
    )  # fmt: skip
    assert {part for part, _ in split_counts(root)} == {"train", "validation"}


def test_a_table_in_an_archive_is_named_behind_it(tmp_path, run: Callable):
    """pets.zip/labels.csv"""
    folder = tree(tmp_path / "d", "images", n=4)
    rows = [f"images/{path.name},{('cat', 'dog')[at % 2]}" for at, path in enumerate(sorted(folder.rglob("*.png")))]
    (folder / "labels.csv").write_text("\n".join(["path,label", *rows]))
    archive = shutil.make_archive(str(tmp_path / "pets"), "zip", folder)
    table = f"{archive}/labels.csv"
    assert f"give {table}" in " ".join(run("train", archive, "--dry-run").err.split())
    assert "2 classes: cat 2, dog 2" in run("train", table, "--path", "path", "--dry-run").out


def test_a_broken_file_in_an_archive_is_named_by_its_place_there(tmp_path, run: Callable):
    """Not by that of the temporary folder, which is gone when a person looks."""
    folder = tree(tmp_path / "d", "cat", "dog", n=12)
    (folder / "cat" / "broken.png").write_bytes(b"none")
    archive = shutil.make_archive(str(tmp_path / "pets"), "zip", folder)
    done = run("train", archive, "-o", tmp_path / "m.safetensors", "--epochs", 1, "-q")
    assert f"{archive}/cat/broken.png: " in done.err
    assert f"{archive}/cat/broken.png" in (tmp_path / "m.safetensors.skipped.csv").read_text()
    missing = run("predict", tmp_path / "m.safetensors", f"{archive}/cat/none.png", "-o", tmp_path / "a.csv")
    assert "there is no such file in" in missing.err
