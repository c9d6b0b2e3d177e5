"""The audit finds each fault that is planted, and says nothing of data without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridcnn.adapters import ArrayAdapter, ImageAdapter, TableAdapter, TextAdapter
from gridcnn.datasets import load
from gridcnn.errors import ConfigurationError, DataError, Skipped
from gridcnn.evaluation.audit import CHECKS, QUICK, Audit, audit, audit_before_training
from gridcnn.evaluation.audit.label_errors import confident_joint, noise
from gridcnn.evaluation.audit.nearest import near_pairs


def kinds(found: Audit) -> list[str]:
    return [finding.kind for finding in found.findings]


def sentences(count: int, seed: int = 0) -> list[str]:
    """Different sentences of about one length."""
    rng = np.random.default_rng(seed)
    words = np.array(["tree", "house", "river", "stone", "cloud", "glass", "paper", "wheel", "light", "sound", "field"])
    return [" ".join(rng.choice(words, 12)) + f" {seed}{at:05d}" for at in range(count)]


def of_labels(labels: list[str], check: str = "labels") -> Audit:
    return audit(TextAdapter(), sentences(len(labels)), labels, checks=[check])


# ---- names of classes


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("Dog", "dog", "labels-case-and-spaces"),
        ("dog", "dog ", "labels-case-and-spaces"),
        ("hot dog", "hot_dog", "labels-case-and-spaces"),
        ("hot-dog", "hotdog", "labels-case-and-spaces"),
        ("dog", "dоg", "labels-look-alikes"),  # a Cyrillic o
        ("dog", "dog\u200b", "labels-look-alikes"),
        ("Mueller é", "Mueller e\u0301\u0301", "labels-look-alikes"),
        ("dog", "dogs", "labels-plurals"),
        ("berry", "berries", "labels-plurals"),
        ("church", "churches", "labels-plurals"),
    ],
)
def test_two_names_of_one_class_are_found(one: str, other: str, kind: str) -> None:
    found = of_labels([one] * 20 + [other] * 10 + ["elephant"] * 20)

    assert kinds(found) == [kind]
    assert set(found.findings[0].numbers["names"][0]) == {one, other}
    assert set(found.findings[0].affected) == set(range(20, 30))  # the rarer one


def test_a_slip_of_the_pen_in_a_few_labels_is_found() -> None:
    found = of_labels(["elephant"] * 60 + ["elefant"] * 30 + ["elephnat"] * 2)

    assert [finding.numbers["names"] for finding in found.findings] == [[["elephant", "elephnat"]]]


@pytest.mark.parametrize(
    "names",
    [
        ["C", "C++", "C#"],
        ["class 1", "class 2", "class 12"],
        ["typical", "atypical"],
        ["cat", "car", "can"],
        ["male", "female"],
        ["glass", "grass"],
        ["-1.5", "1.5", "15"],
        ["news", "new"],
    ],
)
def test_different_names_are_no_typos(names: list[str]) -> None:
    assert kinds(of_labels([name for name in names for _ in range(30)])) in ([], ["labels-plurals"][: "news" in names])


def test_whole_numbers_have_no_typos() -> None:
    assert audit(TextAdapter(), sentences(40), [1, 11] * 20, checks=["labels"]).findings == ()


# ---- sizes, parts, groups


def test_tiny_uneven_and_dominating_classes_are_found() -> None:
    assert kinds(of_labels(["a"] * 50 + ["b"] * 3 + ["c"] * 30, "classes")) == ["tiny-classes"]
    assert kinds(of_labels(["a"] * 150 + ["b"] * 7 + ["c"] * 60, "classes")) == ["uneven-classes"]
    dominated = of_labels(["a"] * 190 + ["b"] * 10, "classes").findings[0]
    assert (dominated.kind, dominated.severity) == ("uneven-classes", "warning")
    assert "95.0%" in dominated.message
    assert kinds(of_labels(["a"] * 30, "classes")) == ["one-class"]
    assert kinds(of_labels([f"{at / 7:.4f}" for at in range(60)], "classes")) == ["no-classes"]
    assert of_labels(["a"] * 30 + ["b"] * 20, "classes").findings == ()


def test_a_class_that_training_lacks_is_found() -> None:
    parts = ["train"] * 20 + ["test"] * 12
    labels = ["a", "b"] * 10 + ["a", "b", "c"] * 4

    found = audit(TextAdapter(), sentences(32), labels, parts=parts, checks=["classes"])

    assert kinds(found) == ["unseen-classes"]
    assert found.findings[0].affected == (22, 25, 28, 31)


def test_a_group_on_both_sides_is_found() -> None:
    parts = np.array(["train"] * 20 + ["test"] * 20)
    groups = np.array(["ann", "bob"] * 10 + ["cid", "dan"] * 9 + ["bob", "dan"])
    given: dict[str, Any] = {"parts": parts, "checks": ["groups"]}

    found = audit(TextAdapter(), sentences(40), ["a", "b"] * 20, groups=groups, **given)

    assert [(finding.kind, finding.count, finding.affected) for finding in found.findings] == [
        ("groups-across-parts", 1, (38,))
    ]
    assert found.findings[0].severity == "error"
    groups[38] = "cid"
    assert audit(TextAdapter(), sentences(40), ["a", "b"] * 20, groups=groups, **given).findings == ()


# ---- what cannot be read


def test_items_that_cannot_be_read_are_found_with_those_that_the_loader_left_out() -> None:
    items = [*sentences(18), 3.5, None]

    found = audit(TextAdapter(), items, ["a", "b"] * 10, skipped=[Skipped("row 21", "no text")], checks=["readable"])

    assert [(finding.kind, finding.severity, finding.count) for finding in found.findings] == [
        ("unreadable", "error", 3)
    ]
    assert [example.items for example in found.findings[0].examples] == [(18,), (19,), ()]
    assert "no text" in found.findings[0].examples[2].note


def test_a_text_without_letters_and_a_constant_row_are_found() -> None:
    texts = audit(TextAdapter(), [*sentences(9), "?!"], checks=["flaws"])
    rows = np.random.default_rng(0).normal(size=(20, 30)).cumsum(axis=1)
    rows[7] = 3
    found = audit(ArrayAdapter(), rows, checks=["flaws"])

    assert [(finding.kind, finding.affected) for finding in texts.findings] == [("without-a-letter-or-digit", (9,))]
    assert [(finding.kind, finding.affected) for finding in found.findings] == [("constant", (7,))]


# ---- copies of texts and rows


def test_a_text_written_in_another_way_is_a_copy() -> None:
    texts = [*sentences(20), "The film — it's GREAT!", "the film, its great"]
    labels = ["a", "b"] * 10 + ["a", "a"]

    across = audit(TextAdapter(), texts, labels, parts=["train"] * 21 + ["test"], checks=["copies"])
    contradicting = audit(TextAdapter(), texts, [*labels[:-1], "b"], checks=["copies"])
    within = audit(TextAdapter(), texts, labels, checks=["copies"])

    assert [(finding.kind, finding.affected) for finding in across.findings] == [("copies-across-parts", (20, 21))]
    assert kinds(contradicting) == ["copies-of-different-classes"]
    assert [(finding.kind, finding.severity) for finding in within.findings] == [("copies", "warning")]
    assert within.findings[0].numbers["near"] == 1


def test_exact_copies_are_counted_apart_and_clusters_are_whole() -> None:
    texts = [*sentences(10), *sentences(10)[:3], sentences(10)[0], sentences(10)[0].upper()]

    finding = audit(TextAdapter(), texts, ["a"] * len(texts), checks=["copies"]).findings[0]

    assert finding.count == 5
    assert finding.numbers["clusters"] == [[0, 10, 13, 14], [1, 11], [2, 12]]


def test_texts_of_punctuation_are_no_copies_of_each_other() -> None:
    assert audit(TextAdapter(), [":)", ":(", "?", *sentences(5)], checks=["copies"]).findings == ()


def test_a_louder_and_rounded_series_is_a_copy_and_a_similar_one_is_not() -> None:
    rng = np.random.default_rng(0)
    time = np.linspace(0, 1, 80)
    rows = np.array([np.sin(2 * np.pi * (rng.uniform(1, 2) * time + rng.uniform())) for _ in range(60)])
    rows += rng.normal(scale=0.05, size=rows.shape)
    rows[41] = (2.5 * rows[3] + 1).round(3)

    found = audit(ArrayAdapter(), rows, checks=["copies"])

    assert [finding.affected for finding in found.findings] == [(3, 41)]


def test_neighbours_are_found_among_many_vectors_in_any_order() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3000, 100)).astype(np.float32)
    vectors[2000:2010] = vectors[:10] + rng.normal(scale=0.01, size=(10, 100))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    pairs = near_pairs(vectors, [], 0.3)

    assert sorted((pair.first, pair.second) for pair in pairs) == [(at, 2000 + at) for at in range(10)]
    assert all(pair.isolation < 0.1 for pair in pairs)


# ---- shortcuts


def test_a_class_that_the_length_of_the_text_gives_away_is_found_and_a_random_one_is_not() -> None:
    rng = np.random.default_rng(0)
    texts = [text + " and so on" * int(rng.integers(0, 6)) for text in sentences(300)]
    labels = np.where([len(text) > 95 for text in texts], "long", "short")

    found = audit(TextAdapter(), texts, labels, checks=["shortcuts"])

    assert [(finding.kind, finding.severity) for finding in found.findings] == [("shortcuts", "warning")]
    assert found.findings[0].numbers["characters"]["score"] > 0.95
    assert found.findings[0].numbers["characters"]["chance"] == 0.5
    clean = [
        audit(TextAdapter(), texts, np.random.default_rng(s).permutation(labels), checks=["shortcuts"])
        for s in range(3)
    ]
    assert [each.findings for each in clean] == [()] * 3


def test_groups_stay_whole_where_shortcuts_are_measured() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 15)
    texts = [
        f"{text}{' x' * int(length)}"
        for text, length in zip(sentences(600), 7 * rng.permutation(40)[group], strict=True)
    ]
    labels = rng.integers(0, 2, 40)[group]  # each group has a length and a class of its own, which are unrelated

    alone = audit(TextAdapter(), texts, labels, checks=["shortcuts"])
    grouped = audit(TextAdapter(), texts, labels, groups=group, checks=["shortcuts"])

    assert kinds(alone) == ["shortcuts"]
    assert kinds(grouped) == []


# ---- series


def series_in_time(count: int = 300) -> np.ndarray:
    rng = np.random.default_rng(1)
    level = np.zeros((count, 12))
    for at in range(1, count):
        level[at] = 0.9 * level[at - 1] + rng.normal(size=12)
    return level


def test_rows_of_a_series_in_time_are_found_unless_they_are_divided_by_time_or_grouped() -> None:
    rows = series_in_time()
    labels = np.array(["a", "b"])[(rows[:, 0] > 0).astype(int)]
    rng = np.random.default_rng(0)
    random_parts = rng.choice(["train", "test"], len(rows))

    undivided = audit(ArrayAdapter(), rows, labels, checks=["series"])
    at_random = audit(ArrayAdapter(), rows, labels, parts=random_parts, checks=["series"])
    by_time = audit(ArrayAdapter(), rows, labels, parts=["train"] * 200 + ["test"] * 100, checks=["series"])
    by_group = audit(ArrayAdapter(), rows, labels, groups=np.arange(300) // 30, checks=["series"])
    shuffled = rng.permutation(len(rows))

    assert [(finding.kind, finding.severity) for finding in undivided.findings] == [("series", "warning")]
    assert undivided.findings[0].numbers["likeness"] > 0.5
    assert [(finding.kind, finding.severity) for finding in at_random.findings] == [("series", "error")]
    assert (by_time.findings, by_group.findings) == ((), ())
    assert audit(ArrayAdapter(), rows[shuffled], labels[shuffled], checks=["series"]).findings == ()


def test_rows_that_are_sorted_by_class_are_no_series() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 12)) + 5 * np.repeat([0, 1], 100)[:, None]

    assert audit(ArrayAdapter(), rows, np.repeat(["a", "b"], 100), checks=["series"]).findings == ()


def test_a_table_with_columns_of_names_is_read() -> None:
    table = pd.DataFrame(series_in_time(), columns=[f"t{at}" for at in range(12)])

    assert kinds(audit(TableAdapter(), table, ["a", "b"] * 150, checks=["series"])) == ["series"]


# ---- label errors


def made_up_answers(count: int = 2000, classes: int = 4, wrong: int = 60, hard: float = 0.1) -> tuple[Any, ...]:
    """Calibrated probabilities, of which a share is of hard items, labels drawn from them, and planted wrong ones."""
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=np.where(rng.random(count) < hard, 0.7, 8.0)[:, None], size=(count, classes))
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(classes, p=row) for row in probabilities])
    planted = np.sort(rng.choice(count, wrong, replace=False))
    noisy = labels.copy()
    noisy[planted] = (labels[planted] + rng.integers(1, classes, wrong)) % classes
    return probabilities, labels, noisy, planted


def test_the_share_of_wrong_labels_is_estimated_and_hard_items_are_not_blamed() -> None:
    probabilities, labels, noisy, planted = made_up_answers()

    wrong, rate = noise(probabilities**0.5 / (probabilities**0.5).sum(axis=1, keepdims=True), noisy)
    clean, clean_rate = noise(probabilities, labels)

    assert rate == pytest.approx(len(planted) / len(noisy), abs=0.01)
    assert clean_rate < 0.002
    assert (clean > 0.9).mean() < 0.0015
    suspects = np.flatnonzero(wrong > 0.9)
    assert np.isin(suspects, planted).mean() > 0.9
    assert np.isin(planted, suspects).mean() > 0.5  # the others are of hard items


def test_the_confident_joint_counts_as_published() -> None:
    # Two classes with thresholds 0.8 and 0.6: the means of each class over the items labelled so.
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6], [0.4, 0.6], [0.1, 0.9], [0.7, 0.3]])
    target = np.array([0, 0, 1, 1, 1, 1])

    belongs, joint = confident_joint(probabilities, target)

    assert belongs.tolist() == [0, 0, 1, 1, 1, 1]  # the last is confident of neither class
    assert joint.tolist() == [[1, 0], [0, 3]]
    assert confident_joint(probabilities, np.array([1, 0, 1, 1, 1, 1]))[0][0] == 0


def test_exchanged_labels_are_found_by_training() -> None:
    rng = np.random.default_rng(0)
    words = {"+": ["good", "great", "fine", "superb"], "-": ["bad", "poor", "dull", "weak"]}
    filling = ["the", "film", "it", "is", "plot", "actor", "scene", "of"]
    labels = np.array(["+", "-"] * 180)
    texts = [" ".join(rng.permutation([*rng.choice(words[each], 2), *rng.choice(filling, 5)])) for each in labels]
    planted = np.arange(11, 360, 35)
    labels[planted] = np.where(labels[planted] == "+", "-", "+")

    found = audit(TextAdapter(), texts, labels, checks=["label-errors"])

    assert kinds(found) == ["label-errors"]
    assert set(found.findings[0].affected) <= set(planted)
    assert len(found.findings[0].affected) >= len(planted) // 2
    assert found.findings[0].numbers["suggested"][0] != labels[found.findings[0].affected[0]]


def test_ctrl_c_ends_the_audit_and_not_only_one_of_its_trainings() -> None:
    def stop(doing: str, done: int, total: int) -> None:
        if doing.startswith("training") and done:
            raise KeyboardInterrupt

    texts = [f"film {chr(97 + at % 26)}{chr(97 + at // 26)}" for at in range(200)]

    with pytest.raises(KeyboardInterrupt):
        audit(TextAdapter(), texts, ["+", "-"] * 100, checks=["label-errors"], progress=stop)


def test_few_items_and_items_without_labels_are_not_trained_on() -> None:
    few = audit(TextAdapter(), sentences(60), ["a", "b"] * 30, checks=["label-errors", "groups"])
    assert few.findings == ()
    assert few.left_out == {
        "groups": "the set has no groups and no parts",
        "label-errors": "that needs 100 items in two or more classes of at least 8; there are 60",
    }
    assert audit(TextAdapter(), sentences(60), checks=list(CHECKS)).findings == ()


# ---- the audit as a whole


def test_clean_texts_have_no_finding() -> None:
    labels = np.random.default_rng(0).permutation(["a", "b", "c"] * 40)

    assert audit(TextAdapter(), sentences(120), labels, checks=QUICK).findings == ()


def test_the_gravest_findings_come_first() -> None:
    texts = [*sentences(60), sentences(60)[0], sentences(60)[1]]
    labels = ["a"] * 57 + ["b"] * 3 + ["a", "b"]

    found = audit(TextAdapter(), texts, labels, checks=QUICK)

    assert [finding.severity for finding in found.findings] == sorted(
        (finding.severity for finding in found.findings), key=["error", "warning", "note"].index
    )
    assert found.worst() == "error"
    assert Audit((), "", [], None, None, {}, {}).worst() is None


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="no check is called speed: choose among labels"):
        audit(TextAdapter(), sentences(4), ["a", "b"] * 2, checks=["speed"])
    with pytest.raises(DataError, match="groups has 3 entries for 4 items"):
        audit(TextAdapter(), sentences(4), ["a", "b"] * 2, groups=[1, 2, 3])


def test_a_table_without_order_is_audited_but_for_what_needs_training() -> None:
    grades = load("grades")

    found = audit(TableAdapter(), grades.items, grades.labels)

    assert list(found.left_out) == ["groups", "label-errors"]
    assert "copies" in found.seconds


def test_what_runs_before_a_training_reads_no_item(tmp_path: Path) -> None:
    paths = []
    for at in range(12):
        paths.append(tmp_path / f"{at}.png")
        paths[-1].write_bytes(b"no picture %d" % (at % 11))  # the last is a copy of the first
    labels = ["cat", "Cat"] * 6

    found = audit_before_training(ImageAdapter(), paths, labels, groups=range(12), parts=["train"] * 10 + ["test"] * 2)

    assert sorted(kinds(found)) == ["copies-of-different-classes", "labels-case-and-spaces"]
    assert audit_before_training(ImageAdapter(), paths, ["a"] * 6 + ["b"] * 6).findings == ()
