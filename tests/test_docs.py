"""The walk in docs/ shows pictures that exist, goes the same way in both languages, and states computed numbers."""

import re
from pathlib import Path

import numpy as np
import pytest

from gridcnn import GridClassifier, datasets, explain
from gridcnn.errors import OrderingError

DOCS = Path(__file__).parent.parent / "docs"
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("how-a-cnn-sees*.md"))}
FALLING = 2 * np.eye(3) - 1
BLOCK = re.compile(r"```text\n(.*?)```", re.DOTALL)


def classic_x() -> np.ndarray:
    letter = -np.ones((9, 9))
    for place in range(1, 8):
        letter[place, [place, 8 - place]] = 1
    return letter


def pictures(text: str) -> list[str]:
    return re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)


def steps(text: str) -> list[str]:
    return re.split(r"^## ", text, flags=re.MULTILINE)[1:]


def numbers(block: str) -> np.ndarray:
    return np.array([[float(number) for number in line.split()] for line in block.splitlines()])


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_walk_is_there_in_english_and_chinese():
    assert sorted(TEXTS) == ["how-a-cnn-sees.md", "how-a-cnn-sees.zh.md"]


@pytest.mark.parametrize("name", TEXTS)
def test_twenty_steps_each_with_a_picture(name):
    found = steps(TEXTS[name])
    assert [step.split(".")[0] for step in found] == [str(number) for number in range(1, 21)]
    for number, step in enumerate(found, start=1):
        shown = pictures(step)
        assert shown
        assert all(picture.startswith(f"walk/{number:02}-") for picture in shown)


def test_both_languages_show_the_same_pictures_and_all_of_them():
    english, chinese = (pictures(text) for text in TEXTS.values())
    assert english == chinese
    assert sorted(english) == sorted(f"walk/{path.name}" for path in (DOCS / "walk").iterdir())


def test_the_pictures_are_small():
    sizes = [path.stat().st_size for path in (DOCS / "walk").glob("*.png")]
    assert max(sizes) < 150_000
    assert sum(sizes) < 3_000_000


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_leads_somewhere(name):
    links = re.findall(r"\]\(([^)]+)\)", TEXTS[name])
    assert any(link.endswith("x_or_o.py") for link in links)
    for link in links:
        target, _, anchor = link.partition("#")
        assert (DOCS / target).is_file(), link
        if anchor:
            assert anchor in anchors((DOCS / target).read_text(encoding="utf-8")), link


@pytest.mark.parametrize("name", TEXTS)
def test_the_numbers_of_the_classic_x_are_those_that_gridcnn_computes(name):
    found = explain.cosine_similarity_map(FALLING[None], classic_x()[None])
    map_of_text, pooled_of_text, _ = BLOCK.findall(TEXTS[name])
    np.testing.assert_array_equal(numbers(map_of_text), found.round(2))
    np.testing.assert_array_equal(numbers(pooled_of_text), explain.pool_map(found).round(2))
    assert f"(7 − 2)/9 = {found[3, 3]:.2f}" in TEXTS[name]  # the crossing under the falling stroke
    assert f"9/9 = {found.max():.0f}" in TEXTS[name]


def test_the_refusal_is_quoted_as_it_is_said():
    grades = datasets.grades()
    with pytest.raises(OrderingError) as refusal:
        GridClassifier().fit(grades.items, grades.labels)
    for text in TEXTS.values():
        quoted = " ".join(BLOCK.findall(text)[-1].split())
        assert str(refusal.value).startswith(quoted)


def test_the_two_letters_of_step_3_share_three_patterns_and_no_bright_cell():
    other = -np.ones((9, 9))
    for row in range(8):
        other[row, [row + 1, 7 - row]] = 1
    assert not np.any((classic_x() > 0) & (other > 0))
    rising = FALLING[:, ::-1]
    for kernel in (FALLING, rising, np.maximum(FALLING, rising)):
        for letter in (classic_x(), other):
            assert explain.cosine_similarity_map(kernel[None], letter[None]).max() == 1
