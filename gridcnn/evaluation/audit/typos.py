"""Names of classes that are probably one: other case or spaces, look-alike letters, a plural, a slip of the pen."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np

from gridcnn.evaluation.audit.findings import MOST_EXAMPLES, Example, Finding
from gridcnn.evaluation.audit.material import Material

__all__ = ["check_typos"]

SHORTEST = 5
"""Letters of a name in which a slip is recognised: short words are often one letter apart."""

RARE = 0.1
"""Items of a misspelt class, at most, beside those of the right one."""

MOST_NAMES = 2_000
"""Names that are compared for slips: more are identifiers."""

_BETWEEN = re.compile(r"(?<=[^\W\d_])[\s_-]+(?=[^\W\d_])|(?<=\s)\s+")
"""Spaces, underscores and hyphens between letters."""

# Letters of other scripts, and digits, that print like Latin letters (a part of the Unicode Consortium's "confusables",
# Technical Standard 39).
_LOOKALIKES = str.maketrans(
    "абвгеёзіјкмнорѕтухһԁԛԝҮүαβεικνορτυχγωІЈΑΒΕΖΗΙΚΜΝΟΡΤΥΧАВЕЅЗКМНОРСТХУсⅼ",
    "a6Breё3ijkmhopstyxhdqwYyaBeiKvoptuxywIJABEZHIKMNOPTYXABES3KMHOPCTXYcl",
)


def check_typos(material: Material) -> list[Finding]:
    """Compare the names of the classes, which are strings."""
    if material.labels is None or material.labels.dtype.kind not in "UO":
        return []
    names, counts = np.unique(material.labels.astype(str), return_counts=True)
    count_of = dict(zip(names.tolist(), counts.tolist(), strict=True))
    found, told = list[Finding](), set[str]()
    rules: tuple[tuple[str, str, Callable[[str], str]], ...] = (
        ("case-and-spaces", "differ only in case, spaces, hyphens or underscores", _plain),
        ("look-alikes", "look alike, but have letters of other scripts, accents or invisible characters", _skeleton),
        ("plurals", "are singular and plural of one word", _singular),
    )
    for kind, how, reduced in rules:
        alike = defaultdict(list)
        for name in count_of:
            alike[reduced(name)].append(name)
        groups = [group for group in alike.values() if len(group) > 1 and not told.issuperset(group)]
        if groups:
            found.append(_finding(material, kind, how, groups, count_of))
        told.update(name for group in groups for name in group)
    left = {name: count for name, count in count_of.items() if name not in told}
    if slips := list(_slips(left)):
        found.append(_finding(material, "slips", "are one letter apart, and one is rare", slips, count_of))
    return found


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold().strip()
    return _BETWEEN.sub("", folded)  # only there: C and C++, -1 and 1, 1-5 and 15 are different classes


def _skeleton(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name).translate(_LOOKALIKES)
    visible = (each for each in letters if unicodedata.category(each) not in ("Mn", "Cf", "Cc"))
    return _plain("".join(visible))


def _singular(name: str) -> str:
    plain = _plain(name)
    for ending, singular in (("ies", "y"), ("ses", "s"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("s", "")):
        if plain.endswith(ending) and len(plain) > len(ending) + 2 and not plain.endswith("ss"):
            return plain[: len(plain) - len(ending)] + singular
    return plain


def _slips(counts: dict[str, int]) -> Iterator[list[str]]:
    """Yield pairs of names, the frequent one first, of which the rare one is probably a slip of the pen."""
    names = [name for name in counts if len(_plain(name)) >= SHORTEST]
    by_start: dict[str, list[str]] = defaultdict(list)
    for name in names[:MOST_NAMES]:
        by_start[_plain(name)[0]].append(name)  # a word begins right: "atypical" is no slip for "typical"
    for alike in by_start.values():
        for at, one in enumerate(alike):
            for other in alike[at + 1 :]:
                often, rare = sorted((one, other), key=lambda name: -counts[name])
                if counts[rare] <= RARE * counts[often] and _one_letter_apart(_plain(one), _plain(other)):
                    yield [often, rare]


def _one_letter_apart(first: str, second: str) -> bool:
    """Whether one letter was changed, left out, put in, or exchanged with its neighbour; digits number classes."""
    if len(first) > len(second):
        first, second = second, first
    if len(second) - len(first) > 1:
        return False
    start = 0
    while start < len(first) and first[start] == second[start]:
        start += 1
    if len(first) < len(second):
        return first[start:] == second[start + 1 :] and second[start].isalpha()
    changed, other = first[start : start + 2], second[start : start + 2]
    if not (changed[:1] + other[:1]).isalpha():
        return False
    return first[start + 1 :] == second[start + 1 :] or (
        changed == other[::-1] and first[start + 2 :] == second[start + 2 :]
    )


def _finding(material: Material, kind: str, how: str, groups: list[list[str]], count_of: dict[str, int]) -> Finding:
    assert material.labels is not None  # for the type checker: names were found among them
    told = [" and ".join(f"{name!r} ({count_of[name]:,})" for name in group) for group in groups]
    labels = material.labels.astype(str)
    examples = []
    for group, sentence in zip(groups[:MOST_EXAMPLES], told, strict=False):
        examples.append(Example(tuple(int(np.flatnonzero(labels == name)[0]) for name in group), sentence))
    certain = kind in ("case-and-spaces", "look-alikes")
    rarer = [name for group in groups for name in sorted(group, key=lambda name: -count_of[name])[1:]]
    return Finding(
        f"labels-{kind}", "error" if certain else "warning",
        f"names of classes {how}: {'; '.join(told[:3])}{f' and {len(told) - 3} more' if len(told) > 3 else ''}",
        "If they are the same class, write them alike; as they are, the model must tell them apart.",
        len(groups), tuple(examples), {"names": groups}, tuple(np.flatnonzero(np.isin(labels, rarer)).tolist()),
    )  # fmt: skip
