"""`gridcnn serve` as a process: how it starts and ends, and what clients that misbehave can do to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from gridcnn import datasets, fit, load, predict, save
from gridcnn.adapters import TextAdapter

TEXTS = datasets.load("word_order").take(range(60))
PATH = "/v1/models/texts/predict"


class Service:
    """A running service."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def ask(self, body: bytes, kind: str = "application/json", **headers: str) -> tuple[int, Any]:
        """Send one request; return status and JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", PATH, body, {"content-type": kind, **headers})
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def get(self, path: str) -> int:
        """Return the status of a page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status

    def raw(self, *parts: bytes) -> socket.socket:
        """Open a connection and send what need not be HTTP."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        for part in parts:
            connection.sendall(part)
        return connection

    def memory(self) -> int:
        """Return its resident bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "texts.safetensors"
    save(fit(TextAdapter(), TEXTS.items, TEXTS.labels, {"epochs": 1}), path)
    return path


@contextlib.contextmanager
def running(*arguments: object, **environment: str) -> Iterator[Service]:
    code = "import sys; from gridcnn.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "serve", *map(str, arguments), "--port", "0", "--threads", "1"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+?:(\d+)", line)
        assert found is not None, (line, process.stderr and process.stderr.read())
        yield Service(process, int(found[1]))
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def service(bundle: Path) -> Iterator[Service]:
    with running(bundle, "--max-upload", "1", "--max-requests", "20", "--max-body", "1") as service:
        yield service


def inputs(*texts: str) -> bytes:
    return json.dumps({"inputs": texts}).encode()


def head(length: int) -> bytes:
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def until_closed(connection: socket.socket) -> bytes:
    """Return what comes until the service closes the connection."""
    received = b""
    with contextlib.closing(connection), contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            received += part
    return received


