from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from gridcnn.datasets import list_media_files, load_folder
from gridcnn.errors import DataError


@pytest.fixture
def make(tmp_path):
    """Write files below a folder: pictures and sounds by suffix, anything else as text."""

    def write(*names: str) -> Path:
        for name in names:
            path = tmp_path / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in (".png", ".jpg"):
                Image.new("L", (4, 4)).save(path)
            elif path.suffix in (".wav", ".flac"):
                soundfile.write(path, np.zeros(80), 8000)
            else:
                path.write_text("text")
        return tmp_path / "set"

    return write


def test_folder_names_are_the_labels(make):
    dataset = load_folder(make("dog/b.png", "cat/a.png", "cat/deep/er/c.jpg"))
    assert [path.name for path in dataset.items] == ["a.png", "c.jpg", "b.png"]
    assert dataset.labels.tolist() == ["cat", "cat", "dog"]
    assert dataset.modality == "image"
    assert dataset.split is None
    assert dataset.name == "set"


def test_sounds_are_told_by_their_suffixes(make):
    assert load_folder(make("a/1.wav", "b/2.flac")).modality == "sound"


def test_unknown_suffixes_are_told_by_content(make):
    root = make("a/1.png", "b/2.png")
    (root / "a/1.png").rename(root / "a/picture")
    (root / "b/2.png").rename(root / "b/scan.0001")
    dataset = load_folder(root)
    assert dataset.modality == "image"
    assert [path.name for path in dataset.items] == ["picture", "scan.0001"]


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Training", "testing")])
def test_train_and_test_folders_become_the_split(make, train, test):
    dataset = load_folder(make(f"{train}/a/1.png", f"{train}/b/2.png", f"{test}/a/3.png", "valid/b/4.png"))
    parts = dict(zip((path.name for path in dataset.items), dataset.split.tolist(), strict=True))
    assert parts == {"1.png": "train", "2.png": "train", "3.png": "test", "4.png": "validation"}
    assert dataset.part("test").labels.tolist() == ["a"]


def test_a_class_called_test_beside_other_classes_is_a_class(make):
    assert load_folder(make("test/1.png", "control/2.png")).labels.tolist() == ["control", "test"]


def test_split_folders_beside_others_are_refused(make):
    with pytest.raises(DataError, match="move extra/ elsewhere"):
        load_folder(make("train/a/1.png", "train/b/1.png", "test/a/1.png", "extra/a/1.png"))


def test_split_folders_without_class_folders_are_refused(make):
    with pytest.raises(DataError, match="expected one folder per class"):
        load_folder(make("train/1.png", "test/1.png"))


def test_what_systems_leave_behind_is_never_a_class_or_an_item(make):
    root = make(
        "a/1.png", "b/2.png", ".ipynb_checkpoints/1.png", "__MACOSX/a/._1.png", ".git/x/1.png", "a/Thumbs.db",
        "a/desktop.ini", "a/.DS_Store", "b/._2.png", "a/.ipynb_checkpoints/1.png",
    )  # fmt: skip
    dataset = load_folder(root)
    assert len(dataset) == 2
    assert dataset.labels.tolist() == ["a", "b"]
    assert dataset.skipped == ()


def test_foreign_files_are_skipped_with_their_reason(make):
    skipped = load_folder(make("README.txt", "a/1.png", "a/notes.json", "b/2.png")).skipped
    assert [(Path(each.item).name, each.reason) for each in skipped] == [
        ("README.txt", "beside the class folders, so without a label"),
        ("notes.json", "neither a picture nor a sound"),
    ]
    assert {each.row for each in skipped} == {None}


def test_a_cover_among_many_sounds_is_skipped(make):
    dataset = load_folder(make(*(f"{label}/{take}.wav" for label in "ab" for take in range(6)), "a/cover.jpg"))
    assert len(dataset) == 12
    assert [each.reason for each in dataset.skipped] == ["a picture among sounds"]


def test_a_mixture_of_pictures_and_sounds_is_counted_and_refused(make):
    with pytest.raises(DataError, match=r"3 pictures and 2 sounds.*separate them"):
        load_folder(make("a/1.png", "a/2.png", "b/3.png", "b/1.wav", "b/2.wav"))


@pytest.mark.parametrize("content", [(), ("empty/README.txt",), ("empty/.DS_Store",)])
def test_an_empty_class_folder_is_named(make, content):
    root = make("a/1.png", "b/2.png", *content)
    (root / "empty").mkdir(exist_ok=True)
    with pytest.raises(DataError, match="empty: no image in this class folder: remove it, or add files"):
        load_folder(root)


def test_one_class_is_refused_unless_allowed(make):
    root = make("a/1.png", "a/2.png")
    with pytest.raises(DataError, match="one class only, 'a': add a folder"):
        load_folder(root)
    assert load_folder(root, allow_one_class=True).labels.tolist() == ["a", "a"]


def test_files_without_class_folders_get_the_layout(make):
    with pytest.raises(DataError, match="found 2 files and no folder, but expected one folder per class"):
        load_folder(make("1.png", "2.png"))


def test_files_of_no_known_kind_are_sent_to_a_csv(make):
    with pytest.raises(DataError, match=r"none of the 2 files.*csv file with a text column"):
        load_folder(make("a/1.dat", "b/2.dat"))


def test_a_missing_folder_and_a_file_are_refused(make, tmp_path):
    with pytest.raises(DataError, match=r"no such folder.*check the spelling"):
        load_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="load_manifest"):
        load_folder(make("a.csv") / "a.csv")


def test_accents_are_one_label_however_they_are_stored(make):
    dataset = load_folder(make("train/cafe\u0301/1.png", "test/caf\u00e9/2.png", "train/b/3.png"))
    assert set(dataset.labels.tolist()) == {"b", "caf\u00e9"}


def test_links_that_lead_back_are_not_followed(make):
    root = make("a/1.png", "b/2.png")
    (root / "a/again").symlink_to(root, target_is_directory=True)
    assert len(load_folder(root)) == 2


def test_media_files_for_prediction_are_listed_from_everywhere(make):
    dataset = list_media_files(make("2.wav", "a/1.wav", "a/b/3.wav", "a/notes.txt"))
    assert [path.name for path in dataset.items] == ["2.wav", "1.wav", "3.wav"]
    assert dataset.labels is None
    assert dataset.modality == "sound"
    assert len(dataset.skipped) == 1
