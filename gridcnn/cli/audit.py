"""`gridcnn audit`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from gridcnn.cli.columns import Columns
from gridcnn.cli.options import (
    AdapterOption,
    AnnotationsOption,
    Choice,
    EncodingOption,
    EndOption,
    LabelOption,
    PathOption,
    SourceArgument,
    SplitOption,
    StartOption,
    TextOption,
    ThreadsOption,
)
from gridcnn.cli.output import add_row, note, prepare_output, prepare_page, print_table, table, written
from gridcnn.cli.segmented import names_in
from gridcnn.cli.sources import adapter_for, read_labelled
from gridcnn.cli.waiting import Waiting
from gridcnn.display import counted
from gridcnn.errors import ConfigurationError

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.evaluation.audit import Audit, Finding

FOUND = 1
"""Exit code if there are findings as grave as --fail-on says."""

SHOWN_EXAMPLES, SHOWN_ITEMS = 2, 2
LONGEST_NAME = 48  # characters


class FailOn(Choice):
    """How grave a finding must be to be told by the exit code."""

    error = "error"
    warning = "warning"
    note = "note"
    never = "never"


def audit(
    source: SourceArgument,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Train nothing: leave out the check `label-errors`.")] = False,
    check: Annotated[
        list[str] | None,
        typer.Option(
            "--check",
            metavar="NAME",
            help="Run this check only, may be given several times: labels, classes, groups, readable, flaws, mixed, "
            "copies, shortcuts, series, label-errors.  \\[default: all]",
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option("--skip", metavar="NAME", help="Leave this check out, may be given several times."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write a page (.html) that shows and plays the worst items."
        ),
    ] = None,
    as_json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all findings with the items they are about.")
    ] = None,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="How grave a finding must be for exit code 1.")
    ] = FailOn.error,
    label: LabelOption = None,
    text: TextOption = None,
    path: PathOption = None,
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="COLUMN", help="Column of what must stay in one part: speaker, site, patient."),
    ] = None,
    split: SplitOption = None,
    start: StartOption = None,
    end: EndOption = None,
    annotations: AnnotationsOption = None,
    encoding: EncodingOption = None,
    adapter: AdapterOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="The same seed gives the same audit.")] = 0,
    threads: ThreadsOption = None,
) -> None:
    """Look for what makes a data set worse than it seems: copies, leaks, wrong labels, shortcuts, broken items.

    Exit code 0: no error was found. 1: at least one was, or whatever --fail-on says.
    """
    if output is not None:
        prepare_page(output, [source], plain=True)
    if as_json is not None:
        prepare_output(as_json, [source], plain=True)
    if output is not None and output == as_json:
        raise ConfigurationError("--json and --output name the same file: give them two names.")
    columns = Columns(label, text, path, group, split, start, end, annotations, encoding)
    checks = _chosen(check, skip, quick=quick)
    if adapter is not None:
        from gridcnn.adapters import by_name

        by_name(adapter)  # refuses another name
    data = read_labelled(source, columns, on_error="skip", allow_one_class=True)
    reader = adapter_for(data, {}, adapter)

    from gridcnn.evaluation.audit import audit as run
    from gridcnn.pipeline.parallel import set_computing_threads

    set_computing_threads(threads)
    with Waiting(Console(stderr=True), "reading") as waiting:
        found = run(
            reader,
            data.items,
            data.labels,
            groups=data.groups,
            parts=data.split,
            skipped=data.skipped,
            checks=checks,
            source=data.name or source,
            random_state=seed,
            progress=_follow(waiting),
            names=names_in(data),
        )
        waiting.now("writing")
        if as_json is not None:
            with written(as_json) as file:
                json.dump(found.to_dict(), file, indent=1)
        if output is not None:
            from gridcnn.render.audit_page import audit_page

            with written(output) as file:
                file.write(audit_page(found, reader, reader.check_items(data.items)))
    _print(found, _folder(found, reader))
    for line in data.notes:
        note(f"note: {line}")
    for what, place in (("page", output), ("findings", as_json)):
        if place is not None:
            print(f"{what} saved to {place}")
    raise typer.Exit(_code(found, fail_on))


def _chosen(check: list[str] | None, skip: list[str] | None, *, quick: bool) -> list[str]:
    """Return the checks to run; ConfigurationError if one is called otherwise."""
    from gridcnn.evaluation.audit import CHECKS

    for flag, names in (("--check", check), ("--skip", skip)):
        if unknown := [name for name in names or [] if name not in CHECKS]:
            raise ConfigurationError(f"{flag} {unknown[0]}: no check is called so; choose among {', '.join(CHECKS)}")
    left_out = {*(skip or []), *(["label-errors"] if quick else [])}
    return [name for name in check or CHECKS if name not in left_out]


def _code(found: Audit, fail_on: FailOn) -> int:
    from gridcnn.evaluation.audit import SEVERITIES

    worst = found.worst()
    if worst is None or fail_on is FailOn.never:
        return 0
    return FOUND if SEVERITIES.index(worst) <= SEVERITIES.index(fail_on.value) else 0


def _follow(waiting: Waiting) -> Any:
    last = ""

    def progress(doing: str, done: int, total: int) -> None:
        nonlocal last
        if doing != last:
            waiting.now(doing)
            last = doing
        waiting.progress(done, total)

    return progress


def _print(found: Audit, folder: str) -> None:
    """Print a row for each finding, and what was looked for."""
    if found.findings:
        shown = table("", "finding", "how many", "for example", "what to do")
        for each in found.findings:
            examples = _examples(found, each, folder)
            add_row(shown, each.severity, each.message, f"{each.count:,}", examples, each.advice)
        print_table(shown)
    else:
        print(f"nothing was found in {counted(len(found.names), 'item')}")
    looked_for = [name for name in found.seconds if name != "reading" and name not in found.left_out]
    print(f"{counted(len(found.names), 'item')}; checked: {', '.join(looked_for)}")
    for name, why in found.left_out.items():
        note(f"{name} was not checked: {why}")


def _folder(found: Audit, reader: Adapter) -> str:
    """Return the folder that all items lie in, which need not be repeated with each; empty if they are no files."""
    parents = {os.path.dirname(name) for name in found.names} if reader.reads_files else set()  # noqa: PTH120
    return f"{os.path.commonpath(parents)}{os.sep}" if parents and "" not in parents else ""


def _examples(found: Audit, finding: Finding, folder: str) -> str:
    return "; ".join(
        " = ".join(_named(found, at, folder) for at in example.items[:SHOWN_ITEMS]) or _short(example.note)
        for example in finding.examples[:SHOWN_EXAMPLES]
    )


def _named(found: Audit, at: int, folder: str) -> str:
    """Name an item within its folder, with its class unless the folder of its class says so."""
    name = found.names[at].removeprefix(folder)
    label = "" if found.labels is None else str(found.labels[at])
    return _short(name) + (f" ({label})" if label and label not in Path(name).parts[:-1] else "")


def _short(name: str) -> str:
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"
