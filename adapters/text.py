"""Texts: sentences become rows of token ids, and each id becomes a learned vector."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from gridcnn.adapters import text_remarks
from gridcnn.adapters.base import ClassicModel, Preview
from gridcnn.adapters.counts import epoch_count
from gridcnn.adapters.long_texts import LongTexts
from gridcnn.adapters.questions import Question
from gridcnn.adapters.text_cells import LONGEST_PREVIEW, cells_of, checked
from gridcnn.adapters.text_graph import add_text, trial_texts
from gridcnn.adapters.text_inspecting import TextInspector
from gridcnn.adapters.text_settings import ANYWHERE_OR_EXACTLY, EPOCH_ITEMS, FEWEST_EPOCHS, MOST_EPOCHS, SETTINGS
from gridcnn.adapters.text_state import EARLIER, STATE
from gridcnn.adapters.text_survey import Ask, TextSurvey, added, alone, common_runs
from gridcnn.adapters.tokens import LONGEST_WORD, cut, folded, has_words, normalised, well_formed
from gridcnn.adapters.vectors import dim_of, first_vectors, read_vectors
from gridcnn.adapters.vocabulary import FIRST_WORD, Vocabulary, common_pieces
from gridcnn.adapters.windows import cut_windows
from gridcnn.constraints import FileName
from gridcnn.errors import DataError
from gridcnn.grid import Axis, Coordinates, GridSpec
from gridcnn.onnx_graph import Graph, Windows
from gridcnn.parameters import Choice, Constraint, Flag, Number, Optional

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from torch import Tensor, nn

__all__ = ["TextAdapter"]

SHORTEST_LEARNED_LENGTH = 8
LONGEST_LEARNED_LENGTH = 400
LONGEST_WHOLE = 64  # characters up to which the longest text decides
LONGEST_ALIGNED = 256  # characters up to which it is asked whether their places matter
LEARNED_DIM = 128


class TextAdapter(LongTexts):
    """Turns texts into grids `(embedding, tokens)`: every token is a vector, a kernel spans all of its entries.

    The vector of a word is its own plus the mean of those of its pieces, the stretches of three to five letters in it,
    so that a word that training never met still resembles its relatives. Before training, words that keep the same
    company in the training texts have like vectors.

    Items are str. What is longer than the grid becomes the fewest windows that cover it, at equal distances; what is
    shorter is padded at its end. An empty text is all padding.

    Parameters
    ----------
    tokens : {"auto", "word", "character"}, default "auto"
        What a token is. `"auto"` takes characters if the training texts have no spaces between words, as in Chinese,
        Japanese, Thai or DNA, and words otherwise. Punctuation marks count as words.
    length : int or None, default None
        Tokens in a grid, at most 65,536. None learns the 98th percentile of the training texts, within 8 to 400.
    embedding_dim : int or None, default None
        Size of a vector. None takes that of `vectors`, or 128.
    min_count : int, default 2
        A token that is rarer than this in the training texts counts as unknown, unless `vectors` has it. Above 1,
        training meets unknown words, as prediction will.
    max_vocabulary : int, default 50000
        Most tokens to know; the most frequent ones are kept.
    vectors : path or None, default None
        A text file of pretrained vectors, one word and its numbers a line, with or without word2vec's header line. It
        is read in `fit` only; training starts from its vectors and changes them.
    lowercase : bool, default True
        Whether case is ignored: each character by itself, in any script, whatever the locale is.
    subwords : bool, default True
        Whether the pieces of a word count; of a long word those in its first 64 characters. Characters have none.

    Attributes
    ----------
    tokens_ : {"word", "character"}
    length_, embedding_dim_ : int
        The parameters as they are used.
    vocabulary_ : list of str
        The known tokens, the most frequent first; ids 0 and 1 are padding and unknown, so the first has id 2.
    pieces_ : list of str
        The known pieces of words, the most frequent first; id 0 is none, so the first has id 1.
    runs_ : list of str
        The known runs of tokens, pairs of words or two to five characters, the most frequent first, from id 1.
    evidence_ : int
        Channels of evidence behind those of a vector.
    marked_ : bool
        Whether marks stand at both ends of a text, as they do if tokens are characters.

    References
    ----------
    Kim 2014, "Convolutional neural networks for sentence classification"; Bojanowski et al. 2017, "Enriching word
    vectors with subword information", for the pieces.
    """

    modality: ClassVar[str] = "text"
    task: ClassVar[str] = "text-classification"
    fitted_attributes: ClassVar[tuple[str, ...]] = tuple(STATE)
    state_constraints: ClassVar[Mapping[str, Constraint]] = STATE
    constraints: ClassVar[Mapping[str, Constraint]] = {
        "tokens": Choice(("auto", "word", "character")),
        "length": Optional(STATE["length_"]),
        "embedding_dim": Optional(STATE["embedding_dim_"]),
        "vectors": Optional(FileName()),
        **dict.fromkeys(("min_count", "max_vocabulary"), Number(int, low=1)),
        **dict.fromkeys(("lowercase", "subwords"), Flag()),
    }
    reads_texts: ClassVar[bool] = True
    survey: ClassVar[type[Any] | None] = TextSurvey
    inspector = TextInspector

    tokens_: str
    length_: int
    embedding_dim_: int
    vocabulary_: list[str]
    pieces_: list[str]
    runs_: list[str]
    evidence_: int
    marked_: bool

    def __init__(
        self,
        tokens: str = "auto",
        length: int | None = None,
        embedding_dim: int | None = None,
        min_count: int = 2,
        max_vocabulary: int = 50_000,
        vectors: str | os.PathLike[str] | None = None,
        lowercase: bool = True,
        subwords: bool = True,
    ) -> None:
        self.tokens = tokens
        self.length = length
        self.embedding_dim = embedding_dim
        self.min_count = min_count
        self.max_vocabulary = max_vocabulary
        self.vectors = vectors
        self.lowercase = lowercase
        self.subwords = subwords

    def fit(self, items: Sequence[Any], ask: Ask | None = None) -> Self:
        """Learn the kind of token, the vocabulary and the length from the training texts.

        Parameters
        ----------
        items : sequence
            The texts.
        ask : callable, optional
            Asks the surveys of all shares of them; without it they are counted here.

        Raises
        ------
        ConfigurationError
            If a parameter cannot work.
        DataError
            If no item is a text with a token in it, or a line of `vectors` is malformed.
        """
        self.check_parameters()
        ask = ask or alone(items)
        kind = self.tokens if self.tokens != "auto" else "word" if has_words(ask("spacing")) else "character"
        self.tokens_, self.marked_, self.evidence_ = kind, kind == "character", 0
        counts, lengths = map(added, zip(*ask("tokens", kind, self.lowercase, self.marked_), strict=True))
        if not counts:
            raise DataError(f"none of the {len(items)} training items is a text with a word in it")
        usual = np.percentile(list(lengths.elements()), 98)
        learned = int(np.clip(usual, SHORTEST_LEARNED_LENGTH, LONGEST_LEARNED_LENGTH))
        whole = max(lengths) if kind == "character" and max(lengths) <= LONGEST_WHOLE else learned
        self.length_ = int(self.length or max(learned, whole))
        known = {} if self.vectors is None else read_vectors(self.vectors, counts.keys())
        frequent = [token for token in counts if counts[token] >= self.min_count or token in known]
        frequent = [token for token in frequent if len(token) <= LONGEST_WORD]
        self.vocabulary_ = sorted(frequent, key=lambda token: (-counts[token], token))[: self.max_vocabulary]
        self.pieces_ = common_pieces(counts) if self.subwords and kind == "word" else []
        self.runs_ = common_runs(ask, kind, set(self.vocabulary_))
        dim = dim_of(known, self.vectors, self.embedding_dim) if known else self.embedding_dim
        self.embedding_dim_ = int(dim or LEARNED_DIM)
        self._index()
        self._vectors = first_vectors(known, self.known.tokens, self.embedding_dim_, ask)
        return self

    @property
    def spec_(self) -> GridSpec:
        """Embedding dimension, and channels of evidence, × token."""
        channels = self.embedding_dim_ + self.evidence_
        return GridSpec(Axis("embedding", channels, ordered=False), (Axis("token", self.length_),))

    @property
    def noun(self) -> str:  # type: ignore[override]
        """Words make a sentence; characters may be anything: a name, a strand of DNA."""
        return "text" if self.unit == "character" else "sentence"

    @property
    def unit(self) -> str:  # type: ignore[override]
        """What a token is: `"word"` or `"character"`."""
        return getattr(self, "tokens_", "word")

    def tokenise(self, text: str) -> list[str]:
        """Cut a text into tokens as `encode` does."""
        return cut(text, self.tokens_, lowercase=self.lowercase, with_marks=self.marked_)

    def encode(self, item: Any) -> np.ndarray:
        """Return the ids of one text's tokens, their pieces and runs, int32, shape `(windows, length_, ids)`.

        The first of the ids of a token is its own; 16 of pieces follow, unless there are none, and one for each size
        of the runs that begin with it: one of words, or four of characters.

        Raises
        ------
        ItemError
            If it is no str.
        """
        checked(item)
        return cut_windows(self.known.rows_of(self.tokenise(item), self.length_), self.length_)

    def frontend(self) -> nn.Module:
        """Return the module that looks up the vectors of each token: int32 `(batch, length_, ids)` to grids.

        Vectors that `fit` does not know are drawn with torch's global random generator.
        """
        import torch  # noqa: PLC0415  (what only decodes needs none)

        from gridcnn.adapters.embed import Embed  # noqa: PLC0415

        sizes = FIRST_WORD + len(self.vocabulary_), self.embedding_dim_, len(self.pieces_), len(self.runs_)
        embed = Embed(*sizes, evidence=self.evidence_, own_ids=self.known.own_size)
        with torch.no_grad():
            for index, vector in getattr(self, "_vectors", {}).items():
                embed.vectors.weight[index] = torch.from_numpy(vector)
        return embed

    def counts(self, windows: np.ndarray) -> csr_array:
        """Return how often each token, run and piece stands in encoded windows, pieces with a smaller weight."""
        from gridcnn.adapters.cooccurrence import bag_of  # noqa: PLC0415

        sizes = FIRST_WORD + len(self.vocabulary_), 1 + len(self.runs_), 1 + len(self.pieces_)
        return bag_of(windows, self.known.own_size, sizes)

    def take_evidence(self, frontend: nn.Module, evidence: np.ndarray) -> None:
        """Make the evidence of what is counted, `(counted, channels)`, the last channels of all grids."""
        frontend.take_evidence(evidence, 1 + len(self.runs_))  # type: ignore[operator]
        self.evidence_ = evidence.shape[1]

    def decode(self, item: Any) -> str:
        """Return the text, with the replacement character for halves of surrogate pairs; ItemError if it is no str."""
        return well_formed(checked(item))

    def add_to(self, graph: Graph, frontend: nn.Module) -> Windows:
        """Add the input `text`, strings `(batch,)`, and all that turns it into grids; see the base class."""
        return add_text(graph, self, frontend)

    def trial_items(self, random: np.random.Generator) -> list[Any]:
        """Return known words in a random order, short and long, and texts of many scripts."""
        return trial_texts(self, random)

    def describe_input(self) -> str:
        """Say that it takes strings."""
        return "`text`, strings `(batch,)`"

    def defaults(self, n_items: int) -> dict[str, Any]:
        """Return the parameters of `GridClassifier` that suit texts."""
        epochs = epoch_count(EPOCH_ITEMS, n_items, FEWEST_EPOCHS, MOST_EPOCHS)
        return {**SETTINGS, "epochs": epochs}

    def questions(self, n_items: int) -> list[Question]:
        """Ask whether it matters where in a text the evidence stands, if texts are of one length, or short."""
        if self.tokens_ != "character" or self.length_ > LONGEST_ALIGNED:
            return []
        return [Question("where the evidence stands", ANYWHERE_OR_EXACTLY)]

    def content(self, item: Any, windows: np.ndarray) -> bytes:
        """Return the text itself, in one Unicode form: unknown words, whose ids are the same, tell texts apart."""
        return normalised(str(item)).encode("utf-8", "surrogatepass")

    def remarks(self) -> list[str]:
        """Return what counts as a token and why, how many are known, and what happens to longer texts."""
        return text_remarks.remarks(self)

    def cautions(self, item: Any) -> list[str]:
        """Return how much of a text the model does not know."""
        if not isinstance(item, str):
            return []
        return text_remarks.cautions(self.tokenise(item), self.known.tokens, self.tokens_)

    def preview(self, item: Any) -> Preview:
        """Return the text, shortened if it is long."""
        shortened = len(item) > LONGEST_PREVIEW
        note = f"the first {LONGEST_PREVIEW} of {len(item)} characters" if shortened else ""
        return Preview(text=item[:LONGEST_PREVIEW], note=note)

    def describe_grid(self) -> str:
        """Explain vectors of words or characters."""
        evidence = (
            f"Beside these stand {self.evidence_} more, one for each class: how much it speaks for the class, with "
            f"{'its pieces and ' if self.pieces_ else ''}the runs of {self.unit}s that it begins, as counts in the "
            "training texts told. "
        )
        return (
            f"Every {self.unit} is a list of {self.embedding_dim_} numbers that the network learned. "
            f"{evidence if self.evidence_ else ''}Underlined with dots: {self.unit}s it does not know."
        )

    def coordinates(self, item: Any, window: int = 1, n_windows: int = 1) -> tuple[Coordinates, ...]:
        """Return the token of each cell of a window, shortened, `""` in the padding, and whether it is known."""
        return (cells_of(self.tokenise(item), self.known.tokens, self.length_, window),)

    def empty_grid(self, grid: Tensor) -> Tensor:
        """Return padding."""
        import torch  # noqa: PLC0415

        return torch.zeros_like(grid)

    def symbols(self, item: Any) -> list[str]:
        """Return the tokens of a text."""
        return self.tokenise(item)

    def known_symbols(self, most: int) -> tuple[list[str], np.ndarray]:
        """Return the most frequent known tokens, and the encoded windows of a text that has all of them in a row."""
        symbols = self.vocabulary_[:most]
        return symbols, cut_windows(self.known.rows_of(symbols, self.length_), self.length_)

    def baseline(self, random_state: int = 0) -> ClassicModel:
        """Return a linear SVM on TF-IDF of n-grams of the adapter's own tokens."""
        from gridcnn.adapters.classic import tf_idf  # noqa: PLC0415  (as in the base class)

        return tf_idf(self.tokenise, self.tokens_, 2 if self.tokens_ == "word" else 4)

    def settings(self) -> dict[str, Any]:
        """As that of the base class; a str names a file of vectors, too."""
        return {**super().settings(), "vectors": self.vectors and Path(self.vectors).name}

    def check_state(self, state: Mapping[str, Any]) -> None:
        """As that of the base class; an earlier version stored less."""
        super().check_state({**EARLIER, **state})

    def restore(self, state: Any) -> Self:
        """Set what `fit` learned in an earlier run; the file of vectors is not needed again."""
        super().restore({**EARLIER, **state})
        self._index()
        return self

    def _index(self) -> None:
        as_now = folded if self.lowercase else str
        self.known = Vocabulary(self.vocabulary_, self.pieces_, self.runs_, self.tokens_, as_now)
