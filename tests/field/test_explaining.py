"""What users met when they asked for an explanation: an answer to be looked for, and trust that it did not deserve."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gridcnn import GridClassifier, explain
from gridcnn.adapters import ArrayAdapter, AudioAdapter, TextAdapter
from gridcnn.errors import ItemError
from gridcnn.render.explain_page import explain_page

Run = Callable[..., Any]  # the fixture of conftest.py
QUICK: dict[str, Any] = {"epochs": 1, "kernels": (3,), "cache": False}


@pytest.fixture(scope="module")
def texts() -> GridClassifier:
    sentences = [f"the film was {word} {at}" for at in range(6) for word in ("good", "bad")]
    return GridClassifier(adapter=TextAdapter(length=8), **QUICK).fit(sentences, ["praise", "complaint"] * 6)


@pytest.fixture(scope="module")
def saved(texts: GridClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    texts.save(path)
    return path


def top_of(html: str) -> str:
    """Return the words of a page above the sizes of its layers, as a person reads them."""
    header = html.partition("<header>")[2].partition('<ol class="stack"')[0]
    return " ".join(unescape(re.sub("<[^>]+>", " ", header.replace("<q>", "“").replace("</q>", "”"))).split())


def test_the_page_begins_with_the_answer_and_its_probability(texts: GridClassifier) -> None:
    """The probability stood at the very end of a long page."""
    item = "the film was good"
    chances = texts.predict_proba([item])[0]
    first, second = np.argsort(-chances)

    top = top_of(explain_page(texts, item))

    answer = [f"{texts.classes_[at]} {100 * chances[at]:.1f} %" for at in (first, second)]
    assert top.startswith(f"Sentence Why {texts.classes_[first]} ? {answer[0]} , then {answer[1]}")
    assert "less trust" not in top
    assert "unknown" not in top


def test_unknown_words_are_named_before_anything_else(texts: GridClassifier) -> None:
    """An answer for a sentence of unknown words looked like any other."""
    top = top_of(explain_page(texts, "the zyx was qwv! <i>"))

    less_trust = top.index("This answer deserves less trust: most of its words are unknown to the model.")
    listed = top.index("3 of 5 words are unknown to the model: “zyx”, “qwv”, “i”.")
    assert less_trust < listed < top.index("the zyx was qwv! <i>")


def test_one_unknown_word_is_named_without_alarm(texts: GridClassifier) -> None:
    """Most sentences hold a word that is new."""
    top = top_of(explain_page(texts, "the film was marvellous"))

    assert "1 of 4 words are unknown to the model: “marvellous”" in top
    assert "less trust" not in top


@pytest.mark.parametrize(
    ("text", "caution"),
    [
        ("", ["it has no words"]),
        (" \n", ["it has no words"]),
        ("zyx", ["none of its words is known to the model"]),
        ("qwv zyx!", ["none of its words is known to the model"]),
        ("film qwv zyx", ["most of its words are unknown to the model"]),
        ("the film zyx", []),
        ("the film was good", []),
        (7, []),
    ],
)
def test_a_text_that_the_model_does_not_know_has_one(texts: GridClassifier, text: Any, caution: list[str]) -> None:
    """Equal reasons have equal words, so that a prediction can count them."""
    assert texts.adapter_.cautions(text) == caution


def test_an_empty_text_is_explained_with_its_caution(run: Run, saved: Path, tmp_path: Path) -> None:
    """An empty sentence got a page that did not say what it rests on."""
    assert run("explain", saved, "", "-o", tmp_path / "why.html").code == 0
    assert "This answer deserves less trust: it has no words." in top_of((tmp_path / "why.html").read_text())


def test_the_cautions_of_any_adapter_stand_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """One silent recording among loud ones."""
    sounds = [np.random.default_rng(at).normal(size=800).astype(np.float32) for at in range(12)]
    model = GridClassifier(adapter=AudioAdapter(sample_rate=8000), **QUICK).fit(sounds, ["a", "b"] * 6)
    monkeypatch.setattr(AudioAdapter, "cautions", lambda *_: ["it is <silent>", "it is short"])

    top = top_of(explain_page(model, sounds[0] * 0))

    assert "This answer deserves less trust: it is <silent>; it is short." in top


def test_half_an_emoji_is_explained(run: Run, saved: Path, texts: GridClassifier, tmp_path: Path) -> None:
    """A post that was cut in the middle of an emoji could be neither drawn nor written into a page."""
    text = "the \ud83d film $was good"

    page = explain_page(texts, text)
    done = run("explain", saved, text, "--png", "-o", tmp_path / "why")

    assert r"the \ud83d film $was good" in top_of(page.encode("utf-8").decode("utf-8"))
    assert done.code == 0
    assert len(list((tmp_path / "why").iterdir())) > 5


def test_an_answer_that_is_not_finite_is_not_explained() -> None:
    """A page of blank numbers."""
    series = np.random.default_rng(0).normal(size=(12, 10)).astype(np.float32)
    model = GridClassifier(adapter=ArrayAdapter(), **QUICK).fit(series, ["a", "b"] * 6).model_
    with torch.no_grad():
        model.network.backbone.output.bias[0] = torch.nan

    with pytest.raises(ItemError, match="not finite"):
        explain.trace(model, series[0])


@pytest.mark.parametrize(
    ("row", "remedy"),
    [(3, "texts.csv, row 3: no text"), (9, "has no row 9: its items stand in rows 2 to 3"), (1, "has no row 1")],
)
def test_a_row_without_an_item_is_said_to_have_none(
    run: Run, saved: Path, tmp_path: Path, row: int, remedy: str
) -> None:
    """A row that is empty, beyond the end, or the header."""
    (tmp_path / "texts.csv").write_text("text,label\ngood film,praise\n,complaint\n")

    done = run("explain", saved, tmp_path / "texts.csv", "--row", row, "-o", tmp_path / "why.html")

    assert done.code == 2
    assert remedy in done.err
    assert not (tmp_path / "why.html").exists()


def test_a_model_of_texts_says_what_it_reads() -> None:
    """What a token is, what counts as unknown, and what happens to long texts, is known before a model is trusted."""
    by_words = TextAdapter(length=8).fit(["the film was good", "the film was bad"] * 3).remarks()
    by_characters = TextAdapter(length=8).fit(["GATTACA", "TACAGAT"] * 3).remarks()
    chosen = TextAdapter(tokens="word", max_vocabulary=2, lowercase=False).fit(["the film was good"] * 3).remarks()

    assert by_words[0].startswith("Texts are cut into words and punctuation marks, because spaces separate the words")
    assert "The model knows 5 words, those that stand at least 2 times in the training texts" in by_words[1]
    assert "more than 8 words are read in overlapping windows of that length" in by_words[2]
    assert "cut into characters, because no spaces separate words" in by_characters[0]
    assert "The model knows 4 characters" in by_characters[1]
    assert chosen[0] == "Texts are cut into words and punctuation marks."
    assert "The model knows 2 words, the most frequent ones" in chosen[1]


def test_a_word_of_a_million_letters_stands_shortened_on_the_page(texts: GridClassifier) -> None:
    """The page of a text of one word was a hundred times as large as the text."""
    assert len(explain_page(texts, f"film {'é' * 100_000}")) < len(explain_page(texts, "film good")) + 500_000


def test_the_windows_of_a_long_text_are_computed_a_few_at_a_time(
    texts: GridClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one, with all of their grids kept, those of a text of a megabyte took 17 GB and minutes."""
    calls = []
    forward = type(texts.model_.network.backbone).forward
    counted = lambda self, grid: calls.append(len(grid)) or forward(self, grid)  # noqa: E731
    monkeypatch.setattr(type(texts.model_.network.backbone), "forward", counted)
    item = "the film was good and bad " * 500

    traced = explain.trace(texts, item)

    assert traced.n_windows > 300
    assert sum(calls) == traced.n_windows
    assert len(calls) < traced.n_windows / 10
    np.testing.assert_allclose(traced.item_probabilities, texts.predict_proba([item])[0], atol=1e-5)
