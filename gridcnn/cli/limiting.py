"""Options that limit how much one item may have, for every command that reads items."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer

from gridcnn.adapters.limits import OPTIONS, Limits, limited

__all__ = ["with_limits"]

_PANEL = "Limits"


def with_limits(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options `--max-pixels`, `--max-seconds` and `--max-characters`; they hold while it runs."""

    @functools.wraps(command)
    def run(**values: Any) -> None:
        given = {name: values.pop(f"max_{name}") for name in OPTIONS}
        with limited(**given):
            command(**values)

    signature = inspect.signature(command)
    hints = typing.get_type_hints(command, include_extras=True)
    options = [
        inspect.Parameter(f"max_{name}", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(name))
        for name in OPTIONS
    ]
    written = [each.replace(annotation=hints[each.name]) for each in signature.parameters.values()]
    described: Any = run
    described.__signature__ = signature.replace(parameters=[*written, *options])
    described.__annotations__ = {**hints, **{option.name: option.annotation for option in options}}
    del described.__wrapped__  # or its signature would be read
    return run


def _option(name: str) -> Any:
    default = getattr(Limits, name)
    kind: Any = type(default)
    option = typer.Option(
        f"--max-{name}",
        min=0.001 if kind is float else 1,
        help=f"{OPTIONS[name]} {default:,.9g} if not given.",
        rich_help_panel=_PANEL,
    )
    return Annotated[kind | None, option]
