import subprocess
import sys

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from gridcnn.datasets import Dataset, available, digits, grades, load, tones, word_order, xo
from gridcnn.errors import DataError


def test_take_keeps_everything_of_an_item_together():
    letters = Dataset(
        ["a", "b", "c"], np.array([1, 2, 3]), "text", groups=np.array(["p", "q", "r"]), split=np.array(["train"] * 3)
    )
    taken = letters.take([2, 0])
    assert taken.items == ["c", "a"]
    assert taken.labels.tolist() == [3, 1]
    assert taken.groups.tolist() == ["r", "p"]
    assert letters.take(np.array([False, True, False])).items == ["b"]
    assert len(letters.take([])) == 0


def test_take_of_a_table_takes_rows():
    sheet = grades()
    assert sheet.take([5, 3]).items.index.tolist() == [5, 3]
    assert sheet.take([5, 3]).labels.tolist() == sheet.labels[[5, 3]].tolist()


def test_part_understands_usual_names_and_lists_what_exists():
    halves = Dataset(["a", "b"], None, "text", split=np.array(["train", "validation"]))
    assert halves.part("dev").items == ["b"]
    with pytest.raises(DataError, match="choose one of train, validation"):
        halves.part("test")
    with pytest.raises(DataError, match="use all of it"):
        Dataset(["a"], None, "text").part("test")


def test_labels_of_another_length_are_refused():
    with pytest.raises(DataError, match="2 items but 1 labels: give each item one"):
        Dataset(["a", "b"], np.array([1]), "text")


def test_xo_draws_arms_through_the_middle_and_rings_around_it():
    dataset, masks = xo(200, with_masks=True)
    assert dataset.items.shape == masks.shape == (200, 32, 32)
    assert dataset.items.dtype == np.uint8
    assert dataset.counts == {"O": 100, "X": 100}
    for label, mask in zip(dataset.labels, masks, strict=True):
        row, column = (int((where.min() + where.max() + 1) // 2) for where in np.nonzero(mask))
        assert mask[row - 1 : row + 1, column - 1 : column + 1].any() == (label == "X")


def test_xo_strokes_are_lighter_than_the_paper_and_never_cut_off():
    dataset, masks = xo(100, with_masks=True)
    for picture, mask in zip(dataset.items, masks, strict=True):
        assert picture[mask].mean() > picture[~mask].mean() + 40
        assert not mask[[0, -1]].any()
        assert not mask[:, [0, -1]].any()


@pytest.mark.parametrize("make", [xo, tones, word_order])
def test_seed_and_number_of_items_decide_what_is_made(make):
    first, again, other = make(12), make(12), make(12, random_state=1)
    assert len(first) == 12
    assert np.array_equal(first.items, again.items)
    assert not np.array_equal(first.items, other.items)


def test_sizes_that_cannot_work_are_refused():
    with pytest.raises(DataError, match="use 12 or more"):
        xo(4, size=6)
    with pytest.raises(DataError, match="8000 Hz or more"):
        tones(4, sample_rate=4000)
    with pytest.raises(DataError, match="ask for 4 items or more"):
        tones(3)


def test_digits_are_real_and_fill_the_range_of_bytes():
    dataset = digits()
    assert dataset.items.shape == (1797, 8, 8)
    assert (dataset.items.min(), dataset.items.max()) == (0, 255)
    assert dataset.labels[:4].tolist() == [0, 1, 2, 3]


def pitch_in_thirds(waveform, sample_rate):
    """Strongest frequency (Hz) below 1 kHz in the first, middle and last third of the sound."""
    loud = np.flatnonzero(np.abs(waveform) > 0.5 * np.abs(waveform).max())
    thirds = np.array_split(waveform[loud[0] : loud[-1]], 3)
    spectra = [np.abs(np.fft.rfft(third * np.hanning(len(third)), 8192)) for third in thirds]
    return [np.fft.rfftfreq(8192, 1 / sample_rate)[np.argmax(spectrum[:1024])] for spectrum in spectra]


def test_tones_rise_and_fall_as_they_are_called():
    dataset = tones(200)
    assert dataset.items.dtype == np.float32
    assert dataset.items.shape == (200, 8000)
    assert np.abs(dataset.items).max() <= 1
    courses = [pitch_in_thirds(waveform, dataset.sample_rate) for waveform in dataset.items]
    octaves = np.array([np.log2(last / first) for first, _, last in courses])
    assert np.mean(octaves[dataset.labels == "rising"] > 0.15) > 0.9
    assert np.mean(octaves[dataset.labels == "falling"] < -0.15) > 0.9
    assert np.mean(np.abs(octaves[dataset.labels == "steady"]) < 0.05) > 0.9


def test_a_bag_of_words_cannot_tell_word_order_but_neighbouring_words_can():
    dataset = word_order()
    train, test = dataset.take(range(1500)), dataset.take(range(1500, 2000))

    def score(ngram_range):
        model = make_pipeline(TfidfVectorizer(ngram_range=ngram_range), LogisticRegression(C=100, max_iter=1000))
        return model.fit(train.items, train.labels).score(test.items, test.labels)

    assert score((1, 1)) <= 0.6
    assert score((1, 3)) >= 0.9


def test_word_order_tests_on_sentences_unseen_in_training():
    items = word_order().items
    assert np.mean([sentence not in set(items[:1500]) for sentence in items[1500:]]) > 0.9


def test_grades_of_related_subjects_agree_more():
    sheet = grades(2000).items
    related = sheet["physics"].corr(sheet["chemistry"])
    assert related > sheet["physics"].corr(sheet["french"]) + 0.15
    assert sheet.min().min() >= 0
    assert sheet.max().max() <= 100
    assert set(grades().counts) == {"no", "yes"}


def test_every_embedded_set_is_listed_as_it_loads():
    embedded = [row for row in available() if row.source.startswith("embedded")]
    assert [row.name for row in embedded] == ["xo", "digits", "tones", "word_order", "grades"]
    for row in embedded:
        dataset = load(row.name)
        assert (dataset.modality, len(dataset), len(dataset.counts)) == (row.modality, row.items, row.classes)


def test_an_unknown_set_gets_the_list_and_the_nearest_name():
    with pytest.raises(DataError, match=r"choose one of xo, digits.*Did you mean 'fashion-mnist'\?"):
        load("fashon_mnist")


def test_names_are_read_with_either_dash():
    assert len(load("word-order", n_items=4)) == 4


def test_importing_the_datasets_loads_nothing_heavy():
    heavy = "{'pandas', 'sklearn', 'PIL', 'soundfile', 'torch', 'pooch', 'pyarrow'}"
    command = f"import sys, gridcnn.datasets; print(sorted({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout == "[]\n"
