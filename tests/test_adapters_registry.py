"""The registry of adapters: built-in ones, those of other packages, and nothing that merely a file names."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gridcnn import adapters
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TableAdapter, TextAdapter
from gridcnn.errors import ConfigurationError

BUILT_IN = [ArrayAdapter, AudioAdapter, ImageAdapter, TableAdapter, TextAdapter]

SMELLS = """
from gridcnn.adapters import ArrayAdapter

class SmellAdapter(ArrayAdapter):
    modality = "smell"

class ImageAdapter(ArrayAdapter):
    modality = "smell of a picture"

class Unannounced(ArrayAdapter):
    pass
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install a distribution `gridcnn-smells` that announces adapters of its module `smells`."""

    def write(*announced: str, source: str = SMELLS) -> None:
        (tmp_path / "smells.py").write_text(source)
        metadata = tmp_path / "gridcnn_smells-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: gridcnn-smells\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("\n".join(["[gridcnn.adapters]", *announced]))
        monkeypatch.syspath_prepend(str(tmp_path))
        adapters._installed.cache_clear()

    yield write
    monkeypatch.undo()
    adapters._installed.cache_clear()
    sys.modules.pop("smells", None)


def test_built_in_adapters_are_found_by_name_and_modality() -> None:
    assert [name for name in adapters.names()[:6] if name != "LogAdapter"] == [kind.__name__ for kind in BUILT_IN]
    assert adapters.by_name("LogAdapter").modality == "array"
    assert [adapters.by_name(kind.__name__) for kind in BUILT_IN] == BUILT_IN
    modalities = ("array", "sound", "image", "table", "text")
    assert [adapters.for_modality(modality) for modality in modalities] == BUILT_IN
    assert {adapters.provider(kind) for kind in BUILT_IN} == {"gridcnn"}


@pytest.mark.parametrize("entry_point", ["smell", "SmellAdapter"])
def test_an_adapter_of_another_package_is_found_by_its_class_its_entry_point_and_its_modality(
    install: Callable[..., None], entry_point: str
) -> None:
    install(f"{entry_point} = smells:SmellAdapter")

    kind = adapters.by_name("SmellAdapter")
    assert (kind.__module__, kind.__name__) == ("smells", "SmellAdapter")
    assert adapters.by_name(entry_point) is adapters.for_modality("smell") is kind
    assert {"SmellAdapter", entry_point} <= set(adapters.names())
    assert adapters.provider(kind) == "gridcnn-smells"


def test_a_fitted_adapter_of_another_package_is_rebuilt_from_plain_values(install: Callable[..., None]) -> None:
    install("smell = smells:SmellAdapter")
    row = np.arange(5.0)
    fitted = adapters.by_name("smell")().fit([row, -row])
    settings, state = json.loads(json.dumps([fitted.get_params(), fitted.state()]))
    again = adapters.from_state(type(fitted).__name__, settings, state)

    assert type(again) is type(fitted)
    assert again.state() == fitted.state()


def test_no_package_takes_the_name_of_a_built_in_adapter(install: Callable[..., None]) -> None:
    install("ImageAdapter = smells:ImageAdapter")

    assert adapters.by_name("ImageAdapter") is ImageAdapter
    assert adapters.for_modality("image") is ImageAdapter
    assert adapters.names().count("ImageAdapter") == 1


@pytest.mark.parametrize("name", ["Unannounced", "smells:Unannounced", "smells.Unannounced", "smells", "os.system", ""])
def test_a_name_that_no_package_announces_imports_nothing(install: Callable[..., None], name: str) -> None:
    install("smell = smells:SmellAdapter")

    with pytest.raises(ConfigurationError, match=r"there are ArrayAdapter, .*TextAdapter, SmellAdapter, smell$"):
        adapters.from_state(name, {}, {})
    assert "smells" not in sys.modules


def test_an_unknown_modality_lists_the_known_ones(install: Callable[..., None]) -> None:
    install("smell = smells:SmellAdapter")

    with pytest.raises(ConfigurationError, match=r"no adapter for 'taste'.* image, sound, table, text, smell$"):
        adapters.for_modality("taste")


def test_a_package_that_cannot_be_imported_is_named(install: Callable[..., None]) -> None:
    install("smell = smells:SmellAdapter", source="raise RuntimeError('no nose')")

    with pytest.raises(ConfigurationError, match=r"'smell' of the package 'gridcnn-smells' cannot be .*: no nose"):
        adapters.by_name("smell")


def test_the_provider_of_an_adapter_that_nobody_announces_is_its_own_module(install: Callable[..., None]) -> None:
    install("SmellAdapter = smells:SmellAdapter")
    mine = type("SmellAdapter", (ArrayAdapter,), {"__module__": "__main__"})  # of the same name
    other = type("SmellAdapter", (ArrayAdapter,), {"__module__": "noses.adapters"})

    assert adapters.provider(mine) == ""
    assert adapters.provider(other) == "noses"
