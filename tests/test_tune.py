"""A search: what it tries, how it ends, that nothing is lost when it is killed, and that chance does not win."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridcnn import Watcher, fit, predict, tune
from gridcnn.adapters import ArrayAdapter
from gridcnn.bundle import load
from gridcnn.cli import main
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.network.config import BackboneConfig
from gridcnn.parameters import parameters_of
from gridcnn.pipeline.split import LabelledItems
from gridcnn.searched import Among, Around, Between, Blocks, Layers
from gridcnn.training.config import FitConfig, TrainingConfig
from gridcnn.training.folds import survey
from gridcnn.training.job import make_job
from gridcnn.training.judging import Judged
from gridcnn.training.recipe import fit_config, resolve
from gridcnn.tuning.records import Tried, Tuned, in_words
from gridcnn.tuning.space import Space
from gridcnn.tuning.verdict import ahead, fresh_folds, needed

QUICK = {"epochs": 2, "folds": 1, "batch_size": 32}


def pictures(n_items: int = 160, *, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return grids of 12 × 12 with a bar that lies or stands."""
    random = np.random.default_rng(0)
    target = np.arange(n_items) % 2
    grids = random.normal(0, noise, (n_items, 12, 12)).astype(np.float32)
    for at, grid in enumerate(grids):
        row = random.integers(2, 10)
        grid[(row, slice(2, 10)) if target[at] else (slice(2, 10), row)] += 2
    return grids, np.array(["standing", "lying"])[target]


def adapter() -> ArrayAdapter:
    return ArrayAdapter(("height", "width"))


def search(study: Any = None, *, trials: int, train: bool = False, **more: Any) -> Tuned:
    parameters = {**QUICK, **more.pop("parameters", {})}
    return tune(adapter(), *pictures(), parameters, trials=trials, study=study, train=train, **more)


def space_of(parameters: dict[str, Any] | None = None, kind: ArrayAdapter | None = None) -> Space:
    given = {**QUICK, **(parameters or {})}
    job, surveyed = survey(make_job(kind or adapter(), *pictures(), given, fit_config(given)))
    return Space(job, surveyed, [])


# ---- what is tried --------------------------------------------------------------------------------------------------


def test_what_is_searched_follows_from_the_declared_parameters():
    declared = {
        name
        for config in (BackboneConfig, TrainingConfig, FitConfig)
        for name, each in parameters_of(config).items()
        if each.search is not None
    }

    assert declared == {
        "kernels", "kernel_sizes", "pool", "pool_size", "pool_stride", "dense", "learning_rate", "kernel_learning_rate",
        "augment_strength",
    }  # fmt: skip
    found = {name.partition(".")[0] for name in space_of().dimensions}
    assert found == declared - {"augment_strength"}, "this adapter changes no grids of two axes"


def test_what_a_person_sets_is_not_searched():
    dimensions = space_of({"pool": "average", "kernels": (8, 8), "learning_rate": 1e-3}).dimensions

    assert {"pool", "kernels.blocks", "kernels.first", "learning_rate"}.isdisjoint(dimensions)
    assert "pool_size" in dimensions


def test_the_point_of_the_defaults_changes_nothing():
    space = space_of()
    settings = space.settings(space.defaults)
    assert (settings.parameters, settings.adapter, settings.told) == ({}, {}, {})


def test_points_are_new_and_are_networks():
    space, random, known = space_of(), np.random.default_rng(0), set()
    for _ in range(60):
        point = space.changed(random, known)
        assert space.key(point) not in known
        assert space.problem(point) is None
        known.add(space.key(point))
    again = space.renewed(space.defaults, random, known | {space.key(space.defaults)})
    assert space.key(again) not in known | {space.key(space.defaults)}


def test_kernels_larger_than_the_grid_and_cells_left_out_are_told():
    class Small(ArrayAdapter):
        """Reads the upper left corner."""

    space = space_of(kind=Small(("height", "width")))
    assert "does not survive" not in str(space.problem(space.defaults))
    windows = space.problem({**space.defaults, "pool_size": 1, "pool_stride": "3"})
    assert windows == "pooling windows of 1 that lie 3 apart would leave cells out"


