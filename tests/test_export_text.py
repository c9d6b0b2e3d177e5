"""Texts in an exported model: from strings, the graph makes the very grids that the adapter and its frontend make."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcnn.adapters import TextAdapter, characters_graph, from_state
from gridcnn.adapters.tokens import LONGEST_WORD, _word_pattern, folded, is_letter, words
from gridcnn.errors import ItemError
from gridcnn.onnx_graph import Graph

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


class Exported:
    """The adapter's part of an exported model, by itself."""

    def __init__(self, adapter, evidence=0):
        torch.manual_seed(0)
        self.adapter, self.frontend = adapter, adapter.frontend()
        if evidence:
            n_features = adapter.counts(adapter.encode("")).shape[1]
            adapter.take_evidence(self.frontend, np.random.default_rng(0).normal(size=(n_features, evidence)))
        graph = Graph()
        windows = adapter.add_to(graph, self.frontend)
        graph.output("grids", windows.grids, np.float32, ["windows", *adapter.spec_.shape])
        graph.output("item", windows.item, np.int64, ["windows"])
        graph.output("n_items", windows.n_items, np.int64, [1])
        for name, dtype in (("tokens", str), ("known", bool)):
            graph.output(name, windows.shown[name], dtype, ["windows", adapter.length_])
        self.model = graph.model().SerializeToString()
        self.session = onnxruntime.InferenceSession(self.model)

    def run(self, texts):
        return self.session.run(None, {"text": np.array([self.adapter.decode(text) for text in texts], dtype=object)})

    def check(self, texts):
        """Assert that everything is as Python has it."""
        grids, item, n_items, tokens, known = self.run(texts)
        encoded = [self.adapter.encode(text) for text in texts]
        assert n_items.tolist() == [len(texts)]
        assert item.tolist() == [at for at, windows in enumerate(encoded) for _ in windows]
        shown = [
            self.adapter.coordinates(text, window, len(windows))[0]
            for text, windows in zip(texts, encoded, strict=True)
            for window in range(1, 1 + len(windows))
        ]
        assert [[each[:LONGEST_WORD] for each in row.words] for row in shown] == [
            [each[:LONGEST_WORD] for each in row] for row in tokens.tolist()
        ]
        assert known.tolist() == [list(row.known) for row in shown]
        with torch.no_grad():
            expected = self.frontend(torch.from_numpy(np.concatenate(encoded))).numpy()
        np.testing.assert_allclose(grids, expected, rtol=0, atol=1e-6)


SCRIPTS = [
    "the cat don't it's WE'RE they've I'll he'd I'm O'Neill’s isn't n't 's", "Cattle catapult, concatenation cattle",
    "ΛΌΓΟΣ λόγος Οδυσσέας", "İSTANBUL ıssız Iğdır", "Größe STRASSE ﬁne naïve Ǆ ǅ", "Tiếng Việt là ngôn ngữ được nói",
    "한국어 텍스트 합니다", "हिन्दी में लिखा है। क़ ड़", "বাংলা தமிழ் ഒരു ಕೋ", "العربيةُ جميلة فَتْحَة", "שָׁלוֹם עִבְרִית",
    "วันนี้อากาศดี", "今天天气很好。", "ガギグ カ゛", "👩\u200d👩\u200d👧 🇩🇪 👍🏽", "① ½ ² _ a_b ﷺ 𝒳 𝅘𝅥𝅮",
    "\u212a \u212b \u2126 \u037e \u1fef \u0344 \u0958", "a\0b \0", "\x01\x1c\x85\xa0\u3000\u200b\u2028\ufeff",
    "", " ", "\n\t  ", "a", " a ", "e\u0301", "\u0301e", "\u0301", "a\u0316\u0301\u0327\u0301", "x" * 200,
]  # fmt: skip
SCRIPTS += [unicodedata.normalize("NFD", text) for text in SCRIPTS]


@pytest.fixture(scope="module", params=itertools.product(["word", "character"], [True, False]), ids=str)
def exported(request):
    tokens, lowercase = request.param
    adapter = TextAdapter(tokens=tokens, lowercase=lowercase, length=6, embedding_dim=8, min_count=1)
    adapter.fit(
        [
            *SCRIPTS[::3],
            *SCRIPTS[:30:6],
            "cats dogs birds cat catch bat",
            "Category catalogue scatter",
            "the cat's birds cat",
        ]
    )
    assert bool(adapter.pieces_) == (tokens == "word")
    assert adapter.runs_
    return Exported(adapter, evidence=3)


def test_grids_of_all_scripts_are_those_of_python(exported):
    exported.check(SCRIPTS)
    exported.check(exported.adapter.trial_items(np.random.default_rng(0)))


def test_a_text_alone_has_the_grids_that_it_has_among_others(exported):
    for text in SCRIPTS[:20]:
        exported.check([text])


CHARACTERS = st.one_of(
    st.characters(exclude_categories=["Cs"]), st.sampled_from("nN'tTsSdDmMrReEvVlL’ \n.aé"),
    st.sampled_from(sorted(characters_graph._combining_classes())), st.sampled_from(SCRIPTS),
    st.sampled_from(sorted(characters_graph._compositions())), st.sampled_from("\u1100\u1112\u1161\u11a8\u11a7가각"),
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(CHARACTERS, max_size=30).map("".join), max_size=8))
def test_grids_of_any_texts_are_those_of_python(exported, texts):
    exported.check([*texts, "…"])


