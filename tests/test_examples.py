"""The examples run, on a small part of their data, and print a score."""

import importlib.util
from pathlib import Path

import pytest

from gridcnn.adapters import AudioAdapter, ImageAdapter

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize(
    ("name", "n_items", "least"),
    [("x_or_o", 300, 0.7), ("spoken_digits", 40, 0.3), ("questions", 600, 0.4), ("sklearn_pipeline", 120, 0.55)],
)
def test_an_example_runs_on_a_small_part(name, n_items, least, capsys, monkeypatch):
    monkeypatch.delenv("GRIDCNN_DATA", raising=False)
    monkeypatch.setattr("gridcnn.training.folds.MOST_FOLDED", 0)  # one training instead of five
    for kind in (ImageAdapter, AudioAdapter):  # few kernels: fast to train, and to draw
        usual = kind.defaults
        monkeypatch.setattr(kind, "defaults", lambda self, n, usual=usual: {**usual(self, n), "kernels": (6, 6)})
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main(n_items) >= least
    assert "accuracy" in capsys.readouterr().out or name == "questions"


@pytest.mark.parametrize("name", ["x_or_o", "spoken_digits", "questions", "sklearn_pipeline"])
def test_an_example_is_short_and_uses_public_names_only(name):
    source = (EXAMPLES / f"{name}.py").read_text()
    assert len(source.splitlines()) < 80
    assert "import _" not in source
    assert "Score: " in source
