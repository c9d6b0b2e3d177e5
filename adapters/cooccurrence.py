"""What stands how often, and next to what, in the training texts: initial vectors of tokens, and their bag."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array, csr_array, hstack
from sklearn.utils.extmath import randomized_svd

__all__ = ["PIECE_WEIGHT", "bag_of", "company_of", "cooccurrence_vectors"]

WINDOW = 5  # tokens on either side that count as company, the nearer the more
PIECE_WEIGHT = 0.3  # of a piece of a word, beside the word
MOST_WITH_PIECES = 20_000  # windows; more have words enough, and counting their pieces takes minutes
SMOOTHING = 0.75  # exponent of the context counts: rare contexts say less than their information claims


def company_of(sentences: Sequence[np.ndarray], n_tokens: int) -> csr_array:
    """Return how often two tokens stand within the window, each meeting weighted by 1/distance; symmetric.

    Parameters
    ----------
    sentences : sequence of int ndarray of shape (length,)
        Token ids below `n_tokens`.
    n_tokens : int
        Size of the vocabulary.
    """
    lengths = [len(sentence) for sentence in sentences]
    ids = np.concatenate([np.empty(0, dtype=np.int64), *sentences])
    sentence_of = np.repeat(np.arange(len(sentences)), lengths)
    total = csr_array((n_tokens, n_tokens))
    for distance in range(1, WINDOW + 1):
        together = sentence_of[:-distance] == sentence_of[distance:]
        pairs = ids[:-distance][together], ids[distance:][together]
        weights = np.full(len(pairs[0]), 1 / distance)
        total = total + coo_array((weights, pairs), shape=(n_tokens, n_tokens)).tocsr()
    return total + total.T


def cooccurrence_vectors(company: csr_array, dim: int) -> np.ndarray:
    """Return one vector a token: tokens that stand among the same others get like vectors.

    Positive pointwise mutual information of tokens within five positions of each other, weighted by 1/distance, and
    its leading singular vectors, each times the root of its singular value.

    Parameters
    ----------
    company : csr_array of shape (n_tokens, n_tokens)
        How often two tokens stand near each other, see `company_of`.
    dim : int
        Size of a vector; entries beyond the rank of the counts are 0.

    Returns
    -------
    ndarray of shape (n_tokens, dim), float32
        With standard deviation 1 over all entries, or all 0 if no two tokens stand together.

    References
    ----------
    Levy, Goldberg and Dagan 2015, "Improving distributional similarity with lessons learned from word embeddings".
    """
    n_tokens = company.shape[0]
    information = _positive_information(company)
    vectors = np.zeros((n_tokens, dim), dtype=np.float32)
    rank = min(dim, n_tokens)
    left, values, _ = randomized_svd(information, rank, n_iter=4, random_state=0)
    values[values < 1e-6 * values.max(initial=0)] = 0  # beyond the rank of the counts there is only rounding
    vectors[:, :rank] = left * np.sqrt(values)
    spread = float(vectors.std())
    return vectors / spread if spread > 0 else vectors


def occurrences(ids: np.ndarray, size: int) -> csr_array:
    """Return how often each id stands in each window, `(n, length, …)` to `(n, size)`; 0 is none."""
    found = np.nonzero(ids)
    return coo_array((np.ones(len(found[0])), (found[0], ids[found])), shape=(len(ids), size)).tocsr()


def bag_of(windows: np.ndarray, own: int, sizes: tuple[int, int, int]) -> csr_array:
    """Return counts of tokens and runs, and of pieces times `PIECE_WEIGHT`, side by side.

    Parameters
    ----------
    windows : int ndarray of shape (n, length, ids)
        The id of a token, those of its pieces up to `own`, and those of the runs that it begins.
    own : int
        How many ids a token has wherever it stands.
    sizes : (int, int, int)
        Numbers of tokens, runs and pieces, each with none.
    """
    n_tokens, n_runs, n_pieces = sizes
    pieces = windows[..., 1:own] if len(windows) <= MOST_WITH_PIECES else windows[..., :0]
    counts = [occurrences(windows[..., 0], n_tokens), occurrences(windows[..., own:], n_runs)]
    return hstack([*counts, PIECE_WEIGHT * occurrences(pieces, n_pieces)]).tocsr()


def _positive_information(counts: csr_array) -> csr_array:
    of_token = np.asarray(counts.sum(axis=1)).ravel()
    of_context = of_token**SMOOTHING
    entries = counts.tocoo()
    expected = of_token[entries.coords[0]] * of_context[entries.coords[1]] / max(of_context.sum(), 1e-12)
    information = np.log(entries.data / expected).clip(min=0)
    return coo_array((information, entries.coords), shape=counts.shape).tocsr()
