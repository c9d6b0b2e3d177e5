"""Texts in an exported model: strings in, grids out, as `TextAdapter` and its trained frontend make them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridcnn.adapters.characters_graph import END as END_OF_SLICE
from gridcnn.adapters.characters_graph import Strings, after, look_up, normalised
from gridcnn.adapters.tokens import BEGIN, END, MOST_PIECES
from gridcnn.adapters.tokens_graph import NONE, add_pieces, as_characters, as_words
from gridcnn.adapters.vocabulary import FIRST_WORD, PADDING, RUN_SIZES, UNKNOWN
from gridcnn.onnx_graph import Graph, Windows

__all__ = ["add_text", "trial_texts"]

ODD_TEXTS = (
    "", " ", "\n\t", "a", "Don't! It's (almost) done...", "O’Neill’s isn’t", "ΛΌΓΟΣ λόγος", "İSTANBUL ıssız",
    "Tie\u0302\u0301ng Vie\u0302\u0323t", "\u1112\u1161\u11ab\uae00", "हिन्दी में लिखा है।", "العربيةُ جميلة",
    "今天天气很好。", "วันนี้อากาศดีมาก", "👩\u200d👩\u200d👧 🇩🇪", "x" * 70,
)  # fmt: skip
LONGEST_TRIAL = 3  # windows


def add_text(graph: Graph, adapter: Any, frontend: Any) -> Windows:
    """Add the input `text`, strings `(batch,)`, and all that turns it into grids.

    Parameters
    ----------
    graph : Graph
        Where to.
    adapter : TextAdapter
        A fitted one.
    frontend : Embed
        The trained module.
    """
    texts = graph.input("text", str, ["batch"])
    if adapter.marked_:
        with_marks = graph("StringConcat", graph("StringConcat", graph.constant(BEGIN), texts), graph.constant(END))
        texts = graph("Where", graph("Equal", texts, graph.constant("")), texts, with_marks)
    as_word, n_items = adapter.tokens_ == "word", graph.size(texts, 0)
    characters = normalised(graph, texts, adapter.lowercase, {"\0": " "} | ({"’": "'"} if as_word else {}))
    tokens = (as_words if as_word else as_characters)(graph, characters)
    item, places = _windows(graph, tokens, n_items, adapter.length_)
    rows = {token: row for row, token in enumerate(adapter.known.tokens, start=FIRST_WORD)}
    row = look_up(graph, tokens.values, rows or NONE, UNKNOWN)
    cells = _in_cells(graph, row, PADDING, places)
    grids = graph("Gather", graph.constant(_table(adapter, frontend)), cells)  # (windows, length, embedding)
    if adapter.known.pieces:
        is_unknown = graph("Equal", row, graph.constant(UNKNOWN))
        grids = _with_pieces(graph, grids, tokens, is_unknown, places, adapter.known.pieces, frontend)
    if frontend.runs is not None:
        grids = _with_runs(graph, grids, tokens, places, adapter, frontend)
    shown = {
        "tokens": _in_cells(graph, tokens.values, "", places),
        "known": graph("Greater", cells, graph.constant(UNKNOWN)),
    }
    return Windows(graph("Transpose", grids, perm=[0, 2, 1]), item, n_items, shown)


def _in_cells(graph: Graph, of_tokens: str, of_none: int | str, places: str) -> str:
    """Return what each token has, `(n,)`, for each cell, `(windows, length)`."""
    return graph("Gather", graph("Concat", graph.constant([of_none]), of_tokens, axis=0), places)


def _with_pieces(
    graph: Graph, grids: str, tokens: Strings, is_unknown: str, places: str, pieces: dict[str, int], frontend: Any
) -> str:
    """Add the vectors of the pieces of unknown words, looked up once for each different word."""
    others = graph("Concat", graph.constant([""]), graph("Compress", tokens.values, is_unknown, axis=0), axis=0)
    distinct, _, which, _ = graph.several("Unique", 4, others, sorted=0)
    numbers = add_pieces(graph, distinct, pieces, MOST_PIECES)
    weights = frontend.pieces.weight.detach().numpy().copy()
    dim = weights.shape[1]
    if frontend.hints is not None:
        weights = np.concatenate([weights, frontend.hints.weight.detach().numpy()], axis=1)
    weights[PADDING] = 0
    total = graph("ReduceSum", graph("Gather", graph.constant(weights), numbers), graph.constant([1]), keepdims=0)
    one = graph.constant(1)
    count = graph("ReduceSum", graph("Min", numbers, one), graph.constant([1]))
    count = graph.cast(graph("Max", count, one), np.float32)
    mean = graph("Div", graph.slice(total, 0, dim, axis=1), count)
    if frontend.hints is not None:  # vectors are averaged, evidence adds up
        mean = graph("Concat", mean, graph.slice(total, dim, END_OF_SLICE, axis=1), axis=1)
    word = graph("Gather", which, graph("CumSum", graph.cast(is_unknown, np.int64), graph.constant(np.int64(0))))
    word = _in_cells(graph, graph("Where", is_unknown, word, graph.constant(0)), 0, places)  # the first has no pieces
    cells = graph("Transpose", graph("NonZero", word), perm=[1, 0])
    return graph("ScatterND", grids, cells, graph("Gather", mean, graph("GatherND", word, cells)), reduction="add")


def _with_runs(graph: Graph, grids: str, tokens: Strings, places: str, adapter: Any, frontend: Any) -> str:
    """Add the evidence of the runs that begin with each token to the last channels."""
    weights = frontend.runs.weight.detach().numpy().copy()
    weights[PADDING] = 0
    table, between = graph.constant(weights), " " if adapter.tokens_ == "word" else ""
    run, evidence, next_token, next_item = tokens.values, "", tokens.values, tokens.item
    n = graph.size(tokens.values, 0)
    for size in range(2, max(RUN_SIZES[adapter.tokens_]) + 1):
        next_token = graph.slice(after(graph, next_token, 1, ""), 0, n, axis=0)  # there may be no token at all
        next_item = graph.slice(after(graph, next_item, 1, -1), 0, n, axis=0)
        begun = graph("StringConcat", run, graph.constant(between)) if between else run
        run = graph("StringConcat", begun, next_token)
        known = {each: number for each, number in adapter.known.runs.items() if _size(each, between) == size}
        number = look_up(graph, run, known or NONE, PADDING)
        number = graph("Where", graph("Equal", next_item, tokens.item), number, graph.constant(PADDING))
        found = graph("Gather", table, _in_cells(graph, number, PADDING, places))
        evidence = graph("Add", evidence, found) if evidence else found
    dim = adapter.embedding_dim_
    vectors, others = graph.slice(grids, 0, dim, axis=2), graph.slice(grids, dim, END_OF_SLICE, axis=2)
    return graph("Concat", vectors, graph("Add", others, evidence), axis=2)


def _size(run: str, between: str) -> int:
    return len(run.split(between)) if between else len(run)


def _windows(graph: Graph, tokens: Strings, n_items: str, length: int) -> tuple[str, str]:
    """Cut the tokens of each text as `cut_windows` does.

    Returns
    -------
    item : str
        The text of each window, int64 `(windows,)`.
    places : str
        The token in each cell, counted from 1, and 0 for none, int64 `(windows, length)`.
    """
    one, size = graph.constant(1), graph.constant(length)
    zeros = graph("Expand", graph.constant([0]), graph("Add", n_items, graph.constant([1])))  # one text more, `LAST`
    ones = graph("Expand", graph.constant([1]), graph("Shape", tokens.item))
    counts = graph("ScatterElements", zeros, tokens.item, ones, axis=0, reduction="add")
    first = graph("CumSum", counts, graph.constant(np.int64(0)), exclusive=1)
    counts = graph.slice(counts, 0, n_items, axis=0)
    n_cells = graph("Max", counts, size)
    n_windows = graph("Div", graph("Add", n_cells, graph.constant(length - 1)), size)
    most = graph("ReduceMax", graph("Concat", n_windows, graph.constant([0]), axis=0), keepdims=1)
    axis = graph.constant([1])
    exists = graph(
        "Less", graph("Unsqueeze", graph.range(most), graph.constant([0])), graph("Unsqueeze", n_windows, axis)
    )
    item, at = (
        graph("Squeeze", graph.slice(graph("NonZero", exists), row, row + 1, axis=0), graph.constant([0]))
        for row in range(2)
    )
    # numpy.linspace, in double precision as there, and its last value exactly
    gaps = graph("Max", graph("Sub", n_windows, one), one)
    whole = graph("Sub", n_cells, size)
    step = graph("Div", graph.cast(whole, np.float64), graph.cast(gaps, np.float64))
    start = graph("Round", graph("Mul", graph.cast(at, np.float64), graph("Gather", step, item)))
    is_last = graph("Equal", graph("Add", at, one), graph("Gather", n_windows, item))
    start = graph("Where", is_last, graph("Gather", whole, item), graph.cast(start, np.int64))
    place = graph("Add", graph("Unsqueeze", start, axis), graph.constant(np.arange(length)[None]))
    is_token = graph("Less", place, graph("Unsqueeze", graph("Gather", counts, item), axis))
    place = graph("Add", place, graph("Unsqueeze", graph("Gather", first, item), axis))
    return item, graph("Where", is_token, graph("Add", place, one), graph.constant(0))


def _table(adapter: Any, frontend: Any) -> np.ndarray:
    """Return the vectors of padding, of an unknown token without pieces, and of all known tokens with theirs."""
    import torch  # noqa: PLC0415

    known = adapter.known
    ids = np.zeros((1 + len(known.tokens), known.row_size), dtype=np.int32)  # of no run
    ids[:, : known.own_size] = [known.ids_of(token) for token in ["", *known.tokens]]
    with torch.no_grad():
        vectors = frontend(torch.from_numpy(ids[None]))[0].T
    table: np.ndarray = np.concatenate([np.zeros_like(vectors[:1]), vectors.numpy()])
    return table


def trial_texts(adapter: Any, random: np.random.Generator) -> list[str]:
    """Return texts to try an exported model of a fitted `TextAdapter`."""
    words, between = np.array(adapter.vocabulary_ or ["word"]), " " if adapter.tokens_ == "word" else ""
    sizes = random.integers(1, LONGEST_TRIAL * adapter.length_ + 1, 8)
    return [*ODD_TEXTS, *(between.join(random.choice(words, size).tolist()) for size in sizes)]
