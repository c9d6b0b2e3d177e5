"""Self-contained HTML pages: a template, one style sheet, no network.

Pages show text of users (sentences, file names, labels), so the templates escape everything, and each page tells the
browser to fetch nothing and to run no script but the one whose digest it states.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import jinja2

from gridcnn.display import percentage
from gridcnn.render.one_script import one_script
from gridcnn.versions import versions

__all__ = ["render"]


def render(template: str, *, script: str = "", policy: str | None = None, **values: Any) -> str:
    """Fill a template of `gridcnn/render/templates`.

    Parameters
    ----------
    template : str
        Its name.
    script : str
        Name of the module of `gridcnn/render/front` that the page runs, with those that it imports; empty for none.
    policy : str or None
        The Content-Security-Policy that the page states; None allows the script and nothing else.
    **values
        The values that the template shows; strings are escaped.
    """
    code = one_script(script) if script else ""
    if policy is None:
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        allowed = f"'sha256-{digest}'" if script else "'none'"
        policy = (
            f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; media-src data:; "
            "base-uri 'none'; form-action 'none'"
        )
    page = _environment().get_template(template).render(policy=policy, code=code, versions=versions(), **values)
    return page.encode("utf-8", "backslashreplace").decode("utf-8")  # half an emoji, bytes of an old file name


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gridcnn.render"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"percent": _percent, "plain": _plain, "zip": zip}
    return environment


def _percent(share: float) -> str:
    """Write a share as a percentage that no line ends in."""
    return percentage(share).replace(" ", "\N{NO-BREAK SPACE}")


def _plain(value: Any) -> str:
    """Write a setting as a person would."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list | tuple):
        more = f" and {len(value) - 8} more" if len(value) > 8 else ""
        return (", ".join(_plain(each) for each in value[:8]) or "none") + more
    return str(value)
