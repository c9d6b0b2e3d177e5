"""Where results go: inputs are never overwritten, a full disk loses no model, a cache that fails is only slower."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gridcnn.bundle import load
from gridcnn.display import printable

QUICK = ("--epochs", "1", "--kernels", "4", "--quiet")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for label in ("a", "b"):
        (tmp_path / "d" / label).mkdir(parents=True)
        for number in range(12):
            Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(tmp_path / "d" / label / f"{number}.png")
    return tmp_path / "d"


@pytest.fixture
def model(pictures: Path, run: Callable) -> Path:
    assert run("train", pictures, "-o", pictures.parent / "m.safetensors", *QUICK).code == 0
    return pictures.parent / "m.safetensors"


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    place = tmp_path / "x.csv"
    place.write_text("text,label\n" + "good film,a\nbad film,b\n" * 8)
    return place


# ------------------------------------------------------------------------------------------------------- never an input


def test_a_model_never_replaces_what_it_is_trained_on(reviews, run: Callable):
    before = reviews.read_bytes()
    done = run("train", reviews, "--text", "text", "-o", reviews)
    assert done.code == 2
    assert "also read by this command" in done.err
    assert reviews.read_bytes() == before


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_an_input_is_known_under_every_name(reviews, run: Callable, link):
    other = reviews.with_name("m.safetensors")
    getattr(other, link)(reviews)
    assert run("train", reviews, "--text", "text", "-o", other).code == 2
    assert reviews.read_text().startswith("text,label")


@pytest.mark.parametrize("name", ["m.history.csv", "m.safetensors.skipped.csv"])
def test_what_lies_beside_a_model_never_replaces_an_input(tmp_path, reviews, run: Callable, name):
    """The table was called m.history.csv, and the model m.safetensors."""
    place = reviews.rename(tmp_path / name)
    done = run("train", place, "--text", "text", "-o", tmp_path / "m.safetensors")
    assert done.code == 2
    assert place.read_text().startswith("text,label")


def test_a_model_replaces_no_file_that_is_no_model(tmp_path, reviews, run: Callable):
    notes = tmp_path / "notes.txt"
    notes.write_text("years of work")
    done = run("train", reviews, "--text", "text", "-o", notes)
    assert done.code == 2
    assert "exists and is no model" in done.err
    assert notes.read_text() == "years of work"


def test_a_model_replaces_an_older_model(model, pictures, run: Callable):
    assert run("train", pictures, "-o", model, *QUICK).code == 0


@pytest.mark.parametrize("command", ["report", "predict", "explain"])
def test_no_command_replaces_its_model_or_its_items(pictures, model, run: Callable, command):
    item = pictures / "a" / "0.png"
    for output in (model, item):
        before = output.read_bytes()
        source = pictures if command == "report" else item
        assert run(command, model, source, "-o", output).code == 2
        assert output.read_bytes() == before
    assert load(model).class_names == ["a", "b"]


def test_predictions_never_replace_the_table_they_are_about(reviews, run: Callable):
    model = reviews.with_name("m.safetensors")
    assert run("train", reviews, "--text", "text", "-o", model, "--epochs", "1", "--quiet").code == 0
    before = reviews.read_bytes()
    assert run("predict", model, reviews, "--text", "text", "-o", reviews).code == 2
    assert reviews.read_bytes() == before


# ------------------------------------------------------------------------------------------------------ places to write


@pytest.mark.parametrize(
    "place", ["/proc/m.safetensors", "/dev/null", "{folder}", "{folder}/" + "x" * 300, "{file}/m.safetensors"]
)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(tmp_path, reviews, run: Callable, place):
    output = place.format(folder=tmp_path, file=reviews)
    done = run("train", reviews, "--text", "text", "-o", output)
    assert done.code == 2
    assert "read 16 items" not in done.out


def test_a_read_only_file_is_refused_before_any_work(model, pictures, run: Callable, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)  # the superuser may write to a read-only file
    done = run("train", pictures, "-o", model, *QUICK)
    assert done.code == 2
    assert "read-only" in done.err


def test_a_disk_without_space_is_refused_before_any_work(tmp_path, pictures, run: Callable, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    done = run("train", pictures, "-o", tmp_path / "m.safetensors", *QUICK)
    assert done.code == 2
    assert "disk has only 0.0 MB left" in done.err


def test_a_model_whose_place_is_lost_during_training_is_saved_elsewhere(tmp_path, pictures, run: Callable, monkeypatch):
    """The network drive went away at night."""
    import gridcnn.bundle

    wanted, save = tmp_path / "drive" / "m.safetensors", gridcnn.bundle.save

    def fail_there(model: object, path: Path) -> None:
        if Path(path).parent == wanted.parent:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(model, path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(gridcnn.bundle, "save", fail_there)
    monkeypatch.setattr("gridcnn.cli.train_report.write_csv", full)
    monkeypatch.chdir(tmp_path)
    done = run("train", pictures, "-o", wanted, *QUICK)
    assert done.code == 0
    assert "could not be saved" in done.err
    assert "No space left on device" in done.err
    assert "history to" not in done.out  # it is not there
    assert load(tmp_path / "m.safetensors").class_names == ["a", "b"]
    assert not wanted.exists()


# ---------------------------------------------------------------------------------------------------------------- cache


@pytest.mark.parametrize("kind", ["file", "proc", "below a file", "null"])
def test_a_cache_that_cannot_be_used_costs_one_note(tmp_path, pictures, run: Callable, monkeypatch, kind):
    (tmp_path / "file").write_text("x")
    folders = {
        "file": tmp_path / "file",
        "proc": "/proc/x",
        "below a file": tmp_path / "file" / "c",
        "null": "/dev/null",
    }
    monkeypatch.setenv("GRIDCNN_CACHE", str(folders[kind]))
    done = run("train", pictures, "-o", tmp_path / "m.safetensors", *QUICK)
    assert done.code == 0
    assert done.err.count("goes on without it") == 1
    assert (tmp_path / "file").read_text() == "x"


def test_a_disk_that_fills_up_while_items_are_cached_costs_one_note(tmp_path, pictures, run: Callable, monkeypatch):
    monkeypatch.setenv("GRIDCNN_CACHE", str(tmp_path / "cache"))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("gridcnn.pipeline.cache._write_windows", full)
    done = run("train", pictures, "-o", tmp_path / "m.safetensors", *QUICK)
    assert done.code == 0
    assert "No space left on device" in done.err
    assert load(tmp_path / "m.safetensors").class_names == ["a", "b"]
    assert not list((tmp_path / "cache").glob(".draft*"))


def test_a_damaged_cache_is_made_again(tmp_path, pictures, run: Callable, monkeypatch):
    monkeypatch.setenv("GRIDCNN_CACHE", str(tmp_path / "cache"))
    first = run("train", pictures, "-o", tmp_path / "m.safetensors", *QUICK)
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-3] + b"xyz1")
    again = run("train", pictures, "-o", tmp_path / "m.safetensors", *QUICK)
    assert (first.code, again.code) == (0, 0)
    assert "error" not in again.err


# ------------------------------------------------------------------------------------------------------------- printing


def test_text_is_never_markup_or_a_command_to_the_terminal():
    assert printable("[/noise] \x1b[31mred\x07 caf\udce9 \u202e") == "[/noise] \\x1b[31mred\\x07 caf\\udce9 \\u202e"
    assert printable("größer 中文 😀") == "größer 中文 😀"


@pytest.mark.parametrize("names", [("[noise]", "[bold]x"), ("[noise]", "[link=x]"), (":smile:", "[red]")])
def test_labels_in_brackets_are_printed_by_every_command(tmp_path, run: Callable, names):
    rows = "".join(f"{word} film,{name}\n" for name, word in zip(names, ("good", "bad"), strict=True) for _ in range(8))
    place, model = tmp_path / "x.csv", tmp_path / "m.safetensors"
    place.write_text(f"text,label\n{rows}")
    commands = [
        ("train", place, "--text", "text", "-o", model, "--epochs", "1", "--quiet"),
        ("evaluate", model, place, "--text", "text"),
        ("predict", model, place, "--text", "text"),
    ]
    for command in commands:
        done = run(*command)
        assert done.code == 0
        assert all(name in done.out for name in names), command[0]


SCRIPT = "import sys; from gridcnn.cli import main; main(sys.argv[1:])"


def started(*arguments: object, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_no_encoding_of_the_terminal_ends_a_command(tmp_path, run: Callable, encoding):
    """Windows, or a container with LC_ALL=C: predict of Chinese text died after the header."""
    place, model = tmp_path / "x.csv", tmp_path / "m.safetensors"
    place.write_text("text,label\n" + "很 好,好\n很 坏,坏\n" * 8, encoding="utf-8")
    assert run("train", place, "--text", "text", "-o", model, "--epochs", "1", "--quiet").code == 0
    command = started("predict", model, place, "--text", "text", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    out, err = command.communicate(timeout=120)
    assert command.returncode == 0, err
    assert len(out.decode(encoding).splitlines()) == 17
    assert "\\u597d" in out.decode(encoding)


# --------------------------------------------------------------------------------------------------- how a command ends


def test_an_unexpected_error_is_one_line_and_its_traceback_is_there_on_demand(reviews, run: Callable, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("split by nothing")

    monkeypatch.setattr("gridcnn.cli.train.read_labelled", broken)
    arguments = ("train", reviews, "--text", "text", "-o", reviews.with_name("m.safetensors"))
    done = run(*arguments)
    assert done.code == 70
    assert done.err.count("\n") == 1
    assert "ZeroDivisionError: split by nothing" in done.err
    assert "gridcnn --debug" in done.err
    done = run("--debug", *arguments)
    assert done.code == 70
    assert "Traceback" in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, (130, 143)), (signal.SIGINT, (130,))])
def test_a_training_that_is_stopped_saves_its_model(tmp_path, sent, code):
    """The batch system's time was up."""
    rows = "".join(f"good film {number},a\nbad film {number},b\n" for number in range(400))
    place, model = tmp_path / "x.csv", tmp_path / "m.safetensors"
    place.write_text(f"text,label\n{rows}")
    command = started("train", place, "--text", "text", "-o", model, "--epochs", "5000")
    assert command.stderr is not None
    for line in command.stderr:
        if line.startswith(b"epoch"):
            break
    time.sleep(0.3)
    command.send_signal(sent)
    _, err = command.communicate(timeout=120)
    assert command.returncode in code, err
    assert load(model).interrupted
    assert b"best weights so far are in" in err


