"""Trackers: each epoch in TensorBoard or MLflow, as stand-ins show, and as the packages themselves if installed."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gridcnn.errors import ConfigurationError
from gridcnn.training.tracking import MLflow, tracker

Run = Callable[..., Any]


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    lines = [f"good nice {at % 7} {at},praise\nbad poor {at % 7} {at},complaint\n" for at in range(30)]
    (tmp_path / "b.csv").write_text("text,label\n" + "".join(lines))
    return ["train", str(tmp_path / "b.csv"), "--text", "text", "--epochs", "2", "--kernels", "3", "--no-refit", "-q",
            "-o", str(tmp_path / "b.safetensors")]  # fmt: skip


def test_each_epoch_is_logged_to_tensorboard(run: Run, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, int]] = []

    class SummaryWriter:
        def __init__(self, folder: str) -> None:
            assert folder == "logs"

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, step))

        def flush(self) -> None:
            pass

    fake = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = SummaryWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)

    run(*command, "--log", "tensorboard:logs")

    assert ("training 1/loss", 1) in written
    assert ("training 1/validation_accuracy", 2) in written


def test_a_tracker_that_is_not_installed_or_unknown_is_named(
    run: Run, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)

    assert "pip install mlflow" in run(*command, "--log", "mlflow:here").err
    assert "tensorboard:FOLDER" in run(*command, "--log", "wandb").err


class FakeMLflow(types.ModuleType):
    """What is asked of MLflow, noted; a call whose name is in `broken` fails."""

    def __init__(self, *broken: str) -> None:
        super().__init__("mlflow")
        self.calls: list[tuple[Any, ...]] = []
        self.broken = set(broken)

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*given: Any, **named: Any) -> None:
            self.calls.append((name, *given, *named.values()))
            if name in self.broken:
                raise OSError("the server does not answer\nand more")

        return call


def test_each_training_is_a_run_of_mlflow(run: Run, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", fake := FakeMLflow())

    assert run(*command, "--log", "mlflow:http://localhost:1").code == 0

    names = [name for name, *_ in fake.calls]
    assert names == ["set_tracking_uri", "search_experiments", "start_run", "log_params", "log_metrics", "log_metrics",
                     "end_run"]  # fmt: skip
    assert fake.calls[2][1:] == ("training 1", True)
    assert fake.calls[-2][1].keys() >= {"loss", "validation_accuracy"}
    assert fake.calls[-2][2] == 2


def test_a_place_where_mlflow_cannot_log_is_an_error_before_the_training(
    run: Run, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", FakeMLflow("search_experiments"))

    ended = run(*command, "--log", "mlflow:http://localhost:1")

    assert ended.code == 2
    assert "cannot log there (the server does not answer)" in ended.err


@pytest.mark.parametrize("broken", ["start_run", "log_metrics", "end_run"])
def test_a_server_that_fails_later_does_not_end_the_training(
    run: Run, command: list[str], monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", fake := FakeMLflow(broken))
    ended = run(*command, "--log", "mlflow:http://localhost:1")

    assert ended.code == 0
    assert ended.err.count("(the server does not answer); the training goes on without it") == 1
    assert Path(command[-1]).exists()
    assert (
        sum(name == "log_metrics" for name, *_ in fake.calls)
        == {"start_run": 0, "log_metrics": 1, "end_run": 2}[broken]
    )


@pytest.mark.parametrize(("address", "asked"), [("runs", True), ("file:runs", True), ("sqlite:///a.db", False)])
def test_only_a_folder_is_allowed_for_where_it_was_named(
    address: str, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", FakeMLflow())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "")  # so that it is as before in the end
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    MLflow(address)

    assert os.environ.get("MLFLOW_ALLOW_FILE_STORE") == ("true" if asked else None)


def test_mlflow_itself_keeps_the_figures(run: Run, command: list[str], tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: pip install mlflow-skinny")
    place = f"file:{tmp_path / 'runs'}"

    assert run(*command, "--log", f"mlflow:{place}").code == 0

    client = mlflow.MlflowClient(place)
    (logged,) = client.search_runs(["0"])
    losses = client.get_metric_history(logged.info.run_id, "loss")
    assert logged.info.run_name == "training 1"
    assert logged.info.status == "FINISHED"
    assert logged.data.params["epochs"] == "2"
    assert [each.step for each in losses] == [1, 2]


def test_mlflow_itself_refuses_an_address_of_no_kind() -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed: pip install mlflow-skinny")
    with pytest.raises(ConfigurationError, match="cannot log there"):
        tracker("mlflow:nowhere://x")


def test_tensorboard_itself_reads_the_figures(run: Run, command: list[str], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert run(*command, "--log", f"tensorboard:{tmp_path / 'board'}").code == 0

    events = EventAccumulator(str(tmp_path / "board"))
    events.Reload()
    assert [each.step for each in events.Scalars("training 1/loss")] == [1, 2]
    assert "training 1/validation_accuracy" in events.Tags()["scalars"]
