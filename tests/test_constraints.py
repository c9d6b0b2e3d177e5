"""Constraints: what each lets through, what it refuses, and what it calls itself in a message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gridcnn.constraints import Constraint, Each, FileName, Flag, Named, Number, Optional, Record, Several, Text
from gridcnn.errors import ConfigurationError
from gridcnn.parameters import check
from gridcnn.stored_json import parsed

NAN, INFINITE = float("nan"), float("inf")
POINT = Record({"x": Number()}, also={"name": Text(3)})


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        (Text(3), ["", "abc"], ["abcd", b"abc", None, 1]),
        (Each(Flag(), fewest=1, most=2), [[True], (False, True)], [[], [True] * 3, [1], "ab", {True: 1}, None]),
        (Each(Each(Number(int))), [[], [[]], [[1], [2, 3]]], [[1], [[1.5]], [["1"]], [[True]]]),
        (Named(Number()), [{}, {"a": 1.5}], [{"a": "1"}, {1: 1.0}, [("a", 1)], None]),
        (POINT, [{"x": 1}, {"x": 0.5, "name": "abc", "more": []}], [{}, {"x": "1"}, {"x": 1, "name": "long"}, [1]]),
        (FileName(), ["a", Path("a")], [b"a", 1, None]),
        (Number(finite=False), [1, 0.5, NAN, INFINITE, -INFINITE], ["1", True, None]),
        (Number(), [1, 10**400], [NAN, INFINITE, 1j]),
        (Several(Number(int, low=1), fewest=1, most=2), [1, [1, 2]], [[], [1, 2, 3], [0], "1", {1: 1}]),
        (Optional(Text()), [None, "a"], [1]),
    ],
)
def test_what_is_let_through_and_what_is_not(constraint: Constraint, good: list[Any], bad: list[Any]) -> None:
    assert [each for each in good if not constraint.allows(each)] == []
    assert [each for each in bad if constraint.allows(each)] == []


def test_a_message_says_what_was_expected_and_shows_no_more_than_a_person_reads() -> None:
    with pytest.raises(
        ConfigurationError, match=r"at must be a mapping \(x: a number; name: a text of at most 3"
    ) as found:
        check({"at": {"x": "1" * 10_000}}, {"at": POINT})

    assert len(str(found.value)) < 400
    with pytest.raises(ConfigurationError, match="at is missing; it must be a list of 0 or more, each True or False"):
        check({}, {"at": Each(Flag())})


def test_a_bound_that_protects_memory_is_not_told_to_a_person() -> None:
    assert str(Number(int, low=1, high=2**31)) == "a whole number of at least 1"
    assert str(Number(int, low=1, high=10)) == "a whole number in [1, 10)"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "1", "{", '{"a": 1, "a": 1}', '{"a": {"b": 1, "b": 2}}', '{"a": ' + "[" * 20 + "]" * 20 + "}",
     '{"a": ' + "[" * 100_000, '{"a": ' + "9" * 5_000 + "}", '{"a": [' + "{}," * 2**18 + "{}]}"],
    ids=range(10),
)  # fmt: skip
def test_json_beyond_the_limits_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(text.encode())


def test_json_within_the_limits_is_read() -> None:
    deep = '{"a": ' + "[" * 19 + "]" * 19 + ', "b": NaN, "c": "\\ud800"}'

    assert list(parsed(deep.encode())) == ["a", "b", "c"]
    with pytest.raises(UnicodeDecodeError):
        parsed(b'{"a": "\xff"}')
