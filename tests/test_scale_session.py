"""A connection to Ray that is lost: who waits is told why, and what to do."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from gridcnn.errors import GridcnnError

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install '.[scale]'")

from gridcnn.scale import session  # noqa: E402  (it needs Ray)


@pytest.fixture
def _nothing_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_start", lambda *_: None)
    monkeypatch.setattr(session, "_require_cpus", lambda *_: None)
    monkeypatch.setattr(session, "require_answer", lambda _: None)


@pytest.mark.usefixtures("_nothing_started")
@pytest.mark.parametrize(
    ("address", "where"), [(None, "Ray on this machine"), ("10.0.0.1:6379", "the Ray cluster at 10.0.0.1:6379")]
)
def test_a_cluster_that_is_lost_is_told_in_one_line(address: str | None, where: str) -> None:
    gone = ray.exceptions.ActorUnavailableError("no answer from\n  the node", None)

    with pytest.raises(GridcnnError) as told, session.connected(address, 1):
        raise gone

    assert str(told.value).startswith(f"{where} was lost (")
    assert "no answer from the node" in str(told.value)
    assert "--resume" in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.usefixtures("_nothing_started")
def test_an_error_of_the_work_is_no_loss_of_the_cluster() -> None:
    wrong = ray.exceptions.RayTaskError("encode", "traceback", ValueError("wrong"))

    with pytest.raises(ray.exceptions.RayTaskError), session.connected(None, 1):
        raise wrong


@pytest.mark.parametrize(("end", "said"), [("os._exit(1)", "error: lost\n"), ("pass", "")])
def test_a_process_that_ray_ends_has_last_words(tmp_path: Path, end: str, said: str) -> None:
    code = f"import os\nfrom gridcnn.scale.session import _last_words\nwith _last_words('error: lost'): {end}"
    with (tmp_path / "err").open("w") as err:
        subprocess.run([sys.executable, "-c", code], stderr=err, check=False)

    until = time.monotonic() + (10 if said else 0.5)
    while not (told := (tmp_path / "err").read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    assert told == said
