"""`gridcnn review`."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from gridcnn.cli.asked import Asked, Source
from gridcnn.cli.asking import read_inputs
from gridcnn.cli.columns import Columns
from gridcnn.cli.labelled_rows import LabelledRows, not_writable
from gridcnn.cli.models import load_model
from gridcnn.cli.options import (
    EncodingOption,
    EndOption,
    InputsArgument,
    ModelArgument,
    PathOption,
    StartOption,
    TextOption,
    ThreadsOption,
)
from gridcnn.cli.output import PAGES, list_skipped, note, prepare_output, written
from gridcnn.cli.rows import count, nothing
from gridcnn.cli.waiting import Waiting
from gridcnn.display import none_can
from gridcnn.errors import ConfigurationError, DataError, Skipped
from gridcnn.stored import Stored

if TYPE_CHECKING:
    import numpy as np

    from gridcnn.model import FittedModel

PAGE = "index.html"


class Strategy(StrEnum):
    """Which items are looked at."""

    confident = "confident"
    uncertain = "uncertain"
    different = "different"


def review(
    model: ModelArgument,
    inputs: InputsArgument,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PATH", help="A folder for the page, or its name (.html).")
    ] = Path("review"),
    strategy: Annotated[
        Strategy,
        typer.Option(
            "--strategy",
            help="Which items: the surest of each class (is it right?), the least certain (what helps most), or those "
            "that differ most (is anything new?).",
        ),
    ] = Strategy.confident,
    most: Annotated[int, typer.Option("--most", min=1, max=2_000, help="How many items the page shows.")] = 100,
    text: TextOption = None,
    path: PathOption = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="COLUMN", help="Column of groups that is kept beside the labels.")
    ] = None,
    start: StartOption = None,
    end: EndOption = None,
    encoding: EncodingOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Make a page on which a person confirms or corrects answers by keys; its labels are a csv that `train` accepts.

    The page is one file with sounds, pictures and sentences inside, which opens offline. Enter confirms an answer, a
    digit or a typed name corrects it, → skips. If items may have several labels, digits and names switch them on and
    off, and Enter says that they are right. The browser keeps the progress; Save downloads labels.csv.
    """
    place = output if output.suffix.lower() in PAGES else output / PAGE
    prepare_output(place, [model, *inputs])
    columns = Columns(text=text, path=path, group=group, encoding=encoding, start=start, end=end)
    with Waiting(Console(stderr=True), "reading") as waiting:
        fitted = load_model(model, threads)
        surrounded = fitted.background is not None
        sources = read_inputs(inputs, fitted.adapter, columns, nothing, surrounded=surrounded)
        if fitted.adapter.reads_files:
            _require_paths(sources)
        waiting.now("predicting")
        seen: list[tuple[Source, Asked]] = []
        probabilities, vectors, unreadable = _answers(fitted, sources, seen, strategy, waiting)
        if len(unreadable) == len(seen):
            list_skipped(unreadable)
            raise DataError(f"{none_can(len(seen), 'item')} be read.")
        waiting.now("drawing")
        from gridcnn.evaluation.candidates import STRATEGIES, choose_candidates
        from gridcnn.render.review_page import Candidate, review_page

        chosen = choose_candidates(strategy, probabilities, most, vectors, fitted.thresholds)
        rows = LabelledRows(fitted.adapter, columns, "labels" if fitted.several else "label")
        candidates = []
        for at, cells in zip(chosen, rows.cells(seen[at] for at in chosen), strict=True):
            asked = seen[at][1]
            if why := not_writable(cells):
                unreadable.append(Skipped(asked.name, why))
            else:
                candidates.append(Candidate(asked.name, asked.item, probabilities[at], cells))
        options = rows.training(each.cells for each in candidates)
        command = " ".join(["gridcnn train labels.csv", *filter(None, [options]), f"-o {_next_name(model)}"])
        page, not_shown = review_page(
            fitted,
            candidates,
            name=model.name,
            strategy=STRATEGIES[strategy],
            n_items=len(seen),
            command=command,
        )
    left_out, n_shown = [*unreadable, *not_shown], len(candidates) - len(not_shown)
    if left_out:
        note(f"{len(left_out)} {'item is' if len(left_out) == 1 else 'items are'} left out:")
        list_skipped(left_out)
    if not n_shown:
        raise DataError("none of the items that were chosen can be shown: see above.")
    with written(place) as file:
        file.write(page)
    print(f"{n_shown} of {len(seen):,} items to review: open {place}")
    note(f"then: {command}")


def _answers(
    model: FittedModel, sources: list[Source], seen: list[tuple[Source, Asked]], strategy: str, waiting: Waiting
) -> tuple[np.ndarray, np.ndarray | None, list[Skipped]]:
    """Return probabilities and, if the strategy compares them, feature vectors of all items; `seen` gets the items."""
    import numpy as np

    from gridcnn.inference import embed_in_parts, predict_in_parts

    def items() -> Iterator[Any]:
        for source in sources:
            for asked in source.items():
                seen.append((source, asked))
                yield asked.item

    n_items = count(sources)
    probabilities, vectors, errors = [], [], list[str]()
    compared = strategy == Strategy.different
    answers: Any = functools.partial(embed_in_parts if compared else predict_in_parts, model)
    for part in answers(items()):
        probabilities.append(part.answers.probabilities if compared else part.probabilities)
        errors += part.errors
        if compared:
            vectors.append(part.vectors)
        waiting.progress(len(errors), n_items)
    if not seen:
        raise DataError("the inputs hold no items.")
    unreadable = [Skipped(asked.name, why) for (_, asked), why in zip(seen, errors, strict=True) if why]
    return np.concatenate(probabilities), np.concatenate(vectors) if compared else None, unreadable


def _next_name(model: Path) -> str:
    """Return a name for the model that is trained with the labels, as a shell reads it."""
    return shlex.quote(f"{model.stem}-2.safetensors")


def _require_paths(sources: list[Source]) -> None:
    """Refuse items that no path names, on the disk or in an archive: nothing could be trained with their labels."""
    from gridcnn.datasets.members import Member
    from gridcnn.temporary import is_temporary

    for source in sources:
        first = next(iter(source.items()), None)
        path = getattr(first.item, "path", first.item) if first is not None else None
        if (isinstance(path, Stored) and not isinstance(path, Member)) or (
            isinstance(path, str | Path) and is_temporary(path)
        ):
            raise ConfigurationError(
                f"{source.name} holds its files inside, and the labels of a review name files that a training can "
                "read: unpack it into a folder first, and review that folder."
            )