def test_networks_of_many_times_the_usual_work_are_not_tried():
    space = space_of({"kernel_sizes": None})
    wide = space.problem({**space.defaults, "kernel_sizes": "3,4,5", "kernels.first": 32})
    assert wide is not None
    assert re.fullmatch(r"it would take \d+\.\d times the multiply-adds of the defaults", wide)
    assert space.problem({**space.defaults, "kernels.first": 24}) is None


@pytest.mark.parametrize(
    ("declared", "default"),
    [
        (Blocks(2), (24, 48, 96)), (Blocks(2), (1,)), (Layers(2, 32, 256), ()), (Layers(2, 32, 256), (100, 70)),
        (Among((1, None, (3, 5))), None), (Among(((3,), (5,))), (7,)), (Between(1, 4, whole=True), 6),
        (Around(3), 0.0021),
    ],
)  # fmt: skip
def test_a_default_is_a_point_of_its_own_dimensions(declared, default):
    dimensions = declared.dimensions("it", default)

    assert declared.value("it", {name: each.default for name, each in dimensions.items()}, default) == default
    for each in dimensions.values():
        assert each.default in each.names if each.names else each.low <= each.default <= each.high


def test_stronger_augmentation_moves_grids_further():
    reader = ArrayAdapter().fit(np.random.default_rng(0).normal(size=(60, 40)).astype(np.float32))
    usual, none, twice = (
        resolve({"solved": False, "augment_strength": strength}, reader, 60).training.augment
        for strength in (None, 0.0, 2.0)
    )
    assert none.shift["length"] == 0
    assert twice.shift["length"] == 2 * usual.shift["length"] > 0
    assert twice.scale["length"] == 2 * usual.scale["length"]


# ---- trials ---------------------------------------------------------------------------------------------------------


class Counting(Watcher):
    """Counts trials and epochs, and raises an error in one of the trials."""

    def __init__(self, failing: int | None = None, error: BaseException | None = None) -> None:
        self.failing, self.error, self.trial = failing, error, -1
        self.begun: list[int] = []
        self.lines: list[str] = []

    def on_message(self, line: str) -> None:
        self.lines.append(line)

    def on_trial(self, number: int, told: Any) -> None:
        self.trial = number
        self.begun.append(number)

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        if self.trial == self.failing and self.error is not None:
            raise self.error


def test_the_first_trial_is_that_of_the_defaults_and_each_trial_is_another():
    tuned = search(trials=5)

    assert tuned.trials[0].told == {}
    assert [each.number for each in tuned.trials] == [0, 1, 2, 3, 4]
    assert len({in_words(each.told) for each in tuned.trials}) == 5
    assert tuned.usual == tuned.trials[0]
    assert tuned.model is None


def test_a_search_with_a_seed_tries_the_same_again():
    first, second = search(trials=4), search(trials=4)
    assert [(each.told, each.accuracy) for each in first.trials] == [
        (each.told, each.accuracy) for each in second.trials
    ]


def test_a_trial_that_fails_is_kept_with_its_reason_and_the_search_goes_on():
    tuned = search(trials=4, callbacks=[Counting(2, MemoryError("no room for these maps"))])

    assert [each.state for each in tuned.trials if each.number == 2] == ["failed"]
    assert tuned.trials[2].reason == "no room for these maps"
    assert len(tuned.trials) == 4
    assert sum(each.complete for each in tuned.trials) >= 1


def test_a_search_whose_defaults_fail_ends_with_their_error():
    with pytest.raises(MemoryError, match="no room"):
        search(trials=4, callbacks=[Counting(0, MemoryError("no room"))])


def test_trials_without_hope_are_pruned():
    tuned = search(trials=14, parameters={"epochs": 6})

    pruned = [each for each in tuned.trials if each.state == "pruned"]
    assert pruned
    assert all("behind half of the trials after" in each.reason for each in pruned)
    assert tuned.trials[0].complete


def test_trials_are_pruned_after_a_fold_in_which_they_are_behind(monkeypatch):
    monkeypatch.setattr("gridcnn.tuning.trial.lead", lambda differences: -2.0)
    tuned = search(trials=2, parameters={"folds": 3})

    assert tuned.trials[1].reason == "behind the defaults after 1 of 3 folds"


def test_few_items_have_folds_even_if_the_epochs_are_set():
    heard = Counting()
    tuned = search(trials=1, parameters={"folds": None}, callbacks=[heard])

    assert tuned.usual is not None
    assert tuned.usual.judged is not None
    assert len(tuned.usual.judged.place) == 160


