"""Structures in Thrift's compact protocol, of which a few fields are read and all others passed over.

References
----------
Apache Thrift, "Thrift compact protocol encoding", thrift/doc/specs/thrift-compact-protocol.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

__all__ = ["Wanted", "structure"]

Wanted: TypeAlias = "Mapping[int, Wanted | None]"
"""The numbers of the wanted fields: of a structure, or a list of structures, which fields of it; of integers None."""

_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCTURE = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)

DEEPEST = 32  # structures in structures


def structure(content: Any, at: int, wanted: Wanted, depth: int = 0) -> tuple[dict[int, Any], int]:
    """Read a structure.

    Parameters
    ----------
    content : bytes, or what is indexed like them
        Holds it.
    at : int
        Where it begins.
    wanted : mapping
        The fields to read.
    depth : int
        How many structures it lies in.

    Returns
    -------
    (dict, int)
        The values of the wanted fields that are there, by their numbers; where it ends.

    Raises
    ------
    ValueError, IndexError
        If it is damaged.

    Examples
    --------
    >>> structure(bytes([0x15, 0x04, 0x15, 0x09, 0x00]), 0, {1: None, 2: None})
    ({1: 2, 2: -5}, 5)
    """
    if depth > DEEPEST:
        raise ValueError(f"structures in structures, more than {DEEPEST} deep")
    found: dict[int, Any] = {}
    number = 0
    while kind := content[at] & 15:
        if content[at] >> 4:
            number, at = number + (content[at] >> 4), at + 1
        else:
            number, at = _integer(content, at + 1)
        inner = wanted.get(number)
        if number in wanted and inner is None and kind in _INTEGERS:
            found[number], at = _integer(content, at)
        elif inner is not None and kind == _STRUCTURE:
            found[number], at = structure(content, at, inner, depth + 1)
        elif inner is not None and kind == _LIST and content[at] & 15 == _STRUCTURE:
            count, at = _count(content, at)
            found[number] = []
            for _ in range(count):
                one, at = structure(content, at, inner, depth + 1)
                found[number].append(one)
        else:
            at = _after(content, at, kind, depth + 1)
    return found, at + 1


def _after(content: Any, at: int, kind: int, depth: int) -> int:
    """Return where a value of some type ends."""
    if kind in (_TRUE, _FALSE):  # which are types of their own
        return at
    if kind == _BYTE:
        return at + 1
    if kind in _INTEGERS:
        return _unsigned(content, at)[1]
    if kind == _DOUBLE:
        return at + 8
    if kind == _BINARY:
        length, at = _unsigned(content, at)
        return at + length
    if kind == _STRUCTURE:
        return structure(content, at, {}, depth)[1]
    if kind in (_LIST, _SET):
        inner = content[at] & 15
        count, at = _count(content, at)
        for _ in range(count):
            at = _element(content, at, inner, depth)
        return at
    if kind == _MAP:
        count, at = _unsigned(content, at)
        kinds, at = (content[at], at + 1) if count else (0, at)
        for _ in range(count):
            at = _element(content, _element(content, at, kinds >> 4, depth), kinds & 15, depth)
        return at
    raise ValueError(f"a field of an unknown type, at byte {at:,}")


def _element(content: Any, at: int, kind: int, depth: int) -> int:
    """Return where an element of a list or a map ends, in which truth takes a byte."""
    content[at]  # a long list of nothing ends with the content
    return at + 1 if kind in (_TRUE, _FALSE) else _after(content, at, kind, depth)


def _count(content: Any, at: int) -> tuple[int, int]:
    """Return the length of a list, and where its elements begin."""
    count = content[at] >> 4
    return (count, at + 1) if count < 15 else _unsigned(content, at + 1)


def _integer(content: Any, at: int) -> tuple[int, int]:
    value, at = _unsigned(content, at)
    return (value >> 1) ^ -(value & 1), at


def _unsigned(content: Any, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError(f"a number that does not end, before byte {at:,}")
