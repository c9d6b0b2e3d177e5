"""Models that a stranger made to do harm: each is refused with its own error, at once, and in little memory."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from gridcnn import GridClassifier, bundle, fit
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TableAdapter, TextAdapter
from gridcnn.errors import BundleError, ConfigurationError, NotABundleError, TamperedBundleError, TruncatedBundleError
from gridcnn.export.card import model_card
from gridcnn.inference import predict
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.config import BackboneConfig
from gridcnn.network.sizes import weight_shapes
from gridcnn.pipeline.sealed import unsealed, write_sealed

QUICK: dict[str, Any] = {"epochs": 1, "kernels": (2,), "validation_fraction": 0, "cache": False}
MOST_MEGABYTES = 700
"""What loading any of the hostile files may take beside the program itself."""


def by_path(name: str) -> ModuleType:
    """Import a file of benchmarks/."""
    place = Path(__file__).parent.parent / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MUTATIONS = by_path("bundle_mutations")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small bundle of each adapter."""
    rng = np.random.default_rng(0)
    series, kinds = rng.normal(size=(4, 2, 12)).cumsum(axis=2), ["a", "b"] * 2
    made = {
        "picture": fit(ImageAdapter(size=8), list(rng.integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)), kinds, QUICK),
        "sound": fit(
            AudioAdapter(1_000, duration=0.2, n_mels=4), list(series.reshape(4, -1).repeat(9, 1)), kinds, QUICK
        ),
        "text": fit(TextAdapter(min_count=1, embedding_dim=2), ["the dog bites", "man and dog"] * 2, kinds, QUICK),
        "array": fit(ArrayAdapter(("channels", "time")), series, kinds, QUICK),
        "table": fit(TableAdapter(ordering="assume"), series[:, 0], kinds, QUICK),
    }
    folder, contents = tmp_path_factory.mktemp("models"), {}
    for name, model in made.items():
        bundle.save(model, folder / name)
        contents[name] = (folder / name).read_bytes()
    return contents


def load(content: bytes) -> Any:
    return bundle.opened(unsealed(content, "gridcnn", bundle.FORMAT_VERSION, "file"), "file")


Edit = Callable[[dict[str, Any]], object]


def edited(content: bytes, edit: Edit, *, header: bool = False) -> bytes:
    """Return a bundle with another description, or another header, and a digest that fits."""
    parts = MUTATIONS.taken_apart(content, "gridcnn")
    edit(parts.header if header else parts.description)
    made: bytes = MUTATIONS.put_together(parts, "gridcnn")
    return made


def state(**values: Any) -> Edit:
    return lambda description: description["adapter"]["state"].update(values)


def put(*path: str | int, to: Any) -> Edit:
    """Return an edit that sets what stands at a path."""

    def edit(values: Any) -> None:
        for key in path[:-1]:
            values = values[key]
        values[path[-1]] = to

    return edit