def test_too_few_items_to_hold_any_out_are_refused():
    X, y = pictures(8)
    with pytest.raises(DataError, match="none can be held out"):
        tune(adapter(), X, y, {**QUICK, "validation_fraction": 0.0}, trials=1)


# ---- the verdict ----------------------------------------------------------------------------------------------------


def test_a_model_with_the_defaults_is_that_of_fit_bit_for_bit():
    X, y = pictures()
    tuned, plain = tune(adapter(), X, y, QUICK, trials=1), fit(adapter(), X, y, QUICK)

    assert tuned.chosen == tuned.usual
    assert tuned.model is not None
    assert tuned.model.digest == plain.digest
    assert tuned.model.summary["tuning"]["settings"] == {}


def test_a_lead_must_be_beyond_chance_and_stand_out_among_more_trials():
    few = np.array([1.0] * 6 + [-1.0] * 1 + [0.0] * 93)
    assert ahead(few, None, compared=1)
    assert not ahead(few, None, compared=20)
    assert not ahead(np.zeros(100), None, compared=1)
    assert needed(1, 1) == np.inf


def test_a_lead_in_one_group_alone_is_chance():
    groups = np.repeat([0, 1, 2, 3], 50)
    in_one = np.where(groups == 0, 0.5, 0.0) + np.tile([0.1, -0.1], 100)
    assert ahead(in_one, None, compared=1)
    assert not ahead(in_one, groups, compared=1)
    in_all = np.full(200, 0.2) + np.tile([0.1, -0.1], 100)
    assert ahead(in_all + 0.01 * groups, groups, compared=1)


def test_finalists_are_judged_by_items_that_no_trial_was_judged_by():
    X, y = pictures()
    items = LabelledItems(X, (y == "lying").astype(int), np.ones(len(y)), np.arange(len(y)))
    held = np.arange(20)
    from gridcnn.training.folds import Fold

    one = Fold(items.take(np.arange(20, 160)), items.take(held))
    fresh = fresh_folds(items, [one], seed=0, n_trials=20, n_finalists=2)
    assert fresh is not None
    judged = np.concatenate([fold.checking.places for fold in fresh.folds])
    assert sorted(judged.tolist()) == list(range(20, 160))
    assert fresh.compared == 2

    again = fresh_folds(items, [one, one, one], seed=0, n_trials=20, n_finalists=2)
    assert again is not None
    assert len(again.folds) == 6
    assert again.compared == 20, "where no item is fresh, a lead must stand out among all trials"


class Slow(ArrayAdapter):
    """Whose usual rates are far too low."""

    def defaults(self, n_items: int) -> dict[str, Any]:
        return {**super().defaults(n_items), "learning_rate": 5e-4, "kernel_learning_rate": 5e-4, "kernels": (4,)}


def test_settings_that_are_better_beyond_chance_are_taken_and_the_model_has_them():
    X, y = pictures(900, noise=0.7)
    rest = slice(600)
    tuned = tune(Slow(("height", "width")), X[rest], y[rest], {"epochs": 3, "folds": 1}, trials=8)

    assert tuned.chosen is not None
    assert tuned.usual is not None
    assert tuned.chosen.number > 0
    assert "is better beyond chance" in tuned.why
    assert tuned.model is not None
    assert {name: tuned.model.parameters[name] for name in tuned.parameters} == dict(tuned.parameters)
    plain = fit(Slow(("height", "width")), X[rest], y[rest], {"epochs": 3, "folds": 1})
    scores = [np.mean(predict(model, X[600:]).labels == y[600:]) for model in (plain, tuned.model)]
    assert scores[1] > scores[0]


def test_the_last_training_learns_from_the_validation_items_too():
    X, y = pictures()
    tuned = tune(adapter(), X[:120], y[:120], QUICK, validation=(X[120:], y[120:]), trials=1)

    assert tuned.usual is not None
    assert tuned.usual.judged is not None
    assert len(tuned.usual.judged.place) == 40
    assert tuned.model is not None
    assert tuned.model.summary["training_items"] == 160


# ---- a study --------------------------------------------------------------------------------------------------------


