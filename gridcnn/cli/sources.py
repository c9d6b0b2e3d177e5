"""A SOURCE: a folder, a file or a name, read into a data set with the adapter that suits it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gridcnn.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from gridcnn.datasets import Dataset


MANIFESTS = frozenset({".csv", ".tsv", ".parquet", ".jsonl"})


@dataclass(frozen=True)
class Columns:
    """The columns of a manifest that a person named."""

    label: str | None = None
    text: str | None = None
    path: str | None = None
    group: str | None = None
    split: str | None = None
    encoding: str | None = None

    def given(self, *without: str) -> list[str]:
        """Return the flags that were used."""
        names = (field.name for field in fields(self))
        return [f"--{name}" for name in names if getattr(self, name) is not None and name not in without]


def read_labelled(
    source: str,
    columns: Columns,
    *,
    on_error: str,
    modality: str | None = None,
    allow_one_class: bool = False,
) -> Dataset:
    """Read a labelled source; `modality` is the one that a trained model reads."""
    from gridcnn.datasets import load_folder

    place = Path(source)
    if place.is_file():
        return read_file(place, replace(columns, label=columns.label or "label"), on_error, modality)
    _refuse_columns(source, columns)
    return load_folder(place, allow_one_class=allow_one_class) if place.is_dir() else _named(source)


def read_unlabelled(source: str, columns: Columns) -> Dataset:
    """Read a source whose labels do not matter; a folder need not have class folders."""
    from gridcnn.datasets import list_media_files

    place = Path(source)
    if place.is_file():
        return read_file(place, columns, "skip", None)
    _refuse_columns(source, columns)
    return list_media_files(place) if place.is_dir() else _named(source)


def _refuse_columns(source: str, columns: Columns) -> None:
    if columns.given():
        raise ConfigurationError(
            f"{', '.join(columns.given())}: for csv, tsv, parquet and jsonl files, and {source} is none "
            f"({'a folder' if Path(source).is_dir() else 'no such file'}): leave it out, or check the name of the file."
        )


def _named(name: str) -> Dataset:
    """Load a set by its name; what looks like a path is the name of none."""
    from gridcnn.datasets import load

    place = Path(name)
    if place.suffix or len(place.parts) != 1:
        raise DataError(f"{name}: no such file or folder, seen from {Path.cwd()}: check the spelling.")
    try:
        return load(name)
    except DataError as error:
        raise DataError(f"{name}: no such file or folder. {error}") from error


def read_file(place: Path, columns: Columns, on_error: str, modality: str | None) -> Dataset:
    """Read a file that lists items, or a table of numbers."""
    from gridcnn.datasets import load_manifest, load_table

    if place.suffix.lower() not in MANIFESTS:
        raise DataError(
            f"{place}: expected a folder of class folders, or a file that ends in {', '.join(sorted(MANIFESTS))}."
        )
    bad_rows: Literal["raise", "skip"] = "raise" if on_error == "raise" else "skip"
    text, path = columns.text, columns.path
    if modality == "text":
        text, path = text or "text", None
    elif modality in {"image", "sound"}:
        text, path = None, path or "path"
    if text is None and path is None:
        if columns.given("label", "encoding"):
            raise ConfigurationError(
                f"{', '.join(columns.given('label', 'encoding'))}: for sentences (--text COLUMN) and files "
                f"(--path COLUMN): say which column of {place} holds them, or leave it out for a table of numbers."
            )
        return load_table(place, label=columns.label, encoding=columns.encoding, on_error=bad_rows)
    return load_manifest(
        place,
        label=columns.label,
        path_column=path,
        text=text,
        group=columns.group,
        split=columns.split,
        encoding=columns.encoding,
        on_error=bad_rows,
    )


def read_rows(place: Path, modality: str, columns: Columns) -> dict[int, Any]:
    """Return the item of each row of a file by the row's number in it; a row that holds none is a `Skipped`."""
    from gridcnn.datasets import load_table

    read = read_file(place, columns, "skip", modality)
    table: Any = load_table(place, encoding=columns.encoding).items
    skipped = {int(each.item.rpartition(" ")[2]): each for each in read.skipped}  # "reviews.csv, row 5"
    good = iter(read.items)
    return {int(number): skipped[number] if number in skipped else next(good) for number in table.index}


def parts_of(data: Dataset) -> dict[str, Dataset]:
    """Return the parts of a set by name; a set that comes undivided is all for training."""
    if data.split is None:
        return {"train": data}
    parts = {str(name): data.part(str(name)) for name in sorted(set(data.split))}
    if "train" not in parts:
        raise DataError(f"{data.name} holds {', '.join(parts)} but no part called train: nothing to learn from.")
    return parts


_ADAPTER_FLAGS = {
    "sample_rate": ("--sample-rate", "sound"),
    "duration": ("--duration", "sound"),
    "n_mels": ("--mels", "sound"),
    "hop_length": ("--hop", "sound"),
    "size": ("--image-size", "image"),
    "tokens": ("--tokens", "text"),
    "vectors": ("--vectors", "text"),
}


def adapter_for(data: Dataset, options: dict[str, Any]) -> Any:
    """Make the adapter for what the items are; None leaves a table to the estimator."""
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        flag, modality = _ADAPTER_FLAGS[name]
        if modality != data.modality:
            raise ConfigurationError(f"{flag} is for {modality}, and {data.name} holds {data.modality}: leave it out.")
    from gridcnn import adapters

    if data.modality == "image":
        return adapters.ImageAdapter(**given)
    if data.modality == "sound":
        return adapters.AudioAdapter(**({"sample_rate": data.sample_rate} if data.sample_rate else {}) | given)
    if data.modality == "text":
        return adapters.TextAdapter(**given)
    return adapters.ArrayAdapter(axes=data.axes) if data.modality == "array" else None
