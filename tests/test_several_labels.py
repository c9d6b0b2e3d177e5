"""Models with several labels an item at the command line: names of scores, events, background, reviews, going on."""

from __future__ import annotations

import csv
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridcnn import FittedModel, fit, save
from gridcnn.adapters import TextAdapter
from gridcnn.evaluation.label_sets_report import make_label_set_report
from gridcnn.export.card import model_card

Run = Callable[..., Any]
WORDS = {"weather": ["rain", "storm", "sunny", "wind", "cloud"], "food": ["bread", "soup", "apple", "cheese", "rice"]}


def sentences(n: int, seed: int = 0, words: dict[str, list[str]] | None = None) -> tuple[list[str], list[list[str]]]:
    """Return sentences about some of the topics, and which: some are about none."""
    rng, words = np.random.default_rng(seed), words or WORDS
    items, labels = [], []
    for _ in range(n):
        own = [name for name in words if rng.random() < 0.5]
        said = [str(rng.choice(words[name])) for name in own for _ in range(2)]
        filler = [str(each) for each in rng.choice(["we", "saw", "it", "today", "and", "then"], 5)]
        items.append(" ".join(rng.permutation([*said, *filler])))
        labels.append(own)
    return items, labels


@pytest.fixture(scope="module")
def model() -> FittedModel:
    return fit(TextAdapter(), *sentences(160), {"epochs": 3})


@pytest.fixture
def news(tmp_path: Path) -> Path:
    items, labels = sentences(160)
    place = tmp_path / "news.csv"
    pd.DataFrame({"text": items, "topics": ["|".join(each) for each in labels]}).to_csv(place, index=False)
    return place


# ---- the name of the score ------------------------------------------------------------------------------------------


def test_the_ranking_precision_is_called_so_in_progress_history_and_trackers(
    run: Run, news: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []

    class SummaryWriter:
        def __init__(self, folder: str) -> None:
            pass

        def add_scalar(self, name: str, value: float, step: int) -> None:
            logged.append(name)

        def flush(self) -> None:
            pass

    fake = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = SummaryWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    command = ("train", news, "--text", "text", "--labels", "topics", "--epochs", 2)
    done = run(*command, "--log", "tensorboard:logs", "-o", tmp_path / "m.safetensors")
    assert done.code == 0, done.err
    assert "validation ranking precision" in done.err
    assert "accuracy" not in done.err
    with (tmp_path / "m.history.csv").open(newline="") as file:
        columns = csv.DictReader(file).fieldnames
    assert columns == [
        "epoch", "loss", "ranking_precision", "validation_loss", "validation_ranking_precision", "learning_rate",
        "seconds", "samples_per_second",
    ]  # fmt: skip
    assert {name.partition("/")[2] for name in logged} == {*columns} - {"epoch", "seconds"}


def test_a_model_card_leads_with_the_mean_average_precision(model: FittedModel) -> None:
    report = make_label_set_report(model, *sentences(60, seed=1), source="held.csv")
    card = model_card(model, name="topics", evaluation=report)
    assert 'metrics:\n- "average_precision"' in card
    assert f"value: {report.scores.mean_average_precision:.4f}" in card
    assert f"| held-out items of held.csv | {report.scores.mean_average_precision:.4f} |" in card
    assert "| all labels right |" in card
    assert "of every label of every item" in card
    weather = next(row for row in report.scores.classes if row.name == "weather")
    assert f"| weather | {weather.average_precision:.3f} | {weather.threshold:.2f} |" in card
    assert "accuracy" not in card.replace("accuracy alone is misleading", "")


def test_push_scores_a_model_of_several_labels_for_its_card(
    run: Run, model: FittedModel, news: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(model, tmp_path / "m.safetensors")
    cards: list[str] = []

    def upload(place: Any, repository: str, *, evaluation: Any, **others: Any) -> Any:
        cards.append(model_card(model, name=repository, evaluation=evaluation))
        return types.SimpleNamespace(files=["README.md"], url="https://hub/me/topics", without_onnx="")

    monkeypatch.setattr("gridcnn.export.hub.push", upload)
    done = run("push", tmp_path / "m.safetensors", "me/topics", "--test", news, "--text", "text", "--labels", "topics")
    assert done.code == 0, done.err
    assert "held-out items of news.csv" in cards[0]
    assert "160 of the 160 items were used in training" in cards[0]
