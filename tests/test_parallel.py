"""How many threads compute, and the order of what threads make."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import joblib
import pytest
import torch
from PIL import Image

from gridcnn.pipeline.parallel import WORTH_THREADS, in_threads, set_computing_threads


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(6)
    yield
    torch.set_num_threads(before)


def test_a_number_is_taken_as_given():
    set_computing_threads(3)
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(("allowed", "expected"), [(2, 2), (64, 6)])
def test_by_default_no_more_threads_than_a_container_allows(monkeypatch, allowed, expected):
    monkeypatch.setattr(joblib, "cpu_count", lambda: allowed)
    set_computing_threads()
    assert torch.get_num_threads() == expected


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_what_the_environment_says_stays(monkeypatch, name):
    monkeypatch.setenv(name, "6")
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    set_computing_threads()
    assert torch.get_num_threads() == 6
    set_computing_threads(4)  # and what is asked for goes before it
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize("n_jobs", [None, 1, 3])
def test_chunks_come_back_in_their_order(n_jobs):
    assert list(in_threads(sum, range(10), n_jobs, chunk=3)) == [3, 12, 21, 9]


def test_as_many_threads_work_on_slow_items_as_are_asked_for():
    meeting = threading.Barrier(3, timeout=20)

    def work(part):
        time.sleep(2 * WORTH_THREADS)
        return part[0] < 2 or meeting.wait()  # the first two are tried before there are threads

    assert len(list(in_threads(work, range(5), 3, chunk=1))) == 5


def test_one_thread_works_on_items_that_take_no_time():
    at_work = set()
    list(in_threads(lambda _: at_work.add(threading.get_ident()), range(400), 3, chunk=1))
    assert len(at_work) == 2  # that of who consumes, for the first two
    assert threading.get_ident() in at_work


def test_commands_compute_with_the_threads_they_are_told(run, tmp_path: Path):
    for level, name in ((40, "dark"), (200, "light")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(6):
            Image.new("L", (8, 8), level + number).save(tmp_path / "data" / name / f"{number}.png")
    model, picture = tmp_path / "m.safetensors", tmp_path / "data" / "dark" / "0.png"
    commands = [
        ("train", tmp_path / "data", "-o", model, "--epochs", 1, "--kernels", 4),
        ("evaluate", model, tmp_path / "data"),
        ("predict", model, picture),
    ]
    for threads, command in enumerate(commands, start=2):
        assert run(*command, "--threads", threads).code == 0
        assert torch.get_num_threads() == threads
    assert "--threads" in run("predict", model, picture, "--threads", 0).err
    assert torch.get_num_threads() == 4


def test_what_nobody_waits_for_yet_is_not_begun():
    begun = []
    chunks = in_threads(lambda part: begun.append(part[0]), range(1000), 2, chunk=1)
    for _ in range(10):
        next(chunks)
    assert len(begun) < 50
    chunks.close()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_work_waits_for_who_consumes_it(n_jobs):
    begun = []
    results = in_threads(begun.append, range(1000), n_jobs, chunk=1)
    for consumed in range(1, 30):
        next(results)
        assert consumed <= len(begun) <= consumed + n_jobs + 1
    results.close()


def test_a_failure_is_raised_in_its_turn_and_ends_the_work():
    begun = []

    def work(part):
        begun.append(part)
        if part[0] >= 3:
            raise ValueError(part[0])
        return part[0]

    results = in_threads(work, range(1000), 4, chunk=1)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="^3$"):
        next(results)
    assert len(begun) <= 4 + 4 + 1
