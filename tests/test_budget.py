"""A time limit settles the recipe before training starts, and the recipe can be repeated without it."""

from __future__ import annotations

import io
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rich.console import Console

from gridcnn import GridClassifier
from gridcnn.adapters import AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.adapters.questions import Option, Question
from gridcnn.cli.options import seconds_of
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.grid import GridSpec
from gridcnn.model import EpochRecord, Network
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.config import BackboneConfig
from gridcnn.training.budget import Budget, Pace, fewest_epochs, measure, probe, smaller_share
from gridcnn.training.callbacks import Callback
from gridcnn.training.config import TrainingConfig
from gridcnn.training.contention import Contention
from gridcnn.training.loop import Examples
from gridcnn.training.progress import LiveProgress, PlainProgress
from gridcnn.training.recipe import Recipe
from gridcnn.training.schedule import Schedule

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch):
    """A clock of budgets that stands still until it is moved: `clock[0] += 5`."""
    now = [100.0]
    monkeypatch.setattr("gridcnn.training.budget.time.perf_counter", lambda: now[0])
    return now


@pytest.fixture
def pace(monkeypatch):
    """Let a step take `pace["step"](network)` seconds, one if nothing else is said, and the clock stand still."""
    chosen = {"step": lambda _: 1.0}
    monkeypatch.setattr(
        "gridcnn.training.budget.measure", lambda network, *_: Pace(chosen["step"](network), scoring=0.0)
    )
    monkeypatch.setattr(Budget, "elapsed", 0.0)
    return chosen


def pictures(n, side=12):
    rng = np.random.default_rng(0)
    return [(rng.random((side, side)) * 100 + 100 * (index % 2)).astype(np.uint8) for index in range(n)]


def small_network():
    spec = GridSpec.of("colour", 1, height=8, width=8)
    return Network(torch.nn.Identity(), ConvPoolDense(spec, BackboneConfig(kernels=(2,)), 2))


def examples(n=24):
    return Examples(np.zeros((n, 1, 8, 8), np.float32), np.arange(n) % 2, np.ones(n))


class Notes(Callback):
    """A display that remembers what it was told."""

    def __init__(self):
        self.lines = []

    def on_message(self, line):
        self.lines.append(line)


# ------------------------------------------------------------------------------- choosing epochs and size


def test_epochs_fill_nine_tenths_of_what_is_left(clock):
    budget = Budget(100)
    clock[0] += 30
    assert budget.epochs(usual=12, seconds_an_epoch=4)[0] == 15  # 90 − 30 seconds
    assert budget.epochs(usual=12, seconds_an_epoch=4, reserved=20)[0] == 10


def test_epochs_are_at_most_twice_and_at_least_a_quarter_of_the_usual(clock):
    budget = Budget(100)
    assert budget.epochs(usual=20, seconds_an_epoch=0.001)[0] == 40
    assert budget.epochs(usual=20, seconds_an_epoch=1000)[0] == fewest_epochs(20) == 5
    assert Budget(None).epochs(usual=20, seconds_an_epoch=1000)[0] == 20


def test_a_training_on_all_items_is_planned_where_there_is_time_for_the_usual_epochs_twice(clock):
    budget = Budget(100)  # 90 seconds are planned with
    budget.refit = None
    assert not budget.epochs(usual=20, seconds_an_epoch=2.1)[1]
    assert budget.epochs(usual=20, seconds_an_epoch=2.1)[0] == 40  # twice the usual
    assert budget.epochs(usual=20, seconds_an_epoch=2)[1]
    assert budget.epochs(usual=20, seconds_an_epoch=2)[0] == 20
    assert not budget.epochs(usual=20, seconds_an_epoch=2, reserved=5)[1]


def test_a_training_on_all_items_that_is_asked_for_gets_its_share_of_any_time(clock):
    budget = Budget(100)
    budget.refit = True
    assert budget.epochs(usual=20, seconds_an_epoch=5)[0] == 8  # 18 for one training, 8 and 9 for two


@pytest.mark.parametrize("limit", [0, -5, math.nan, math.inf, "60"])
def test_a_limit_that_is_no_time_is_refused(limit):
    with pytest.raises(ConfigurationError, match="time_limit must be a number above 0, or None, got"):
        GridClassifier(adapter=ImageAdapter(), time_limit=limit).fit(pictures(20), [0, 1] * 10)


def test_a_smaller_share_is_the_largest_that_should_fit():
    assert smaller_share(1.0, needed=10, available=10) is None
    assert smaller_share(1.0, needed=10, available=6) == 0.75
    assert smaller_share(0.5, needed=10, available=9.9) == 0.375
    assert smaller_share(1.0, needed=10, available=-3) == 0.25
    assert smaller_share(0.25, needed=10, available=1) is None