def test_a_closed_pipe_ends_a_command_quietly():
    """gridcnn datasets | head -1"""
    command = started("datasets")
    assert command.stdout is not None
    command.stdout.close()
    assert b"Traceback" not in command.stderr.read()  # type: ignore[union-attr]
    command.wait(timeout=60)


def test_a_stream_that_is_closed_ends_no_command(model, pictures):
    """A service manager that gives its children no standard output: gridcnn evaluate … >&-"""
    shell = f'"{sys.executable}" -c "{SCRIPT}" evaluate "{model}" "{pictures}" >&- <&-'
    done = subprocess.run(["sh", "-c", shell], capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    shell = f'"{sys.executable}" -c "{SCRIPT}" evaluate "{model}" nothing 2>&-'
    done = subprocess.run(["sh", "-c", shell], capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (2, b"")  # what goes to standard error goes nowhere else


def test_debug_may_stand_anywhere(tmp_path, run: Callable):
    done = run("check", tmp_path / "missing", "--debug")
    assert done.code == 2
    assert "Traceback" in done.err
    assert "Traceback" not in run("check", tmp_path / "missing").err


@pytest.mark.parametrize("words", ["[enforce fail] DefaultCPUAllocator: can't allocate memory", None])
def test_too_little_memory_is_no_fault_of_gridcnn(tmp_path, run: Callable, monkeypatch, words):
    def fail(*_: object, **__: object) -> None:
        raise MemoryError if words is None else RuntimeError(words)

    monkeypatch.setattr("gridcnn.cli.check.read_unlabelled", fail)
    done = run("check", tmp_path)
    assert done.code == 70
    assert "not enough memory" in done.err
    assert "fault of gridcnn" not in done.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--kernels", "99999999"), "weights"),
        (("--dense", "9999999999"), "dense must be"),
        (("--convs-per-block", "9999999999"), "convs_per_block"),
    ],
)
def test_a_network_that_no_memory_holds_is_refused(tmp_path, pictures, run: Callable, options, said):
    done = run("train", pictures, "-o", tmp_path / "m.safetensors", *options)
    assert done.code == 2
    assert said in done.err