HOSTILE_STATE: list[tuple[str, dict[str, Any]]] = [
    ("picture", {"height_": 10**9}),
    ("picture", {"height_": 4096, "width_": 4097}),
    ("picture", {"height_": -1}),
    ("picture", {"height_": 8.0}),
    ("picture", {"height_": True}),
    ("picture", {"height_": "8"}),
    ("picture", {"height_": None}),
    ("picture", {"colour_": 1}),
    ("picture", {"mean_": [0.5]}),
    ("picture", {"std_": [0.0, 1.0, 1.0]}),
    ("picture", {"std_": [float("nan")] * 3}),
    ("picture", {"mean_": [[1.0]] * 3}),
    ("picture", {"pixel_ranges_": {"whole": {"low": 0}}}),
    ("picture", {"pixel_ranges_": {"other": {"low": 0, "high": 1, "levels": 2, "clipped": 0}}}),
    ("picture", {"survey_": {}}),
    ("picture", {"survey_": None}),
    ("sound", {"sample_rate_": 10**9}),
    ("sound", {"sample_rate_": 0}),
    ("sound", {"samples_": 2**40}),
    ("sound", {"samples_": 1}),
    ("sound", {"n_fft_": 2**30}),
    ("sound", {"n_fft_": 1_024}),  # longer than the window
    ("sound", {"n_mels_": 10**8}),
    ("sound", {"hop_length_": 0}),
    ("sound", {"hop_length_": -5}),
    ("sound", {"hop_length_": 10**7}),
    ("sound", {"sample_rate_": 10**6, "samples_": 2**22, "n_fft_": 65_536, "hop_length_": 1}),
    ("sound", {"f_min_": 500.0, "f_max_": 20.0}),
    ("sound", {"f_max_": float("inf")}),
    ("sound", {"survey_": {"rates": [[1]]}}),
    ("text", {"length_": 10**9}),
    ("text", {"length_": 0}),
    ("text", {"embedding_dim_": 10**9}),
    ("text", {"embedding_dim_": 60_000}),  # allowed, but not what the tensors have
    ("text", {"vocabulary_": ["a"] * 10**5}),
    ("text", {"vocabulary_": [1, 2]}),
    ("text", {"vocabulary_": "abc"}),
    ("text", {"pieces_": [None]}),
    ("text", {"tokens_": "line"}),
    ("array", {"sizes_": [2, 10**9]}),
    ("array", {"sizes_": [2]}),
    ("array", {"sizes_": [2, 12.5]}),
    ("array", {"mean_": [[10**400], [0.0]]}),
    ("array", {"mean_": [[0.0]]}),
    ("array", {"mean_": [[0.0], [[]]]}),
    ("array", {"std_": [[0.0], [1.0]]}),
    ("array", {"limit_": float("nan")}),
    ("array", {"bounds_": []}),
    ("array", {"scaling_": "cell"}),
    ("array", {"columns_": ["a"]}),
    ("array", {"remarks_": [{}]}),
    ("table", {"shape_": [10**9]}),
    ("table", {"shape_": [0]}),
    ("table", {"shape_": [3, 4, 1, 1]}),
    ("table", {"shape_": [4, 3]}),
    ("table", {"layout_": {"axes": ["position"], "cells": [0, 1], "n_columns": 10**12, "filling": None}}),
    ("table", {"layout_": {"axes": ["position"], "cells": [-1, 1], "n_columns": 2, "filling": None}}),
    ("table", {"layout_": {"axes": ["channels"], "cells": [0, 1], "n_columns": 2, "filling": None}}),
    ("table", {"layout_": {"axes": ["position"], "cells": [[0, 1]], "n_columns": 2, "filling": None}}),
    ("table", {"layout_": {"axes": ["position"], "cells": [0, 5], "n_columns": 2, "filling": None}}),
]


@pytest.mark.parametrize(("which", "changed"), HOSTILE_STATE, ids=lambda value: str(value)[:60])
def test_a_fitted_state_that_no_fit_has_learned_is_refused(models: Any, which: str, changed: dict[str, Any]) -> None:
    started = time.perf_counter()

    with pytest.raises(TamperedBundleError):
        load(edited(models[which], state(**changed)))

    assert time.perf_counter() - started < 2


HOSTILE_DESCRIPTION: dict[str, Edit] = {
    "kernels of a billion weights": put("backbone", "kernels", to=[2**30]),
    "very many blocks": put("backbone", "kernels", to=[1] * 100_000),
    "a hundred blocks without tensors": put("backbone", "kernels", to=[2] * 100),
    "kernels of another number": put("backbone", "kernels", to=[3]),
    "kernels that are text": put("backbone", "kernels", to="2"),
    "kernels wider than any grid": put("backbone", "kernel_sizes", to=[2**30]),
    "a pool that overflows": put("backbone", "pool_size", to=10**400),
    "dense layers of 2**31": put("backbone", "dense", to=[2**31 - 1, 2**31 - 1]),
    "a hundred convolutions a block": put("backbone", "convs_per_block", to=100),
    "an unknown hyperparameter": put("backbone", "import", to="os"),
    "no backbone": lambda values: values.pop("backbone"),
    "a label twice": put("classes", "labels", to=["a", "a"]),
    "a label more": put("classes", "labels", to=["a", "b", "c"]),
    "no label": put("classes", "labels", to=[]),
    "labels of another type": put("classes", "labels", to=[1, 2]),
    "labels of objects": put("classes", "kind", to="O"),
    "labels that nest": put("classes", "labels", to=[["a"], ["b"]]),
    "long labels of many classes": put("classes", "labels", to=["x" * 10**6, *map(str, range(10_000))]),
    "a huge number as a label": lambda values: values.update(classes={"kind": "i", "labels": [1, 10**30]}),
    "an axis that no grid has": put("flip_axes", to=["depth"]),
    "axes in one string": put("flip_axes", to="time"),
    "a history that is no list": put("history", to={"a": 1}),
    "a short record": put("history", to=[[1, 2.0]]),
    "a record of texts": put("history", to=[["1"] * 8]),
    "epoch NaN": put("history", to=[[float("nan")] * 8]),
    "epoch infinity": put("history", to=[[float("inf")] * 8]),
    "a best epoch that is text": put("best_epoch", to="9"),
    "interrupted perhaps": put("interrupted", to="no"),
    "a score that is text": put("scores", to={"validation_accuracy": "<b>"}),
    "a baseline without parts": put("scores", to={"baseline": {"name": "x"}}),
    "counts below nothing": put("summary", "class_counts", to={"a": -1}),
    "versions that nest": put("summary", "versions", to={"torch": {}}),
    "a summary that is a list": put("summary", to=[]),
    "a folder for the cache": put("parameters", "cache", to="/"),
    "a million threads": put("parameters", "n_jobs", to=10**6),
    "weights of classes that are none": put("parameters", "class_weight", to=[["a"]]),
    "a name that is no adapter's settings": put("adapter", "settings", "os", to=1),
    "settings that are a list": put("adapter", "settings", to=[]),
    "state that is missing": put("adapter", "state", to={}),
    "an adapter without a name": lambda values: values["adapter"].pop("name"),
    "a temperature of nothing": put("certainty", "temperature", to=0),
    "a temperature that is NaN": put("certainty", "temperature", to=float("nan")),
    "certainty about other classes": lambda values: values["certainty"].update(target=[9], miss=[0.1], doubt=[0.1]),
    "certainty of infinitely many": put("certainty", "n_items", to=float("inf")),
    "certainty that is text": put("certainty", to="sure"),
    "a background that is no class": put("parameters", "background", to="nothing"),
}


