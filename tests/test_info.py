"""What a model says of itself, training like another one, and what is shown around a training."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gridcnn
from gridcnn.grid import GridSpec
from gridcnn.network.backbone import BackboneConfig, ConvPoolDense
from gridcnn.training.cost import device_cost

Run = Callable[..., Any]

WORDS = {"praise": "good coffee <b>", "complaint": "bad tea", "question": "when open"}


def texts(path: Path, labels: tuple[str, ...], n_items: int = 30) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows([f"{WORDS[label]} {index % 7} {index}", label] for index in range(n_items) for label in labels)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from gridcnn.cli import main

    folder = tmp_path_factory.mktemp("trained")
    source = texts(folder / "a.csv", ("praise", "complaint"))
    model = folder / "a.safetensors"
    with pytest.raises(SystemExit) as ended:
        main(["train", str(source), "--text", "text", "-o", str(model), "-q", "--epochs", "2", "--kernels", "5",
              "--tokens", "word", "--seed", "3", "--no-refit"])  # fmt: skip
    assert not ended.value.code
    return model


def test_info_says_what_a_model_is_and_how_to_use_it(run: Run, trained: Path) -> None:
    shown = run("info", str(trained)).out

    assert "sentences (TextAdapter)" in shown
    assert "complaint" in shown
    assert "praise" in shown
    assert "kernels=(5,)" in shown
    assert "random_state=3" in shown
    assert gridcnn.load(trained).digest in shown
    assert f"gridcnn predict {trained}" in shown


def test_info_as_json_is_for_programs(run: Run, trained: Path) -> None:
    facts = json.loads(run("info", str(trained), "--json").out)

    assert facts["digest"] == gridcnn.load(trained).digest
    assert facts["made of"].endswith("held out first")


def test_a_training_like_another_takes_its_settings_and_given_flags_win(
    run: Run, trained: Path, tmp_path: Path
) -> None:
    source, place = texts(tmp_path / "b.csv", ("praise", "question")), tmp_path / "b.safetensors"

    run("train", str(source), "--like", str(trained), "--seed", "4", "-q", "-o", str(place))
    model = gridcnn.load(place)

    assert model.class_names == ["praise", "question"]
    assert model.network.backbone.config.kernels == (5,)
    assert model.recipe["epochs"] == 2
    assert model.adapter.get_params()["tokens"] == "word"
    assert model.parameters["refit"] is False
    assert model.parameters["random_state"] == 4
    assert "from" not in model.summary


def test_going_on_by_the_command_line_names_the_model(run: Run, trained: Path, tmp_path: Path) -> None:
    source, place = texts(tmp_path / "b.csv", ("praise", "complaint", "question")), tmp_path / "b.safetensors"

    told = run("train", str(source), "--from", str(trained), "-q", "-o", str(place)).out
    shown = run("info", str(place)).out

    assert gridcnn.load(place).class_names == ["complaint", "praise", "question"]
    assert f"a.safetensors, digest {gridcnn.load(trained).digest}" in shown
    temperature = gridcnn.load(trained).certainty.temperature
    assert f"no item was held out, so probabilities keep the temperature of the model before, {temperature:.2f}" in told


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--like", "MODEL"], "give one of them"),
        (["--compare"], "leave out --from"),
        (["--tokens", "character"], "tokens"),
    ],
)
def test_flags_that_do_not_fit_a_start_are_refused(
    run: Run, trained: Path, tmp_path: Path, flags: list[str], why: str
) -> None:
    source = texts(tmp_path / "b.csv", ("praise", "complaint"))
    given = [str(trained) if flag == "MODEL" else flag for flag in flags]

    ended = run("train", str(source), "--from", str(trained), *given, "-o", str(tmp_path / "b.safetensors"))

    assert ended.code == 2
    assert why in ended.err
    assert not (tmp_path / "b.safetensors").exists()


def test_models_and_answers_show_themselves_in_notebooks_with_their_text_escaped(trained: Path) -> None:
    model = gridcnn.load(trained)
    answers = gridcnn.predict(model, ["good <script>"])

    assert f"<td style='text-align:left'>{model.digest}</td>" in model._repr_html_()
    assert "&lt;script&gt;" in answers._repr_html_()
    assert "<script>" not in answers._repr_html_()
    assert model.digest in gridcnn.GridClassifier.from_model(model)._repr_html_()


def test_maps_in_memory_are_those_of_a_layer_and_the_one_before_it() -> None:
    config = BackboneConfig(kernels=(4,), kernel_sizes=(3, 5), batch_norm=False, pool_size=2)
    layers = ConvPoolDense(GridSpec.of("colour", 1, height=8, width=8), config, 2).layers()

    cost = device_cost(layers)

    assert cost.numbers == 8 * 64 + 8 * 16  # both branches, and the pooled maps beside them
    assert cost.parameters == sum(layer.parameters for layer in layers)
    assert f"({4 * cost.parameters} bytes as float32" in str(cost) or "kB as float32" in str(cost)


def test_a_dry_run_prints_the_cost_on_a_small_device(run: Run, tmp_path: Path) -> None:
    source = texts(tmp_path / "b.csv", ("praise", "complaint"))

    assert "on a small device: " in run("train", str(source), "--text", "text", "--dry-run").out
