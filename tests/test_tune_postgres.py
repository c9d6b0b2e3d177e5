"""A study in a real PostgreSQL: several processes share it, and what is wrong with it is told in one line."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_tune import search

from gridcnn.errors import ConfigurationError

TESTS = Path(__file__).parent
PASSWORD = "a secret:with@marks"
QUOTED = "a%20secret%3Awith%40marks"


def _programs() -> Path | None:
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((each for each in places if (each / "initdb").exists()), None)


def _as_postgres(*command: str | Path) -> None:
    """Run a program of PostgreSQL, which refuses to run as root."""
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    subprocess.run([*user, *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Yield the host and port of a server of its own, with a user `tuner`."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    if os.getuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    folder = Path(tempfile.mkdtemp(prefix="gridcnn-postgres-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
            shutil.chown(secret, "postgres")
        data = folder / "data"
        _as_postgres(
            programs / "initdb", "-D", data, "-U", "tuner", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8"
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        _as_postgres(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        yield f"127.0.0.1:{port}"
        _as_postgres(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def study(server: str) -> str:
    return f"postgresql://tuner:{QUOTED}@{server}/postgres"


SHARING = """
import sys
sys.path.insert(0, sys.argv[3])
import test_tune
test_tune.search(sys.argv[1], trials=int(sys.argv[2]), name=sys.argv[4])
"""

DYING = SHARING.replace("test_tune.search(", "test_tune.search(callbacks=[Dying()], study=").replace(
    "import test_tune\n",
    "import os, signal, test_tune\n"
    "class Dying(test_tune.Counting):\n"
    "    def on_epoch(self, record, network):\n"
    "        if self.trial == 1:\n"
    "            os.kill(os.getpid(), signal.SIGKILL)\n",
)


def started(code: str, study: str, trials: int, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, study, str(trials), str(TESTS), name])


def test_processes_share_one_study_and_its_budget(study):
    both = [started(SHARING, study, 6, "shared") for _ in range(2)]
    assert [each.wait(300) for each in both] == [0, 0]

    tuned = search(study, trials=6, name="shared")
    assert 6 <= len(tuned.trials) <= 7, "both may begin the last trial at the same moment"
    assert tuned.trials[0].told == {}
    assert sum(not each.told for each in tuned.trials) == 1


def test_what_a_killed_process_tried_is_tried_again(study):
    assert started(DYING, study, 4, "killed").wait(300) == -signal.SIGKILL

    tuned = search(study, trials=3, name="killed")
    whole = search(trials=3)
    assert [each.told for each in tuned.trials] == [each.told for each in whole.trials]
    assert [each.accuracy for each in tuned.trials] == [each.accuracy for each in whole.trials]


@pytest.mark.parametrize("wrong", ["password", "user", "name"])
def test_wrong_credentials_are_told_in_one_line_without_the_password(study, wrong):
    place = {
        "password": study.replace(QUOTED, "guessed"),
        "user": study.replace("tuner", "nobody"),
        "name": study.replace("/postgres", "/missing"),
    }[wrong]
    with pytest.raises(ConfigurationError, match="user, password and name are right") as refused:
        search(place, trials=1)
    assert "\n" not in str(refused.value)
    assert "guessed" not in str(refused.value)
    assert "secret" not in str(refused.value)
