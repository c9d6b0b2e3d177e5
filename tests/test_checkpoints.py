"""A training that is killed and goes on ends with the weights of one that was not, bit for bit."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time

import filelock
import numpy as np
import pytest
import torch

from gridcnn import GridClassifier
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.adapters.questions import Option, Question
from gridcnn.datasets import load
from gridcnn.errors import ConfigurationError
from gridcnn.training import run_folder
from gridcnn.training.callbacks import Callback


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the package handles it."""


class KillAfter(Callback):
    """Kills a process after so many steps."""

    def __init__(self, steps):
        self.left = steps

    def on_step(self, n_samples):
        self.left -= 1
        if self.left == 0:
            raise Killed


class Heard(Callback):
    def __init__(self):
        self.lines = []

    def on_message(self, line):
        self.lines.append(line)

    @property
    def text(self):
        return "\n".join(self.lines)


def pictures(**given):
    data = load("digits").take(range(160))
    return (
        GridClassifier(adapter=ImageAdapter(), kernels=(4,), epochs=3, batch_size=32, **given),
        data.items,
        data.labels,
    )


def sounds(**given):
    data = load("tones").take(range(64))
    return (
        GridClassifier(adapter=AudioAdapter(sample_rate=8000), kernels=(4,), epochs=3, batch_size=16, **given),
        data.items,
        data.labels,
    )


def texts(**given):
    """Are trained on adversarial neighbours, and once more on all items."""
    data = load("word_order").take(range(120))
    return (
        GridClassifier(adapter=TextAdapter(), kernels=(4,), epochs=3, batch_size=32, **given),
        data.items,
        data.labels,
    )


def series(**given):
    rows = np.random.default_rng(0).normal(size=(120, 3, 40)).cumsum(axis=2)
    labels = (rows[:, 0, 20] > rows[:, 1, 20]).astype(int)
    adapter = ArrayAdapter(("channels", "time"))
    return GridClassifier(adapter=adapter, kernels=(4,), epochs=3, batch_size=32, **given), rows, labels


def result(model):
    """Everything that must be equal: weights, and the history without the seconds that it took."""
    weights = {name: tensor.clone() for name, tensor in model.network_.state_dict().items()}
    return weights, [record[:6] for record in model.history_], model.best_epoch_, model.scores_


def assert_equal(one, other):
    weights, *rest = one
    assert weights.keys() == other[0].keys()
    for name, tensor in weights.items():
        assert torch.equal(tensor, other[0][name]), name
    assert repr(rest) == repr(list(other[1:]))


def killed_and_resumed(make, folder, kills, fit=None, **given):
    """Fit, killed after each of these numbers of steps, and then to the end."""
    for steps in kills:
        model, items, labels = make(checkpoint_dir=folder, checkpoint_every=0, **given)
        with pytest.raises(Killed):
            model.set_params(callbacks=[KillAfter(steps)]).fit(items, labels, **(fit or {}))
    model, items, labels = make(checkpoint_dir=folder, checkpoint_every=0, **given)
    return model.fit(items, labels, **(fit or {}))


@pytest.mark.parametrize("make", [pictures, sounds, texts, series])
def test_a_training_killed_in_the_middle_of_epochs_ends_with_equal_weights_and_history(make, tmp_path):
    model, items, labels = make()
    expected = result(model.fit(items, labels))
    assert_equal(result(killed_and_resumed(make, tmp_path / "run", [1, 3, 2, 5])), expected)


def test_both_trainings_of_a_refit_by_groups_are_resumed(tmp_path):
    groups = np.arange(160) // 16
    model, items, labels = pictures(refit=True)
    expected = result(model.fit(items, labels, groups=groups))
    kills = [4, 15, 12, 3]  # each of the two trainings has 3 × 8 steps
    resumed = killed_and_resumed(pictures, tmp_path / "run", kills, {"groups": groups}, refit=True)
    assert_equal(result(resumed), expected)
    assert {path.name[:2] for path in (tmp_path / "run").glob("*.safetensors")} == {"1-", "2-"}


class Asking(ArrayAdapter):
    def questions(self, n_items):
        return [
            Question("where the evidence stands", (Option("anywhere"), Option("exactly where", {"head": "flatten"})))
        ]


def asked_series(**given):
    model, rows, labels = series(folds=3, **given)
    return model.set_params(adapter=Asking(("channels", "time"))), rows, labels


