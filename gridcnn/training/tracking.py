"""Trackers: the figures of each epoch, in TensorBoard or MLflow, if the package is installed."""

from __future__ import annotations

import importlib
import math
from typing import Any

from gridcnn.errors import ConfigurationError
from gridcnn.model import EpochRecord, Network
from gridcnn.training.callbacks import Callback

__all__ = ["MLflow", "TensorBoard", "tracker"]

FIGURES = ("loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate", "samples_per_second")


class TensorBoard(Callback):
    """Writes a curve of each figure for each training of a fit to a folder that `tensorboard --logdir` reads.

    Parameters
    ----------
    folder : str
        Made if need be.

    Raises
    ------
    ConfigurationError
        If the package tensorboard is not installed.
    """

    def __init__(self, folder: str) -> None:
        self._writer: Any = _imported("torch.utils.tensorboard", "tensorboard").SummaryWriter(folder)
        self._training = 0

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Count the trainings of a fit."""
        self._training += 1

    def on_epoch(self, record: EpochRecord, network: Network) -> None:
        """Write the figures."""
        for name, value in _figures(record).items():
            self._writer.add_scalar(f"training {self._training}/{name}", value, record.epoch)

    def on_end(self) -> None:
        """Leave the file readable."""
        self._writer.flush()


class MLflow(Callback):
    """Logs the figures of each training of a fit as a run.

    Parameters
    ----------
    address : str
        The tracking URI, a folder or a server; empty for the usual one.

    Raises
    ------
    ConfigurationError
        If the package mlflow is not installed.
    """

    def __init__(self, address: str = "") -> None:
        self._mlflow: Any = _imported("mlflow", "mlflow")
        if address:
            self._mlflow.set_tracking_uri(address)

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Begin a run."""
        self._mlflow.start_run(nested=True)
        self._mlflow.log_params({"epochs": epochs, "steps_per_epoch": steps_per_epoch})

    def on_epoch(self, record: EpochRecord, network: Network) -> None:
        """Log the figures."""
        self._mlflow.log_metrics(_figures(record), step=record.epoch)

    def on_end(self) -> None:
        """End the run."""
        self._mlflow.end_run()


def tracker(text: str) -> Callback:
    """Return the tracker that `tensorboard:FOLDER` or `mlflow:URI` names.

    Raises
    ------
    ConfigurationError
        If it names none, or the package is not installed.
    """
    kind, _, place = text.partition(":")
    if kind == "tensorboard" and place:
        return TensorBoard(place)
    if kind == "mlflow":
        return MLflow(place)
    raise ConfigurationError(f"--log: expected tensorboard:FOLDER or mlflow:URI, got {text!r}")


def _figures(record: EpochRecord) -> dict[str, float]:
    """Return the figures that there are: those of a validation only if there was one."""
    figures = {name: float(getattr(record, name)) for name in FIGURES}
    return {name: value for name, value in figures.items() if not math.isnan(value)}


def _imported(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(f"this needs the package {package}: pip install {package}") from error