def test_no_texts_make_no_grids(exported):
    grids, item, n_items, *_ = exported.run([])
    assert grids.shape == (0, *exported.adapter.spec_.shape)
    assert (len(item), n_items.tolist()) == (0, [0])


def test_long_texts_are_cut_into_the_same_windows(exported):
    draw = random.Random(0)
    texts = [" ".join(draw.choices(["cat", "dogs", "zebra", "it's", "!"], k=size)) for size in (2000, *range(30))]
    exported.check(texts)


def test_every_character_is_changed_as_python_changes_it():
    graph = Graph()
    characters = characters_graph.normalised(graph, graph.input("text", str, ["n"]), True, {})
    graph.output("characters", characters.values, str, ["m"])
    session = onnxruntime.InferenceSession(graph.model().SerializeToString())
    singles = [each for each in characters_graph._all_characters() if unicodedata.category(each) not in ("Cn", "Co")]
    both = [unicodedata.normalize("NFD", each) for each in singles if unicodedata.decomposition(each)]
    texts = [each for each in singles + both if each != "\n"]
    (found,) = session.run(None, {"text": np.array(texts, dtype=object)})
    expected = [unicodedata.normalize("NFC", folded(text)) for text in texts]
    assert "".join(found) == "".join(f"\n{text}" for text in [*expected, characters_graph.LAST])


def test_composition_takes_no_more_steps_than_the_graph_has():
    pairs = characters_graph._compositions()
    parts = {one: pair for pair, one in pairs.items()}

    def depth(character):
        return 1 + depth(parts[character][0]) if character in parts else 0

    assert max(map(depth, parts)) == characters_graph.LONGEST_CHAIN
    assert not {pair[1] for pair in pairs} & {pair[0] for pair in pairs}  # so no two steps meet


def test_letters_are_those_of_the_pattern_of_words():
    letters = "".join(each for each in characters_graph._all_characters() if is_letter(each))
    others = (each for each in characters_graph._all_characters() if not is_letter(each))
    assert _word_pattern().findall(letters) == [letters]
    assert all(len(token) == 1 for token in _word_pattern().findall("".join(others)))


def test_contractions_are_split_in_every_surrounding():
    exported = Exported(TextAdapter(length=8, embedding_dim=2, min_count=1, tokens="word").fit(["n't 's a"]))
    texts = ["".join(each) for size in range(1, 5) for each in itertools.product("n'tsel a", repeat=size)]
    tokens = exported.run(texts)[3]
    assert [[each for each in row if each] for row in tokens.tolist()] == [words(text) for text in texts]


@pytest.mark.parametrize("size", range(LONGEST_WORD - 2, LONGEST_WORD + 4))
def test_long_words_are_cut_off(size):
    texts = ["ab" * 32, "abc" * 21, *(f"{start}ba" for start in ("ab" * 31, "ab" * 32, "ab" * 33, "aba"))]
    exported = Exported(TextAdapter(length=8, embedding_dim=4, min_count=1, tokens="word").fit(texts))
    assert max(map(len, exported.adapter.known.tokens)) == LONGEST_WORD
    exported.check([("ab" * 40)[:size], ("abc" * 40)[:size], "é" * size + " ab", "x" * (size - 3) + "aba"])


def test_vocabularies_of_earlier_versions_go_on_working():
    adapter = TextAdapter(min_count=1, length=4, embedding_dim=4).fit(["λόγος μύθος τόπος", "a"])
    settings, state = adapter.get_params(), adapter.state()
    state["vocabulary_"] = [*(token.replace("σ", "ς") for token in state["vocabulary_"]), "z" * 70]
    for name in ("runs_", "evidence_", "marked_"):
        del state[name]
    earlier = from_state("TextAdapter", settings, state)
    assert (earlier.encode("λόγος ΛΌΓΟΣ")[0, :2, 0] > 1).all()
    Exported(earlier).check(["λόγος ΜΎΘΟΣ τόπο zzz", "z" * 70])


def test_a_model_may_know_nothing():
    Exported(TextAdapter(length=3, embedding_dim=2, min_count=9).fit(["a b c"])).check(["a b", ""])


def test_what_is_no_text_is_refused_before_the_graph():
    adapter = TextAdapter().fit(["a a"])
    assert adapter.decode("a\0é") == "a\0é"
    assert adapter.decode("ab\ud800c") == "ab\ufffdc"
    assert adapter.tokenise("ab \ud800 c") == ["ab", "\ufffd", "c"]
    with pytest.raises(ItemError, match=r"expected a text \(str\), got bytes"):
        adapter.decode(b"a")


def test_reading_texts_needs_no_torch():
    code = "import sys, gridcnn.adapters.text as t; t.TextAdapter().decode('a'); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_what_is_known_of_unicode_takes_little_room():
    adapter = TextAdapter(length=3, embedding_dim=2, min_count=1).fit(["a"])
    assert len(Exported(adapter).model) < 200_000
