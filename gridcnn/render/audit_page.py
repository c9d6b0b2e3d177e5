"""The page of an audit: each finding with its worst examples to look at, listen to and read, side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gridcnn.adapters import Adapter
from gridcnn.errors import GridcnnError
from gridcnn.evaluation.audit import CHECKS, Audit, Example
from gridcnn.render.html import render
from gridcnn.render.preview import Shown, draw_grid, picture_uri, show

__all__ = ["audit_page"]

MOST_FITTED = 500
"""Items that the adapter is fitted to, which decides how large previews are."""


class _Card(NamedTuple):
    """An item of an example."""

    shown: Shown
    label: str
    part: str


def audit_page(audit: Audit, adapter: Adapter, items: Sequence[Any]) -> str:
    """Return the page of an audit as HTML that needs no network and no script.

    Parameters
    ----------
    audit : Audit
        The findings.
    adapter : Adapter
        Reads the items; need not be fitted, and is not changed.
    items : sequence of n raw items
        As `adapter.check_items` returns them.
    """
    reader = _fitted(adapter, items)
    findings = [
        (finding, [(example, _cards(audit, reader, items, example)) for example in finding.examples])
        for finding in audit.findings
    ]
    return render(
        "audit.html",
        audit=audit,
        findings=findings,
        counts=[
            (severity, sum(finding.severity == severity for finding in audit.findings))
            for severity in ("error", "warning", "note")
        ],
        checks=[
            (check.about, name)
            for name, check in CHECKS.items()
            if name in audit.seconds.keys() - audit.left_out.keys()
        ],
        left_out=[(CHECKS[name].about, why) for name, why in audit.left_out.items()],
    )


def _fitted(adapter: Adapter, items: Sequence[Any]) -> Adapter | None:
    """Return the adapter fitted to some of the items, for previews; None if it refuses them."""
    from sklearn.base import clone  # noqa: PLC0415  (as in training)

    step = -(-len(items) // MOST_FITTED) or 1
    with contextlib.suppress(GridcnnError):
        fresh: Adapter = clone(adapter)
        return fresh.fit(items[::step])
    return None


def _cards(audit: Audit, reader: Adapter | None, items: Sequence[Any], example: Example) -> list[_Card]:
    return [
        _Card(
            _shown(audit.names[at], reader, items[at]),
            "" if audit.labels is None else str(audit.labels[at]),
            "" if audit.parts is None else str(audit.parts[at]),
        )
        for at in example.items
    ]


def _shown(name: str, reader: Adapter | None, item: Any) -> Shown:
    """Return an item as the page shows it; one that cannot be read by its name alone."""
    try:
        shown = Shown(name) if reader is None else show(name, reader.preview(item))
    except (GridcnnError, OSError):  # the example says why
        return Shown(name)
    if not (shown.picture or shown.sound or shown.text) and isinstance(item, np.ndarray) and item.dtype.kind in "fiu":
        rows = np.nan_to_num(item.astype(np.float64))
        if rows.ndim <= 2 and rows.size:
            return shown._replace(picture=picture_uri(draw_grid(np.atleast_2d(rows), upwards=False)))
    return shown
