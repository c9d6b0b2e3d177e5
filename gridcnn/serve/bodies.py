"""The body of a request: read within its limits, and taken apart into items."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gridcnn.serve.limits import Limits, RefusedError
from gridcnn.serve.sent import Sent

__all__ = ["Bodies", "items_of"]

TREE = 8
"""Bytes in memory that a byte of JSON may become, roughly."""

LINGER = 2.0
"""Seconds in which the rest of a refused body is read, for clients that listen only after they have sent it."""

AT_ONCE = 128 * 2**10
"""Bytes that are taken apart at once; a larger body goes to a thread, one at a time."""

JSON, FORM = b"application/json", b"multipart/form-data"


class Bodies:
    """Reads bodies, and keeps account of how much of them is held in memory.

    Parameters
    ----------
    limits : Limits
        What a body may have.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0
        self._one_at_a_time = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def items(self, request: Request) -> AsyncIterator[list[Sent]]:
        """Yield the items of a request; their memory counts until the block ends.

        Raises
        ------
        RefusedError
            If the body is too large, arrives too slowly, or holds no items.
        """
        stated, _ = parse_options_header(request.headers.get("content-type"))
        if stated not in (JSON, FORM):
            await _linger(request)
            raise RefusedError(415, "expected a body of the type multipart/form-data (files) or application/json")
        weight = TREE if stated == JSON else 1
        taken = 0
        try:
            chunks: list[bytes] = []
            size = 0
            most = self._limits.body
            try:
                length = request.headers.get("content-length", "")
                if length.isdigit() and int(length) > most:
                    await self._refuse(
                        request, 413, f"the body has {int(length):,} bytes, and at most {most:,} are read"
                    )
                async with asyncio.timeout(self._limits.upload):
                    async for chunk in _chunks(request):
                        size += len(chunk)
                        taken += weight * len(chunk)
                        self._held += weight * len(chunk)
                        if size > most:
                            chunks.clear()
                            await self._refuse(request, 413, f"the body has more than {most:,} bytes")
                        if self._held > self._limits.held and self._held > taken:
                            chunks.clear()
                            await self._refuse(request, 429, "too much is being read at the same time: try again soon")
                        chunks.append(chunk)
            except TimeoutError:
                raise RefusedError(
                    408, f"the body did not arrive within {self._limits.upload:g} s", "upload", self._limits.upload
                ) from None
            body = b"".join(chunks)
            chunks.clear()
            if size <= AT_ONCE:
                found = items_of(request.headers["content-type"], body, self._limits)
            else:
                async with self._one_at_a_time:
                    found = await asyncio.to_thread(items_of, request.headers["content-type"], body, self._limits)
            del body
            yield found
        finally:
            self._held -= taken

    async def _refuse(self, request: Request, status: int, message: str) -> None:
        await _linger(request)
        raise RefusedError(status, message, "body", self._limits.body)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "the connection was dropped before the body had arrived")
        if chunk := message.get("body", b""):
            yield chunk
        if not message.get("more_body", False):
            return


async def _linger(request: Request) -> None:
    """Read on for a moment and forget what comes."""
    with contextlib.suppress(TimeoutError, RefusedError):
        async with asyncio.timeout(LINGER):
            async for _ in _chunks(request):
                pass


def items_of(content_type: str, body: bytes, limits: Limits) -> list[Sent]:
    """Take a body apart into items.

    Raises
    ------
    RefusedError
        If it is damaged, or holds no items, or too many.
    """
    kind, options = parse_options_header(content_type)
    found = _of_json(body, limits) if kind == JSON else _of_form(options.get(b"boundary", b""), body, limits)
    if not found:
        raise RefusedError(422, 'the request has no items: send files, or JSON such as {"inputs": ["a text", …]}')
    return found


def _of_json(body: bytes, limits: Limits) -> list[Sent]:
    try:
        held = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(400, "the body is no valid JSON") from None
    inputs = held.get("inputs") if isinstance(held, dict) else None
    if not isinstance(inputs, list):
        raise RefusedError(422, 'expected {"inputs": [item, …]}, a list of texts or of arrays of numbers')
    if len(inputs) > limits.items:
        raise _too_many(limits)
    return [Sent(str(position), value) for position, value in enumerate(inputs)]


def _of_form(boundary: bytes, body: bytes, limits: Limits) -> list[Sent]:
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
    """The parts of a form: files under any name, and texts under the name `inputs`."""

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
        content = b"".join(self._data)
        if b"filename" in options:
            self.items.append(Sent.file(options[b"filename"].decode("utf-8", "replace"), content))
        elif options.get(b"name") == b"inputs":
            self.items.append(Sent(str(len(self.items)), content.decode("utf-8", "replace")))
        if len(self.items) > self._limits.items:
            raise _too_many(self._limits)

    def _on_end(self) -> None:
        self.ended = True


def _too_many(limits: Limits) -> RefusedError:
    return RefusedError(413, f"at most {limits.items:,} items are answered in one request", "items", limits.items)
