"""`train --workers`: a fit by several workers of a Ray cluster, which may die."""

import contextlib
import io
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gridcnn import datasets
from gridcnn.adapters import ImageAdapter, TextAdapter
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.training.callbacks import Callback

ray = pytest.importorskip("ray", reason="needs the extra `scale`: pip install 'gridcnn[scale]'")

from gridcnn.scale.sent import Sent  # noqa: E402
from gridcnn.scale.session import connected  # noqa: E402
from gridcnn.scale.training import fit  # noqa: E402

PARAMETERS = {"epochs": 4, "folds": 1, "refit": False}


@pytest.fixture(scope="module", autouse=True)
def cluster(only_ray):
    """Start Ray once for all tests."""
    with connected(None, 2):
        yield


class Heard(Callback):
    """Notes what it hears, and may do something after an epoch."""

    def __init__(self, after_epoch=None) -> None:
        self.lines, self.epochs, self.resumed = [], [], []
        self.after_epoch = after_epoch

    def on_message(self, line):
        self.lines.append(line)

    def on_resume(self, history, steps):
        self.resumed.append(len(history))

    def on_epoch(self, record, network):
        self.epochs.append(record.epoch)
        return self.after_epoch(record.epoch) if self.after_epoch else None


def some(n_items=300):
    data = datasets.load("digits")
    chosen = np.random.default_rng(0).permutation(len(data.items))[:n_items]
    return data.items[chosen], data.labels[chosen]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Pictures in rows of a table, a model of two workers, and what was heard of their training."""
    pixels, labels = some()
    contents = []
    for each in pixels:
        file = io.BytesIO()
        Image.fromarray((np.asarray(each) * (255 / np.max(each))).astype(np.uint8)).save(file, "PNG")
        contents.append(file.getvalue())
    folder, heard = tmp_path_factory.mktemp("rows"), Heard()
    pq.write_table(pa.table({"raw": contents}), folder / "a.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        items = datasets.load_manifest("a.parquet", path_column="raw").items
        return items, fit(ImageAdapter(), items, labels, PARAMETERS, workers=2, callbacks=[heard]), heard


def test_two_workers_train_a_model_and_the_callbacks_here_hear_of_it(trained):
    _, model, heard = trained
    assert heard.epochs == [1, 2, 3, 4]
    assert any(line.startswith("split: ") for line in heard.lines)
    assert model.scores["validation_accuracy"] > 0.6
    assert model.summary["training_items"] == 270


@pytest.mark.parametrize("what", ["ray::RayTrainWorker", "ray::TrainController"])
def test_the_training_goes_on_from_its_checkpoint_if_a_worker_is_killed_or_what_leads_them(tmp_path, what):
    killed = threading.Event()

    def kill(epoch):
        if epoch < 2 or killed.is_set():
            return
        killed.set()
        os.kill([pid for pid, title in processes() if title.startswith(what)][-1], signal.SIGKILL)

    heard = Heard(kill)
    data = datasets.load("word_order", n_items=600)
    parameters = {**PARAMETERS, "epochs": 30, "checkpoint_dir": tmp_path, "checkpoint_every": 0.1}
    model = fit(TextAdapter(), data.items, data.labels, parameters, workers=2, callbacks=[heard])
    assert killed.is_set()
    assert heard.resumed
    assert [record.epoch for record in model.history] == list(range(1, 31))


def processes():
    """Return number and title of each process that descends from this one: other tests have workers, too."""
    parents, titles = {}, {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError):
                number = int(place.name)
                titles[number] = (place / "cmdline").read_bytes().decode(errors="replace")
                parents[number] = int((place / "stat").read_text().rpartition(")")[2].split()[1])

    def is_ours(number):
        while number not in {os.getpid(), None}:
            number = parents.get(number)
        return number is not None

    return sorted((number, titles[number]) for number in parents if is_ours(number))


def test_a_callback_here_stops_the_workers():
    model = fit(
        ImageAdapter(), *some(), {**PARAMETERS, "epochs": 500}, workers=2, callbacks=[Heard(lambda epoch: epoch >= 2)]
    )
    assert 2 <= len(model.history) < 500
    assert not model.interrupted


def test_rows_of_bytes_are_read_by_each_worker_wherever_it_works(trained):
    items, model, _ = trained
    assert str(items[0]) == "a.parquet, row 1"
    assert not model.skipped


@pytest.mark.parametrize("items", [[f"text {at}" for at in range(25)], [], np.arange(6).reshape(3, 2)])
def test_items_arrive_as_they_were_sent(monkeypatch, items):
    monkeypatch.setattr("gridcnn.scale.sent.PART", 10)
    there = Sent.of(items).items()
    assert type(there) is type(items)
    np.testing.assert_array_equal(there, items)


def test_an_error_of_the_input_is_raised_here_at_once():
    items, _ = some(20)
    with pytest.raises(DataError, match="class"):
        fit(ImageAdapter(), items, ["same"] * 20, PARAMETERS, workers=1)


def test_a_cluster_without_a_shared_folder_is_refused_before_work_starts():
    with pytest.raises(ConfigurationError, match="--checkpoint-dir"):
        fit(ImageAdapter(), *some(20), PARAMETERS, workers=2, address="auto")


def test_a_cluster_that_does_not_answer_is_told_before_anything_is_read(run, tmp_path):
    done = run("train", tmp_path / "missing.csv", "-o", tmp_path / "m", "--workers", 2, "--ray-address", "127.0.0.1:1")
    assert done.code == 2
    assert "no Ray cluster answers at 127.0.0.1:1" in done.err
    assert "missing.csv" not in done.err


def test_more_workers_than_the_cluster_has_are_refused():
    with pytest.raises(ConfigurationError, match="too few for 64 workers"):
        fit(ImageAdapter(), *some(20), PARAMETERS, workers=64)


def test_ctrl_c_keeps_the_best_weights_of_the_workers():
    def interrupt(epoch):
        if epoch == 3:
            raise KeyboardInterrupt  # where Ctrl-C may come as well: while the callbacks hear

    model = fit(ImageAdapter(), *some(), {**PARAMETERS, "epochs": 500}, workers=1, callbacks=[Heard(interrupt)])

    assert model.interrupted
    assert 3 <= len(model.history) < 500