# ------------------------------------------------------------------------------------------ results that exist already


def test_a_model_among_its_pictures_can_be_trained_again(pictures, run: Callable, monkeypatch):
    """cd pictures; gridcnn train . -o m.safetensors, twice; a report among them, too."""
    monkeypatch.chdir(pictures)
    for _ in range(2):
        assert run("train", ".", "-o", "m.safetensors", *QUICK).code in {0, 1}  # 1: results among the pictures
        assert run("report", "m.safetensors", ".", "-o", "r.html").code == 0


@pytest.mark.parametrize(("command", "why"), [("report", "a page is written"), ("predict", "is a model")])
def test_no_page_and_no_table_replaces_a_model(pictures, model, run: Callable, command, why):
    other = model.with_name("other.safetensors")
    other.write_bytes(model.read_bytes())
    done = run(command, model, pictures, "-o", other)
    assert done.code == 2
    assert why in done.err
    assert load(other).class_names == ["a", "b"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions and links of POSIX")
def test_a_result_that_is_replaced_keeps_its_permissions_and_its_links(pictures, model, run: Callable):
    page, link = model.with_name("r.html"), model.with_name("link.html")
    page.write_text("old")
    page.chmod(0o600)
    link.symlink_to(page)
    assert run("report", model, pictures, "-o", link).code == 0
    assert link.is_symlink()
    assert page.stat().st_mode & 0o777 == 0o600
    assert page.read_text().startswith("<!doctype html>")


def test_a_command_that_fails_leaves_no_folder(tmp_path, run: Callable):
    assert run("train", tmp_path / "missing", "-o", tmp_path / "new" / "m.safetensors").code == 2
    assert not (tmp_path / "new").exists()


def test_a_model_is_kept_by_a_user_without_a_home_or_a_working_folder(model, tmp_path, monkeypatch, capsys):
    """A container started with --user 12345, whose volume went away."""
    from gridcnn.cli.output import save_model

    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    monkeypatch.setattr(Path, "cwd", lambda: (_ for _ in ()).throw(FileNotFoundError()))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "d"))
    (tmp_path / "file").write_text("")
    place = save_model(load(model), tmp_path / "file" / "m.safetensors")
    assert place == tmp_path / "d" / "m.safetensors"
    assert load(place).class_names == ["a", "b"]
    assert str(place) in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no UTF-8")