@pytest.mark.parametrize("name", HOSTILE_DESCRIPTION)
def test_a_description_that_makes_no_sense_is_refused(models: Any, name: str) -> None:
    started = time.perf_counter()

    with pytest.raises(TamperedBundleError):
        load(edited(models["array"], HOSTILE_DESCRIPTION[name]))

    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("name", ["os", "subprocess.Popen", "../evil", "__main__", "Adapter", "gridcnn.adapters.image"])
def test_no_module_is_imported_because_a_file_names_it(models: Any, name: str) -> None:
    known = set(sys.modules)

    with pytest.raises(BundleError, match="needs the adapter"):
        load(edited(models["array"], put("adapter", "name", to=name)))

    assert set(sys.modules) == known


def repeat_offsets(header: dict[str, Any]) -> None:
    first, second = sorted(set(header) - {"__metadata__"}, key=lambda name: header[name]["data_offsets"])[:2]
    header[second]["data_offsets"] = header[first]["data_offsets"]


def leave_a_hole(header: dict[str, Any]) -> None:
    last = max(set(header) - {"__metadata__"}, key=lambda name: header[name]["data_offsets"])
    header[last]["data_offsets"][0] += 4
    header[last]["data_offsets"][1] += 4


HOSTILE_HEADER: dict[str, Edit] = {
    "a shape larger than its numbers": put("fingerprints", "shape", to=[10**9, 16]),
    "a shape that overflows": put("fingerprints", "shape", to=[2**62, 2**62]),
    "a shape below nothing": put("fingerprints", "shape", to=[-4, -16]),
    "a shape of no numbers": put("fingerprints", "shape", to=[0, 10**15]),
    "fingerprints in a row": put("fingerprints", "shape", to=[64]),
    "fingerprints of another type": put("fingerprints", "dtype", to="I8"),
    "fingerprints that are missing": lambda header: header.update(other=header.pop("fingerprints")),
    "weights of another type": put("network.backbone.output.weight", "dtype", to="I32"),
    "weights of an unknown type": put("network.backbone.output.weight", "dtype", to="F4"),
    "weights under another name": lambda header: header.update(
        {"network.backbone.extra": header.pop("network.backbone.output.bias")}
    ),
    "tensors that overlap": repeat_offsets,
    "a hole between tensors": leave_a_hole,
    "offsets that are text": put("fingerprints", "data_offsets", to=["0", "64"]),
    "offsets that are infinite": put("fingerprints", "data_offsets", to=[0, float("inf")]),
    "metadata that are a list": put("__metadata__", to=[1]),
    "a format that is no number": put("__metadata__", "gridcnn_format", to="²"),
    "a format of many digits": put("__metadata__", "gridcnn_format", to="5" * 5_000),
}


