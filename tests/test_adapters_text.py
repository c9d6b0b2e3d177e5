"""TextAdapter: tokens in any script, a vocabulary from training only, windows and vectors."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from gridcnn.adapters import TextAdapter, from_state
from gridcnn.adapters.base import Preview
from gridcnn.adapters.text_survey import TextSurvey
from gridcnn.adapters.tokens import characters, has_words, pieces, spacing_of, words
from gridcnn.errors import ConfigurationError, DataError, ItemError

TEXTS = ["the cat sat", "the cat ran", "the dog sat down"]


def test_words_of_any_script_stay_whole():
    assert words("हिन्दी में लिखा है।") == ["हिन्दी", "में", "लिखा", "है", "।"]
    assert words("العربيةُ جميلة") == ["العربيةُ", "جميلة"]
    assert words("Größe 한국어 naïve") == ["Größe", "한국어", "naïve"]
    assert words("cafe\u0301") == words("caf\u00e9") == ["caf\u00e9"]  # composed or not, the same word


def test_contractions_and_punctuation_are_tokens_of_their_own():
    assert words("Don't! It's (almost) done...") == ["Do", "n't", "!", "It", "'s", "(", "almost", ")", "done", *"..."]
    assert words("it’s") == words("it's") == words("it 's")
    assert words("DON'T") == ["DO", "N'T"]
    assert words("o'clock") == ["o", "'", "clock"]


def test_plain_text_is_cut_as_any_other():
    printable = "".join(map(chr, range(1, 127))).replace("'", "")
    for text in (printable, "a_b 12,5 (x-y)\tline\nend.", ""):
        assert words(text) == words(f"{text} é")[:-1]  # which is not plain


def test_characters_keep_single_spaces():
    assert characters(" a\n\t b ") == ["a", " ", "b"]


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["what is this ?", "a word"], "word"),
        (["다음 문장은 한국어 입니다", "두 번째 문장"], "word"),
        (["今天天气很好", "我喜欢猫"], "character"),
        (["วันนี้อากาศดีมาก ไปเที่ยว กัน", "ฉันชอบ แมว"], "character"),
        (["ACGTACGGT", "TTGACA"], "character"),
    ],
)
def test_auto_takes_characters_where_there_are_no_words(texts, kind):
    assert TextAdapter().fit(texts).tokens_ == kind
    assert has_words([spacing_of(texts)]) == (kind == "word")


def test_the_kind_of_token_can_be_chosen():
    assert TextAdapter(tokens="character").fit(TEXTS).vocabulary_[:2] == [" ", "t"]
    assert TextAdapter(tokens="word").fit(["天气 天气"]).vocabulary_ == ["天气"]


def test_the_vocabulary_is_ordered_by_count_then_word():
    adapter = TextAdapter(min_count=1).fit(TEXTS)
    assert adapter.vocabulary_ == ["the", "cat", "sat", "dog", "down", "ran"]
    assert TextAdapter().fit(TEXTS).vocabulary_ == ["the", "cat", "sat"]
    assert TextAdapter(min_count=1, max_vocabulary=2).fit(TEXTS).vocabulary_ == ["the", "cat"]


def test_unseen_and_rare_words_are_unknown_and_the_end_is_padded():
    adapter = TextAdapter().fit(TEXTS)
    assert adapter.length_ == 8
    encoded = adapter.encode("The zebra ran: sat")
    assert encoded.dtype == np.int32
    np.testing.assert_array_equal(encoded[..., 0], [[2, 1, 1, 1, 4, 0, 0, 0]])


def test_case_is_kept_on_request():
    assert TextAdapter(min_count=1).fit(["The the"]).vocabulary_ == ["the"]
    assert TextAdapter(min_count=1, lowercase=False).fit(["The the"]).vocabulary_ == ["The", "the"]


def test_case_is_a_matter_of_characters_not_of_words_or_languages():
    adapter = TextAdapter(min_count=1, tokens="word").fit(["a"])
    assert adapter.tokenise("ΛΌΓΟΣ Σ ΛΌΓΟς. İI") == ["λόγοσ", "σ", "λόγοσ", ".", "i\u0307i"]


def test_a_null_character_is_white_space():
    assert TextAdapter(min_count=1, tokens="word").fit(["a"]).tokenise("a\0b") == ["a", "b"]
    assert TextAdapter(min_count=1, tokens="character").fit(["a"]).tokenise("a\0\0b\0") == [
        "⟨",
        "a",
        " ",
        "b",
        " ",
        "⟩",
    ]


def test_long_words_are_unknown_and_have_the_pieces_of_their_beginning():
    known, long = "ab" * 32, "ab" * 32 + "c"
    adapter = TextAdapter(min_count=1, tokens="word").fit([f"{known} {long} abc.abd xabc yabc"])
    assert known in adapter.vocabulary_
    assert long not in adapter.vocabulary_
    assert pieces(known)[-1] == "abab>"
    assert pieces(long)[-1] == "babab"
    assert pieces(long) == pieces(long + "de")


def test_length_is_the_98th_percentile_within_bounds():
    assert TextAdapter().fit(["a " * 20] * 99 + ["a " * 300]).length_ == 20
    assert TextAdapter().fit(["a " * 900]).length_ == 400
    assert TextAdapter(length=5).fit(TEXTS).spec_.shape == (128, 5)


def test_long_texts_are_covered_by_windows():
    adapter = TextAdapter(length=4, min_count=1).fit(["a b c d e f g h i j"])
    tokens = adapter.encode("a b c d e f g h i j")[..., 0]
    np.testing.assert_array_equal(tokens, [[2, 3, 4, 5], [5, 6, 7, 8], [8, 9, 10, 11]])


def test_an_empty_text_is_all_padding_and_its_grid_is_zero():
    adapter = TextAdapter().fit(TEXTS)
    for text in ("", "  \n"):
        encoded = adapter.encode(text)
        np.testing.assert_array_equal(encoded, np.zeros((1, 8, 2)))  # of a token, and of a pair
        assert (adapter.frontend()(torch.from_numpy(encoded)) == 0).all()


@pytest.mark.parametrize("item", [None, float("nan"), 3, b"bytes", ["a"]])
def test_what_is_no_text_is_refused(item):
    with pytest.raises(ItemError, match=rf"expected a text \(str\), got {type(item).__name__}"):
        TextAdapter().fit([item, "a a"]).encode(item)


def test_training_texts_without_a_word_are_refused():
    with pytest.raises(DataError, match="none of the 2 training items"):
        TextAdapter().fit(["", None])


def test_the_frontend_looks_up_a_vector_for_each_token():
    adapter = TextAdapter(embedding_dim=6).fit(TEXTS)
    frontend = adapter.frontend()
    grid = frontend(torch.from_numpy(adapter.encode("the dog")))
    assert grid.shape == (1, 6, 8)
    assert torch.equal(grid[0, :, 0], frontend.vectors.weight[2])
    assert torch.equal(grid[0, :, 1], frontend.vectors.weight[1])
    grid.sum().backward()
    assert frontend.vectors.weight.grad[2].abs().sum() > 0
    assert frontend.vectors.weight.grad[0].abs().sum() == 0


def test_words_that_keep_the_same_company_start_with_like_vectors():
    texts = [f"the {animal} {verb} in the {place}" for animal in ("cat", "dog") for verb in ("sat", "ran")
             for place in ("house", "garden")]  # fmt: skip
    adapter = TextAdapter(min_count=1, embedding_dim=8).fit(texts)
    vectors = {word: adapter.frontend().vectors.weight[2 + i].detach() for i, word in enumerate(adapter.vocabulary_)}

    def likeness(a, b):
        return torch.cosine_similarity(vectors[a], vectors[b], dim=0)

    assert likeness("cat", "dog") > 0.9
    assert likeness("cat", "house") < 0.5
    assert adapter.frontend().vectors.weight.detach().std() == pytest.approx(0.15, abs=0.05)


PLURALS = ["cats", "dogs", "birds", "cat", "catch", "bat"]


def test_an_unknown_word_resembles_its_relatives_by_its_pieces():
    adapter = TextAdapter(min_count=1).fit([" ".join(PLURALS)])
    assert adapter.pieces_ == ["<ca", "<cat", "cat"]  # each in three words
    np.testing.assert_array_equal(adapter.encode("cattle")[0, 0, :5], [1, 1, 3, 2, 0])
    frontend = adapter.frontend()
    grid = frontend(torch.from_numpy(adapter.encode("cattle zoo")))
    pieces = frontend.pieces.weight[1:4].mean(dim=0)
    torch.testing.assert_close(grid[0, :, 0], frontend.vectors.weight[1] + pieces)
    torch.testing.assert_close(grid[0, :, 1], frontend.vectors.weight[1])


def test_words_that_are_kept_have_the_ids_of_words_that_are_not(monkeypatch):
    adapter = TextAdapter().fit(["the seeing see", "we saw the sea", "see the sea sea"])
    first = adapter.encode("the unseen sealing")
    assert np.array_equal(adapter.encode("the unseen sealing"), first)
    monkeypatch.setattr("gridcnn.adapters.vocabulary.MOST_KEPT", 0)
    adapter._index()
    assert np.array_equal(adapter.encode("the unseen sealing"), first)
    assert set(adapter.known._rows) == {"the"}


def test_pieces_can_be_left_out_and_characters_have_none():
    text = " ".join(PLURALS)
    assert TextAdapter(min_count=1, subwords=False).fit([text]).encode("cattle").shape == (1, 8, 1)
    assert TextAdapter(min_count=1, tokens="character").fit([text]).pieces_ == []


def test_the_vectors_of_pieces_follow_the_seed_and_are_small():
    adapter = TextAdapter(min_count=1).fit([" ".join(PLURALS)])
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        weights.append(adapter.frontend().pieces.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert weights[0][1:].std() == pytest.approx(0.15, abs=0.02)


@pytest.mark.parametrize("header", ["", "4 3\n"])
def test_pretrained_vectors_are_taken_from_the_file(tmp_path, header):
    path = tmp_path / "vectors.txt"
    path.write_text(f"{header}cat 1 2 3\nunused 9 9 9\ndog 4 5 6\ncat 7 7 7\n", encoding="utf-8")
    adapter = TextAdapter(vectors=path).fit(TEXTS)
    assert adapter.vocabulary_ == ["the", "cat", "sat", "dog"]  # dog is rare, but has a vector
    assert adapter.spec_.shape == (3, 8)
    frontend = adapter.frontend()
    assert frontend.vectors.weight[3].tolist() == [1, 2, 3]
    assert frontend.vectors.weight[5].tolist() == [4, 5, 6]
    assert frontend.vectors.weight[2].abs().max() < 1  # not in the file: drawn at random


def test_vectors_that_are_shorter_than_their_header_says_are_refused(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("2 300\ncat 1 2 3\ndog 4 5 6\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2: expected a word and 300 numbers"):
        TextAdapter(vectors=path).fit(TEXTS)


def test_a_restored_adapter_needs_no_file_of_vectors(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("cat 1 2 3\n", encoding="utf-8")
    adapter = TextAdapter(vectors=str(path)).fit(TEXTS)
    settings, state = json.loads(json.dumps([adapter.get_params(), adapter.state()]))
    path.unlink()
    again = from_state("TextAdapter", settings, state)
    np.testing.assert_array_equal(again.encode("a cat sat"), adapter.encode("a cat sat"))
    assert again.spec_ == adapter.spec_
    frontend = again.frontend()
    frontend.load_state_dict(adapter.frontend().state_dict())
    assert frontend.vectors.weight[3].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cat 1 2 3\ndog 1 2\n", "line 2: expected a word and 3 numbers"),
        ("cat 1 x 3\n", "line 1: the vector of 'cat' has an entry that is no number"),
        ("dog 0 0 0\ncat 1 nan 3\n", "line 2: .* NaN or infinite"),
        ("word\n", "line 1: expected a word and its numbers"),
        ("chat 1 2 3\n", "no vector for any word"),
        ("", "no vector for any word"),
        (b"\xff\xfe\x00", "no UTF-8 text"),
    ],
)
def test_malformed_vectors_name_the_line(tmp_path, content, message):
    path = tmp_path / "vectors.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message):
        TextAdapter(vectors=path).fit(TEXTS)


def test_a_missing_file_of_vectors_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.txt: the file of vectors cannot be read"):
        TextAdapter(vectors=tmp_path / "gone.txt").fit(TEXTS)


def test_a_dimension_that_contradicts_the_vectors_is_refused(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("cat 1 2 3\n", encoding="utf-8")
    assert TextAdapter(vectors=path, embedding_dim=3).fit(TEXTS).embedding_dim_ == 3
    with pytest.raises(ConfigurationError, match="leave embedding_dim out"):
        TextAdapter(vectors=path, embedding_dim=4).fit(TEXTS)


@pytest.mark.parametrize("change", [{"tokens": "syllable"}, {"length": 0}, {"min_count": 0}, {"max_vocabulary": 0}])
def test_impossible_parameters_are_refused(change):
    (name,) = change
    with pytest.raises(ConfigurationError, match=name):
        TextAdapter(**change).fit(TEXTS)


def test_many_texts_are_seen_less_often():
    adapter = TextAdapter().fit(["a b"] * 3)
    assert [adapter.defaults(n_texts)["epochs"] for n_texts in (30, 40_000, 50_000, 1_000_000)] == [10, 10, 8, 4]


def test_a_single_column_is_read_and_several_are_refused():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"text": TEXTS, "other": TEXTS})
    assert TextAdapter().check_items(table[["text"]]) == TEXTS
    assert TextAdapter().check_items(table["text"]) == TEXTS
    with pytest.raises(DataError, match=r"2 \(text, other\): choose one"):
        TextAdapter().check_items(table)


# --- what a person sees ----------------------------------------------------------------------------------------------


def test_content_tells_unknown_words_apart_and_knows_one_text_in_two_unicode_forms():
    adapter = TextAdapter().fit(TEXTS)

    def content(text):
        return adapter.content(text, adapter.encode(text))

    np.testing.assert_array_equal(adapter.encode("zebra"), adapter.encode("quagga"))
    assert content("zebra") != content("quagga")
    assert content("cafe\u0301") == content("caf\u00e9") == "caf\u00e9".encode()
    assert content("\ud800")  # half a surrogate pair, as broken files hold


def test_a_preview_is_the_text_and_says_what_it_leaves_out():
    adapter = TextAdapter().fit(TEXTS)
    assert adapter.preview("the cat") == Preview(text="the cat")
    assert adapter.preview("x" * 601) == Preview(text="x" * 600, note="the first 600 of 601 characters")


def test_the_coordinates_of_a_text_are_its_tokens_and_whether_they_are_known():
    adapter = TextAdapter(length=4).fit(TEXTS)
    (axis,) = adapter.coordinates("The zebra sat")
    assert (axis.name, axis.unit) == ("token", "")
    assert axis.words == ("the", "zebra", "sat", "")
    assert axis.known == (True, False, True, False)
    assert axis.between(slice(1, 4)) == "zebra sat ·"


def test_the_coordinates_of_a_window_count_from_the_beginning_of_the_text():
    adapter = TextAdapter(length=4).fit(TEXTS)
    text = "a b c d e f g h i j"
    assert len(adapter.encode(text)) == 3
    (axis,) = adapter.coordinates(text, window=2, n_windows=3)
    assert axis.words == ("d", "e", "f", "g")
    np.testing.assert_array_equal(axis.centre, [3, 4, 5, 6])


def test_an_empty_grid_is_padding():
    adapter = TextAdapter(embedding_dim=5).fit(TEXTS)
    frontend = adapter.frontend()
    grid, padding = (frontend(torch.from_numpy(adapter.encode(text)))[0].detach() for text in ("the cat sat", ""))
    assert torch.equal(adapter.empty_grid(grid), padding)
    assert not torch.equal(grid, padding)


def test_symbols_are_the_tokens_of_a_text():
    assert TextAdapter().fit(TEXTS).symbols("The zebra sat!") == ["the", "zebra", "sat", "!"]


@pytest.mark.parametrize(("tokens", "expected"), [("word", ["the", "cat"]), ("character", ["t", "⟨"])])
def test_known_symbols_are_the_most_frequent_ones_encoded_in_a_row(tokens, expected):
    texts = ["the cat", "the cat", "the", "th", "t"]
    adapter = TextAdapter(tokens=tokens).fit(texts)
    symbols, windows = adapter.known_symbols(2)
    assert symbols == expected
    assert windows[0, :3, 0].tolist() == [2, 3, 0]  # the ids of the two most frequent tokens, then padding
    assert len(adapter.known_symbols(1)[0]) == 1


def test_texts_are_neither_files_nor_rows():
    assert (TextAdapter.reads_files, TextAdapter.reads_texts, TextAdapter.reads_rows) == (False, True, False)


@pytest.mark.parametrize("tokens", ["word", "character"])
def test_texts_that_are_counted_in_shares_teach_what_all_of_them_teach(tokens):
    words_of = np.random.default_rng(0).choice(list("abcdefgh"), (90, 12))
    texts = [" ".join(row) for row in words_of]
    shares = [TextSurvey(texts[:20]), TextSurvey([*texts[20:], None])]
    together = TextAdapter(tokens).fit(
        texts, lambda question, *given: [getattr(each, question)(*given) for each in shares]
    )
    alone = TextAdapter(tokens).fit(texts)
    assert together.state() == alone.state()
    assert together.runs_
    vectors, expected = (each.frontend().vectors.weight[2:].detach() for each in (together, alone))
    np.testing.assert_allclose(vectors.abs(), expected.abs(), atol=1e-5)  # the sign of a singular vector is free
