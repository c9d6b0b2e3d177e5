"""The encoding of a text file: detected if the bytes prove it, otherwise asked for."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from gridcnn.errors import DataError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before utf-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# Characters of Western European text beyond ASCII. Central European, Turkish, Cyrillic and DOS text that is read as
# cp1252 soon shows a character that is not among them.
_WESTERN = frozenset("àâäáãåæçèéêëìíîïñòóôöõøùúûüÿœßÀÂÄÁÃÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÖÕØÙÚÛÜŒ‘’“”–—…€«»°£§¡¿©®™·´ª\u00a0")
_WESTERN_SHARE = 0.3  # largest share of the letters that lies beyond ASCII


def decode(data: bytes, path: Path, encoding: str | None = None) -> str:
    """Decode the bytes of a text file.

    Parameters
    ----------
    data : bytes
        The whole file.
    path : Path
        The file, for messages.
    encoding : str, optional
        Its Python name. Without it, a byte order mark decides, then valid UTF-8, then cp1252 (the usual superset of
        latin-1) if every character beyond ASCII belongs to Western European text.

    Returns
    -------
    str
        The text, without a byte order mark.

    Raises
    ------
    DataError
        If the bytes are not in the given encoding, or if none was given and they do not prove one.
    """
    if encoding is not None:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}: byte {error.start} is not {encoding}: leave --encoding (encoding=) out to detect it, or name "
                "another."
            ) from None
        except (LookupError, ValueError):  # ValueError: a name with a zero byte
            raise DataError(
                f"{path}: unknown encoding {encoding!r}: use a name such as utf-8, cp1252 or utf-16."
            ) from None
    if name := mark_of(data):
        try:
            return data.decode(name)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}: its first bytes are those of {name}, but byte {error.start} is not {name}: the file is "
                "damaged, or no text."
            ) from None
    try:
        if b"\0" not in data:
            return data.decode("utf-8")
        wide = "utf-16"
        if data.count(b"\0") < len(data) / 8:
            raise DataError(
                f"{path}: byte {data.index(0)} is zero, which no text holds: the file is damaged, or no text."
            )
    except UnicodeDecodeError as error:
        wide = None
        if _is_mostly_utf8(data):
            near = data[max(error.start - 20, 0) : error.start + 20]
            raise DataError(
                f"{path}: UTF-8, but for bytes such as those in {near!r}: the file is damaged, or put together from "
                "files in several encodings. Correct these places."
            ) from None
    if wide is None and _is_western(data):
        return data.decode("cp1252")
    raise DataError(
        f"{path}: not UTF-8, and its bytes do not prove another encoding: name it with --encoding (encoding=), for "
        f"example {wide or _guess(data)!r}, or save the file as UTF-8."
    )


def mark_of(data: bytes) -> str | None:
    """Return the encoding that the byte order mark of a text names; None without one."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), None)


def _is_mostly_utf8(data: bytes) -> bool:
    """Whether more characters beyond ASCII are valid UTF-8 than not, as in no text of another encoding."""
    beyond = [character for character in data.decode("utf-8", "surrogateescape") if not character.isascii()]
    wrong = sum("\udc80" <= character <= "\udcff" for character in beyond)
    return len(beyond) > 2 * wrong


def _is_western(data: bytes) -> bool:
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    beyond = [character for character in text if not character.isascii()]
    letters = sum(map(str.isalpha, text))
    return (
        _WESTERN.issuperset(beyond)
        and sum(map(str.isalpha, beyond)) <= _WESTERN_SHARE * letters
        and not re.search(r"\w[¡¿ª°£§]\w|[a-zß-ÿ][À-ÖØ-Þ]|[à-öø-ÿ]{3}", text)  # no language writes these
    )


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes  # noqa: PLC0415

    best = from_bytes(data[:20_000]).best()
    return best.encoding if best else "cp1252"
