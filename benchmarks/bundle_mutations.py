"""Mutations of sealed files that know their structure: header, description, tensors, and a digest that fits again.

A fuzzer that flips bits never gets past the digest. These change one thing and compute the digest anew, so that what
lies behind it is tried too. No torch: a mutation should cost less than what it tries.
"""

from __future__ import annotations

import functools
import hashlib
import json
import random
from typing import Any, NamedTuple

TORCH_NAMES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool", "U16": "uint16", "U32": "uint32", "U64": "uint64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "C64": "complex64",
}  # fmt: skip
"""What a digest calls each type of the header."""

SIZES = {"F64": 8, "I64": 8, "U64": 8, "C64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}

NUMBERS = [
    0, 1, -1, 2, 3, 7, 100, 255, 256, 4096, 65_535, 65_536, 10**6, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63,
    2**64, 10**30, 10**400, -(2**31), -(2**63), 0.0, -0.0, 0.5, 1.5, 1e-300, 1e-45, 1e38, 1e39, 1e300, -1e300,
    float("nan"), float("inf"), float("-inf"),
]  # fmt: skip
TEXTS = [
    "", "\0", "a\0b", "\x1b[2J\x1b]0;x\x07", "<script>alert(1)</script>", "../../etc/passwd", "/dev/zero", "C:\\x",
    "\ud800", "é" * 50, "x" * 5000, "__class__", "__import__('os').system('id')", "%s%n{0}", "channels", "height",
    "width", "word", "character", "cell", "both", "ImageAdapter", "AudioAdapter", "TextAdapter", "ArrayAdapter",
    "TableAdapter", "gridcnn", "os", "U", "i", "f", "b", "O", "same", "valid", "flatten", "global_max", "nan",
]  # fmt: skip
OTHERS: list[Any] = [None, True, False, [], {}, [[]], [{}], [None], {"": None}, [0] * 300, [[0] * 20] * 20, ["a"] * 300]


class Parts(NamedTuple):
    """A sealed file taken apart."""

    header: dict[str, Any]
    description: Any
    body: bytes


@functools.lru_cache(maxsize=64)
def _taken_apart(content: bytes, kind: str) -> str | None:
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        description = json.loads(header["__metadata__"][kind])
        if not all(isinstance(entry, dict) for entry in header.values()):
            return None
        header["__metadata__"][kind] = ""  # written anew, so not read each time
        return json.dumps([header, description])
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError, OverflowError):
        return None


def taken_apart(content: bytes, kind: str) -> Parts | None:
    """Return the parts of a sealed file, new each time; None if it is none."""
    text = _taken_apart(content, kind)
    if text is None:
        return None
    header, description = json.loads(text)
    return Parts(header, description, content[8 + int.from_bytes(content[:8], "little") :])


def put_together(parts: Parts, kind: str, random_: random.Random | None = None) -> bytes:
    """Return a sealed file whose digest fits, as far as its header makes sense; the text may get a key twice."""
    text = json.dumps(parts.description)
    if random_ is not None and random_.random() < 0.02:
        text = _with_a_key_twice(text, random_)
    metadata = parts.header.get("__metadata__")
    if isinstance(metadata, dict):
        metadata[kind] = text
        metadata[f"{kind}_digest"] = _digest(text, parts)
    header = json.dumps(parts.header).encode()
    if random_ is not None and random_.random() < 0.02:
        header = _with_a_key_twice(header.decode(), random_).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + parts.body


def _digest(text: str, parts: Parts) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    try:
        for name in sorted(set(parts.header) - {"__metadata__"}):
            entry = parts.header[name]
            start, end = entry["data_offsets"]
            digest.update(f"{name} torch.{TORCH_NAMES[entry['dtype']]} {tuple(entry['shape'])}".encode())
            digest.update(parts.body[start:end])
    except (KeyError, TypeError, ValueError):
        pass  # no header that anybody gets past
    return digest.hexdigest()


def _with_a_key_twice(text: str, random_: random.Random) -> str:
    places = [at for at, each in enumerate(text) if each == "{"]
    at = random_.choice(places) + 1
    name = random_.choice(["__metadata__", "adapter", "state", "name", "gridcnn", "classes", "kernels", "shape"])
    comma = "" if text[at : at + 1] == "}" else ", "
    return (
        f'{text[:at]}"{name}": {json.dumps(_value(random_))}, "{name}": {json.dumps(_value(random_))}{comma}{text[at:]}'
    )


def _value(random_: random.Random) -> Any:
    return random_.choice(random_.choice([NUMBERS, NUMBERS, TEXTS, OTHERS]))


def _place(values: Any, random_: random.Random, stop: float = 0.15) -> tuple[Any, Any] | None:
    """Return a container inside `values` and a key of it, at random."""
    found = None
    while isinstance(values, dict | list) and values:
        key = random_.choice(list(values)) if isinstance(values, dict) else random_.randrange(len(values))
        found = values, key
        if random_.random() < stop:
            break
        values = values[key]
    return found


