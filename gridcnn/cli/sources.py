"""A SOURCE: a folder, a file or a name, read into a data set with the adapter that suits it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from gridcnn.cli.columns import Columns
from gridcnn.cli.hub_sources import downloaded, hub_folder_in, is_on_hub, read_hub_folder
from gridcnn.cli.named_files import annotated_logs, item_columns, require_numbers
from gridcnn.cli.named_sets import hint, named_set
from gridcnn.cli.recording_ends import within_recordings
from gridcnn.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.datasets import Dataset
    from gridcnn.datasets.members import Place
    from gridcnn.datasets.remote import RemoteFile


_UNPACKERS = {".gz": "gunzip", ".bz2": "bunzip2", ".xz": "unxz", ".zst": "unzstd", ".7z": "7z x", ".rar": "unrar x"}
TABLE_FILES = ".csv, .tsv, .parquet, .jsonl, .json or .xlsx"
"""Files that hold one row per item; each may also be compressed, as .gz, .bz2, .xz or .zst, or alone in a .zip."""


def read_labelled(
    source: str,
    columns: Columns,
    *,
    on_error: str,
    adapter: type[Adapter] | Adapter | None = None,
    allow_one_class: bool = False,
    as_events: bool = False,
) -> Dataset:
    """Read a labelled source; `adapter` is the one of a trained model, which decides what a file holds.

    With several labels an item, annotations that overlap become label sets, unless they are to stay `as_events`.
    """
    from gridcnn.datasets.remote import is_remote

    if is_remote(source):
        return _read_remote(source, columns, on_error=on_error, adapter=adapter, allow_one_class=allow_one_class)
    place = located(source) if columns.annotations is not None else lying(source)
    if columns.annotations is not None and isinstance(place, Path) and place.exists():
        data = _read_annotations(place, columns, on_error)
    elif place.is_file():
        named = columns.label or (None if columns.labels else "label")
        data = read_file(place, replace(columns, label=named), on_error, adapter)
    elif isinstance(place, Path) and place.is_dir() and (hub := hub_folder_in(place)) is not None:
        data = read_hub_folder(hub, source, vars(columns), on_error)
    else:
        _refuse_columns(source, columns)
        data = _read_folder(place, source, allow_one_class) if place.is_dir() else named_set(source)
    if adapter is not None:
        require_kind(source, data.modality, adapter)
    data = within_recordings(data, adapter)
    if columns.labels is not None and not as_events:
        from gridcnn.datasets.overlapping import are_events, as_label_sets

        return as_label_sets(data) if columns.annotations is not None or are_events(data) else data
    return data


def _read_remote(source: str, columns: Columns, *, adapter: type[Adapter] | Adapter | None, **how: Any) -> Dataset:
    """Read what lies in a storage: a file of rows, or a folder, from its outline."""
    from gridcnn.datasets.outline import Outline
    from gridcnn.datasets.remote import RemoteFile

    remote = RemoteFile(source)
    if columns.annotations is not None:
        raise ConfigurationError(f"--annotations: for files on this machine, and {source} is none: copy it first.")
    if remote.is_file():
        named = columns.label or (None if columns.labels else "label")
        data = read_file(remote, replace(columns, label=named), how["on_error"], adapter)
        if adapter is not None:
            require_kind(source, data.modality, adapter)
        return within_recordings(data, adapter)
    if not remote.is_dir():
        raise DataError(f"{source}: no such file or folder: check the spelling.")
    outline = Outline(remote)
    try:
        return outline.items_of(read_labelled(str(outline.place), columns, adapter=adapter, **how))
    except DataError as error:
        raise DataError(outline.named(str(error))) from None


def _read_annotations(place: Path, columns: Columns, on_error: str) -> Dataset:
    """Read annotations of long recordings; which formats there are is said if one is unknown."""
    from gridcnn.datasets.segmented import load_annotations

    if (listing := annotated_logs(place, columns)) is not None:
        return read_file(place, listing, on_error, None)
    kind = None if columns.annotations == "auto" else columns.annotations
    bad_rows: Literal["raise", "skip"] = "raise" if on_error == "raise" else "skip"
    return load_annotations(
        place,
        kind,
        label=columns.label if columns.labels in (None, "auto") else columns.labels,
        group=columns.group,
        split=columns.split,
        encoding=columns.encoding,
        on_error=bad_rows,
    )


def _read_folder(place: Place, source: str, allow_one_class: bool) -> Dataset:
    """Read a folder; one that was unpacked from an archive has the name of that."""
    from gridcnn.datasets import load_folder
    from gridcnn.datasets.archives import is_archive
    from gridcnn.temporary import as_called

    data = load_folder(place, allow_one_class=allow_one_class)
    if not is_archive(Path(source)):
        return data
    skipped = tuple(each._replace(item=as_called(each.item)) for each in data.skipped)
    return replace(data, name=Path(source).name, skipped=skipped, notes=tuple(map(as_called, data.notes)))


def require_kind(source: str, modality: str, adapter: type[Adapter] | Adapter) -> None:
    """Refuse items that a model does not read, such as sounds for a model of pictures."""
    from gridcnn import adapters

    theirs = adapters.for_modality(modality)
    kind: Any = adapter if isinstance(adapter, type) else type(adapter)
    if theirs.modality != kind.modality and adapters.provider(kind) == "gridcnn":  # others may read any file or text
        nouns = (adapter() if isinstance(adapter, type) else adapter).noun, theirs().noun
        reads, holds = (f"{noun.removesuffix('s')}s" for noun in nouns)
        raise DataError(f"this model reads {reads}, and {source} holds {holds}: give it {reads}.")


def read_unlabelled(source: str, columns: Columns) -> Dataset:
    """Read a source whose labels do not matter; a folder need not have class folders."""
    from gridcnn.datasets import list_media_files

    place = lying(source)
    if place.is_file():
        return read_file(place, columns, "skip", None)
    _refuse_columns(source, columns)
    return list_media_files(place) if place.is_dir() else named_set(source)


def _refuse_columns(source: str, columns: Columns) -> None:
    if columns.given() and columns.annotations is not None and not Path(source).exists() and not is_on_hub(source):
        raise DataError(f"{source}: no such file or folder, seen from {Path.cwd()}: {hint(source)}")
    if columns.given():
        place = Path(source)
        what, instead = ("no such file", "check the name of the file")
        if place.exists():
            what = "a folder" if place.is_dir() else "an archive"
            instead = f"name the table in it, such as {source}/labels.csv"
        raise ConfigurationError(
            f"{', '.join(columns.given())}: for csv, tsv, parquet and jsonl files, and {source} is none ({what}): "
            f"leave it out, or {instead}."
        )


def located(source: str) -> Path:
    """Return the file or folder that a SOURCE means, also if it is written as a URL, with ~ or with backslashes.

    What exists under its literal name is taken literally. Without anything of that name the path is returned as it is.
    An archive of several files is the folder in which it is unpacked, and `hf://datasets/USER/NAME` the one to which it
    is downloaded; `clips.zip/rain/1.wav` is a file in an archive, as answers call it.
    """
    if is_on_hub(source):
        return downloaded(source)
    from gridcnn.datasets.unpacking import file_in_archive

    place = _spelt(source)
    return file_in_archive(place) or _opened(place)


def lying(source: str) -> Place:
    """Return what `located` does, but pictures and sounds in an archive where they lie: all, a folder, or one."""
    from gridcnn.datasets.members import member_at

    member = None if is_on_hub(source) else member_at(_spelt(source))
    return located(source) if member is None else member


def _spelt(source: str) -> Path:
    """Return the path that a person meant."""
    from gridcnn.datasets.sheets import table_path

    plain = source.strip().strip("'\"")
    spellings = [source, plain, plain.replace("\\", "/")]
    if plain.lower().startswith("file:"):
        spellings.append(unquote(urlsplit(plain).path))
    for spelling in spellings:
        for place in (Path(spelling), Path(os.path.expanduser(spelling))):  # noqa: PTH111  (knows names without a home)
            with contextlib.suppress(OSError, ValueError):  # a name too long, or with a zero byte
                if (found := table_path(place)).exists():
                    return found
    return Path(source)


def _opened(place: Path) -> Path:
    """Return the folder in which an archive is unpacked; a file of rows is read as it is, compressed or not."""
    from gridcnn.datasets.archives import is_archive
    from gridcnn.datasets.unpacking import unpacked

    if not is_archive(place):
        return place
    return unpacked(place) if place.is_file() and not holds_rows(place) else place


def read_file(
    place: Place | RemoteFile, columns: Columns, on_error: str, adapter: type[Adapter] | Adapter | None
) -> Dataset:
    """Read a file that lists items, or a table of numbers; `adapter` decides which, or else the given columns."""
    from gridcnn.datasets import load_manifest, load_table
    from gridcnn.datasets.members import Member

    if not holds_rows(place) or isinstance(place, Member):
        from gridcnn.datasets.media import is_media_name

        if is_media_name(place.name):
            raise DataError(f"{place} is one picture or sound: give a folder of class folders of such files.")
        advice = _UNPACKERS.get(place.suffix.lower())
        raise DataError(
            f"{place}: expected a folder of class folders, or a file that ends in {TABLE_FILES}"
            f"{f': unpack the archive first, {advice} {place}' if advice else ''}."
        )
    bad_rows: Literal["raise", "skip"] = "raise" if on_error == "raise" else "skip"
    text, path, label = item_columns(place, columns, adapter)
    if text is None and path is None:
        if others := columns.given("label", "labels", "encoding"):
            raise ConfigurationError(
                f"{', '.join(others)}: for sentences (--text COLUMN) and files "
                f"(--path COLUMN): say which column of {place} holds them, or leave it out for a table of numbers."
            )
        from gridcnn.datasets.remote import local_copy

        how = {"label": columns.label, "labels": columns.labels, "encoding": columns.encoding}
        with contextlib.nullcontext(place) if isinstance(place, Path) else local_copy(place) as file:
            data = load_table(file, **how, on_error=bad_rows)
            if adapter is not None and not isinstance(adapter, type):
                require_numbers(data.items[:1], adapter, file, str(place), columns.encoding)
            return data
    return load_manifest(
        place,
        label=label,
        labels=columns.labels,
        path_column=path,
        text=text,
        group=columns.group,
        split=columns.split,
        start=columns.start,
        end=columns.end,
        encoding=columns.encoding,
        on_error=bad_rows,
    )


def holds_rows(place: Place | RemoteFile) -> bool:
    """Whether a file holds one row per item, by its name."""
    from gridcnn.datasets.compressed import is_table_file

    return is_table_file(place if isinstance(place, Path) else Path(place.name))


def parts_of(data: Dataset) -> dict[str, Dataset]:
    """Return the parts of a set by name; a set that comes undivided is all for training."""
    if data.split is None:
        return {"train": data}
    parts = {str(name): data.part(str(name)) for name in sorted(set(data.split))}
    if "train" not in parts:
        raise DataError(f"{data.name} holds {', '.join(parts)} but no part called train: nothing to learn from.")
    return parts


_ADAPTER_FLAGS = {
    "sample_rate": "--sample-rate",
    "duration": "--duration",
    "n_mels": "--mels",
    "hop_length": "--hop",
    "size": "--image-size",
    "tokens": "--tokens",
    "vectors": "--vectors",
}


def adapter_for(data: Dataset, options: dict[str, Any], name: str | None = None) -> Adapter:
    """Make the adapter for what the items are, or the one of a name.

    Parameters
    ----------
    data : Dataset
        The items.
    options : dict
        Constructor parameters by name; None is the adapter's choice.
    name : str, optional
        Name of an adapter, built in or of an installed package.
    """
    from gridcnn import adapters

    kind = adapters.for_modality(data.modality) if name is None else adapters.by_name(name)
    described = {"sample_rate": data.sample_rate, "axes": data.axes or None}  # by the data set itself
    known = kind().get_params(deep=False)
    told = {key: value for key, value in described.items() if value is not None and key in known}
    return require_options(kind, options, told, data.name)


def require_options(
    kind: type[Adapter], options: Mapping[str, Any], told: Mapping[str, Any] | None = None, items: str = ""
) -> Adapter:
    """Make an adapter of a kind; ConfigurationError for an option that it does not have.

    Parameters
    ----------
    kind : type of Adapter
        Which one.
    options : mapping
        Constructor parameters by name; None is the adapter's choice.
    told : mapping, optional
        What the data set says of itself, which options go before.
    items : str
        What messages call the items.
    """
    known = kind().get_params(deep=False)
    given = {key: value for key, value in options.items() if value is not None}
    for key in given:
        if key not in known:
            flag = _ADAPTER_FLAGS.get(key, f"--{key}")
            raise ConfigurationError(
                f"{flag} is no option of {kind.__name__}, which reads {items or 'these items'}: leave it out."
            )
    made: Any = kind
    adapter: Adapter = made(**{**(told or {}), **given})
    return adapter
