"""A process that serves: its socket, connections that say nothing, and an end that leaves nobody without an answer."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gridcnn.errors import ConfigurationError
from gridcnn.serve.limits import Limits

__all__ = ["address_of", "bound", "is_loopback", "run"]

LONGEST_HEAD = 64 * 2**10
"""Bytes in the head of a request."""

MOST_CONNECTIONS = 512
"""Connections at the same time, most of which usually wait for a next request."""

LAST_ANSWERS = 60
"""Seconds after the last body has arrived in which a service that ends still answers."""


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address; port 0 takes a free one.

    Raises
    ------
    ConfigurationError
        If the port is in use or reserved, or this machine has no such address.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise ConfigurationError(f"--host {host}: this machine has no such address; 127.0.0.1 is its own") from None
    taken = socket.socket(family, kind, protocol)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where SO_REUSEADDR lets two share a port
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(place)
        taken.listen(1024)  # or another process could still take the port
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"port {port} of {host} is in use: stop what uses it, or choose another one: --port {port + 1}"
            ) from None
        if error.errno == errno.EACCES:
            raise ConfigurationError(f"port {port} is reserved for the system: choose one above 1023") from None
        raise ConfigurationError(f"--host {host}, --port {port}: {error.strerror or error}") from None
    return taken


def address_of(taken: socket.socket, host: str) -> str:
    """Return the address of a service as a person types it into a browser."""
    port = taken.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(app: Any, taken: socket.socket, limits: Limits) -> None:
    """Serve until SIGINT or SIGTERM comes; then answer what was accepted, and return."""
    protocol: Any = type("Protocol", (_Patient,), {"seconds": limits.head})
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(limits.upload) + LAST_ANSWERS,
    )
    _Server(config).run([taken])


class _Server(uvicorn.Server):
    """Ends after a signal as if it had been asked to, which it was."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()


class _Patient(HttpToolsProtocol):
    """A connection on which the head of a request has to arrive in time."""

    seconds: float
    _until: asyncio.TimerHandle | None = None
    _received = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._waits():
            self._stop()
            return
        self._received += len(data)
        if self._received > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")
        elif self._until is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _waits(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        give_up: Callable[[], None] = self._give_up
        self._until = self.loop.call_later(self.seconds, give_up)

    def _stop(self) -> None:
        self._received = 0
        if self._until is not None:
            self._until.cancel()
            self._until = None

    def _give_up(self) -> None:
        if self._waits() and not self.transport.is_closing():
            self.transport.close()