@pytest.mark.parametrize("name", HOSTILE_HEADER)
def test_a_header_that_lies_is_refused(models: Any, name: str) -> None:
    with pytest.raises((TamperedBundleError, TruncatedBundleError, NotABundleError)):
        load(edited(models["array"], HOSTILE_HEADER[name], header=True))


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_weights_that_are_not_finite_are_refused(models: Any, tmp_path: Path, number: str) -> None:
    values, tensors = unsealed(models["array"], "gridcnn", bundle.FORMAT_VERSION, "file")
    tensors["network.backbone.output.weight"][0, 0] = float(number)
    write_sealed(tmp_path / "m", "gridcnn", bundle.FORMAT_VERSION, values, tensors)

    with pytest.raises(TamperedBundleError, match="infinite or NaN"):
        bundle.load(tmp_path / "m")


@pytest.mark.parametrize("part", ["header", "description"])
def test_a_key_that_stands_there_twice_is_refused(models: Any, part: str) -> None:
    text = json.dumps(MUTATIONS.taken_apart(models["array"], "gridcnn").header)
    if part == "header":
        text = text.replace('{"__metadata__"', '{"__metadata__": {}, "__metadata__"', 1)
    else:
        text = text.replace('"gridcnn": "{', '"gridcnn": "{\\"adapter\\": {}, ', 1)
    parts = MUTATIONS.taken_apart(models["array"], "gridcnn")
    content = len(text.encode()).to_bytes(8, "little") + text.encode() + parts.body

    with pytest.raises(TamperedBundleError):
        load(content)


