"""Forms (multipart/form-data) taken apart into items."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gridcnn.serve.limits import Limits, RefusedError, too_many
from gridcnn.serve.sent import Sent

__all__ = ["items_of_form"]

EXTENDED_NAME = re.compile(rb";[ \t]*filename\*[ \t]*=[ \t]*\"?([\w-]+)'[\w-]*'([^\s;\"]*)", re.IGNORECASE)
"""The name of a file as RFC 5987 writes it, a character set and encoded bytes: `filename*=UTF-8''na%C3%AFve.png`."""


def items_of_form(boundary: bytes, body: bytes, limits: Limits) -> list[Sent]:
    """Take a form apart: files under any name, texts under the name `inputs`; any other part is an item with an error.

    Raises
    ------
    RefusedError
        If it is damaged, or has too many parts.
    """
    form = _Form(limits)
    try:
        parser = MultipartParser(boundary, form.callbacks)  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except FormParserError:
        form.ended = False
    if not form.ended:
        raise RefusedError(400, "the body is no valid multipart/form-data, or ends too early")
    return form.items


class _Form:
    """What the parser has found so far."""

    def __init__(self, limits: Limits) -> None:
        self.items: list[Sent] = []
        self.ended = False
        self._limits = limits
        self._field = self._value = b""
        self._disposition = b""
        self._data: list[bytes] = []
        self.callbacks: dict[str, Any] = {
            "on_part_begin": self._begin,
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header_end,
            "on_part_data": self._on_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def _begin(self) -> None:
        self._disposition, self._data = b"", []
        if len(self.items) >= self._limits.items:
            raise too_many(self._limits)

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field = self._value = b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def _on_part_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = _file_name(self._disposition, options)
        content = b"".join(self._data)
        if name is not None:
            self.items.append(Sent.file(name, content))
        elif options.get(b"name") == b"inputs":
            self.items.append(Sent(str(len(self.items)), content.decode("utf-8", "replace")))
        else:
            field = options.get(b"name", b"").decode("utf-8", "replace")[:40]
            error = f"expected a file, or a text in the field 'inputs'; got the field {field!r}, which has no file name"
            self.items.append(Sent(str(len(self.items)), None, error))

    def _on_end(self) -> None:
        self.ended = True


def _file_name(disposition: bytes, options: dict[bytes, bytes]) -> str | None:
    """Return the name of a file; None if the part is none."""
    if b"filename" in options:
        return options[b"filename"].decode("utf-8", "replace")
    found = EXTENDED_NAME.search(disposition)
    if found is None:
        return None
    try:
        return unquote_to_bytes(found[2]).decode(found[1].decode(), "replace")
    except (LookupError, ValueError):
        return "file"