def test_an_epoch_is_its_steps_and_the_scoring_after_them():
    assert Pace(step=0.5, scoring=0.01).epoch(n_examples=70, n_scored=30, batch_size=32) == pytest.approx(1.8)


def test_a_schedule_that_does_not_fit_says_so():
    fits, too_long, free = (Schedule(1200, (28, 28), 5, 100.0, limit) for limit in (120, 60, None))
    assert fits.fits
    assert str(fits) == "1,200 items, 28 × 28, 5 epochs: about 1 min 40 s of the 2 min allowed"
    assert not too_long.fits
    assert "more than the 1 min allowed" in str(too_long)
    assert str(free).endswith("about 1 min 40 s to train on this machine")


# ------------------------------------------------------------------------------------------------ measuring


def test_measuring_leaves_the_network_and_the_random_numbers_as_they_are():
    network = small_network()
    before = [parameter.clone() for parameter in network.parameters()]
    state = torch.random.get_rng_state()

    pace = measure(network, examples(), TrainingConfig(batch_size=8), CPU, seconds=0.01)

    assert pace.step > 0
    assert pace.scoring > 0
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


def test_a_measurement_ends_after_its_seconds_however_many_epochs_there_are(monkeypatch):
    ticks = iter(range(10**6))
    monkeypatch.setattr("gridcnn.training.budget.time.perf_counter", lambda: float(next(ticks)))  # a second a look

    measure(small_network(), examples(), TrainingConfig(epochs=10**5, batch_size=8), CPU, seconds=50)

    assert next(ticks) < 200