def test_a_model_whose_name_is_no_text_can_be_used(model, pictures, run: Callable):
    other = model.rename(model.with_name(os.fsdecode(b"caf\xe9.safetensors")))
    done = run("predict", other, pictures / "a" / "0.png")
    assert done.code == 0
    assert done.out.count("\n") == 2


@pytest.mark.parametrize("said", ["{}", "[1]", '{"shape": []}', "[" * 100_000, "\0"])
def test_entries_of_the_cache_that_are_damaged_are_passed_over(tmp_path, pictures, run: Callable, monkeypatch, said):
    monkeypatch.setenv("GRIDCNN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "entry").mkdir(parents=True)
    (tmp_path / "cache" / "entry" / "meta.json").write_text(said)
    assert run("cache").code == 0
    assert run("train", pictures, "-o", tmp_path / "m.safetensors", *QUICK).code == 0
    assert run("cache", "clear").code == 0
    assert not list((tmp_path / "cache").iterdir())


def test_a_cache_folder_that_is_a_file_is_cleared_of_nothing(tmp_path, run: Callable, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("GRIDCNN_CACHE", str(tmp_path / "file"))
    assert run("cache", "clear").code == 0
    assert (tmp_path / "file").read_text() == "x"


def test_an_empty_name_is_one_line_of_error(reviews, run: Callable):
    done = run("train", reviews, "--text", "text", "-o", "")
    assert done.code == 2
    assert "an empty name is no file" in done.err


@pytest.mark.parametrize(
    ("command", "known"),
    [(("predict", "m.safetensors", "a.csv"), ".csv, .jsonl, .ndjson, .parquet"),
     (("embed", "m.safetensors", "a.csv"), ".csv, .jsonl, .ndjson, .parquet"),
     (("detect", "m.safetensors", "a.csv"), ".csv (csv), .parquet (parquet), .json (labelstudio), .txt (raven)"),
     (("report", "m.safetensors", "a.csv"), "such as x.html"),
     (("audit", "a.csv"), "such as x.html"),
     (("check", "a.csv"), "such as x.html"),
     (("tune", "a.csv", "-o", "n.safetensors", "--trials", 1, "--page", "x.foo"), "such as x.html")],
    ids=lambda each: each[0] if isinstance(each, tuple) else "",
)  # fmt: skip
def test_an_unknown_suffix_is_told_with_the_known_ones_before_anything_is_read(
    command: tuple[Any, ...], known: str, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    output = () if "--page" in command else ("-o", "x.foo")
    done = run(*command, *output)

    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert known in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_name_without_a_suffix_is_a_csv_as_before() -> None:
    from gridcnn.cli.formats import FormatName, format_of

    assert format_of(Path("answers"), None).name == "csv"
    assert format_of(Path("x.foo"), FormatName.jsonl).name == "jsonl"