def _changed(value: Any, random_: random.Random) -> Any:
    """Return something else in place of a value, often of its type."""
    if isinstance(value, bool) or value is None or random_.random() < 0.3:
        return _value(random_)
    if isinstance(value, int | float):
        near = [
            value + 1,
            value - 1,
            -value,
            value * 2,
            value * 1000,
            value / 3,
            int(value) if abs(value) < 1e300 else 0,
        ]
        return random_.choice([*near, *random_.sample(NUMBERS, 3)])
    if isinstance(value, str):
        at = random_.randrange(len(value) + 1)
        return random_.choice([value[:at] + random_.choice(TEXTS) + value[at:], value[:at], value * 3, *TEXTS])
    if isinstance(value, list):
        at = random_.randrange(len(value) + 1)
        return random_.choice(
            [value[:at], value * 2, [*value, _value(random_)], [*value[:at], _value(random_)], [value]]
        )
    return dict(random_.sample(list(value.items()), random_.randrange(len(value) + 1)))


def _nested(depth: int) -> Any:
    nest: Any = 1
    for _ in range(depth):
        nest = [nest]
    return nest


def _edit(values: Any, random_: random.Random) -> None:
    place = _place(values, random_)
    if place is None:
        return
    inside, key = place
    what = random_.random()
    if what < 0.6:
        inside[key] = _changed(inside[key], random_)
    elif what < 0.75:
        del inside[key]
    elif what < 0.85 and isinstance(inside, dict):
        inside[random_.choice(TEXTS)] = _value(random_)
    elif what < 0.95:
        other = _place(values, random_)
        inside[key] = json.loads(json.dumps(inside[key] if other is None else other[0][other[1]]))
    else:
        inside[key] = _nested(random_.choice([5, 18, 19, 25, 300]))


class Mutator:
    """Changes one thing of a sealed file.

    Parameters
    ----------
    seeds : list of bytes
        Valid files, whose parts also replace each other's.
    kind : str
        Their kind.
    """

    def __init__(self, seeds: list[bytes], kind: str) -> None:
        self.seeds, self.kind = seeds, kind

    def __call__(self, content: bytes, max_size: int, seed: int) -> bytes:
        """Return a changed file of at most `max_size` bytes; equal seeds give equal changes."""
        random_ = random.Random(seed)
        if len(content) < 16 or random_.random() < 0.02:
            content = random_.choice(self.seeds)
        what = random_.random()
        parts = taken_apart(content, self.kind) if what > 0.1 else None
        if parts is None:
            return _flipped(content, random_)[:max_size]
        try:
            return put_together(self._edited(parts, what, random_), self.kind, random_)[:max_size]
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
            # A mutant of a mutant may lack the very part to be changed, or hold numbers that no file can.
            return _flipped(content, random_)[:max_size]

    def _edited(self, parts: Parts, what: float, random_: random.Random) -> Parts:
        if what < 0.2:
            self._header(parts, random_)
        elif what < 0.3:
            return parts._replace(body=self._tensor(parts, random_))
        elif what < 0.35:
            other = taken_apart(random_.choice(self.seeds), self.kind)
            if other is not None and isinstance(parts.description, dict):
                name = random_.choice(list(other.description))
                parts.description[name] = other.description[name]
        else:
            for _ in range(random_.choice([1, 1, 1, 2, 4])):
                _edit(parts.description, random_)
        return parts

    def _header(self, parts: Parts, random_: random.Random) -> None:
        header = parts.header
        name = random_.choice(list(header))
        what = random_.random()
        if what < 0.3:
            _edit(header, random_)
        elif what < 0.5:
            header[random_.choice([f"{name}x", *TEXTS, *header])] = header.pop(name)
        elif what < 0.7 and "dtype" in header[name]:
            header[name]["dtype"] = random_.choice([*TORCH_NAMES, "F4", "F6_E2M3", "X"])
        elif what < 0.9 and "shape" in header[name]:
            entry = header[name]
            if random_.random() < 0.5:  # the same number of cells
                cells = 1
                for size in entry["shape"]:
                    cells *= size if isinstance(size, int) else 1
                entry["shape"] = random_.choice([[cells], [1, cells], [cells, 1], [0], []])
            else:
                entry["shape"] = _changed(entry["shape"], random_)
        elif isinstance(header.get("__metadata__"), dict):
            header["__metadata__"][f"{self.kind}_format"] = random_.choice(["4", "5", "6", "²", "05", "9" * 30, *TEXTS])

    def _tensor(self, parts: Parts, random_: random.Random) -> bytes:
        body = bytearray(parts.body)
        if not body:
            return bytes(body)
        for _ in range(random_.choice([1, 2, 8])):
            at = random_.randrange(len(body)) // 4 * 4
            some = [b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\xff\xff\x7f\x7f", b"\0\0\0\0", random_.randbytes(4)]
            body[at : at + 4] = random_.choice(some)[: len(body) - at]
        return bytes(body)


def _flipped(content: bytes, random_: random.Random) -> bytes:
    changed = bytearray(content)
    at = random_.randrange(len(changed))
    what = random_.random()
    if what < 0.4:
        changed[at] ^= 1 << random_.randrange(8)
    elif what < 0.6:
        changed = changed[:at]
    elif what < 0.8:
        changed[at:at] = random_.randbytes(random_.choice([1, 8, 100]))
    else:
        changed[:8] = (abs(random_.choice(NUMBERS[:20])) % 2**64).to_bytes(8, "little")
    return bytes(changed)