def test_ctrl_c_while_measuring_is_not_lost(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("gridcnn.training.budget._Stopwatch.on_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        measure(small_network(), examples(), TrainingConfig(batch_size=8), CPU)


def test_a_probe_counts_the_windows_of_long_items():
    rng = np.random.default_rng(0)
    sounds = [rng.normal(size=3000).astype(np.float32) for _ in range(8)]
    adapter = AudioAdapter(sample_rate=8000, duration=0.125).fit(sounds)

    cost = probe(
        adapter, sounds, Recipe(BackboneConfig(kernels=(2,)), TrainingConfig(batch_size=8), refit=False), 2, CPU
    )

    assert cost.windows == 3
    assert cost.epoch(8, 0, batch_size=8) == pytest.approx(3 * cost.pace.step)


def test_a_probe_of_nothing_but_broken_items_says_so(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    adapter = ImageAdapter().fit(pictures(2))
    with pytest.raises(DataError, match="none of the 2 items"):
        probe(adapter, [tmp_path / "bad.png"] * 2, Recipe(BackboneConfig(), TrainingConfig(), refit=False), 2, CPU)


# ----------------------------------------------------------------------------------------- the estimator


def test_a_limit_trains_as_many_epochs_as_fit_and_records_them(pace):
    notes = Notes()
    limited = GridClassifier(adapter=ImageAdapter(), time_limit=60, callbacks=[notes]).fit(pictures(40), [0, 1] * 20)

    assert len(limited.history_) == 10  # of five steps each: 50 of the 54 seconds planned for
    assert limited.summary_["time"] == {
        "limit": 60,
        "expected": 50,
        "taken": 0,
        "chosen": {"epochs": 10, "refit": False},
    }
    assert "40 items, 12 × 12, 10 epochs: about 50 s of the 1 min allowed" in notes.lines


def test_the_chosen_recipe_repeats_the_weights_bit_for_bit(pace):
    X, y = pictures(40), [0, 1] * 20
    limited = GridClassifier(adapter=ImageAdapter(), time_limit=60).fit(X, y)
    repeated = GridClassifier(adapter=limited.adapter_, **limited.summary_["time"]["chosen"]).fit(X, y)

    pairs = zip(limited.network_.parameters(), repeated.network_.parameters(), strict=True)
    assert all(torch.equal(first, second) for first, second in pairs)


def test_pictures_get_smaller_where_few_epochs_do_not_fit(pace):
    pace["step"] = lambda network: 10 * math.prod(network.backbone.spec.sizes) / 144
    X, y = pictures(20), [0, 1] * 10

    limited = GridClassifier(adapter=ImageAdapter(), time_limit=250).fit(X, y)

    assert limited.adapter_.size == (9, 9)  # ten epochs of three steps take 300 s at 12 × 12, and 169 s at 9 × 9
    assert limited.network_.backbone.spec.sizes == (9, 9)


def test_what_the_user_set_is_not_made_smaller(pace):
    fixed = GridClassifier(adapter=ImageAdapter(size=12), kernels=(2,), time_limit=5)
    with pytest.warns(UserWarning, match="about 30 s, more than the 5 s allowed"):
        fixed.fit(pictures(20), [0, 1] * 10)
    assert fixed.network_.backbone.spec.sizes == (12, 12)
    assert fixed.network_.backbone.config.kernels == (2,)


def test_texts_get_fewer_kernels_where_few_epochs_do_not_fit(pace):
    pace["step"] = lambda network: network.backbone.config.kernels[0]
    texts = [f"a b {number}" for number in range(20)]

    plan = GridClassifier(adapter=TextAdapter(), time_limit=520).plan(texts, [0, 1] * 10)

    assert plan.backbone.kernels == (50,)  # three epochs of three steps take 900 s with 100 kernels, and 450 s with 50
    assert plan.schedule.epochs == plan.training.epochs == 3
    notes = Notes()
    GridClassifier(adapter=TextAdapter(), time_limit=520, callbacks=[notes]).fit(texts, [0, 1] * 10)
    assert notes.lines[1].endswith("about 7 min 30 s of the 8 min 40 s allowed, with fewer kernels (50,)")


def test_a_plan_without_a_limit_estimates_the_usual_epochs(pace):
    classifier = GridClassifier(adapter=ImageAdapter())
    plan = classifier.plan(pictures(20), [0, 1] * 10, measure_time=True)
    assert plan.schedule.epochs == plan.training.epochs == 40
    # Five folds of two steps, all items of three, and a little for encoding
    assert plan.schedule.seconds == pytest.approx((5 * 2 + 3) * 40, abs=10)
    assert classifier.plan(pictures(20), [0, 1] * 10).schedule is None


def test_a_plan_counts_all_folds_and_the_last_training_from_all_items(pace):
    X, y = pictures(60), [0, 1] * 30
    once, often = (
        GridClassifier(adapter=ImageAdapter(), refit=refit).plan(X, y, measure_time=True).schedule.seconds
        for refit in (False, True)
    )
    assert once == pytest.approx(7 * 40, abs=10)  # steps of eight
    assert often == pytest.approx((5 * 6 + 8) * 40, abs=10)


class Asking(ImageAdapter):
    """Pictures of which it is not known how many kernels they need."""

    def questions(self, n_items):
        return [
            Question("kernels", (Option("usual"), Option("two", {"kernels": (2,)}), Option("nine", {"kernels": (9,)})))
        ]


def test_a_plan_counts_the_trainings_that_answer_questions(pace):
    X, y = pictures(60), [0, 1] * 30
    plain, asking = (
        GridClassifier(adapter=adapter).plan(X, y, measure_time=True).schedule.seconds
        for adapter in (ImageAdapter(), Asking())
    )
    assert asking - plain == pytest.approx(2 * 5 * 6 * 40, abs=10)  # two options, five folds of six steps
    answered = GridClassifier(adapter=Asking(), kernels=(3,)).plan(X, y, measure_time=True).schedule.seconds
    assert answered == pytest.approx(plain, abs=10)


def test_a_machine_busy_with_other_things_is_told_from_a_slow_one(monkeypatch, tmp_path):
    thread = tmp_path / "1"
    thread.mkdir()
    monkeypatch.setattr("gridcnn.training.contention.THREADS", tmp_path)
    (thread / "schedstat").write_text("5000 7000 3")
    with Contention() as contention:
        (thread / "schedstat").write_text("6000 10000 4")
    assert contention.share == 0.25
    busy = str(Schedule(1200, (28, 28), 5, 400.0, None, alone=contention.share * 400))
    assert busy.endswith("about 6 min 40 s to train as busy as this machine is, 1 min 40 s if nothing else ran on it")
    monkeypatch.setattr("gridcnn.training.contention.THREADS", tmp_path / "not Linux")
    with Contention() as unknown:
        pass
    assert unknown.share == 1


def test_epochs_beside_a_limit_are_refused():
    with pytest.raises(ConfigurationError, match="give one of them"):
        GridClassifier(adapter=ImageAdapter(), epochs=3, time_limit=60).fit(pictures(20), [0, 1] * 10)


def test_a_bundle_keeps_what_was_chosen(pace, tmp_path):
    limited = GridClassifier(adapter=ImageAdapter(), time_limit=60).fit(pictures(40), [0, 1] * 20)
    limited.save(tmp_path / "m.safetensors")
    loaded = GridClassifier.load(tmp_path / "m.safetensors")
    assert loaded.summary_["time"] == limited.summary_["time"]
    assert loaded.time_limit == 60
    assert loaded.model_.recipe["epochs"] == len(limited.history_)


def test_without_a_limit_no_time_is_kept():
    assert "time" not in GridClassifier(adapter=ImageAdapter(), epochs=1).fit(pictures(20), [0, 1] * 10).summary_


# --------------------------------------------------------------------------------------- the command line


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("2 h", 7200)])
def test_durations_are_read_with_their_units(text, seconds):
    assert seconds_of("--time", text) == seconds


@pytest.mark.parametrize("text", ["5", "5.5", "", "soon", "-5m", "20ms", "nan"])
def test_a_duration_without_units_or_sense_is_refused(text):
    with pytest.raises(ConfigurationError, match="such as 90s, 5m or 1h30m; got"):
        seconds_of("--time", text)


def test_training_within_a_limit_says_at_the_start_and_at_the_end_how_long_it_takes(pace, run, tmp_path):
    done = run("train", "digits", "--time", "3m", "--kernels", "2", "-o", tmp_path / "m.safetensors", "--no-cache")
    assert done.code == 0
    assert "1,617 items, 8 × 8, 12 epochs: about 2 min 36 s of the 3 min allowed" in done.err.splitlines()
    assert "(expected 156.0 s)" in done.out


def test_a_dry_run_says_how_long_training_would_take(pace, run):
    done = run("train", "digits", "--dry-run", "--kernels", "2")
    assert "1,617 items, 8 × 8, 40 epochs, 2 trainings in all: about 18 min 4" in done.out.splitlines()[-1]


def test_the_bands_and_the_hop_that_a_limit_chose_can_be_given(run):
    done = run("train", "tones", "--dry-run", "--mels", "12", "--hop", "400", "--kernels", "2")
    assert "12 frequency × 21 time" in done.out


def test_time_and_epochs_together_are_refused(run):
    done = run("train", "digits", "--dry-run", "--time", "1m", "--epochs", "3")
    assert done.code == 2
    assert "give one of them" in done.err


# -------------------------------------------------------------------------------------------- the display

ONE_LABEL = SimpleNamespace(several=False)


def record(epoch):
    return EpochRecord(epoch, 0.1234, 0.987, 0.2345, 0.967, 1e-3, seconds=2.0, samples_per_second=12_345.0)


@pytest.mark.parametrize(("several", "score"), [(False, "accuracy"), (True, "ranking")])
def test_the_live_bar_fits_80_columns_and_names_its_score(several, score):
    screen = io.StringIO()
    display = LiveProgress(Console(file=screen, force_terminal=True, width=80, legacy_windows=False))
    display.on_start(epochs=40, steps_per_epoch=1)
    for epoch in range(1, 41):
        display.on_step(1000)
        display.on_epoch(record(epoch), SimpleNamespace(several=several))
    display.on_end()
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue()).splitlines()[-1]
    assert last.startswith("epoch 40/40")
    assert f"{score} 0.987, validation 0.967" in last
    assert "samples/s" in last
    assert "…" not in last