class Dying(Counting):
    """Is killed in one of the trials."""

    def on_epoch(self, record: Any, network: Any) -> None:
        if self.trial == self.failing:
            os.kill(os.getpid(), signal.SIGKILL)


def apart(study: str, dies_in: int | None = None, **more: Any) -> None:
    search(study, callbacks=[Dying(dies_in)], **more)


HOST = """
import json, os, sys, traceback
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
import test_tune
test_tune.search(trials=1)
for line in sys.stdin:
    children = []
    for task in json.loads(line):
        children.append(os.fork())
        if not children[-1]:
            try:
                test_tune.apart(**task)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
            os._exit(1)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]), flush=True)
"""
"""Forks a process for each search that it reads, once all is imported that takes seconds."""


@pytest.fixture(scope="module")
def in_processes() -> Iterator[Callable[..., list[int]]]:
    """Return what runs searches in processes of their own, side by side, and returns how these ended."""
    command = [sys.executable, "-c", HOST, str(Path(__file__).parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdin is not None
        assert host.stdout is not None

        def run(*tasks: dict[str, Any]) -> list[int]:
            print(json.dumps(tasks), file=host.stdin, flush=True)
            assert select.select([host.stdout], [], [], 300)[0], "no search ends"
            return json.loads(host.stdout.readline())

        yield run
        host.stdin.close()


def test_a_search_that_was_killed_goes_on_and_no_trial_is_lost(tmp_path, in_processes):
    study = tmp_path / "study.db"
    assert in_processes({"study": str(study), "trials": 5, "dies_in": 2}) == [-signal.SIGKILL]

    heard = Counting()
    tuned = search(study, trials=5, callbacks=[heard])

    whole = search(trials=5)
    assert [in_words(each.told) for each in tuned.trials] == [
        in_words(whole.trials[number].told) for number in (0, 1, 2, 3, 4)
    ], "the trial that was killed is the next one, and nothing is tried twice"
    assert [each.accuracy for each in tuned.trials] == [each.accuracy for each in whole.trials]
    assert len(heard.begun) == 3, "two trials had ended before"
    assert search(study, trials=5).trials == tuned.trials, "there is nothing left to do"


def test_a_trial_that_a_person_ends_is_run_again(tmp_path):
    study = tmp_path / "study.db"
    with pytest.raises(KeyboardInterrupt):
        search(study, trials=3, callbacks=[Counting(1, KeyboardInterrupt())])

    tuned = search(study, trials=3)
    assert [in_words(each.told) for each in tuned.trials] == [in_words(each.told) for each in search(trials=3).trials]


def test_a_trial_whose_process_was_killed_before_it_owned_it_is_run_again_after_a_while(monkeypatch):
    import optuna

    from gridcnn.tuning import storage

    study, seen = optuna.create_study(), {}
    study.ask()
    clock = iter([0.0, storage.GRACE - 1.0, storage.GRACE + 1.0])
    monkeypatch.setattr(storage.time, "monotonic", lambda: next(clock))
    assert [storage.reopen(study, seen) for _ in range(3)] == [0, 0, 1]
    assert [trial.state.name for trial in study.trials] == ["FAIL", "WAITING"]
    assert study.trials[1].user_attrs == {"instead": 0}


def test_what_finalists_were_judged_by_is_not_repeated(tmp_path):
    study = tmp_path / "study.db"
    search(study, trials=5, train=True)
    heard = Counting()
    tuned = search(study, trials=5, train=True, callbacks=[heard])
    assert heard.begun == []
    assert tuned.model is not None


@pytest.mark.parametrize(
    ("parameters", "told"),
    [({"epochs": 3}, "epochs was 2, and is 3"), ({"pool": "max"}, "pool was not set, and is max")],
)
def test_a_study_of_other_settings_is_refused(tmp_path, parameters, told):
    study = tmp_path / "study.db"
    search(study, trials=1)
    with pytest.raises(ConfigurationError, match=re.escape(told)) as refused:
        search(study, trials=1, parameters=parameters)
    assert "--name" in str(refused.value)
    assert len(search(study, trials=1, name="another", parameters=parameters).trials) == 1


def test_a_study_of_other_data_is_refused(tmp_path):
    study = tmp_path / "study.db"
    search(study, trials=1)
    X, y = pictures(158)
    with pytest.raises(ConfigurationError, match="items to train on was"):
        tune(adapter(), X, y, QUICK, trials=1, study=study)


def test_places_that_cannot_hold_a_study_are_told_before_the_work(tmp_path):
    (tmp_path / "text.txt").write_text("no database, but long enough to be one")
    for place, told in [
        (tmp_path, "is a folder"),
        (tmp_path / "missing" / "study.db", "there is no folder"),
        (tmp_path / "text.txt", "is no study"),
        ("nothing://host/name", "neither a file nor the URL"),
        ("://", "neither a file nor the URL"),
        ("mysql://me:secret@host/name", "needs the module MySQLdb, which is not installed"),
    ]:
        heard = Counting()
        with pytest.raises(ConfigurationError, match=told):
            search(place, trials=1, callbacks=[heard])
        assert heard.lines == [], "not even the items were looked at"


def test_a_database_of_something_else_is_told(tmp_path):
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("create table studies (a int)")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        search(tmp_path / "other.db", trials=1)


def test_a_server_that_cannot_be_reached_is_told_without_the_password():
    pytest.importorskip("psycopg")
    with pytest.raises(ConfigurationError, match="can be reached") as refused:
        search("postgresql://me:secret@127.0.0.1:9/none", trials=1)
    assert "secret" not in str(refused.value)
    assert "me:***@127.0.0.1" in str(refused.value)


def test_a_missing_extra_is_told_with_the_command_that_installs_it(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "optuna" else found(name, *more)
    )
    with pytest.raises(ConfigurationError, match=re.escape("pip install 'gridcnn[tune]'")):
        search(trials=1)


@pytest.mark.parametrize(
    ("parameters", "more", "told"),
    [
        ({"time_limit": 60.0, "epochs": None}, {}, "time_limit has no place"),
        ({"random_state": None}, {}, "needs a seed"),
        ({}, {"trials": 0}, "at least 1"),
        ({}, {"seconds": -1.0}, "above 0"),
    ],
)
def test_what_no_search_can_do_is_refused(parameters, more, told):
    with pytest.raises(ConfigurationError, match=told):
        tune(adapter(), *pictures(), {**QUICK, **parameters}, **{"trials": 1, **more})


def test_a_first_trial_that_is_longer_than_the_time_is_told():
    heard = Counting()
    tune(adapter(), *pictures(), QUICK, seconds=0.01, train=False, callbacks=[heard])
    assert any("the trials took longer than the 0.01 s allowed" in line for line in heard.lines)


def test_a_search_ends_in_time():
    tuned = tune(adapter(), *pictures(), QUICK, seconds=1.0, train=False)
    assert 1 <= len(tuned.trials) < 50


# ---- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def sentences(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    words = np.array(["red", "blue", "green", "one", "two", "three"])
    rows = ["text,label,split"]
    for at in range(150):
        told = "good" if at % 2 and random.random() < 0.8 else "bad"
        rows.append(
            f"{' '.join(random.permutation(words)[:4])} {told} {at},{at % 2},{'test' if at >= 120 else 'train'}"
        )
    place = tmp_path / "rows.csv"
    place.write_text("\n".join(rows))
    return place


def test_the_command_prints_the_best_trials_and_saves_model_and_page(sentences, tmp_path, capsys):
    output, study = tmp_path / "best.safetensors", tmp_path / "study.db"
    columns = [str(sentences), "--text", "text", "--split", "split", "--epochs", "2", "--folds", "1"]
    with pytest.raises(SystemExit) as ended:
        main(["tune", *columns, "--trials", "2", "--study", str(study)])
    assert ended.value.code == 0
    assert "the study has 2 trials" in capsys.readouterr().out
    assert not output.exists(), "without -o only trials are added"

    with pytest.raises(SystemExit) as ended:
        main(["tune", *columns, "--trials", "3", "--study", str(study), "-o", str(output)])
    said = capsys.readouterr()
    assert ended.value.code == 0
    assert "trial 0, " in said.err
    assert "3 of 3 trials; the best:" in said.err
    assert "test accuracy" in said.out
    assert "settings taken: " in said.out
    assert load(output).summary["tuning"]["trials"] == 3
    page = (tmp_path / "best.tuning.html").read_text(encoding="utf-8")
    assert "the defaults" in page
    assert page.count("data:image/png;base64,") >= 1
    assert not re.search(r"""(src|href)=["']?https?:""", page)


def test_the_command_says_what_is_missing(sentences, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["tune", str(sentences), "--text", "text"])
    assert ended.value.code == 2
    assert "say where the model goes" in capsys.readouterr().err


def test_the_live_table_shows_the_best_five(capsys):
    from rich.console import Console

    from gridcnn.cli.trials import TrialsDisplay

    console = Console(force_terminal=True, width=100)
    with TrialsDisplay(console) as shown:
        trials = [Tried(at, "complete", 0.5 + at / 100, 1.0, {"pool": f"p{at}"}, seconds=61) for at in range(7)]
        shown.on_trial(7, {"pool": "now"})
        shown.on_trials([*trials, Tried(7, "failed", reason="no room")], 20)
        shown.on_searched()
    said = capsys.readouterr().out
    last = said[said.rindex("8 of 20 trials") :]
    assert [f"p{at}" in last for at in range(7)] == [False, False, True, True, True, True, True]
    assert "trial 7: pool = now" in said


def test_neither_the_package_nor_its_help_imports_optuna():
    code = (
        "import sys, gridcnn; from gridcnn.cli import main\n"
        "try: main(['tune', '--help'])\nexcept SystemExit: pass\n"
        "sys.exit('optuna' in sys.modules or 'sqlalchemy' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0


def test_items_judged_are_kept_as_they_were():
    from gridcnn.tuning.records import from_plain, plain

    judged = Judged(np.array([3, 5, 9]), np.array([1.0, 0.0, 1.0]), np.array([0.25, 1.5, 0.125]))
    again = from_plain(plain(judged))
    for here, there in zip(again, judged, strict=True):
        np.testing.assert_array_equal(here, there)


# ---- a study in a real PostgreSQL -----------------------------------------------------------------------------------

PASSWORD = "a secret:with@marks"
QUOTED = "a%20secret%3Awith%40marks"


def _programs() -> Path | None:
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((each for each in places if (each / "initdb").exists()), None)


def _as_postgres(*command: str | Path) -> None:
    """Run a program of PostgreSQL, which refuses to run as root."""
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    subprocess.run([*user, *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Yield the host and port of a server of its own, with a user `tuner`."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    if os.getuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    folder = Path(tempfile.mkdtemp(prefix="gridcnn-postgres-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
            shutil.chown(secret, "postgres")
        data = folder / "data"
        _as_postgres(
            programs / "initdb", "-D", data, "-U", "tuner", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8"
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        _as_postgres(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        yield f"127.0.0.1:{port}"
        _as_postgres(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def study(server: str) -> str:
    return f"postgresql://tuner:{QUOTED}@{server}/postgres"


@pytest.mark.parametrize("kind", ["file", "server"])
def test_processes_share_one_study_and_its_budget(kind, tmp_path, request, in_processes):
    place = str(tmp_path / "study.db") if kind == "file" else request.getfixturevalue("study")
    task = {"study": place, "trials": 6, "name": "shared"}
    assert in_processes(task, task) == [0, 0]

    tuned = search(place, trials=6, name="shared")
    assert 6 <= len(tuned.trials) <= 7, "both may begin the last trial at the same moment"
    assert tuned.trials[0].told == {}
    assert sum(not each.told for each in tuned.trials) == 1


def test_what_a_killed_process_tried_is_tried_again(study, in_processes):
    task = {"study": study, "trials": 4, "name": "killed", "dies_in": 1}
    assert in_processes(task) == [-signal.SIGKILL]

    tuned = search(study, trials=3, name="killed")
    whole = search(trials=3)
    assert [each.told for each in tuned.trials] == [each.told for each in whole.trials]
    assert [each.accuracy for each in tuned.trials] == [each.accuracy for each in whole.trials]


@pytest.mark.parametrize("wrong", ["password", "user", "name"])
def test_wrong_credentials_are_told_in_one_line_without_the_password(study, wrong):
    place = {
        "password": study.replace(QUOTED, "guessed"),
        "user": study.replace("tuner", "nobody"),
        "name": study.replace("/postgres", "/missing"),
    }[wrong]
    with pytest.raises(ConfigurationError, match="user, password and name are right") as refused:
        search(place, trials=1)
    assert "\n" not in str(refused.value)
    assert "guessed" not in str(refused.value)
    assert "secret" not in str(refused.value)
