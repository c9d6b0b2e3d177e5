"""What makes the rows of a prediction, so that a later run goes on only with what it would have written itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gridcnn.cli.asked import Source

__all__ = ["differences", "what_makes"]

MOST_NAMED = 3


def what_makes(
    model: Path, columns: Sequence[str], sources: Iterable[Source], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Describe a run, JSON-ready.

    Parameters
    ----------
    model : Path
        Its file, which is told by its content.
    columns : sequence of str
        Names of the columns of the answers, which name the classes.
    sources : iterable of Source
        The inputs. Files that list items are told by their content, other ones by their names.
    options : mapping
        Whatever else the rows depend on, by the name of its option.
    """
    inputs = [[each.name, _state(each)] for each in sources]
    return {
        "gridcnn": version("gridcnn"),
        "model": [str(model), _digest(model)],
        "columns": list(columns),
        "inputs": inputs,
        "options": {name: None if value is None else str(value) for name, value in options.items()},
    }


def differences(before: Any, now: Mapping[str, Any]) -> list[str]:
    """Say in what a run differs from an earlier one, as `what_makes` describes them; `before` may be anything."""
    try:
        return _differences(before, now)
    except (AttributeError, KeyError, TypeError, ValueError):
        return ["its journal does not say what made its rows"]


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    found = []
    if before["gridcnn"] != now["gridcnn"]:
        found.append(f"gridcnn was {before['gridcnn']}, and is {now['gridcnn']}")
    (model, content), (model_now, content_now) = before["model"], now["model"]
    if content != content_now:
        changed = f"{model} has changed" if model == model_now else f"the model was {model}, and is {model_now}"
        found.append(changed)
    if before["columns"] != now["columns"]:
        found.append(f"the columns were {_some(before['columns'])}, and are {_some(now['columns'])}")
    inputs, inputs_now = before["inputs"], now["inputs"]
    names, names_now = [name for name, _ in inputs], [name for name, _ in inputs_now]
    if names != names_now:
        found.append(f"the inputs were {_some(names)}, and are {_some(names_now)}")
    else:
        changed_inputs = [name for (name, old), (_, new) in zip(inputs, inputs_now, strict=True) if old != new]
        found += [f"{name} has changed" for name in changed_inputs[:MOST_NAMED]]
    options, options_now = before["options"], now["options"]
    for name in dict.fromkeys([*options, *options_now]):
        old, new = options.get(name), options_now.get(name)
        if old != new:
            found.append(f"{name} was {old or 'not given'}, and is {new or 'not given'}")
    return found


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED * 2
    return ", ".join(names) if more <= 0 else f"{', '.join(names[: MOST_NAMED * 2])} and {more:,} more"


def _state(source: Source) -> str:
    """Return what changes with the content of a file that lists items, or with an archive that holds them."""
    from gridcnn.datasets.archives import is_archive

    if source.listed_in is not None:
        return _digest(source.listed_in)
    place = Path(source.name)
    for archive in (place, *place.parents):
        if is_archive(archive) and archive.is_file():
            status = archive.stat()
            return f"{status.st_size} {status.st_mtime_ns}"
    return ""


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
