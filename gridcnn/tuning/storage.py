"""Where a study is kept: a file, or a database that several machines share; and what it is a study of."""

from __future__ import annotations

import logging
import os
import random
import socket
import sqlite3
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from gridcnn.errors import ConfigurationError
from gridcnn.searched import Dimension
from gridcnn.training.judging import Judged
from gridcnn.tuning.records import Tried, from_plain
from gridcnn.tuning.sampler import INSTEAD

__all__ = ["ended", "explained", "is_running", "open_study", "put_back", "reach", "reopen", "running", "this_process"]

HEARTBEAT, GRACE = 15, 90
"""Seconds between two signs of life of a trial, and without one until it counts as abandoned."""

CONNECT_SECONDS, LOCK_SECONDS = 10, 120
"""How long a server may take to answer, and another process of this machine to let go of the file."""

ATTEMPTS, ATTEMPT_SECONDS = 5, 0.5
"""How often the tables are made or found, and the time between."""

SHOWN = 200  # characters of what a database says

_Made = TypeVar("_Made")

SETTINGS = "settings"
"""Attribute of a study that says what it is a study of."""


def reach(place: str | os.PathLike[str] | None) -> None:
    """Raise ConfigurationError if a storage cannot be used: before any data is read."""
    with explained(place, opening=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        _patiently(place, lambda: None if place is None else _storage(place))


def open_study(
    place: str | os.PathLike[str] | None, name: str, what: Mapping[str, str], space: Mapping[str, Dimension]
) -> optuna.Study:
    """Open a study, or begin it.

    Parameters
    ----------
    place : str, path or None
        A file, or the URL of a database; None keeps the study in memory.
    name : str
        Its name among the studies there.
    what : mapping of str to str
        Data and settings by the words of a person: a study of others is refused.
    space : mapping of str to Dimension
        What it searches.

    Raises
    ------
    ConfigurationError
        If the storage cannot be used, or holds a study of this name of other data or settings.
    """
    described = {**what, "what is searched": repr(sorted(space.items()))}
    with explained(place, opening=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study = _patiently(place, lambda: _created(place, name))
        known = study.user_attrs.get(SETTINGS)
        if known is None:
            study.set_user_attr(SETTINGS, described)
        else:
            _require_same(study, place, known, described)
    return study


def _created(place: Any, name: str) -> optuna.Study:
    storage = None if place is None else _storage(place)
    return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)


def _patiently(place: Any, make: Callable[[], _Made]) -> _Made:
    """Make or find tables; of two processes that make them at the same moment, one has to try again."""
    for _ in range(ATTEMPTS):
        try:
            return make()
        except (IntegrityError, ProgrammingError, OperationalError) as error:
            if isinstance(error, OperationalError) and not _is_file(place):  # a server that cannot be reached
                raise
            time.sleep(random.uniform(0.5, 1) * ATTEMPT_SECONDS)
    return make()


def _require_same(study: optuna.Study, place: Any, known: Any, described: Mapping[str, str]) -> None:
    names = [name for name in {**known, **described} if known.get(name) != described.get(name)]
    if not names:
        return
    told = "; ".join(
        name
        if name == "what is searched"
        else f"{name} was {known.get(name, 'not set')}, and is {described.get(name, 'not set')}"
        for name in names[:3]
    )
    raise ConfigurationError(
        f"{_shown(place)} holds a study {study.study_name!r} of something else ({told}): go on with the same data and "
        "settings, or give this one another name, --name"
    )


# ---- the storage ----------------------------------------------------------------------------------------------------


def _storage(place: str | os.PathLike[str]) -> RDBStorage:
    url, arguments = _url(place)
    return RDBStorage(
        url,
        engine_kwargs={"connect_args": arguments, "pool_pre_ping": True},
        heartbeat_interval=HEARTBEAT,
        grace_period=GRACE,
        heartbeat_stale_trial_callback=put_back,
    )


def _url(place: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """Return the URL of a storage, and what its driver is told."""
    text: str = os.fspath(place)
    if "://" not in text:
        text = f"sqlite:///{_file(Path(text))}"
    url = make_url(text)
    if url.drivername in {"postgresql", "postgres"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite":
        if url.database not in {None, "", ":memory:"}:
            _file(Path(str(url.database)))
        return url.render_as_string(hide_password=False), {"timeout": LOCK_SECONDS}
    arguments = {"connect_timeout": CONNECT_SECONDS} if url.get_backend_name() == "postgresql" else {}
    return url.render_as_string(hide_password=False), arguments


def _is_file(place: Any) -> bool:
    text: str = os.fspath(place)
    return "://" not in text or make_url(text).get_backend_name() == "sqlite"


def _file(path: Path) -> Path:
    """Return the absolute path of a file that is a database, or is not there yet."""
    path = path.expanduser().absolute()
    if path.is_dir():
        raise ConfigurationError(f"--study {path} is a folder: name a file in it, such as {path / 'study.db'}")
    if not path.parent.is_dir():
        raise ConfigurationError(f"--study {path}: there is no folder {path.parent}: make it, or choose another place")
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(16) != b"SQLite format 3\0":
                raise ConfigurationError(f"--study {path} exists and is no study: name another file")
    return path


@contextmanager
def explained(place: Any, *, opening: bool = False) -> Iterator[None]:
    """Turn what a database says into one line with the remedy; `opening` also what else can be wrong with a file.

    Inside the block Optuna logs errors alone: what a trial that fails has to say is in its record.
    """
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        yield
    except (ArgumentError, NoSuchModuleError):
        raise ConfigurationError(
            f"--study {_shown(place)} is neither a file nor the URL of a database that is known, such as "
            "postgresql://user:password@host/name"
        ) from None
    except ImportError as error:
        driver = error.name or getattr(error.__cause__, "name", None) or "of its driver"
        raise ConfigurationError(
            f"--study {_shown(place)} needs the module {driver}, which is not installed: install the driver of this "
            "database; that of PostgreSQL comes with pip install 'gridcnn[tune]'"
        ) from None
    except (SQLAlchemyError, StorageInternalError, sqlite3.Error, OSError, RuntimeError) as error:
        if not opening and not isinstance(error, SQLAlchemyError | StorageInternalError | sqlite3.Error):
            raise
        cause = getattr(error, "orig", None) or error.__cause__ or error
        said = " ".join(str(getattr(cause, "orig", None) or cause).split())[:SHOWN]
        raise ConfigurationError(
            f"--study {_shown(place)} cannot be used ({said}): see that the database runs and can be reached, and that "
            "user, password and name are right"
        ) from None
    finally:
        optuna.logging.set_verbosity(before)


def _shown(place: Any) -> str:
    """Return the name of a storage without its password."""
    if place is None:
        return "the study in memory"
    text: str = os.fspath(place)
    if "://" not in text:
        return text
    try:
        return str(make_url(text).render_as_string(hide_password=True))
    except ArgumentError:
        return text.partition("://")[0] + "://…"


# ---- trials ---------------------------------------------------------------------------------------------------------


def this_process() -> dict[str, Any]:
    """Return what this process is known by on its machine."""
    return {"machine": _machine(), "process": os.getpid()}


def _machine() -> str:
    parts = [socket.gethostname(), f"{uuid.getnode():x}"]
    with suppress(OSError):  # processes have numbers of their own in a container
        parts += [
            Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip(),
            str(Path("/proc/self/ns/pid").readlink()),
        ]
    return " ".join(parts)


def is_running(trial: FrozenTrial) -> bool:
    """Whether the process of a running trial may be alive; of another machine, its signs of life tell."""
    owner = trial.user_attrs["owner"]
    if owner["machine"] != _machine():
        return True
    if owner["process"] == os.getpid():
        return False  # an earlier trial of this process that could not be ended
    try:
        os.kill(owner["process"], 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True


def running(study: optuna.Study) -> int:
    """Return the number of trials that are running in other processes."""
    return len(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))


def reopen(study: optuna.Study, since: dict[int, float]) -> int:
    """End the trials whose process was killed, and put what they tried on the list again; return how many.

    Parameters
    ----------
    study : Study
        The study.
    since : dict of int to float
        When trials without an owner were seen first, by their numbers; kept from call to call. Their process was killed
        before it could say that it runs them.
    """
    count, now = 0, time.monotonic()
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        owned = "owner" in trial.user_attrs
        if is_running(trial) if owned else now - since.setdefault(trial.number, now) < GRACE:
            continue
        with suppress(UpdateFinishedTrialError):  # another process was faster
            study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            put_back(study, trial)
            count += 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)
    return count


def put_back(study: optuna.Study, trial: FrozenTrial) -> None:
    """Put what an abandoned trial tried on the list; what it had not drawn yet is drawn anew."""
    study.enqueue_trial(trial.params, user_attrs={INSTEAD: trial.user_attrs.get(INSTEAD, trial.number)})


def ended(study: optuna.Study) -> list[Tried]:
    """Return the trials that ended by themselves, in their order; those that were abandoned are not among them."""
    return [
        _tried(each)
        for each in study.get_trials(deepcopy=False)
        if each.state in {TrialState.COMPLETE, TrialState.PRUNED} or "failed" in each.user_attrs
    ]


def _tried(trial: FrozenTrial) -> Tried:
    known = trial.user_attrs
    state = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}.get(trial.state, "failed")
    judged: Judged | None = from_plain(known["judged"]) if state == "complete" else None
    return Tried(
        trial.number,
        state,
        **({"accuracy": float(trial.value or 0.0), "loss": float(known["loss"])} if judged is not None else {}),
        told=known.get("told", {}),
        point=trial.params,
        seconds=0.0 if trial.duration is None else trial.duration.total_seconds(),
        reason=known.get("failed") or known.get("pruned", ""),
        judged=judged,
    )
