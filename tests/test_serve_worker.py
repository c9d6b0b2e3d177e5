"""The thread of a model: whose items are answered together, whose turn it is, and that it never stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from gridcnn.serve.answering import FAULT, Answer
from gridcnn.serve.sent import Folder, Sent
from gridcnn.serve.worker import AT_ONCE, Worker


class Model:
    """Answers each text with itself, when it is let; and keeps what it was asked at once."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.batches: list[list[str]] = []

    def __call__(self, asked: Sequence[Sent]) -> list[Answer]:
        self.let.wait(10)
        self.batches.append([sent.value for sent in asked])
        if any(sent.value == "fault" for sent in asked):
            raise MemoryError
        return [Answer(label=sent.value) for sent in asked]


def texts(*values: str) -> list[Sent]:
    return [Sent(str(position), value) for position, value in enumerate(values)]


def labels(done: Future[list[Answer]]) -> list[str]:
    return [answer.label for answer in done.result(10)]


def busy(worker: Worker) -> Future[list[Answer]]:
    """Give the worker something that it waits at, so that what follows meets in its queue."""
    first = worker.submit(texts("first"))
    time.sleep(0.05)
    return first


def test_requests_that_wait_are_answered_together_each_with_its_own_answers() -> None:
    model = Model()
    worker = Worker(model)
    first = busy(worker)
    waiting = [worker.submit(texts(f"{index} a", f"{index} b")) for index in range(10)]
    model.let.set()

    assert labels(first) == ["first"]
    assert [labels(each) for each in waiting] == [[f"{index} a", f"{index} b"] for index in range(10)]
    assert len(model.batches) == 2
    worker.close()


def test_a_large_request_takes_turns_with_small_ones() -> None:
    model = Model()
    worker = Worker(model)
    busy(worker)
    large = worker.submit(texts(*map(str, range(5 * AT_ONCE))))
    small = worker.submit(texts("small"))
    model.let.set()

    assert labels(large) == [*map(str, range(5 * AT_ONCE))]
    assert labels(small) == ["small"]
    assert max(map(len, model.batches)) == AT_ONCE
    assert [index for index, batch in enumerate(model.batches) if "small" in batch] == [2]
    worker.close()


def test_what_a_turn_has_no_time_for_waits_and_small_requests_come_in_between() -> None:
    class Slow(Model):
        def __call__(self, asked: Sequence[Sent]) -> list[Answer]:
            return super().__call__(asked[:1])

    model = Slow()
    worker = Worker(model)
    busy(worker)
    large, small = worker.submit(texts("1", "2", "3")), worker.submit(texts("small"))
    model.let.set()

    assert (labels(large), labels(small)) == (["1", "2", "3"], ["small"])
    assert [batch[0] for batch in model.batches] == ["first", "1", "small", "2", "3"]
    large = worker.submit(texts("1", "2"))
    worker.close()
    assert labels(large) == ["1", "2"]


def test_a_batch_waits_a_moment_for_a_request_that_is_on_its_way() -> None:
    model = Model()
    model.let.set()
    worker = Worker(model)
    with worker.expected():
        first = worker.submit(texts("a"))
        second = worker.submit(texts("b"))
    assert labels(first) + labels(second) == ["a", "b"]
    assert sorted(map(len, model.batches)) in ([2], [1, 1])  # the thread may have been faster

    with worker.expected():
        started = time.monotonic()
        assert labels(worker.submit(texts("c"))) == ["c"]  # which never comes
    assert time.monotonic() - started < 1
    worker.close()


def test_a_fault_is_told_to_its_batch_and_the_thread_lives_on() -> None:
    model = Model()
    model.let.set()
    worker = Worker(model)

    assert worker.submit(texts("fault")).result(10) == [Answer(error=FAULT)]
    with pytest.raises(ZeroDivisionError):
        worker.call(lambda: 1 / 0).result(10)
    assert labels(worker.submit(texts("a"))) == ["a"]
    assert worker.alive
    worker.close()


def test_who_has_gone_is_not_answered() -> None:
    model = Model()
    worker = Worker(model)
    busy(worker)
    gone, call = worker.submit(texts("gone")), worker.call(lambda: model.batches.append(["called"]))
    assert gone.cancel()
    assert call.cancel()
    last = worker.submit(texts("last"))
    model.let.set()

    assert labels(last) == ["last"]
    assert model.batches == [["first"], ["last"]]
    worker.close()


def test_closing_answers_what_waits_and_takes_nothing_more() -> None:
    model = Model()
    worker = Worker(model)
    busy(worker)
    waiting = [worker.submit(texts(str(index))) for index in range(3)]
    threading.Timer(0.1, model.let.set).start()
    worker.close()

    assert [labels(each) for each in waiting] == [["0"], ["1"], ["2"]]
    assert not worker.alive
    with pytest.raises(RuntimeError, match="ending"):
        worker.submit(texts("late"))


def test_files_stand_in_a_private_folder_under_names_of_our_own_and_are_removed() -> None:
    folder = Folder()
    sent = [Sent.file("../a.PNG", b"1"), Sent.file("b.sh; rm -rf", b"2"), Sent("2", [1.0])]
    with folder.files() as value_of:
        first, second, numbers = map(value_of, sent)
        assert first.read_bytes() + second.read_bytes() == b"12"
        assert (first.name, second.name) == ("upload-0.PNG", "upload-1")
        assert first.parent.stat().st_mode & 0o777 == 0o700
        assert numbers == [1.0]
        said: Any = sent[0].scrubbed(f"{first}: cannot read {first.name} in {first.parent}", first)
    assert not first.exists()
    assert not second.exists()
    assert said == "a.PNG: cannot read file.PNG in "
    folder.remove()
    assert not first.parent.exists()