def test_the_trainings_of_folds_and_options_are_resumed_each(tmp_path):
    model, items, labels = asked_series()
    expected = result(model.fit(items, labels))
    kills = [4, 20, 11, 14]  # two options of three folds, and all items: seven trainings of 3 × 3 or 3 × 4 steps
    resumed = killed_and_resumed(asked_series, tmp_path / "run", kills)
    assert_equal(result(resumed), expected)
    assert {path.name[:2] for path in (tmp_path / "run").glob("*.safetensors")} == {f"{at}-" for at in range(1, 8)}
    assert len(list((tmp_path / "run").glob("*.safetensors"))) == 6 + 2, "the last of those that ended, and two"


def test_a_training_that_patience_ended_ends_there_again(tmp_path):
    given = {"patience": 1, "validation_fraction": 0.4}
    model, items, labels = pictures(**given)
    expected = result(model.set_params(epochs=8).fit(items, labels))
    assert len(expected[1]) < 8
    model.set_params(checkpoint_dir=tmp_path / "run", checkpoint_every=0).fit(items, labels)
    assert_equal(result(model), expected)
    assert_equal(result(model.fit(items, labels)), expected)


class ShortPictures(ImageAdapter):
    def defaults(self, n_items):
        return {**super().defaults(n_items), "epochs": 6}


class ShortTexts(TextAdapter):
    def defaults(self, n_items):
        return {**super().defaults(n_items), "epochs": 6}


def test_what_was_planned_for_a_time_limit_is_kept(tmp_path):
    def make(folder):
        model, items, labels = pictures(checkpoint_dir=folder, checkpoint_every=0)
        return model.set_params(adapter=ShortPictures(), epochs=None, time_limit=4.0), items, labels

    model, items, labels = make(tmp_path / "run")
    with pytest.raises(Killed):
        model.set_params(callbacks=[KillAfter(3)]).fit(items, labels)
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    uninterrupted = make(tmp_path / "copy")[0].fit(items, labels)
    with pytest.raises(Killed):
        make(tmp_path / "run")[0].set_params(callbacks=[KillAfter(7)]).fit(items, labels)
    resumed = make(tmp_path / "run")[0].fit(items, labels)
    assert_equal(result(resumed), result(uninterrupted))
    assert len(resumed.history_) == resumed.summary_["time"]["chosen"]["epochs"]


def test_a_training_on_all_items_that_was_begun_within_a_time_limit_goes_on(tmp_path):
    def make(folder, *callbacks):
        model, items, labels = texts(checkpoint_dir=folder, checkpoint_every=0)
        limited = {"epochs": None, "time_limit": 120.0, "callbacks": callbacks}
        return model.set_params(adapter=ShortTexts(), **limited), items, labels

    model, items, labels = make(tmp_path / "run", KillAfter(3))
    with pytest.raises(Killed):
        model.fit(items, labels)
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    counting = KillAfter(-1)
    model, items, labels = make(tmp_path / "copy", counting)
    uninterrupted = model.fit(items, labels)
    assert uninterrupted.summary_["refit"]
    model, items, labels = make(tmp_path / "run", KillAfter(-1 - counting.left - 2))
    with pytest.raises(Killed):
        model.fit(items, labels)
    model, items, labels = make(tmp_path / "run")
    assert_equal(result(model.fit(items, labels)), result(uninterrupted))


def test_a_run_that_is_done_gives_its_model_again_without_a_step(tmp_path):
    model, items, labels = pictures(checkpoint_dir=tmp_path / "run")
    expected = result(model.fit(items, labels))
    model, items, labels = pictures(checkpoint_dir=tmp_path / "run")
    assert_equal(result(model.set_params(callbacks=[KillAfter(1)]).fit(items, labels)), expected)


