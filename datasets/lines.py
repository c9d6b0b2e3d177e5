"""Lines of text, read one after another in memory that does not grow with the file."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from gridcnn.datasets.encoding import decode, mark_of
from gridcnn.errors import DataError

__all__ = ["LONGEST_LINE", "Survey", "read_lines", "survey"]

LONGEST_LINE = 2**24
"""Characters of a line, or of a row of a table; a longer one is no text but a damaged or another kind of file."""

BLOCK = 2**24  # bytes


class Survey(NamedTuple):
    """What a text file is, found out in one pass over it.

    Parameters
    ----------
    encoding : str
        Its Python name.
    lines : int
        Number of lines; the end of the last one begins no new one.
    """

    encoding: str
    lines: int


def survey(file: IO[bytes], path: Path, encoding: str | None = None) -> Survey:
    """Find out the encoding of a text file, by the rules of `decode`, and count its lines.

    Raises
    ------
    DataError
        As `decode`.
    """
    block = file.read(BLOCK)
    name = encoding or mark_of(block) or "utf-8"
    decode(b"", path, name)  # refuses a name that is none
    unproven = encoding is None and name == "utf-8"
    decoder = codecs.getincrementaldecoder(name)()
    lines, last, beyond_ascii = 0, "", False
    while block:
        following = file.read(BLOCK)
        try:
            text = decoder.decode(block, final=not following)
        except UnicodeDecodeError as error:
            text = "" if not unproven or beyond_ascii else decode(block, path)
            if not text:
                raise DataError(
                    f"{path}: not {name} throughout ({error.reason}): name its encoding with --encoding (encoding=)."
                ) from None
            name, unproven = "cp1252", False  # nothing else is left that `decode` accepts
            decoder = codecs.getincrementaldecoder(name)()
        if unproven and "\0" in text:
            decode(block, path)  # says what is wrong
        beyond_ascii = beyond_ascii or not text.isascii()
        lines += text.count("\n")
        last = text[-1:] or last
        block = following
    return Survey(name, lines + (last not in ("", "\n")))


def read_lines(file: IO[bytes], path: Path, encoding: str | None = None) -> Iterator[str | DataError]:
    """Yield the lines of a text, without their ends; a line that is none as the reason.

    Parameters
    ----------
    file : binary file
        May be a pipe.
    path : Path
        Its name, for messages.
    encoding : str, optional
        Without it, a byte order mark decides. Without that, each line is UTF-8 or, if no line before was UTF-8 beyond
        ASCII, Western European as `decode` recognises it; then the lines after it are taken for the same.
    """
    first = file.readline(LONGEST_LINE)
    encoding = encoding or mark_of(first)
    if encoding is not None:
        yield from _in_one_encoding(io.BufferedReader(_Joined(first, file)), path, encoding)
        return
    beyond_ascii = False
    number, line = 1, first
    while line:
        if not line.endswith(b"\n") and len(line) == LONGEST_LINE:
            while not line.endswith(b"\n") and (line := file.readline(LONGEST_LINE)):
                pass
            yield _too_long(path, number)
        else:
            try:
                text = line.decode(encoding or "utf-8")
                beyond_ascii = beyond_ascii or not text.isascii()
                yield _without_end(text) if "\0" not in text else _refused(line, path, number)
            except UnicodeDecodeError:
                refused: str | DataError = _refused(line, path, number)
                if isinstance(refused, str) and not beyond_ascii:
                    encoding = "cp1252"
                elif isinstance(refused, str):
                    refused = DataError(f"{path}, line {number}: not UTF-8, as lines before it are.")
                yield refused
        number, line = number + 1, file.readline(LONGEST_LINE)


def _refused(line: bytes, path: Path, number: int) -> str | DataError:
    try:
        return _without_end(decode(line, Path(f"{path}, line {number}")))
    except DataError as error:
        return error


def _in_one_encoding(file: io.BufferedReader, path: Path, encoding: str) -> Iterator[str | DataError]:
    decode(b"", path, encoding)  # refuses a name that is none
    text = io.TextIOWrapper(file, encoding, newline="\n")
    number = 0
    while line := _read(text, path, encoding):
        number += 1
        if line.endswith("\n") or len(line) < LONGEST_LINE:
            yield _without_end(line)
            continue
        while not line.endswith("\n") and (line := _read(text, path, encoding)):
            pass
        yield _too_long(path, number)


def _read(text: io.TextIOWrapper, path: Path, encoding: str) -> str:
    try:
        return text.readline(LONGEST_LINE)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not {encoding} ({error.reason}): name another encoding.") from None


def _without_end(line: str) -> str:
    return line.removesuffix("\n").rstrip("\r")


def _too_long(path: Path, number: int) -> DataError:
    return DataError(f"{path}, line {number}: longer than {LONGEST_LINE:,} characters: it is no line of text.")


class _Joined(io.RawIOBase):
    """What was read of a file already, and the rest of it."""

    def __init__(self, first: bytes, rest: IO[bytes]) -> None:
        self._first, self._rest = first, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._first:
            block, self._first = self._first[: len(buffer)], self._first[len(buffer) :]
        else:
            block = self._rest.read1(len(buffer)) if hasattr(self._rest, "read1") else self._rest.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)
