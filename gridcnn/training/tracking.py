"""Trackers: the figures of each epoch, in TensorBoard or MLflow, if the package is installed."""

from __future__ import annotations

import importlib
import math
import os
import warnings
from typing import Any

from gridcnn.errors import ConfigurationError
from gridcnn.model import EpochRecord, Network
from gridcnn.training.callbacks import Callback

__all__ = ["MLflow", "TensorBoard", "tracker"]

NO_FIGURES = ("epoch", "seconds")


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
        for name, value in _figures(record, network).items():
            self._writer.add_scalar(f"training {self._training}/{name}", value, record.epoch)

    def on_end(self) -> None:
        """Leave the file readable."""
        self._writer.flush()


class MLflow(Callback):
    """Logs the figures of each training of a fit as a run.

    A server that fails while a training runs ends the logging, with a warning, and not the training.

    Parameters
    ----------
    address : str
        The tracking URI, a folder or a server; empty for the usual one.

    Raises
    ------
    ConfigurationError
        If the package mlflow is not installed, or cannot log there.
    """

    def __init__(self, address: str = "") -> None:
        if address and (address.startswith("file:") or "://" not in address):
            os.environ.setdefault(
                "MLFLOW_ALLOW_FILE_STORE", "true"
            )  # MLflow 3 refuses folders that it was not asked for
        self._mlflow: Any = _imported("mlflow", "mlflow")
        self._training, self._fails = 0, False
        try:
            if address:
                self._mlflow.set_tracking_uri(address)
            self._mlflow.search_experiments(max_results=1)
        except Exception as error:  # of MLflow, of the network, of a database
            raise ConfigurationError(
                f"--log mlflow:{address}: MLflow cannot log there ({_first_line(error)}): give a folder, the address "
                "of a server, or sqlite:///FILE, which needs the whole package (pip install mlflow)."
            ) from error

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Begin a run."""
        self._training += 1
        self._ask("start_run", run_name=f"training {self._training}", nested=True)
        self._ask("log_params", {"epochs": epochs, "steps_per_epoch": steps_per_epoch})

    def on_epoch(self, record: EpochRecord, network: Network) -> None:
        """Log the figures."""
        self._ask("log_metrics", _figures(record, network), step=record.epoch)

    def on_end(self) -> None:
        """End the run."""
        self._ask("end_run")

    def _ask(self, what: str, *given: Any, **named: Any) -> None:
        """Call a function of MLflow, unless one has failed before."""
        if self._fails:
            return
        try:
            getattr(self._mlflow, what)(*given, **named)
        except Exception as error:
            self._fails = True
            warnings.warn(
                f"MLflow does not log any more ({_first_line(error)}); the training goes on without it.", stacklevel=3
            )


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


def _figures(record: EpochRecord, network: Network) -> dict[str, float]:
    """Return the figures that there are: those of a validation only if there was one."""
    figures = record.named(several=network.several).items()
    return {name: float(value) for name, value in figures if name not in NO_FIGURES and not math.isnan(value)}


def _imported(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(f"this needs the package {package}: pip install {package}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0]
