"""Mutations that need to know no format, and the mutants of a family: the same number is always the same mutant."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from random import Random
from typing import NamedTuple

from families import Family, Unsuited

HEADER = 256
"""Bytes at the beginning in which most formats keep sizes and counts."""

EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
GARBAGE = b"\0\xff\r\n\x1aPK\x03\x04GIF89a"


class Mutant(NamedTuple):
    """A file that may be broken."""

    name: str
    """Its file name; the suffix may be wrong."""
    content: bytes
    seed: str
    """Name of the valid file that it was made of."""
    mutation: str


def truncated(data: bytes, random: Random) -> bytes:
    """Cut off the end: a little, or any share."""
    lost = random.choice((1, 2, 4, 8, 12, 16, 64, random.randint(1, len(data)), random.randint(1, len(data))))
    return data[: max(len(data) - lost, 0)]


def flipped(data: bytes, random: Random) -> bytes:
    """Flip some bits anywhere."""
    return _flip(data, random, len(data))


def flipped_header(data: bytes, random: Random) -> bytes:
    """Flip some bits near the beginning."""
    return _flip(data, random, min(len(data), HEADER))


def _flip(data: bytes, random: Random, end: int) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        changed[random.randrange(end)] ^= 1 << random.randrange(8)
    return bytes(changed)


def lying(data: bytes, random: Random) -> bytes:
    """Put an extreme number where the header may hold one, of any width, in either byte order."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2))):
        width = random.choice((1, 2, 4, 4, 8))
        value = random.choice((*EXTREMES, random.getrandbits(32), len(data), len(data) - 1, 2 * len(data)))
        at = random.randrange(max(min(len(data), random.choice((64, HEADER, len(data)))) - width, 1))
        number = (value % (1 << 8 * width)).to_bytes(width, random.choice(("little", "big")))
        changed[at : at + width] = number
    return bytes(changed[: len(data)])


def inserted(data: bytes, random: Random) -> bytes:
    """Insert bytes: zeros, noise, or the beginning of something else."""
    at, length = random.randint(0, len(data)), random.choice((1, 2, 3, 4, 16, 1000))
    extra = random.choice((bytes(length), random.randbytes(length), GARBAGE))
    return data[:at] + extra + data[at:]


def removed(data: bytes, random: Random) -> bytes:
    """Take bytes out of the middle."""
    length = random.choice((1, 2, 3, 4, 16, max(len(data) // 10, 1)))
    at = random.randint(0, max(len(data) - length - 1, 0))
    return data[:at] + data[at + length :]


def blanked(data: bytes, random: Random) -> bytes:
    """Overwrite a stretch with zeros, as a bad sector or an interrupted download leaves it."""
    length = random.choice((4, 16, 512, max(len(data) // 4, 1)))
    at = random.randrange(len(data))
    return data[:at] + bytes(min(length, len(data) - at)) + data[at + length :]


def repeated(data: bytes, random: Random) -> bytes:
    """Repeat a stretch, a few times or many."""
    length = random.choice((1, 4, 16, max(len(data) // 8, 1)))
    at = random.randint(0, max(len(data) - length, 0))
    return data[: at + length] + data[at : at + length] * random.choice((1, 2, 100)) + data[at + length :]


def exchanged(data: bytes, random: Random) -> bytes:
    """Let two stretches change places."""
    length = random.choice((1, 4, 16, 64, max(len(data) // 8, 1)))
    first, second = sorted(random.randint(0, max(len(data) - length, 0)) for _ in range(2))
    if second < first + length:
        return flipped(data, random)
    middle = data[first + length : second]
    return (
        data[:first] + data[second : second + length] + middle + data[first : first + length] + data[second + length :]
    )


def appended(data: bytes, random: Random) -> bytes:
    """Let something follow."""
    return data + random.choice((bytes(64), random.randbytes(64), GARBAGE, data))


def emptied(data: bytes, random: Random) -> bytes:
    """Leave nothing, or a byte."""
    return data[: random.choice((0, 0, 1))]


GENERIC: Mapping[str, Callable[[bytes, Random], bytes]] = {
    each.__name__: each
    for each in (
        truncated, flipped, flipped_header, lying, inserted, removed, blanked, repeated, exchanged, appended
    )
}  # fmt: skip
ODD: Sequence[str] = ("spliced", "renamed", "twice", "emptied")
"""Mutations that take other seeds, or a second mutation; and the simplest, which is tried seldom."""


def mutant(family: Family, seeds: Mapping[str, bytes], number: int, start: int = 0) -> Mutant:
    """Return a mutant of a family by its number; `start` is the number of the whole sequence."""
    random = Random(f"{family.name} {start} {number}")
    names = list(seeds)
    seed = names[number % len(names)]
    data, suffix = seeds[seed], PurePath(seed).suffix
    kinds = [*GENERIC, *GENERIC, *family.own, *family.own, *family.own, *ODD]
    while True:
        kind = random.choice(kinds)
        try:
            if kind == "spliced":
                other = seeds[random.choice(names)]
                content = data[: random.randint(0, len(data))] + other[random.randint(0, len(other)) :]
            elif kind == "renamed":
                content = seeds[random.choice(names)]
            elif kind == "twice":
                content = flipped_header(random.choice(list(GENERIC.values()))(data, random) or b"\0", random)
            elif kind == "emptied":
                content = emptied(data, random)
            else:
                content = {**GENERIC, **family.own}[kind](data, random)
        except Unsuited:
            continue
        return Mutant(f"{PurePath(seed).stem}{suffix}", content, seed, kind)


def digest(content: bytes) -> str:
    """Return a short name of a content."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()
