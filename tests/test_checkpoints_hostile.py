"""Checkpoints that somebody wrote with a digest that is right: refused in words, whatever they say."""

import shutil

import numpy as np
import pytest
import torch

from gridcnn import GridClassifier
from gridcnn.adapters import ImageAdapter, TextAdapter
from gridcnn.cli import main
from gridcnn.datasets import load
from gridcnn.errors import ConfigurationError
from gridcnn.pipeline.sealed import read_sealed, write_sealed
from gridcnn.training import run_folder
from gridcnn.training.callbacks import Callback


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the package handles it."""


class Kill(Callback):
    steps = 0

    def on_step(self, n_samples):
        self.steps += 1
        if self.steps == 9:
            raise Killed


def pictures(**given):
    data = load("digits").take(range(160))
    return (
        GridClassifier(adapter=ImageAdapter(), kernels=(4,), epochs=3, batch_size=32, **given),
        data.items,
        data.labels,
    )


def resealed(folder, change):
    """Change each checkpoint in a folder as its owner could, with a digest that is right."""
    for path in folder.glob("1-*.safetensors"):
        values, tensors = read_sealed(path, run_folder.KIND, run_folder.VERSION)
        change(values, tensors)
        write_sealed(path, run_folder.KIND, run_folder.VERSION, values, tensors)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder of checkpoints of `pictures`, killed in its second epoch of five steps."""
    folder = tmp_path_factory.mktemp("begun")
    model, items, labels = pictures(checkpoint_dir=folder, checkpoint_every=0, callbacks=[Kill()])
    with pytest.raises(Killed):
        model.fit(items, labels)
    return folder


RECORD = [1, 1.0, 0.5, 0.5, 0.5, 0.001, 1.0, 1.0]


@pytest.mark.parametrize(
    "state",
    [
        {"position": -2},
        {"position": 10**6},
        {"position": 1.5},
        {"history": [[]]},
        {"history": [[7, *RECORD[1:]]]},
        {"history": [[epoch, *RECORD[1:]] for epoch in range(1, 1000)]},
        {"best_epoch": 3},
        {"best_epoch": -1},
        {"best_epoch": 0},
        {"rates": [[0.01], [float("nan")] * 2]},
        {"rates": []},
    ],
    ids=str,
)
def test_places_that_a_training_cannot_be_at_are_refused(begun, tmp_path, state):
    folder = shutil.copytree(begun, tmp_path / "run")
    resealed(folder, lambda values, tensors: values["state"].update(state))
    model, items, labels = pictures(checkpoint_dir=folder)
    with pytest.raises(ConfigurationError, match="do not fit this training"):
        model.fit(items, labels)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("totals", torch.zeros(5)),
        ("totals", torch.zeros(2, dtype=torch.int64)),
        ("random.epoch.cpu", torch.zeros(7, dtype=torch.uint8)),
        ("random.epoch.cpu", torch.zeros(5056)),
        ("best.more", torch.zeros(3)),
        ("network.more", torch.zeros(3)),
        ("optimiser.1.0.exp_avg", torch.tensor(1.0)),  # was a segmentation fault
        ("optimiser.1.0.exp_avg", None),
        ("optimiser.1.0.more", torch.zeros(3)),
        ("optimiser.1.0.step", torch.tensor(7)),
        ("optimiser.0.0.momentum", torch.zeros(4, 1, 3, 3, dtype=torch.complex64)),
    ],
    ids=str,
)
def test_tensors_that_an_optimiser_cannot_step_with_are_refused(begun, tmp_path, name, tensor):
    folder = shutil.copytree(begun, tmp_path / "run")
    resealed(folder, lambda _, tensors: tensors.pop(name) if tensor is None else tensors.update({name: tensor}))
    model, items, labels = pictures(checkpoint_dir=folder)
    with pytest.raises(ConfigurationError, match="do not fit this training"):
        model.fit(items, labels)


@pytest.mark.parametrize(
    "change",
    [
        {"plans": {"1": [float("nan"), 10**9, 1.0]}},
        {"plans": {"1": [0.5, 0, 1.0]}},
        {"plans": []},
        {"seconds": float("nan")},
    ],
    ids=str,
)
def test_times_that_nobody_plans_are_damage(begun, tmp_path, change):
    folder, heard = shutil.copytree(begun, tmp_path / "run"), []
    resealed(folder, lambda values, tensors: values.update(change))
    assert run_folder.RunFolder(folder, heard.append).newest() is None
    assert "the one before it used" in heard[0]
    assert "there is none before it" in heard[-1]


def test_checkpoints_of_another_format_are_neither_used_nor_removed(begun, tmp_path):
    folder = shutil.copytree(begun, tmp_path / "run")
    for path in folder.glob("1-*.safetensors"):
        write_sealed(
            path, run_folder.KIND, run_folder.VERSION + 1, *read_sealed(path, run_folder.KIND, run_folder.VERSION)
        )
    before = sorted(folder.iterdir())
    model, items, labels = pictures(checkpoint_dir=folder, checkpoint_every=0)
    with pytest.raises(ConfigurationError, match="upgrade gridcnn"):
        model.fit(items, labels)
    assert sorted(folder.iterdir()) == before


def test_checkpoints_are_found_after_the_millionth(begun, tmp_path):
    folder = shutil.copytree(begun, tmp_path / "run")
    last = max(folder.glob("1-*.safetensors"))
    last.rename(folder / "1-999999.safetensors")
    run = run_folder.RunFolder(folder, print)
    run.write(1, run.last(1)._replace(seconds=1234.0))
    assert run.last(1).seconds == 1234.0
    assert sorted(path.name for path in folder.glob("1-*")) == ["1-1000000.safetensors", "1-999999.safetensors"]


def test_a_file_that_the_adapter_reads_belongs_to_the_run(tmp_path):
    data, vectors = load("word_order").take(range(60)), tmp_path / "vectors.txt"
    vectors.write_text("the 1 2 3 4\nwas 4 3 2 1\n")
    adapter = TextAdapter(vectors=vectors)

    def fit():
        model = GridClassifier(
            adapter=adapter, kernels=(4,), epochs=1, random_state=np.int64(3), checkpoint_dir=tmp_path / "run"
        )
        return model.fit(data.items, data.labels)

    fit()
    vectors.write_text("the -1 -2 3 4\nwas 4 3 2 1\n")
    with pytest.raises(ConfigurationError, match="content of vectors"):
        fit()


def test_a_name_that_is_none_is_refused_and_a_folder_called_like_a_draft_stays(tmp_path):
    model, items, labels = pictures(checkpoint_dir="a\0b")
    with pytest.raises(ConfigurationError, match="cannot be used for checkpoints"):
        model.fit(items, labels)
    folder = tmp_path / ".1-000001.safetensors.abc.draft"
    folder.mkdir()
    run_folder.RunFolder(tmp_path, print)
    assert folder.is_dir()


def test_checkpoints_among_the_items_are_refused(tmp_path, capsys):
    output = str(tmp_path / "model.safetensors")
    for folder in (tmp_path / "items", tmp_path / "items" / "run"):
        (tmp_path / "items").mkdir(exist_ok=True)
        with pytest.raises(SystemExit):
            main(["train", str(tmp_path / "items"), "-o", output, "--checkpoint-dir", str(folder)])
        assert "among the items" in " ".join(capsys.readouterr().err.split())
