"""`gridcnn search`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridcnn.cli.columns import Columns
from gridcnn.cli.embedding_file import EmbeddingFile, opened_embeddings
from gridcnn.cli.models import load_model, one_item
from gridcnn.cli.options import EncodingOption, EndOption, PathOption, StartOption, TextOption, ThreadsOption
from gridcnn.cli.output import add_row, note, print_table, table
from gridcnn.display import percentage
from gridcnn.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    import numpy as np

    from gridcnn.model import FittedModel


def search(
    embeddings: Annotated[
        Path, typer.Argument(metavar="EMBEDDINGS", help="A parquet file that `gridcnn embed` wrote.")
    ],
    query: Annotated[
        str,
        typer.Argument(
            metavar="QUERY",
            help="A picture, a recording, a sentence in quotes, or with --row a csv file; also the name of an item, as "
            "EMBEDDINGS and answers write it, such as 'log.csv, 60 to 101'.",
        ),
    ],
    *,
    top: Annotated[int, typer.Option("--top", min=1, max=100_000, help="How many items are listed.")] = 20,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="The model that made EMBEDDINGS.  \\[default: the file that EMBEDDINGS names]",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    row: Annotated[
        int | None,
        typer.Option(
            "--row",
            metavar="NUMBER",
            help="Search for this row of QUERY, a csv, tsv, parquet or jsonl file; the header of a csv is row 1.",
        ),
    ] = None,
    text: TextOption = None,
    path: PathOption = None,
    start: StartOption = None,
    end: EndOption = None,
    encoding: EncodingOption = None,
    threads: ThreadsOption = None,
) -> None:
    """List the items that are most like an example: those whose feature vectors have the most similar direction.

    The similarity is the cosine of the angle between two vectors, 1 for the same direction. Every vector is compared;
    the file may be larger than memory.
    """
    with opened_embeddings(embeddings) as file:
        fitted = _model_of(file, embeddings, model, threads)
        columns = Columns(text=text, path=path, start=start, end=end, encoding=encoding)
        from gridcnn.inference.similarity import nearest

        vector = file.vector_of(query) if row is None and not columns.given() else None
        if vector is None:
            vector = _embedded(fitted, *one_item(fitted, query, row, columns), query)
        positions, similarities = nearest(vector, file.blocks(), top)
        found = file.rows(positions.tolist())
    if as_json:
        rows = [{"similarity": round(it, 6), **each} for it, each in zip(similarities.tolist(), found, strict=True)]
        print(json.dumps(rows, indent=2))
        return
    shown = table("similarity", "prediction", "confidence", "item")
    for similarity, each in zip(similarities.tolist(), found, strict=True):
        prediction, confidence = ("" if each[name] is None else each[name] for name in ("prediction", "confidence"))
        certain = percentage(float(confidence)) if confidence else ""
        add_row(shown, f"{similarity:.4f}", prediction, certain, each["item"])
    print_table(shown)
    if not found:
        note(f"{embeddings} holds no vectors.")


def _embedded(model: FittedModel, raw: Any, name: str | None, query: str) -> np.ndarray:
    """Return the feature vector of an item, float32 `(n_features,)`."""
    from gridcnn.inference import embed

    found = embed(model, [raw])
    if found.errors[0]:
        raise DataError(f"{name or query}: {found.errors[0]}")
    vector: np.ndarray = found.vectors[0]
    return vector


def _model_of(file: EmbeddingFile, place: Path, model: Path | None, threads: int | None) -> FittedModel:
    """Load the model that made a file of vectors, and refuse another one: its vectors mean something else."""
    from gridcnn.inference.embedding import length_of

    named = Path(file.model) if model is None else model
    if model is None and not file.model.startswith("hf:") and not named.is_file():
        beside = place.parent / named.name
        if not beside.is_file():
            raise ConfigurationError(
                f"{place} was made by {file.model}, which is not there any more: say where it is, --model MODEL."
            )
        named = beside
    fitted = load_model(named, threads)
    if fitted.digest != file.digest or length_of(fitted.network) != file.n_features:
        raise ConfigurationError(
            f"{named} is another model than the one that made {place}, and vectors of different models cannot be "
            f"compared: embed the items again, gridcnn embed {named} INPUTS -o {place}."
        )
    return fitted