def with_header(text: bytes, body: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text + body


def bomb(inside: str) -> bytes:
    """Return a bundle whose description is that text."""
    metadata = {"gridcnn": inside, "gridcnn_format": str(bundle.FORMAT_VERSION), "gridcnn_digest": ""}
    return with_header(json.dumps({"__metadata__": metadata}).encode())


def test_files_that_would_unfold_to_gigabytes_take_little_memory_and_time(models: Any, tmp_path: Path) -> None:
    nothing = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    many = json.dumps({f"t{at}": nothing for at in range(80_000)})
    large = {
        "lists in the header": with_header(b'{"a":[' + b"[]," * 15_000_000 + b"[]]}"),
        "objects in the header": with_header(b'{"a":[' + b"{}," * 5_000_000 + b"{}]}"),
        "nested without end": with_header(b'{"a":' + b"[" * 1_000_000),
        "lists in the description": bomb('{"a":[' + "[]," * 15_000_000 + "[]]}"),
        "a header of 2**63 bytes": (2**63 - 1).to_bytes(8, "little") + b"{",
        "a number of many digits": with_header(b'{"a":' + b"9" * 10_000_000 + b"}"),
        "tensors of nothing": with_header(many.encode()),
        "a vocabulary of a claimed 4 GB": edited(
            models["text"], state(vocabulary_=[f"w{at}" for at in range(30_000)], embedding_dim_=32_768)
        ),
        "labels as wide as the longest": edited(
            models["array"], put("classes", "labels", to=["x" * 200_000, *map(str, range(20_000))])
        ),
        "an enormous series": edited(models["array"], state(sizes_=[2, 2**29])),
    }
    for number, content in enumerate(large.values()):
        (tmp_path / f"{number}.safetensors").write_bytes(content)
    program = """
import resource, sys, time
from gridcnn import bundle
from gridcnn.errors import BundleError
place, most = sys.argv[1], int(sys.argv[2])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + most * 2**20,) * 2)
for number in range(int(sys.argv[3])):
    started = time.perf_counter()
    try:
        bundle.load(f"{place}/{number}.safetensors")
        print(number, "loaded")
    except BundleError:
        print(number, "refused" if time.perf_counter() - started < 10 else "slow")
    except MemoryError:
        print(number, "memory")
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", program, str(tmp_path), str(MOST_MEGABYTES), str(len(large))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    said = dict(line.split() for line in done.stdout.splitlines())
    assert {name: said.get(str(at)) for at, name in enumerate(large)} == dict.fromkeys(large, "refused"), done.stderr


def test_what_a_later_version_adds_is_passed_over(models: Any) -> None:
    content = edited(models["array"], lambda values: values.update(later={"x": [1]}, extra=None))

    assert load(content).class_names == ["a", "b"]


def test_a_bundle_without_certainty_is_read(models: Any) -> None:
    assert load(edited(models["array"], lambda values: values.pop("certainty", None))).class_names == ["a", "b"]


def test_paths_in_a_file_are_not_followed(models: Any, tmp_path: Path) -> None:
    (tmp_path / "vectors.txt").write_text("dog 1 2\n")
    model = load(edited(models["text"], put("adapter", "settings", "vectors", to=str(tmp_path / "vectors.txt"))))

    assert model.adapter.vectors == "vectors.txt"


def test_a_saved_model_names_no_folder_of_checkpoints(models: Any, tmp_path: Path) -> None:
    content = edited(
        models["array"], lambda values: values["parameters"].update(checkpoint_dir="/x", checkpoint_every=1.0)
    )

    assert not {"checkpoint_dir", "checkpoint_every"} & load(content).parameters.keys()


def test_parameters_that_nobody_knows_are_named_by_the_classifier(models: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(edited(models["array"], put("parameters", "__class__", to=1)))

    with pytest.raises(BundleError, match="__class__"):
        GridClassifier.load(path)


@pytest.mark.parametrize("name", ["\x1b[2J\x1b]0;owned\x07", "<script>alert(1)</script>", "a\nb", "\u202e", "\ud800"])
def test_names_of_classes_reach_neither_terminal_nor_page_as_they_are(
    models: Any, tmp_path: Path, run: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(edited(models["text"], put("classes", "labels", to=[name, "b"])))
    (tmp_path / "x.txt").write_text("the dog\n")

    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout.isatty", lambda: True, raising=False)
        answered = run("predict", path, tmp_path / "x.txt")
    explained = run("explain", path, "the dog", "-o", tmp_path / "page.html")

    assert explained.code == 0
    assert not {"\x1b", "\x07", "\u202e"} & {*explained.out, *explained.err, *answered.out, *answered.err}
    page = (tmp_path / "page.html").read_text(encoding="utf-8", errors="replace")
    assert "<script>alert" not in page
    assert "<script>alert" not in model_card(load(path.read_bytes()), name="x")


@pytest.mark.parametrize("axes", [("length",), ("height", "width")])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"kernels": (3, 4), "kernel_sizes": (3, 5), "dense": (6, 7)},
        {"kernels": (3,), "convs_per_block": 3, "batch_norm": False, "head": "global_max"},
        {"kernels": (2, 2), "padding": "valid", "pool_size": 3, "pool_stride": 2, "head": "global_average"},
    ],
)
def test_shapes_are_known_before_a_network_is_made(axes: tuple[str, ...], config: dict[str, Any]) -> None:
    spec = ArrayAdapter(("channels", *axes)).fit(np.random.default_rng(0).normal(size=(3, 2, *[17] * len(axes)))).spec_
    settings = BackboneConfig(**config)

    found = {name: tuple(each.shape) for name, each in ConvPoolDense(spec, settings, 5).state_dict().items()}

    assert weight_shapes(spec, settings, 5) == found


@pytest.mark.parametrize(
    ("sizes", "config"),
    [
        ((2**15, 2**15), {"kernels": (1,)}),
        ((4_096, 4_096), {"kernels": (64,)}),
        ((3_000, 3_000), {"kernels": (50, 1000, 8)}),
    ],
)
def test_a_network_that_takes_gigabytes_or_hours_for_one_grid_is_not_built(sizes: Any, config: dict[str, Any]) -> None:
    from gridcnn.grid import GridSpec

    spec = GridSpec.of("colour", 3, height=sizes[0], width=sizes[1])

    with pytest.raises(ConfigurationError, match="multiply-adds for one grid"):
        ConvPoolDense(spec, BackboneConfig(head="global_max", **config), 2)


@pytest.mark.parametrize("which", ["picture", "sound", "text", "array", "table"])
def test_an_honest_model_comes_through_every_check_and_answers(models: Any, which: str) -> None:
    model = load(models[which])
    items = model.adapter.check_items(model.adapter.trial_items(np.random.default_rng(0)))[:2]

    assert predict(model, items).good.any()


def test_thousands_of_changed_models_raise_nothing_but_their_own_error(models: Any, monkeypatch: Any) -> None:
    passed = []

    def stop(*parts: object) -> None:
        passed.append(parts)
        raise BundleError("all checks passed")

    monkeypatch.setattr(bundle, "_made", stop)
    mutate, random_ = MUTATIONS.Mutator(list(models.values()), "gridcnn"), random.Random(0)
    said: dict[str, int] = {}
    for _ in range(400):
        content = random_.choice(list(models.values()))
        for _ in range(5):
            content = mutate(content, 32_768, random_.getrandbits(32))
            try:
                load(content)
            except BundleError as error:
                said[type(error).__name__] = said.get(type(error).__name__, 0) + 1

    assert sum(said.values()) == 2_000
    assert {"TamperedBundleError", "TruncatedBundleError", "NotABundleError"} <= set(said)
    assert 20 < len(passed) < 1_000  # or the changes would be too strong, or too weak
