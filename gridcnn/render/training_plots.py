"""Pictures of a training and of its mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gridcnn.model import fitted_model
from gridcnn.multilabel import score_name
from gridcnn.render.drawing import AGAINST, FOR, GREY, RESOLUTION, WIDTH, new_figure

__all__ = ["confusion_matrix", "learning_curves"]


def learning_curves(model: Any) -> Figure:
    """Draw loss and accuracy (with several labels ranking precision) by epoch, in training and validation."""
    model = fitted_model(model)
    history = model.history
    epochs = [record.epoch for record in history]
    figure = new_figure(3.6)
    right = score_name(several=model.several)
    for ax, name, title in zip(figure.subplots(1, 2), ("loss", "accuracy"), ("loss", right), strict=True):
        ax.plot(epochs, [getattr(record, name) for record in history], ".-", color=GREY, label="training")
        validation = [getattr(record, f"validation_{name}") for record in history]
        if not np.isnan(validation).all():
            ax.plot(epochs, validation, ".-", color=FOR, label="validation")
        ax.axvline(model.best_epoch, color=AGAINST, lw=0.8, ls=":", label=f"kept: epoch {model.best_epoch}")
        ax.set(xlabel="epoch", ylabel=title)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    figure.suptitle("Learning", fontsize=11)
    return figure


def confusion_matrix(labels: Sequence[Any], predictions: Sequence[Any]) -> Figure:
    """Draw how often each class was taken for which: rows are true classes, and sum to 1."""
    names, index = np.unique(np.concatenate([np.asarray(labels), np.asarray(predictions)]), return_inverse=True)
    counts = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(counts, (index[: len(labels)], index[len(labels) :]), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(1.6 + 0.5 * len(names), 3.5, WIDTH))
    figure = Figure(figsize=(side + 0.8, side), layout="constrained", dpi=RESOLUTION)
    ax = figure.subplots()
    image = ax.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    if len(names) <= 20:
        for row, column in np.argwhere(counts):
            shade = "black" if shares[row, column] > 0.6 else "white"
            ax.text(column, row, counts[row, column], ha="center", va="center", color=shade, fontsize=9)
        ax.set_xticks(range(len(names)), [str(name) for name in names], rotation=45, ha="right")
        ax.set_yticks(range(len(names)), [str(name) for name in names])
    ax.set(xlabel="answer", ylabel="true class", title=f"{counts.sum()} items, {np.trace(counts)} right")
    figure.colorbar(image, ax=ax, shrink=0.8, label="share of the true class")
    return figure
