"""What the command line promises, on tiny data."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main
from PIL import Image

import gridcnn
from gridcnn.cli import COMMANDS, app, main
from gridcnn.network.config import BackboneConfig
from gridcnn.parameters import parameters_of
from gridcnn.training.config import TrainingConfig

QUICK = ("--epochs", "2", "--kernels", "4", "--no-cache", "--quiet")


Run = Callable[..., Any]  # the fixture of conftest.py


def draw(path: Path, brightness: int, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed + brightness).integers(0, 50, (8, 8))
    Image.fromarray((brightness + noise).astype(np.uint8)).save(path)
    return path


def class_folders(root: Path, n_items: int = 12) -> Path:
    for label, brightness in (("dark", 0), ("light", 200)):
        for index in range(n_items):
            draw(root / label / f"{index}.png", brightness, seed=index)
    return root


def table(path: Path, rows: list[tuple[object, ...]], encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def reviews(path: Path, encoding: str = "utf-8") -> Path:
    words = [("un bon café", "praise"), ("très mauvais, hélas", "complaint")]
    rows = [(f"{text} {index}", label) for index in range(10) for text, label in words]
    return table(path, [("text", "label"), *rows], encoding)


def read_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    with pytest.raises(SystemExit) as ended:
        main(["train", str(class_folders(folder / "train")), "-o", str(folder / "m.safetensors"), *QUICK])
    assert ended.value.code in {0, None}
    return folder / "m.safetensors"


@pytest.fixture(scope="module")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    source = reviews(folder / "reviews.csv")
    with pytest.raises(SystemExit) as ended:
        main(["train", str(source), "--text", "text", "-o", str(folder / "m.safetensors"), *QUICK])
    assert ended.value.code in {0, None}
    return folder / "m.safetensors"


# ------------------------------------------------------------------------------------- train


def test_training_says_where_the_model_and_the_history_are(run: Run, tmp_path: Path) -> None:
    done = run("train", class_folders(tmp_path / "data", 30), "-o", tmp_path / "out" / "m.safetensors", *QUICK)

    assert done.code == 0
    assert "validation accuracy 0." in done.out or "validation accuracy 1." in done.out
    assert str(tmp_path / "out" / "m.safetensors") in done.out
    history = read_rows((tmp_path / "out" / "m.history.csv").read_text())
    assert [row["epoch"] for row in history] == ["1", "2"]
    assert not (tmp_path / "out" / "m.safetensors.skipped.csv").exists()


def test_progress_is_one_plain_line_an_epoch_where_there_is_no_terminal(run: Run, tmp_path: Path) -> None:
    options = [option for option in QUICK if option != "--quiet"]

    done = run("train", class_folders(tmp_path / "data"), "-o", tmp_path / "m.safetensors", *options)

    epochs = [line for line in done.err.splitlines() if line.startswith("epoch ")]
    assert [line.split()[1] for line in epochs] == ["1/2", "2/2"]
    assert all(word in epochs[0] for word in ("loss", "accuracy", "samples/s", "s left"))


def test_a_dry_run_prints_the_layers_and_trains_nothing(run: Run, tmp_path: Path) -> None:
    done = run("train", class_folders(tmp_path / "data"), "--dry-run", "--kernels", "4,8", "--dense", "16")

    assert done.code == 0
    assert "multiply-adds" in done.out
    assert "4 × 8 × 8" in done.out
    assert "16" in done.out
    assert list(tmp_path.iterdir()) == [tmp_path / "data"]


def test_without_an_output_nothing_is_trained(run: Run, tmp_path: Path) -> None:
    done = run("train", class_folders(tmp_path / "data"))

    assert done.code == 2
    assert "-o model.safetensors" in done.err


def test_a_few_unreadable_files_are_skipped_and_listed(run: Run, tmp_path: Path) -> None:
    broken = class_folders(tmp_path / "data") / "dark" / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n cut off")

    done = run("train", tmp_path / "data", "-o", tmp_path / "m.safetensors", *QUICK)

    assert done.code == 0
    assert str(broken) in done.err
    listed = read_rows((tmp_path / "m.safetensors.skipped.csv").read_text())
    assert [row["item"] for row in listed] == [str(broken)]
    assert listed[0]["reason"]


def test_many_unreadable_files_make_the_exit_code_1_but_the_model_is_saved(run: Run, tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data")
    for index in range(5):
        (data / "dark" / f"broken{index}.png").write_bytes(b"")

    done = run("train", data, "-o", tmp_path / "m.safetensors", *QUICK)

    assert done.code == 1
    assert "more than 10%" in done.err
    assert "the model is saved" in done.err
    assert (tmp_path / "m.safetensors").is_file()


def test_an_unreadable_file_is_named_and_ends_the_run_with_on_error_raise(run: Run, tmp_path: Path) -> None:
    broken = class_folders(tmp_path / "data") / "dark" / "broken.png"
    broken.write_bytes(b"")

    done = run("train", tmp_path / "data", "-o", tmp_path / "m.safetensors", "--on-error", "raise", *QUICK)

    assert done.code == 2
    assert str(broken) in done.err
    assert done.err.splitlines()[-1].startswith(f"error: {broken}")


def test_test_rows_are_scored_and_never_trained_on(run: Run, tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [("file", "kind", "part")]
    for index in range(20):
        label = ("dark", "light")[index % 2]
        draw(tmp_path / f"{index}.png", 200 * (index % 2), seed=index)
        rows.append((f"{index}.png", label, "train" if index < 12 else "dev" if index < 16 else "test"))
    source = table(tmp_path / "clips.csv", rows)
    columns = ("--path", "file", "--label", "kind", "--split", "part")

    done = run("train", source, *columns, "-o", tmp_path / "m.safetensors", *QUICK)

    assert done.code == 0
    assert "on 4 items" in done.out
    assert "validation accuracy" in done.out
    from gridcnn import GridClassifier

    summary = GridClassifier.load(tmp_path / "m.safetensors").summary_
    assert (summary["training_items"], summary["validation_items"]) == (12, 4)
    scores = json.loads(run("evaluate", tmp_path / "m.safetensors", source, *columns, "--json").out)
    assert scores["n_items"] == 4


def test_ctrl_c_saves_the_best_weights_so_far(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gridcnn.training import progress

    def interrupt(self: object, record: object, network: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(progress.PlainProgress, "on_epoch", interrupt)
    options = [option for option in QUICK if option != "--quiet"]

    done = run("train", class_folders(tmp_path / "data"), "-o", tmp_path / "m.safetensors", *options)

    assert done.code == 130
    assert f"so far are in {tmp_path / 'm.safetensors'}" in done.err
    assert run("predict", tmp_path / "m.safetensors", tmp_path / "data").code == 0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_a_csv_in_another_encoding_is_read(run: Run, tmp_path: Path, encoding: str) -> None:
    source = reviews(tmp_path / "reviews.csv", encoding)

    assert run("train", source, "--text", "text", "-o", tmp_path / "m.safetensors", *QUICK).code == 0


def test_a_wrong_column_lists_the_columns_there_are(run: Run, tmp_path: Path) -> None:
    done = run("train", reviews(tmp_path / "reviews.csv"), "--text", "txet", "-o", tmp_path / "m.safetensors")

    assert done.code == 2
    assert done.err.startswith("error: ")
    assert "'text', 'label'" in done.err
    assert len(done.err.splitlines()) == 1


def test_rows_with_an_empty_cell_are_listed(run: Run, tmp_path: Path) -> None:
    source = reviews(tmp_path / "reviews.csv")
    source.write_text(source.read_text() + "no label,\n")

    done = run("train", source, "--text", "text", "-o", tmp_path / "m.safetensors", *QUICK)

    assert done.code == 0
    assert "row 22: no label" in done.err


def test_a_table_without_a_known_order_is_refused_with_the_word_to_pass(run: Run, tmp_path: Path) -> None:
    rows = [(index % 7, index % 5, index % 3, index % 4, index % 11, index % 13, index % 2) for index in range(40)]
    source = table(tmp_path / "t.csv", [("a", "b", "c", "d", "e", "f", "label"), *rows])

    refused = run("train", source, "-o", tmp_path / "m.safetensors", *QUICK)
    assumed = run("train", source, "--ordering", "assume", "-o", tmp_path / "m.safetensors", *QUICK)

    assert refused.code == 2
    assert "assume" in refused.err
    assert assumed.code == 0
    assert len(read_rows(run("predict", tmp_path / "m.safetensors", source).out)) == 40


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["nowhere"], "no such file or folder"),
        (["nowhere.csv", "--text", "text"], "check the name of the file"),
        (["xo", "--group", "site"], "leave it out"),
        (["xo", "--sample-rate", "8000"], "leave it out"),
        (["xo", "--kernels", "a,b"], "such as 24,48,96"),
        (["xo", "--image-size", "big"], "such as 32"),
    ],
)
def test_what_cannot_work_is_refused_with_a_remedy(run: Run, tmp_path: Path, arguments: list[str], remedy: str) -> None:
    done = run("train", *arguments, "-o", tmp_path / "m.safetensors")

    assert done.code == 2
    assert remedy in " ".join(done.err.replace("│", " ").split())


# ------------------------------------------------------------------------------------- evaluate


def test_evaluation_reports_every_score(run: Run, model: Path, tmp_path: Path) -> None:
    data = class_folders(tmp_path / "held_out", 5)

    printed = run("evaluate", model, data)
    scores = json.loads(run("evaluate", model, data, "--json").out)

    assert printed.code == 0
    assert all(name in printed.out for name in ("accuracy", "balanced accuracy", "macro F1", "support", "predicted"))
    assert scores["n_items"] == 10
    assert [row["name"] for row in scores["classes"]] == ["dark", "light"]
    assert np.sum(scores["confusion"]) == 10


def test_classes_are_matched_by_name_and_unseen_ones_reported(run: Run, model: Path, tmp_path: Path) -> None:
    draw(tmp_path / "held_out" / "a_new_class" / "1.png", 100)
    draw(tmp_path / "held_out" / "light" / "1.png", 200)

    scores = json.loads(run("evaluate", model, tmp_path / "held_out", "--json").out)
    printed = run("evaluate", model, tmp_path / "held_out").out

    assert scores["unseen"] == {"a_new_class": 1}
    assert scores["missing"] == ["dark"]
    assert scores["n_items"] == 1
    assert np.array(scores["confusion"])[1].sum() == 1
    assert "a_new_class (1)" in printed
    assert "without an item here: dark" in printed


def test_an_evaluation_set_without_a_known_class_is_refused(run: Run, model: Path, tmp_path: Path) -> None:
    draw(tmp_path / "held_out" / "other" / "1.png", 100)

    done = run("evaluate", model, tmp_path / "held_out")

    assert done.code == 2
    assert "dark, light" in done.err


def test_unreadable_items_are_reported_and_not_counted(run: Run, model: Path, tmp_path: Path) -> None:
    data = class_folders(tmp_path / "held_out", 2)
    (data / "dark" / "broken.png").write_bytes(b"")

    done = run("evaluate", model, data, "--json")

    assert json.loads(done.out)["n_items"] == 4
    assert "broken.png" in done.err


# ------------------------------------------------------------------------------------- predict


def test_a_bad_item_keeps_its_row_with_its_error_and_no_prediction(run: Run, model: Path, tmp_path: Path) -> None:
    good = draw(tmp_path / "good.png", 200)
    (tmp_path / "broken.png").write_bytes(b"")
    inputs = (tmp_path / "broken.png", good, tmp_path / "missing.png")

    done = run("predict", model, *inputs, "-o", tmp_path / "predictions.csv")

    rows = read_rows((tmp_path / "predictions.csv").read_text())
    assert done.code == 0
    assert list(rows[0]) == ["item", "prediction", "p(dark)", "p(light)", "error"]
    assert [row["item"] for row in rows] == list(map(str, inputs))
    assert [bool(row["error"]) for row in rows] == [True, False, True]
    assert [row["prediction"] in {"dark", "light"} for row in rows] == [False, True, False]
    assert rows[0]["p(dark)"] == rows[0]["p(light)"] == ""
    assert float(rows[1]["p(dark)"]) + float(rows[1]["p(light)"]) == pytest.approx(1, abs=1e-5)


def test_a_folder_is_predicted_file_by_file(run: Run, model: Path, tmp_path: Path) -> None:
    rows = read_rows(run("predict", model, class_folders(tmp_path / "new", 3)).out)

    assert len(rows) == 6
    assert rows[0]["item"].endswith("0.png")


def test_a_csv_is_predicted_row_by_row_in_its_order(run: Run, model: Path, tmp_path: Path) -> None:
    draw(tmp_path / "1.png", 0)
    draw(tmp_path / "2.png", 200)
    source = table(tmp_path / "new.csv", [("file",), ("1.png",), ("gone.png",), ("2.png",)])

    rows = read_rows(run("predict", model, source, "--path", "file").out)

    assert [Path(row["item"]).name for row in rows] == ["1.png", "new.csv, row 3", "2.png"]
    assert "gone.png" in rows[1]["error"]


def test_sentences_are_read_from_standard_input(run: Run, text_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = 'un bon café\n\na, "b"\n'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(sentences.encode())))

    rows = read_rows(run("predict", text_model, "-").out)

    assert [row["item"] for row in rows] == ["un bon café", "", 'a, "b"']
    assert all(row["prediction"] in {"praise", "complaint"} for row in rows)


def test_a_sentence_as_an_argument_is_told_about_standard_input(run: Run, text_model: Path) -> None:
    done = run("predict", text_model, "a good film")

    assert done.code == 2
    assert "gridcnn predict MODEL -" in done.err


def test_when_nothing_can_be_predicted_the_exit_code_says_so(run: Run, model: Path, tmp_path: Path) -> None:
    done = run("predict", model, tmp_path / "missing.png")

    assert done.code == 1
    assert len(read_rows(done.out)) == 1


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_a_file_that_is_no_model_is_one_line_of_error(run: Run, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "m.safetensors").write_bytes(content)

    done = run("predict", tmp_path / "m.safetensors", "-")

    assert done.code == 2
    assert done.err.startswith("error: ")
    assert len(done.err.splitlines()) == 1


# ------------------------------------------------------------------------------------- the rest


def test_datasets_are_listed_in_full_where_there_is_no_terminal(run: Run) -> None:
    done = run("datasets")

    assert done.code == 0
    assert all(name in done.out for name in ("xo", "digits", "tones", "word_order", "grades", "mnist"))
    assert "…" not in done.out


@pytest.mark.parametrize("config", [BackboneConfig, TrainingConfig])
def test_every_declared_hyperparameter_is_an_option_with_its_help(run: Run, config: type, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    shown = " ".join(run("train", "--help").out.split())

    for each in parameters_of(config).values():
        assert f"--{each.flag} " in shown
        assert each.help in shown


@pytest.mark.parametrize("command", [each.__name__ for each in COMMANDS])
def test_help_shows_all_that_is_said_about_an_option(run: Run, command: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "600")
    shown = " ".join(run(command, "--help").out.split())

    for each in typer.main.get_command(app).commands[command].params:  # type: ignore[attr-defined]
        said = " ".join(getattr(each, "help", "").replace("\\[", "[").split())
        assert said in shown  # rich takes what stands in brackets for a style, and shows nothing


def test_checkpoints_without_a_folder_are_refused(run: Run, tmp_path: Path) -> None:
    done = run("train", "xo", "-o", tmp_path / "m.safetensors", "--checkpoint-every", "60s")

    assert done.code == 2
    assert "--checkpoint-every without --checkpoint-dir" in done.err


def test_options_of_hyperparameters_reach_the_model(run: Run, tmp_path: Path) -> None:
    flags = ["--kernels", "3,5", "--kernel-size", "3", "--kernel-size", "5", "--padding", "same", "--no-batch-norm"]
    flags += ["--dense", "none", "--dropout", "0.25", "--weight-decay", "0.5", "--epochs", "2", "--no-augment"]

    assert run("train", "xo", "-o", tmp_path / "m.safetensors", "--quiet", *flags).code == 0
    model = gridcnn.load(tmp_path / "m.safetensors")
    backbone = model.network.backbone.config
    assert (backbone.kernels, backbone.kernel_sizes, backbone.batch_norm) == ((3, 5), (3, 5), False)
    assert (backbone.dense, backbone.dropout) == ((), 0.25)
    assert (model.recipe["weight_decay"], model.recipe["epochs"], model.recipe["augment"]["rotate"]) == (0.5, 2, 0.0)
    refused = run("train", "xo", "-o", tmp_path / "n.safetensors", "--dropout", "nan")
    assert (refused.code, "dropout must be a number in [0, 1), got nan" in refused.err) == (2, True)


def test_series_of_a_table_may_end_early_but_have_no_gap(run: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows: list[tuple[object, ...]] = []
    for number in range(60):
        series = (random.normal(size=20).cumsum() + 3 * (number % 2)).round(3).tolist()
        end = 12 if number % 5 == 0 else 20
        rows.append((*series[:end], *[""] * (20 - end), "high" if number % 2 else "low"))
    source = table(tmp_path / "t.csv", [(*[f"t{at}" for at in range(20)], "label"), *rows])
    model = tmp_path / "m.safetensors"
    assert run("train", source, "-o", model, "--epochs", 1).code == 0
    done = run("predict", model, source)
    assert (done.code, len(done.out.splitlines())) == (0, 61)

    gap = table(tmp_path / "g.csv", [(*[f"t{at}" for at in range(20)],), *[(*rows[1][:4], "", *rows[1][5:20])]])
    done = run("predict", model, gap)
    assert "column 't4': missing" in done.out + done.err


def test_rows_of_a_table_without_a_label_are_listed_and_left_out(run: Run, tmp_path: Path) -> None:
    rows = [(index, index % 3, index % 5, index % 7, "" if index == 2 else "ab"[index % 2]) for index in range(40)]
    source = table(tmp_path / "t.csv", [("p", "q", "r", "s", "label"), *rows])

    done = run("train", source, "--ordering", "assume", "-o", tmp_path / "m.safetensors", *QUICK)

    assert "row 4: no label" in done.err
    assert done.code == 0


def test_the_cache_is_listed_and_cleared(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDCNN_CACHE", str(tmp_path / "cache"))
    options = [option for option in QUICK if option != "--no-cache"]
    empty = run("cache").out
    run("train", class_folders(tmp_path / "data"), "-o", tmp_path / "m.safetensors", *options)

    listed, cleared, after = run("cache").out, run("cache", "clear").out, run("cache").out

    assert empty.startswith("0 entries, 0.0 MB of at most 10.00 GB")
    assert "ImageAdapter, encoded" in listed
    assert "│ 24 " in listed
    assert cleared.startswith("removed 1 entry")
    assert after == empty


def test_the_version_is_printed(run: Run) -> None:
    from gridcnn import __version__

    assert run("--version").out == f"gridcnn {__version__}\n"


def test_reasons_are_told_at_once_if_most_rows_are_bad(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na b,x\nc d,\ne f,\n")

    done = run("train", tmp_path / "a.csv", "--text", "text", "--label", "label", "-o", tmp_path / "m.safetensors")

    assert done.code == 2
    assert "1 class: x 1" in done.out
    assert "row 3: no label" in done.err
    assert "one class ('x')" in done.err
