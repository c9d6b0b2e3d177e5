"""`make demo`: pictures, sound and text with one network, and a table that is refused. Embedded data, under 3 minutes.

Ends with a table of scores, and leaves pictures in demo/.
"""

import time
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import make_pipeline

from gridcnn import GridClassifier, datasets
from gridcnn.adapters import AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.errors import OrderingError

FOLDER = Path("demo")


def draw_pictures(classifier, unseen) -> None:
    """Draw unseen letters with their answers, and the kernels that were learned."""
    answers = classifier.predict_frame(unseen.items[:16])
    figure, axes = plt.subplots(2, 8, figsize=(12, 4.2))
    for ax, picture, (_, answer) in zip(axes.flat, unseen.items, answers.iterrows()):
        ax.imshow(picture, cmap="gray")
        letter = answer["prediction"]
        ax.set_title(f"{letter}  {answer[f'p({letter})']:.2f}", fontsize=10)
        ax.axis("off")
    figure.suptitle("Letters never seen in training, with the answer and its probability")
    save(figure, "xo.png")
    kernels = classifier.network_.backbone.blocks[0].convs[0][0].weight.detach()[:, 0].numpy()
    figure, axes = plt.subplots(2, 8, figsize=(12, 3.4))
    limit = np.abs(kernels).max()
    for ax, kernel in zip(axes.flat, kernels):
        ax.imshow(kernel, cmap="PuOr", vmin=-limit, vmax=limit)
        ax.axis("off")
    figure.suptitle("The sixteen kernels of the first convolution: nobody designed them")
    save(figure, "kernels.png")


def draw_sounds(classifier, unheard) -> None:
    """Draw one spectrogram of each kind, as the network sees it, with time and frequency on the axes."""
    adapter = classifier.adapter_
    frontend = adapter.frontend()
    kinds = sorted(set(unheard.labels))
    figure, axes = plt.subplots(1, len(kinds), figsize=(12, 3.2), sharey=True)
    for ax, kind in zip(axes, kinds):
        index = int(np.flatnonzero(unheard.labels == kind)[0])
        grid = frontend(torch.from_numpy(adapter.encode(unheard.items[index])))[0, 0]
        seconds = grid.shape[1] * adapter.spec_.axes[1].step
        ax.imshow(grid, origin="lower", aspect="auto", extent=(0, seconds, 0, grid.shape[0]), cmap="magma")
        ax.set_title(f"{kind}, answer: {classifier.predict([unheard.items[index]])[0]}")
        ax.set_xlabel("time (s)")
    axes[0].set_ylabel("frequency (mel band)")
    save(figure, "tones.png")


def draw_confusion(classifier, unread) -> None:
    """Draw the confusion matrix of the sentences."""
    figure, ax = plt.subplots(figsize=(4.4, 4))
    ConfusionMatrixDisplay.from_predictions(unread.labels, classifier.predict(unread.items), ax=ax, colorbar=False)
    ax.set_title("word_order: answers on unseen sentences")
    save(figure, "word_order.png")


def save(figure, name: str) -> None:
    """Write a figure to the demo folder."""
    figure.tight_layout()
    figure.savefig(FOLDER / name, dpi=110)
    plt.close(figure)


def sound_adapter(data) -> AudioAdapter:
    """Return an adapter for waveforms in memory, which cannot say their own rate."""
    return AudioAdapter(sample_rate=data.sample_rate)


def main() -> None:
    """Train on three modalities, refuse a fourth, print what came out."""
    FOLDER.mkdir(exist_ok=True)
    console = Console(width=110)
    table = Table("data", "grid", "parameters", "train / unseen", "accuracy", "bag of words", "seconds")
    jobs = [
        ("xo (pictures)", datasets.xo, 2000, lambda data: ImageAdapter(), {"epochs": 5}, draw_pictures),
        (
            "tones (sound)",
            datasets.tones,
            800,
            sound_adapter,
            {"epochs": 10},
            draw_sounds,
        ),
        ("word_order (text)", datasets.word_order, 2000, lambda data: TextAdapter(), {}, draw_confusion),
    ]
    for name, make, n_items, adapter, settings, draw in jobs:
        learning, unseen = make(n_items, random_state=0), make(500, random_state=1)
        console.print(f"training on {name} …")
        started = time.perf_counter()
        classifier = GridClassifier(adapter=adapter(learning), **settings).fit(learning.items, learning.labels)
        seconds = time.perf_counter() - started
        classifier.save(FOLDER / f"{make.__name__}.safetensors")
        draw(classifier, unseen)
        bag = ""
        if learning.modality == "text":
            words = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(learning.items, learning.labels)
            bag = f"{words.score(unseen.items, unseen.labels):.3f}"
        table.add_row(
            name, str(classifier.adapter_.spec_), f"{classifier.n_parameters_:,}", f"{len(learning)} / {len(unseen)}",
            f"{classifier.score(unseen.items, unseen.labels):.3f}", bag, f"{seconds:.0f}",
        )  # fmt: skip
    grades = datasets.grades()
    try:
        GridClassifier().fit(grades.items, grades.labels)
    except OrderingError as refusal:
        table.add_row("grades (a table)", "none", "", f"{len(grades)} / –", "refused", "", "0")
        console.print(table)
        console.print(f"grades was refused: {refusal}", highlight=False)
    console.print(f"pictures and models: {FOLDER}/", highlight=False)


if __name__ == "__main__":
    main()