def test_plain_lines_count_all_the_time_that_an_epoch_takes(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("gridcnn.training.progress.time.perf_counter", lambda: now[0])
    display = PlainProgress(Console())
    display.on_start(epochs=10, steps_per_epoch=1)
    now[0] = 20.0  # two seconds of steps, the rest on validation
    display.on_epoch(record(1), ONE_LABEL)
    assert capsys.readouterr().out.endswith("validation accuracy 0.967  12,345 samples/s  3 min left\n")


def test_plain_lines_of_short_epochs_come_once_a_second_and_the_last_always(monkeypatch, capsys):
    now = [5.0]
    monkeypatch.setattr("gridcnn.training.progress.time.perf_counter", lambda: now[0])
    display = PlainProgress(Console())
    display.on_start(epochs=9, steps_per_epoch=1)
    for epoch in range(1, 10):
        now[0] += 0.3
        display.on_epoch(record(epoch), ONE_LABEL)
    assert re.findall(r"epoch (\d)/9", capsys.readouterr().out) == ["1", "5", "9"]


# ----------------------------------------------------------------------------------------- coarser grids


def test_a_coarser_picture_keeps_its_proportions_and_eight_cells():
    wide = ImageAdapter().fit([np.zeros((20, 40), np.uint8)] * 2)
    assert wide.coarser(0.5).size == (10, 20)
    assert wide.coarser(0.25).size == (8, 10)
    assert ImageAdapter(size=20).fit([np.zeros((20, 40), np.uint8)]).coarser(0.5) is None
    assert ImageAdapter().fit([np.zeros((8, 8), np.uint8)]).coarser(0.5) is None


def test_a_coarser_sound_has_fewer_bands_and_frames():
    sounds = [np.ones(8000, np.float32)] * 2
    fine = AudioAdapter(sample_rate=8000).fit(sounds)
    coarse = fine.coarser(0.5).fit(sounds)
    assert coarse.spec_.sizes[0] == fine.spec_.sizes[0] / 2
    assert coarse.spec_.sizes[1] == pytest.approx(fine.spec_.sizes[1] / 2, abs=1)
    assert AudioAdapter(sample_rate=8000, n_mels=20).fit(sounds).coarser(0.5) is None
