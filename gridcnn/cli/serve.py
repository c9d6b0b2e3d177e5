"""`gridcnn serve`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gridcnn.adapters.limits import limited
from gridcnn.cli.models import load_model
from gridcnn.cli.options import Precision, PrecisionOption, ThreadsOption
from gridcnn.errors import ConfigurationError

NAME = re.compile(r"[\w-]{1,100}")
LIMITS = "Limits"


def serve(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Models that `gridcnn train` saved. Each is served under the name of its file without the ending, or "
            "another one: NAME=FILE.",
        ),
    ],
    *,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen at; other than loopback only with --token.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            envvar="GRIDCNN_TOKEN",
            show_envvar=False,
            help="What clients have to send as Authorization: Bearer TOKEN. On the command line, other users of this "
            "machine can see it: better set GRIDCNN_TOKEN.",
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option("--cors", metavar="ORIGIN", help="Another site whose pages may use the service: https://a.org"),
    ] = None,
    threads: ThreadsOption = None,
    precision: PrecisionOption = Precision.float32,
    max_body: Annotated[
        float,
        typer.Option("--max-body", min=0.001, max=1_000_000, help="Megabytes in a request.", rich_help_panel=LIMITS),
    ] = 32,
    max_items: Annotated[
        int, typer.Option("--max-items", min=1, help="Items in a request.", rich_help_panel=LIMITS)
    ] = 1_000,
    max_requests: Annotated[
        int, typer.Option("--max-requests", min=1, help="Requests at the same time.", rich_help_panel=LIMITS)
    ] = 100,
    max_pixels: Annotated[
        int, typer.Option("--max-pixels", min=1, help="Pixels of a picture.", rich_help_panel=LIMITS)
    ] = 50_000_000,
    max_seconds: Annotated[
        float,
        typer.Option("--max-seconds", min=0.001, max=1_000_000, help="Seconds of a sound.", rich_help_panel=LIMITS),
    ] = 600,
    max_characters: Annotated[
        int, typer.Option("--max-characters", min=1, help="Characters of a text.", rich_help_panel=LIMITS)
    ] = 100_000,
    max_upload: Annotated[
        float,
        typer.Option(
            "--max-upload",
            min=0.1,
            max=100_000,
            help="Seconds in which a request has to arrive.",
            rich_help_panel=LIMITS,
        ),
    ] = 30,
) -> None:
    """Serve models over HTTP: a live page at /, a JSON API described at /docs, counters for Prometheus at /metrics.

    Ctrl-C, or SIGTERM, ends it; what was accepted until then is answered first.
    """
    named = _named(models)
    try:
        from gridcnn.serve.app import make_app
        from gridcnn.serve.limits import Limits
        from gridcnn.serve.server import address_of, bound, is_loopback, run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("gridcnn"):
            raise
        raise ConfigurationError(
            f"serving needs packages that are not installed ({error.name}): pip install 'gridcnn[serve]'"
        ) from error
    _check_token(token, host, is_loopback(host))
    limits = Limits(
        body=int(max_body * 2**20),
        items=max_items,
        requests=max_requests,
        pixels=max_pixels,
        seconds=max_seconds,
        characters=max_characters,
        upload=max_upload,
    )
    of_an_item = {"pixels": max_pixels, "seconds": max_seconds, "characters": max_characters}
    with limited(**of_an_item), bound(host, port) as taken:
        loaded = {name: load_model(path, threads) for name, path in named.items()}
        hosts = {"localhost", "127.0.0.1", "::1", host.lower()} if is_loopback(host) and token is None else None
        app = make_app(
            loaded, limits=limits, token=token, hosts=hosts, origins=_origins(cors or ()), precision=precision.value
        )
        address = address_of(taken, host)
        print(f"serving {', '.join(loaded)} at {address} (API: {address}/docs). Ctrl-C ends it.", flush=True)
        run(app, taken, limits)


def _named(models: Sequence[str]) -> dict[str, Path]:
    """Return the file of each name."""
    pairs = [_name_and_path(each) for each in models]
    for name, path in pairs:
        if not NAME.fullmatch(name):
            better = re.sub(r"[^\w-]+", "-", name).strip("-")[:100] or "model"
            raise ConfigurationError(
                f"{name!r} cannot be the name of a model, which stands in addresses and has only letters, digits, - "
                f"and _: give it another one, {better}={path}"
            )
    name, count = Counter(name for name, _ in pairs).most_common(1)[0]
    if count > 1:
        second = [path for known, path in pairs if known == name][1]
        raise ConfigurationError(
            f"{count} models have the name {name!r}: give all but one another name, {name}-2={second}"
        )
    return dict(pairs)


def _name_and_path(given: str) -> tuple[str, Path]:
    name, is_named, path = given.partition("=")
    if is_named and not Path(given).is_file():
        return name, Path(path)
    return Path(given).stem, Path(given)


def _check_token(token: str | None, host: str, loopback: bool) -> None:
    if token is None and not loopback:
        raise ConfigurationError(
            f"--host {host} lets other machines in, so a token is required: set GRIDCNN_TOKEN, for example to the "
            "output of `python3 -c 'import secrets; print(secrets.token_urlsafe())'`, or leave --host out"
        )
    if token is not None and not re.fullmatch(r"[!-~]{8,}", token):
        raise ConfigurationError(
            "the token needs at least 8 characters, all of them letters, digits or punctuation of ASCII"
        )


def _origins(given: Sequence[str]) -> list[str]:
    for origin in given:
        if origin != "*" and not re.fullmatch(r"https?://[^/\s]+", origin):
            raise ConfigurationError(f"--cors: expected an origin such as https://example.org, got {origin!r}")
    return list(given)
