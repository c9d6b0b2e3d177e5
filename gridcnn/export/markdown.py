"""Text that a person named, in Markdown and in YAML: shown as it is, and never read as markup."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

__all__ = ["LICENCES", "encodable", "plain", "table", "yaml_string"]

_LICENCES = """
afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear
bsl-1.0 cc cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0
cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0
cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m ecl-2.0 epl-1.0 epl-2.0 eupl-1.1
eupl-1.2 fair-noncommercial-research-license gfdl gpl gpl-2.0 gpl-3.0 isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr lppl-1.3c mit
mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openrail openrail++ osl-3.0 pddl postgresql unlicense wtfpl zlib
"""
LICENCES = frozenset(_LICENCES.split())
"""Names of licences that the Hugging Face Hub knows."""


def yaml_string(text: object) -> str:
    """Write a string for YAML, on one line, in double quotes."""
    quoted = json.dumps(encodable(text), ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in quoted)


def encodable(text: object) -> str:
    """Return text that UTF-8 has a form for: the bytes of an old file name are escaped."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def plain(text: object) -> str:
    r"""Return text that Markdown shows as it is, on one line, also in a table.

    >>> plain("a|b *c* <d>")
    'a\\|b \\*c\\* \\<d\\>'
    """
    line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in encodable(text))
    line = re.sub(r"([\\`*_\[\]<>|~$&#])", r"\\\1", line).replace("://", r"\://")
    return line.strip(" ") or "(empty)"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table, whose cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
