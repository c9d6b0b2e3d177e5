"""Files of feature vectors, as `gridcnn embed` writes them to parquet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridcnn.errors import DataError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DIGEST_KEY", "MODEL_KEY", "EmbeddingFile", "opened_embeddings"]

MODEL_KEY, DIGEST_KEY = "gridcnn.model", "gridcnn.embedding"
"""Keys of the file's metadata: where the model was, and the digest of what makes vectors."""

NUMBERS_AT_ONCE = 2**24
LARGEST_ROWS = 2**16


@dataclass(frozen=True)
class EmbeddingFile:
    """An open file of feature vectors.

    Parameters
    ----------
    model : str
        Where the model was.
    digest : str
        Of the model, see `gridcnn.model.FittedModel.digest`.
    n_features, n_rows : int
        Length of the vectors, and how many rows there are.
    """

    model: str
    digest: str
    n_features: int
    n_rows: int
    _opened: Any
    _at_once: int

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the vectors, float32 `(n, n_features)`, some at a time; NaN for a row without one."""
        import numpy as np

        rows = max(min(self._at_once, LARGEST_ROWS, NUMBERS_AT_ONCE // self.n_features), 1)
        for batch in self._opened.iter_batches(rows, columns=["embedding"], use_threads=False):
            column = batch.column(0)
            numbers = column.values.slice(column.offset * self.n_features, len(column) * self.n_features)
            vectors = numbers.to_numpy(zero_copy_only=False).reshape(-1, self.n_features).astype(np.float32)
            vectors[column.is_null().to_numpy(zero_copy_only=False)] = np.nan
            yield vectors

    def vector_of(self, name: str) -> np.ndarray | None:
        """Return the vector of the first item of a name, float32 `(n_features,)`; None if there is none."""
        import pyarrow.compute as pc

        before = 0
        for batch in self._opened.iter_batches(min(self._at_once, LARGEST_ROWS), columns=["item"], use_threads=False):
            at = pc.index(batch.column(0), name).as_py()
            if at >= 0:
                return self._vector_at(before + at)
            before += len(batch)
        return None

    def _vector_at(self, position: int) -> np.ndarray | None:
        import numpy as np

        for block in self.blocks():
            if position < len(block):
                vector = block[position]
                return None if np.isnan(vector).any() else vector
            position -= len(block)
        raise AssertionError  # for the type checker: columns are equally long

    def rows(self, positions: list[int]) -> list[dict[str, Any]]:
        """Return item, prediction and confidence of the rows at some positions, in the order of the positions."""
        found: dict[int, dict[str, Any]] = {}
        before, wanted = 0, sorted(positions)
        columns = ["item", "prediction", "confidence"]
        for batch in self._opened.iter_batches(min(self._at_once, LARGEST_ROWS), columns=columns, use_threads=False):
            inside = [at - before for at in wanted if before <= at < before + len(batch)]
            found |= {before + at: batch.slice(at, 1).to_pylist()[0] for at in inside}
            before += len(batch)
        return [found[at] for at in positions]


@contextmanager
def opened_embeddings(place: Path) -> Iterator[EmbeddingFile]:
    """Open a file of feature vectors.

    Raises
    ------
    DataError
        If there is no such file, or it is none that `gridcnn embed` wrote as parquet.
    """
    from gridcnn.datasets.parquet import opened_parquet

    if not place.is_file():
        raise DataError(
            f"{place}: no such file, seen from {Path.cwd()}: check the spelling, or make it: gridcnn embed."
        )
    with place.open("rb") as file:
        if file.read(4) != b"PAR1":
            raise _not_ours(place, "it is no parquet file")
        file.seek(0)
        with opened_parquet(file, place) as (opened, stated):
            import pyarrow as pa

            schema = opened.schema_arrow
            told = {key.decode("utf-8", "replace"): value for key, value in (schema.metadata or {}).items()}
            if missing := {"item", "prediction", "confidence", "embedding"} - set(schema.names):
                raise _not_ours(place, f"it has no column {min(missing)}")
            kind = schema.field("embedding").type
            if not pa.types.is_fixed_size_list(kind) or kind.value_type != pa.float32() or kind.list_size < 1:
                raise _not_ours(place, f"its column embedding is of type {kind}")
            if not {MODEL_KEY, DIGEST_KEY} <= told.keys():
                raise _not_ours(place, "it does not say which model made it; a program that rewrites it may lose that")
            model, digest = (told[key].decode("utf-8", "replace") for key in (MODEL_KEY, DIGEST_KEY))
            yield EmbeddingFile(model, digest, kind.list_size, stated.rows, opened, stated.at_once)


def _not_ours(place: Path, why: str) -> DataError:
    return DataError(
        f"{place}: expected a parquet file that `gridcnn embed MODEL INPUTS -o {place.stem}.parquet` wrote, and {why}."
    )
