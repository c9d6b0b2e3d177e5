"""A modality in one file: protein sequences are trained, saved, loaded elsewhere, predicted, explained and reported."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import gridcnn
from gridcnn import adapters
from gridcnn.errors import MissingAdapterError
from gridcnn.evaluation.report import make_report
from gridcnn.render.explain_page import explain_page
from gridcnn.render.report_page import report_page

ADAPTER = '''
"""Protein sequences: each amino acid is a cell with three chemical properties."""

from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from gridcnn.adapters.base import Adapter, Preview
from gridcnn.errors import DataError, ItemError
from gridcnn.grid import Axis, GridSpec

ACIDS = "ARNDCQEGHILKMFPSTWYV"
HYDROPATHY = dict(zip(ACIDS, (1.8, -4.5, -3.5, -3.5, 2.5, -3.5, -3.5, -0.4, -3.2, 4.5, 3.8, -3.9, 1.9, 2.8, -1.6, -0.8,
                              -0.7, -0.9, -1.3, 4.2)))
CHARGE = {"D": -1.0, "E": -1.0, "K": 1.0, "R": 1.0, "H": 0.1}


class Properties(nn.Module):
    """Looks up the properties of each amino acid: `(batch, length)` codes to `(batch, 3, length)`."""

    def __init__(self) -> None:
        super().__init__()
        rows = [[HYDROPATHY[acid] / 4.5, CHARGE.get(acid, 0.0), 1.0] for acid in ACIDS]
        self.register_buffer("table", torch.tensor([[0.0, 0.0, 0.0], *rows]))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return self.table[codes.long()].transpose(1, 2)


class ProteinAdapter(Adapter):
    """Turns protein sequences (str of one-letter codes) into grids `(properties, residues)`."""

    modality: ClassVar[str] = "protein"
    noun: str = "protein"
    fitted_attributes: ClassVar[tuple[str, ...]] = ("length_",)
    reads_texts: ClassVar[bool] = True

    def fit(self, items: Any) -> "ProteinAdapter":
        lengths = [len(item) for item in items if isinstance(item, str)]
        if not lengths:
            raise DataError("no item is a protein sequence")
        self.length_ = max(lengths)
        return self

    @property
    def spec_(self) -> GridSpec:
        return GridSpec(Axis("property", 3, ordered=False), (Axis("residue", self.length_),))

    def encode(self, item: Any) -> np.ndarray:
        if not isinstance(item, str) or set(item) - set(ACIDS):
            raise ItemError(item, "expected one-letter codes of amino acids")
        codes = np.zeros((1, self.length_), dtype=np.uint8)
        sequence = item[: self.length_]
        codes[0, : len(sequence)] = [1 + ACIDS.index(acid) for acid in sequence]
        return codes

    def frontend(self) -> nn.Module:
        return Properties()

    def defaults(self, n_items: int) -> dict[str, Any]:
        return {"kernels": (8,), "kernel_sizes": (5,), "head": "global_max", "epochs": 12, "batch_size": 16}

    def preview(self, item: Any) -> Preview:
        return Preview(text=item)
'''


def proteins(n: int = 80) -> tuple[list[str], list[str]]:
    """Return sequences with or without a stretch of lysines, which carries charge."""
    rng = np.random.default_rng(0)
    items, labels = [], []
    for index in range(n):
        letters = rng.choice(list("AGSTVLIND"), size=30)
        if index % 2:
            start = rng.integers(0, 22)
            letters[start : start + 6] = list("KKKRKK")
        items.append("".join(letters))
        labels.append("binds DNA" if index % 2 else "other")
    return items, labels


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as pip leaves it behind: the module, and the metadata that announce its adapter."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "gridcnn_proteins.py").write_text(ADAPTER)
    info = folder / "gridcnn_proteins-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gridcnn-proteins\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[gridcnn.adapters]\nProteinAdapter = gridcnn_proteins:ProteinAdapter\n")
    return folder


@pytest.fixture
def installed(package: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(package))
    find = adapters._installed
    find.cache_clear()
    yield
    find.cache_clear()


def test_the_adapter_is_one_file_of_under_100_lines() -> None:
    assert len(ADAPTER.strip().splitlines()) < 100


def test_a_new_modality_is_trained_explained_and_reported(installed: None, package: Path, tmp_path: Path) -> None:
    items, labels = proteins()
    model = gridcnn.fit(adapters.by_name("ProteinAdapter")(), items[:60], labels[:60])
    gridcnn.save(model, tmp_path / "m.safetensors")

    predictions = gridcnn.predict(model, [*items[60:], "not a protein"])
    assert (predictions.labels[:-1] == labels[60:]).mean() >= 0.9
    assert "amino acids" in predictions.errors[-1]
    page = explain_page(model, items[1])
    assert "Why <em>binds DNA</em>?" in page
    report = make_report(model, items[60:], labels[60:], train=(items[:60], labels[:60]))
    assert report.baseline is not None
    least_sure = [*report.mistakes, *report.hits][0]
    assert least_sure.item in report_page(report)
    elsewhere = textwrap.dedent(
        f"""
        import json, sys
        sys.path.insert(0, {str(package)!r})
        import gridcnn
        model = gridcnn.load({str(tmp_path / "m.safetensors")!r})
        print(json.dumps(gridcnn.predict(model, {items[60:]!r}).probabilities.tolist()))
        """
    )
    done = subprocess.run([sys.executable, "-c", elsewhere], capture_output=True, text=True, check=True)
    np.testing.assert_allclose(json.loads(done.stdout), predictions.probabilities[:-1], atol=1e-6)


def test_the_command_line_takes_the_adapter_by_its_name(installed: None, run, tmp_path: Path) -> None:
    items, labels = proteins()
    rows = "\n".join(f"{item},{label}" for item, label in zip(items, labels, strict=True))
    (tmp_path / "p.csv").write_text(f"sequence,label\n{rows}\n")
    model = tmp_path / "m.safetensors"

    trained = run("train", tmp_path / "p.csv", "--text", "sequence", "--adapter", "ProteinAdapter", "-o", model, "-q")
    assert trained.code == 0, trained.err
    scored = json.loads(run("evaluate", model, tmp_path / "p.csv", "--text", "sequence", "--json").out)
    assert scored["accuracy"] >= 0.9
    assert scored["trained_on"] == scored["n_items"] == 80


def test_a_bundle_whose_adapter_is_not_installed_names_the_package(
    installed: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    items, labels = proteins(20)
    path = tmp_path / "m.safetensors"
    gridcnn.save(gridcnn.fit(adapters.by_name("ProteinAdapter")(), items, labels, {"epochs": 1}), path)
    monkeypatch.setattr(adapters, "_installed", dict)

    with pytest.raises(MissingAdapterError, match="'gridcnn-proteins'") as missing:
        gridcnn.load(path)
    assert (missing.value.adapter, missing.value.package) == ("ProteinAdapter", "gridcnn-proteins")


def test_a_bundle_never_imports_a_module_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The adapter of a bundle is looked up among those announced, even if its module could be imported."""
    program = textwrap.dedent(
        f"""
        import gridcnn
        from gridcnn_proteins import ProteinAdapter
        model = gridcnn.fit(ProteinAdapter(), ["ARND", "KKKK"] * 10, ["a", "b"] * 10, {{"epochs": 1}})
        gridcnn.save(model, {str(tmp_path / "m.safetensors")!r})
        """
    )
    monkeypatch.delitem(sys.modules, "gridcnn_proteins", raising=False)
    (tmp_path / "m.py").write_text(program)
    (tmp_path / "gridcnn_proteins.py").write_text(ADAPTER)  # without the metadata that announce it
    done = subprocess.run([sys.executable, "m.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "no installed package announces the adapter ProteinAdapter" in done.stderr

    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingAdapterError):
        gridcnn.load(tmp_path / "m.safetensors")
    assert "gridcnn_proteins" not in sys.modules
