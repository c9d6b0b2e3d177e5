"""The body of a request: read within its limits, and taken apart into items."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from fastapi import Request
from python_multipart.multipart import parse_options_header

from gridcnn.serve.forms import items_of_form
from gridcnn.serve.limits import Limits, RefusedError, too_many
from gridcnn.serve.sent import Sent

__all__ = ["Bodies", "items_of"]

TREE = 8
"""Bytes in memory that a byte of JSON usually becomes; a body that would become more than the largest so is refused."""

COSTS = {b",": 32, b"[": 64, b"{": 192, b'"': 28}
"""Bytes in memory of what each of these characters in JSON stands for: a number, a list, an object, half a text."""

SMALL = 128 * 2**10
"""Bytes of a body that may hold anything, and is taken apart at once; a larger one goes to a thread, one at a time."""

TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)

Value = TypeVar("Value")

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
            raise RefusedError(415, "expected a body of the type multipart/form-data (files) or application/json")
        weight = TREE if stated == JSON else 1
        size = taken = 0
        chunks: list[bytes] = []
        body = b""
        try:
            most = self._limits.body
            try:
                length = request.headers.get("content-length", "")
                if length.isdigit() and int(length) > most:
                    raise self._refused(413, f"the body has {int(length):,} bytes, and at most {most:,} are read")
                async with asyncio.timeout(self._limits.upload):
                    async for chunk in _chunks(request):
                        size += len(chunk)
                        taken += weight * len(chunk)
                        self._held += weight * len(chunk)
                        if size > most:
                            raise self._refused(413, f"the body has more than {most:,} bytes")
                        self._check_held(taken)
                        chunks.append(chunk)
            except TimeoutError:
                raise RefusedError(
                    408, f"the body did not arrive within {self._limits.upload:g} s", "upload", self._limits.upload
                ) from None
            body = b"".join(chunks)
            chunks.clear()
            if stated == JSON:
                whole = await self._aside(size, unfolded, body, TREE * most)
                if size > SMALL and whole > TREE * most:
                    raise self._refused(413, f"the body has too many values: they need {whole:,} bytes of memory")
                self._held += max(0, whole - taken)
                taken = max(taken, whole)
                self._check_held(taken)
            found = await self._aside(size, items_of, request.headers["content-type"], body, self._limits)
            body = b""
            yield found
        finally:
            chunks.clear()
            body = b""  # while the client is told of a refusal, its frames live on
            self._held -= taken

    async def _aside(self, size: int, function: Callable[..., Value], *arguments: Any) -> Value:
        """Call a function, in a thread of its own if the body is large."""
        if size <= SMALL:
            return function(*arguments)
        async with self._one_at_a_time:
            return await asyncio.to_thread(function, *arguments)

    def _check_held(self, taken: int) -> None:
        if self._held > self._limits.held and self._held > taken:
            raise self._refused(429, "too much is being read at the same time: try again soon")

    def _refused(self, status: int, message: str) -> RefusedError:
        return RefusedError(status, message, "body", self._limits.body)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "the connection was dropped before the body had arrived")
        if chunk := message.get("body", b""):
            yield chunk
        if not message.get("more_body", False):
            return


def unfolded(body: bytes, enough: int = 0) -> int:
    """Return roughly how many bytes in memory a JSON body becomes; what texts hold only counts beyond `enough`.

    >>> unfolded(b'{"inputs": [{}, {}]}', 1_000)
    748
    """
    size = _cost(body)
    return size if size <= enough else _cost(TEXT.sub(b'""', body)) + len(body)


def _cost(body: bytes) -> int:
    return len(body) + sum(body.count(character) * cost for character, cost in COSTS.items())


def items_of(content_type: str, body: bytes, limits: Limits) -> list[Sent]:
    """Take a body apart into items.

    Raises
    ------
    RefusedError
        If it is damaged, or holds no items, or too many.
    """
    kind, options = parse_options_header(content_type)
    found = _of_json(body, limits) if kind == JSON else items_of_form(options.get(b"boundary", b""), body, limits)
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
        raise too_many(limits)
    return [Sent(str(position), value) for position, value in enumerate(inputs)]