@pytest.mark.parametrize("damage", ["torn", "flipped", "empty"])
def test_a_damaged_checkpoint_leaves_the_one_before_it(tmp_path, damage):
    model, items, labels = pictures()
    expected = result(model.fit(items, labels))
    killing, items, labels = pictures(checkpoint_dir=tmp_path, checkpoint_every=0)
    with pytest.raises(Killed):
        killing.set_params(callbacks=[KillAfter(12)]).fit(items, labels)
    (tmp_path / ".1-000099.safetensors.half_way").write_bytes(b"half")
    newest = max(tmp_path.glob("1-*.safetensors"))
    content = bytearray(newest.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    newest.write_bytes({"torn": content[: len(content) // 2], "empty": b""}.get(damage, content))

    heard = Heard()
    resumed, items, labels = pictures(checkpoint_dir=tmp_path, checkpoint_every=0)
    assert_equal(result(resumed.set_params(callbacks=[heard]).fit(items, labels)), expected)
    assert heard.text.count(f"the one before it used: {newest}") == 1
    assert "1 of 3 epochs and 2 steps of the next" in heard.text
    assert not {newest.name, ".1-000099.safetensors.half_way"} & {path.name for path in tmp_path.iterdir()}


def test_another_command_is_told_what_differs(tmp_path):
    model, items, labels = pictures(checkpoint_dir=tmp_path)
    model.fit(items, labels)
    with pytest.raises(ConfigurationError, match="batch_size: 32 there, 16 here"):
        model.set_params(batch_size=16).fit(items, labels)
    with pytest.raises(ConfigurationError, match="items to train on: 144 items, .* there, 143 items, .* here"):
        model.set_params(batch_size=32).fit(items[1:], labels[1:])
    with pytest.raises(ConfigurationError, match="items to train on"):
        model.fit(items, np.roll(labels, 1))
    with pytest.raises(ConfigurationError, match="random_state must be a whole number"):
        model.set_params(random_state=None).fit(items, labels)


def test_another_number_of_threads_is_said_but_not_refused(tmp_path, monkeypatch):
    model, items, labels = pictures(checkpoint_dir=tmp_path)
    model.fit(items, labels)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    heard = Heard()
    model.set_params(callbacks=[heard]).fit(items, labels)
    assert "threads: 1 there, 7 here" in heard.text


def test_a_folder_is_used_by_one_process_at_a_time(tmp_path):
    model, items, labels = pictures(checkpoint_dir=tmp_path)
    with filelock.FileLock(tmp_path / "lock"), pytest.raises(ConfigurationError, match="another process is training"):
        model.fit(items, labels)
    model.fit(items, labels)


def test_a_folder_that_cannot_be_used_is_refused_before_the_training(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    model, items, labels = pictures(checkpoint_dir=tmp_path / "file")
    with pytest.raises(ConfigurationError, match="cannot be used for checkpoints"):
        model.fit(items, labels)

    monkeypatch.setattr(run_folder.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(ConfigurationError, match="the disk has 0 MB free"):
        model.set_params(checkpoint_dir=tmp_path / "full").fit(items, labels)


def test_a_disk_that_fills_up_costs_checkpoints_but_not_the_training(tmp_path, monkeypatch):
    model, items, labels = pictures()
    expected = result(model.fit(items, labels))
    written = []

    def write(path, *args):
        if len(written) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        write_sealed(path, *args)

    write_sealed = run_folder.write_sealed
    monkeypatch.setattr(run_folder, "write_sealed", write)
    heard = Heard()
    model, items, labels = pictures(checkpoint_dir=tmp_path, checkpoint_every=0, callbacks=[heard])
    assert_equal(result(model.fit(items, labels)), expected)
    assert heard.text.count("No space left on device") == 1
    assert [path.name for path in sorted(tmp_path.glob("*.safetensors"))] == [
        "1-000003.safetensors",
        "1-000004.safetensors",
    ]


def test_an_interrupted_training_is_resumed_by_the_same_command(tmp_path):
    class CtrlC(KillAfter):
        def on_step(self, n_samples):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    model, items, labels = pictures()
    expected = result(model.fit(items, labels))
    model.set_params(checkpoint_dir=tmp_path, checkpoint_every=0, callbacks=[CtrlC(8)]).fit(items, labels)
    assert model.interrupted_
    assert_equal(result(model.set_params(callbacks=[]).fit(items, labels)), expected)


def test_a_model_does_not_keep_the_folder_of_its_checkpoints(tmp_path):
    model, items, labels = pictures(checkpoint_dir=tmp_path / "run")
    model.fit(items, labels).save(tmp_path / "model.safetensors")
    assert str(tmp_path).encode() not in (tmp_path / "model.safetensors").read_bytes()
    assert "checkpoint_dir" not in GridClassifier.load(tmp_path / "model.safetensors").model_.parameters


def test_the_command_line_goes_on_after_sigkill(tmp_path):
    def command(name):
        return [
            sys.executable, "-c", "from gridcnn.cli import main; main()", "train", "digits", "--epochs", "15",
            "--kernels", "4", "-o", name, "--checkpoint-dir", "run", "--checkpoint-every", "1s",
        ]  # fmt: skip

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command("m.safetensors"), cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while not any((tmp_path / "run").glob("1-00000[2-9]*")) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    assert not (tmp_path / "m.safetensors").exists()
    done = subprocess.run(
        command("m.safetensors"),
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "going on from run" in done.stderr
    assert (tmp_path / "m.safetensors").exists()
