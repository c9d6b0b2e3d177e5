"""A connection to Ray, which starts quietly, joins a cluster that is there, and says in one line what is wrong."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from gridcnn.errors import ConfigurationError, GridcnnError

__all__ = ["by_client", "connected", "ray_module", "require_answer"]

OBJECT_STORE = 512 * 2**20
"""Bytes that objects under way may take in shared memory where this process starts Ray; what is more goes to disk."""

STANDARD_ERROR = 2

REACHED_WITHIN = 5.0
"""Seconds in which a cluster has to accept a connection."""

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # or Ray warns that a later version leaves CUDA_VISIBLE_DEVICES alone
    "RAY_TRAIN_V2_ENABLED": "1",
}


def ray_module(*parts: str) -> Any:
    """Import Ray, and the parts of it that are named, such as "data".

    Raises
    ------
    ConfigurationError
        If the extra `scale` is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray

        if "data" in parts:
            import ray.data
        if "train" in parts:
            import ray.train
    except ImportError as error:
        raise ConfigurationError(
            f"work on many machines needs Ray, which is not installed ({error.name}): pip install 'gridcnn[scale]'"
        ) from error
    return ray


def by_client() -> bool:
    """Return whether Ray is reached through ray://: then what Ray starts with has to run on the cluster."""
    from ray.util.client import ray as client

    return bool(client.is_connected())


@contextmanager
def connected(address: str | None, workers: int) -> Iterator[None]:
    """Be connected to Ray while the block runs.

    A connection that this process has already is used, and left as it is. Otherwise one is made and ended here.

    Parameters
    ----------
    address : str or None
        Of a cluster: HOST:PORT on one of its nodes, ray://HOST:10001 from another machine, or "auto" for the one that
        runs on this machine. None takes the environment variable RAY_ADDRESS, and without it starts Ray on this machine
        alone, for as long as the block runs.
    workers : int
        Processes that are to compute side by side, each on a CPU of its own as Ray counts them. Where Ray is started
        here, it counts as many, and one more for what feeds them.

    Raises
    ------
    ConfigurationError
        If the extra `scale` is not installed, the cluster cannot be reached, or it has too few CPUs.
    GridcnnError
        If the cluster is lost in the block.
    """
    if workers < 1:
        raise ConfigurationError(f"--workers takes a number of at least 1, not {workers}.")
    address = address or os.environ.get("RAY_ADDRESS") or None
    ray = ray_module()
    if ray.is_initialized():
        _require_cpus(ray, workers)
        yield
        return
    require_answer(address)
    with _last_words(f"error: {_lost(address, 'this process was ended from outside, as Ray does then')}"):
        try:
            with _signals_kept(), _compiled_code_silenced(), warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Ray Client connection timed out")  # which the error says
                _start(ray, address, workers)
            _require_cpus(ray, workers)
            with _compiled_code_silenced():
                yield
        except ray.exceptions.RayTaskError:
            raise  # of the work, not of the cluster
        except ray.exceptions.RayError as error:
            raise GridcnnError(_lost(address, " ".join(str(error).split())[:200])) from error
        finally:
            with _signals_kept(), suppress(Exception):  # a cluster that is gone is no reason to lose the error before
                ray.shutdown()


def _lost(address: str | None, reason: str) -> str:
    where = "Ray on this machine" if address in {None, "local"} else f"the Ray cluster at {address}"
    return (
        f"{where} was lost ({reason}): see that it has memory and disk left and that `ray status` answers there, and "
        "give the command again. A prediction goes on by --resume, a training by the same --checkpoint-dir."
    )


@contextmanager
def _last_words(words: str) -> Iterator[None]:
    """Let another process say why, if this one ends in the block: Ray's compiled code ends it without an exception."""
    command = [sys.executable, "-E", "-S", "-c", "import sys; sys.stdin.read(1) or sys.exit(sys.argv[1])", words]
    watching = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        watching.communicate(b"\n")


def _start(ray: Any, address: str | None, workers: int) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address in {None, "local"}:
            ray.init(
                "local",
                num_cpus=workers + 1,
                object_store_memory=OBJECT_STORE,
                include_dashboard=False,
                **quiet,
            )
        else:
            ray.init(address, **quiet)
    except (ConnectionError, TimeoutError, ValueError, RuntimeError, ImportError) as error:
        here = address in {None, "local"}
        where = "started on this machine" if here else f"reached at {address}"
        token = "" if here else "; if the cluster asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN to it"
        reason = " ".join(str(error).split())
        raise ConfigurationError(
            f"Ray cannot be {where} ({reason}): see that `ray status` answers there, and that the versions of Python "
            f"and Ray are the same on all machines{token}."
        ) from error


def require_answer(address: str | None) -> None:
    """Ask a cluster for a connection: Ray itself tries for minutes, and says so on many lines.

    Raises
    ------
    ConfigurationError
        If none answers at this address, or at that of RAY_ADDRESS, or what it takes to ask is not installed.
    """
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address in {None, "local", "auto"}:
        return
    assert address is not None  # for the type checker
    if address.startswith("ray://") and importlib.util.find_spec("grpc") is None:
        raise ConfigurationError("ray:// needs grpcio, which is not installed: pip install 'gridcnn[scale]'")
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port or (10001 if parts.scheme == "ray" else None)
    except ValueError:
        host = port = None
    if not host or port is None or parts.scheme not in {"", "ray"}:
        raise ConfigurationError(f"{address} is no address of a Ray cluster: give HOST:PORT, ray://HOST:10001 or auto.")
    try:
        socket.create_connection((host, port), REACHED_WITHIN).close()
    except OSError as error:
        raise ConfigurationError(
            f"no Ray cluster answers at {address} ({error.strerror or error}): start one with `ray start --head`, or "
            "give the address that it printed."
        ) from None


def _require_cpus(ray: Any, workers: int) -> None:
    n_cpus = int(ray.cluster_resources().get("CPU", 0))
    if n_cpus < workers:
        raise ConfigurationError(
            f"the Ray cluster has {n_cpus} CPUs, too few for {workers} workers: ask for at most --workers {n_cpus}, or "
            "add nodes."
        )


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Put back what this process does on SIGTERM, which Ray sets to something of its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _compiled_code_silenced() -> Iterator[None]:
    """Let Python alone write to standard error: Ray's compiled code says there what Ray repairs."""
    try:
        is_usual = sys.stderr.fileno() == STANDARD_ERROR
    except (AttributeError, OSError, ValueError):  # something that is no file stands for it
        is_usual = False
    if not is_usual:
        yield
        return
    before, kept = sys.stderr, os.dup(STANDARD_ERROR)
    with open(os.devnull, "wb") as nowhere, open(kept, "w", encoding=before.encoding, errors=before.errors) as ours:  # noqa: PTH123
        sys.stderr.flush()
        os.dup2(nowhere.fileno(), STANDARD_ERROR)
        ours.reconfigure(line_buffering=True)
        sys.stderr = ours
        try:
            yield
        finally:
            ours.flush()
            os.dup2(kept, STANDARD_ERROR)
            sys.stderr = before
