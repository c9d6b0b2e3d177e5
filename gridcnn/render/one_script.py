"""The modules of the front end as one script, for a page that is one file."""

from __future__ import annotations

import re
from importlib import resources

__all__ = ["module_names", "one_script"]

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(async )?(function|const|let|class)\b)", re.MULTILINE)


def one_script(entry: str) -> str:
    """Return a module of `gridcnn/render/front` and all that it imports, in order, as a script without imports.

    All top-level names share one scope, so no two modules have one of the same name.

    Parameters
    ----------
    entry : str
        Name of the module that starts the page, such as `"page.js"`.
    """
    parts = []
    for name in module_names(entry):
        code = _EXPORT.sub("", _IMPORT.sub("", _source(name)))
        parts.append(f"// {name}\n{code}")
    return '"use strict";\n' + "\n".join(parts)


def module_names(entry: str) -> list[str]:
    """Return the names of a module and of all that it imports, each after those that it needs itself."""
    found: list[str] = []

    def visit(name: str) -> None:
        for needed in _IMPORT.findall(_source(name)):
            if needed not in found:
                visit(needed)
        if name not in found:
            found.append(name)

    visit(entry)
    return found


def _source(name: str) -> str:
    return resources.files("gridcnn.render").joinpath("front", name).read_text(encoding="utf-8")
