"""What every request passes before it is answered: who asks, from which site, how many at once. All are counted."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from gridcnn.serve.limits import Limits, RefusedError
from gridcnn.serve.metrics import Metrics

__all__ = ["OF_THE_API", "Gate", "refusal_headers"]

OF_THE_API = ("/v1/", "/metrics")
"""What needs the token; the page, its files and the documentation hold nothing of the models."""

SLOW = 408

LINGER = 2.0
"""Seconds in which the rest of a refused body is read, for clients that listen only after they have sent it."""


Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Gate:
    """Lets requests pass, or refuses them.

    Parameters
    ----------
    app : ASGI application
        What answers those that pass.
    limits : Limits
        How many pass at the same time.
    metrics : Metrics
        Counts them.
    token : str or None
        What the header `Authorization: Bearer …` has to hold; None lets everybody in.
    hosts : collection of str or None
        Names under which the service may be addressed, without ports. A page of another site that has its own name
        point to this machine cannot use the service then. None allows any.
    origins : collection of str
        Other sites whose pages may use the service.
    """

    def __init__(
        self,
        app: Callable[[Any, Receive, Send], Awaitable[None]],
        limits: Limits,
        metrics: Metrics,
        token: str | None = None,
        hosts: Collection[str] | None = None,
        origins: Collection[str] = (),
    ) -> None:
        self._app = app
        self._limits = limits
        self._metrics = metrics
        self._token = None if token is None else token.encode()
        self._hosts = hosts
        self._origins = origins
        self._in_progress = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500
        headers = dict(scope["headers"])
        body = _Body(headers, receive)
        if scope["method"] == "HEAD":  # like GET; the server leaves out the body
            scope = {**scope, "method": "GET"}

        async def counting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                added = [(b"x-content-type-options", b"nosniff")]
                if not body.ended and (status == SLOW or not await body.rest()):
                    added.append((b"connection", b"close"))  # or what is left could be taken for the next request
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        asks = scope["method"] == "POST"
        self._metrics.in_progress.inc()
        self._in_progress += asks
        try:
            self._check(scope, headers, asks)
        except RefusedError as refused:
            self._in_progress -= asks
            asks = False
            await _refuse(refused, counting)
        else:
            await self._app(scope, body.receive, counting)
        finally:
            self._in_progress -= asks
            self._metrics.in_progress.dec()
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started)

    def _check(self, scope: Message, raw: Mapping[bytes, bytes], asks: bool) -> None:
        headers = {name: value.decode("latin-1") for name, value in raw.items()}
        host = headers.get(b"host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            raise RefusedError(400, "this service answers under its own address only: 127.0.0.1 or localhost")
        origin = headers.get(b"origin")
        if asks and origin and origin not in self._origins and "*" not in self._origins and _place(origin) != host:
            raise RefusedError(
                403, "pages of other sites may not use this service (gridcnn serve --cors ORIGIN allows one)"
            )
        if self._token is not None and scope["path"].startswith(OF_THE_API):
            kind, _, given = headers.get(b"authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token):
                raise RefusedError(401, "this service needs its token: the header Authorization: Bearer TOKEN")
        if asks and self._in_progress > self._limits.requests:
            most = self._limits.requests
            raise RefusedError(429, f"{most} requests are being answered already: try again soon", "requests", most)


class _Body:
    """The body of a request, and whether it has been read to its end."""

    def __init__(self, headers: Mapping[bytes, bytes], receive: Receive) -> None:
        self._receive = receive
        self._is_awaited = b"expect" in headers  # the client sends it only if it is asked to
        self.ended = b"transfer-encoding" not in headers and headers.get(b"content-length", b"0") == b"0"

    async def receive(self) -> Message:
        """Return the next message."""
        message = await self._receive()
        if not message.get("more_body", False):
            self.ended = True
        return message

    async def rest(self) -> bool:
        """Read on for a moment and forget what comes; return whether that was all."""
        if not self._is_awaited:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER):
                    while not self.ended:
                        await self.receive()
        return self.ended


def refusal_headers(status: int) -> Mapping[str, str]:
    """Return the headers that belong to a refusal."""
    return {401: {"www-authenticate": "Bearer"}, 429: {"retry-after": "1"}}.get(status, {})


async def _refuse(refused: RefusedError, send: Send) -> None:
    body = json.dumps(refused.body, ensure_ascii=False).encode("utf-8", "replace")
    headers = {"content-type": "application/json", "content-length": str(len(body)), **refusal_headers(refused.status)}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _name(host: str) -> str:
    """Return a host without its port; nothing if it is none.

    >>> _name("localhost:8000"), _name("[::1]:8000"), _name("a b"), _name("a@localhost")
    ('localhost', '::1', '', '')
    """
    try:
        return urlsplit(f"//{host}").hostname or "" if not re.search(r"[\s@/?#\\]", host) else ""
    except ValueError:
        return ""


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