def test_many_clients_at_the_same_time_get_the_answers_of_predict(service: Service, bundle: Path) -> None:
    expected = predict(load(bundle), TEXTS.items).probabilities
    found: dict[int, list[float]] = {}

    def client(first: int) -> None:
        for index in range(first, len(TEXTS.items), 10):
            status, answer = service.ask(inputs(TEXTS.items[index]))
            assert status == 200
            found[index] = answer["results"][0]["probabilities"]

    threads = [threading.Thread(target=client, args=(first,)) for first in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == len(TEXTS.items)
    assert max(abs(found[index] - expected[index]).max() for index in found) <= 1e-6


def test_a_body_that_arrives_too_slowly_is_given_up(service: Service) -> None:
    started = time.monotonic()
    answer = until_closed(service.raw(head(1000), b'{"inputs": ['))

    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"limit":"upload","most":1.0' in answer
    assert 0.9 < time.monotonic() - started < 10


def test_drips_do_not_prolong_the_time_of_a_body(service: Service) -> None:
    connection = service.raw(head(1000))
    started = time.monotonic()
    with contextlib.suppress(OSError):
        for _ in range(40):
            connection.sendall(b" ")
            time.sleep(0.1)
    assert until_closed(connection).startswith(b"HTTP/1.1 408") or time.monotonic() - started < 6


def test_a_connection_that_is_dropped_half_way_harms_nobody(service: Service) -> None:
    for _ in range(3):
        for _ in range(10):
            service.raw(head(1000), b'{"inputs": [').close()

        assert service.ask(inputs("a"))[0] == 200


def test_what_is_no_http_is_refused(service: Service) -> None:
    assert until_closed(service.raw(b"\x16\x03\x01\x00\xff nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400")
    endless = until_closed(service.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: " + b"a" * 200_000))
    assert endless.startswith(b"HTTP/1.1 400")


def test_bad_requests_are_refused_and_memory_stays_flat(service: Service) -> None:
    def round_of_abuse() -> None:
        assert service.ask(inputs(*["a"] * 10_000))[0] == 413
        assert service.ask(b"x" * 2_000_000)[0] == 413
        assert service.ask(b"[" * 100_000)[0] == 400
        assert service.ask(b'{"inputs": [' + b"{}," * 300_000 + b"{}]}")[0] == 413
        assert service.ask(b'{"inputs": [' + b"[]," * 999 + b"[]]}")[0] == 422
        assert service.ask(b"a", "text/html")[0] == 415
        assert service.ask(inputs("word " * 15_000))[0] == 200

    levels = []
    for _ in range(20):
        round_of_abuse()
        levels.append(service.memory())

    # What a round sends is 5 MiB: kept, it would be 30 over six rounds. The allocator's level may rise by 17 once.
    assert min(levels[-5:]) - max(levels[:10]) < 25 * 2**20


def test_a_request_that_is_refused_before_its_body_gets_one_answer(service: Service) -> None:
    for request in (f"POST /nothing {{}}\r\nContent-Length: {300_000}", "PUT / {}\r\nTransfer-Encoding: chunked"):
        begun = request.format("HTTP/1.1\r\nHost: localhost").encode() + b"\r\n\r\n"
        connection = service.raw(begun)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(3):
                connection.sendall(b"x" * 80_000)
                time.sleep(0.1)
        answer = until_closed(connection)

        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"connection: close" in answer.lower()


def test_more_requests_than_the_limit_are_told_to_come_again(service: Service) -> None:
    slow = [service.raw(head(1000), b"{") for _ in range(20)]
    time.sleep(0.2)
    status, answer = service.ask(inputs("a"))
    page = service.get("/healthz")
    for connection in slow:
        connection.close()

    assert (status, page) == (429, 200)
    assert answer["error"] == {
        "message": "20 requests are being answered already: try again soon", "limit": "requests", "most": 20
    }  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_ends_answers_what_it_accepted(bundle: Path, number: signal.Signals) -> None:
    with running(bundle) as service:
        body = inputs(*TEXTS.items * 10)
        connection = service.raw(head(len(body)), body[:-10])
        time.sleep(0.3)
        service.process.send_signal(number)
        time.sleep(0.3)
        connection.sendall(body[-10:])
        answer = until_closed(connection)
        service.process.wait(20)

        assert answer.startswith(b"HTTP/1.1 200")
        assert len(json.loads(answer.partition(b"\r\n\r\n")[2])["results"]) == 600
        assert service.process.returncode == 0
        assert service.process.stderr is not None
        assert service.process.stderr.read() == ""


def test_the_token_may_stand_in_the_environment(bundle: Path) -> None:
    with running(bundle, "--host", "0.0.0.0", GRIDCNN_TOKEN="a-secret-token") as service:
        assert service.ask(inputs("a"))[0] == 401
        assert service.ask(inputs("a"), authorization="Bearer a-secret-token")[0] == 200


@pytest.fixture
def refused(run: Callable[..., Any]) -> Callable[..., str]:
    """Run a command line that must be refused, and return the line that it says."""

    def refused_line(*arguments: object) -> str:
        done = run("serve", *arguments)
        assert done.code == 2
        assert done.err.count("\n") == 1
        return str(done.err)

    return refused_line


def test_names_that_cannot_stand_in_an_address_are_refused(
    refused: Callable[..., str], bundle: Path, tmp_path: Path
) -> None:
    dotted = tmp_path / "birds.v2.safetensors"
    dotted.write_bytes(bundle.read_bytes())

    assert f"birds-v2={dotted}" in refused(dotted)
    assert f"x-y={bundle}" in refused(f"x/y={bundle}")
    assert "2 models have the name 'texts'" in refused(bundle, bundle)


def test_a_port_in_use_is_named_before_models_are_loaded(refused: Callable[..., str], tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = refused(tmp_path / "missing.safetensors", "--port", port)

    assert f"port {port} of 127.0.0.1 is in use" in line
    assert "--port" in line


def test_a_bundle_that_does_not_load_and_an_open_door_are_refused(
    refused: Callable[..., str], bundle: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(bundle.read_bytes()[:-5])

    assert "is cut off" in refused(broken, "--port", 0)
    assert "there is no such file" in refused(tmp_path / "missing.safetensors", "--port", 0)
    assert "so a token is required" in refused(bundle, "--host", "0.0.0.0")
    assert "at least 8 characters" in refused(bundle, "--token", "short")
    assert "expected an origin such as" in refused(bundle, "--cors", "example.org")


def test_a_missing_extra_is_named_with_its_command(
    refused: Callable[..., str], bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("gridcnn.serve.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)

    assert "pip install 'gridcnn[serve]'" in refused(bundle)
