"""What people see of values: text without control characters, and HTML for notebooks, in which all text is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["agreeing", "as_facts", "as_table", "as_text", "counted", "none_can", "percentage", "printable"]

LEFT = " style='text-align:left'"
TEXT = " style='white-space:pre-wrap;overflow-x:auto;max-width:100ch;line-height:1.3'"


def printable(text: object) -> str:
    """Return text with its control characters escaped, in one line: names of files and classes may hold any."""
    return "".join(each if each.isprintable() else _escaped(each) for each in str(text))


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with what is counted, in the singular or the plural, which ends in s unless it is said.

    Examples
    --------
    >>> counted(1, "item is", "items are"), counted(2000, "class", "classes"), counted(0, "label")
    ('1 item is', '2,000 classes', '0 labels')
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def none_can(count: int, one: str) -> str:
    """Return the subject of a sentence about things of which none can be used.

    Examples
    --------
    >>> [f"{none_can(n, 'item')} be read" for n in (1, 2000)]
    ['the only item cannot be read', 'none of the 2,000 items can be read']
    """
    return f"the only {one} cannot" if count == 1 else f"none of the {count:,} {one}s can"


def agreeing(count: int, one: str, many: str) -> str:
    """Return the form of a verb that goes with a number.

    Examples
    --------
    >>> [f"{n} of 8 pictures {agreeing(n, 'has', 'have')} colours" for n in (1, 2)]
    ['1 of 8 pictures has colours', '2 of 8 pictures have colours']
    """
    return one if count == 1 else many


def percentage(share: float) -> str:
    """Write a share or a probability as a percentage: what is below 1 is never 100 %, and what is above 0 never 0 %.

    The pages have the same rule in `render/front/numbers.js`.

    Parameters
    ----------
    share : float
        In [0, 1].

    Examples
    --------
    >>> [percentage(share) for share in (0, 1e-9, 0.0002, 0.5, 0.9996, 0.9999998, 1)]
    ['0.0 %', '<0.01 %', '0.02 %', '50.0 %', '99.96 %', '>99.99 %', '100.0 %']
    """
    if 0 < share < 0.0001:
        return "<0.01 %"
    if 0.9999 < share < 1:
        return ">99.99 %"
    fine = 0 < share < 0.0005 or 0.9995 <= share < 1
    return f"{100 * share:.{2 if fine else 1}f} %"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def as_facts(facts: Mapping[str, object]) -> str:
    """Return an HTML table of names and values.

    Examples
    --------
    >>> as_facts({"reads": "<b>"})
    "<table><tr><th style='text-align:left'>reads</th><td style='text-align:left'>&lt;b&gt;</td></tr></table>"
    """
    rows = "".join(
        f"<tr><th{LEFT}>{_safe(name)}</th><td{LEFT}>{_safe(value)}</td></tr>" for name, value in facts.items()
    )
    return f"<table>{rows}</table>"


def as_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table with a header; numbers stand on the right."""
    head = "".join(f"<th>{_safe(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def as_text(text: str) -> str:
    """Return text of several lines as HTML, its first line bold."""
    first, _, rest = text.partition("\n")
    return f"<pre{TEXT}><b>{_safe(first)}</b>\n{html.escape(rest)}</pre>"


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"<td{LEFT}>{_safe(value)}</td>"
    return f"<td>{value:,}</td>" if isinstance(value, int) else f"<td>{value:.4f}</td>"


def _safe(value: object) -> str:
    return html.escape(printable(value))
