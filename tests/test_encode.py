"""Encoding in parallel, and the cache: decoded once, never half an entry, never more than its limit."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter, image
from gridcnn.errors import ConfigurationError, DataError, ItemError
from gridcnn.estimator import GridClassifier
from gridcnn.pipeline import cache as cache_module
from gridcnn.pipeline import encode as encoding
from gridcnn.pipeline import frozen
from gridcnn.pipeline.cache import default_cache_folder
from gridcnn.pipeline.encode import encode_items, fit_adapter
from gridcnn.training.callbacks import Callback

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


COUNTED = threading.Lock()


class Counting(ImageAdapter):
    """Counts what it decodes."""

    decoded: int

    def encode(self, item):
        with COUNTED:
            self.decoded = getattr(self, "decoded", 0) + 1
        return super().encode(item)


class Frail(ImageAdapter):
    """Is killed at the fourth chunk."""

    def encode(self, item):
        if Path(item).stem >= "100":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(item)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Pictures of 8 × 8 whose first pixel is their number."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(150):
        Image.new("L", (8, 8), number).save(folder / f"{number:03d}.png")
    return sorted(folder.iterdir())


@pytest.fixture
def recordings(tmp_path: Path) -> list[Path]:
    """Recordings of 1, 2 and 3 windows."""
    paths = []
    for seconds in (1, 2, 3):
        paths.append(tmp_path / f"{seconds}.wav")
        noise = np.random.default_rng(seconds).uniform(-0.5, 0.5, seconds * 8_000)
        soundfile.write(paths[-1], noise, 8_000)
    return paths


def counting(files: list[Path]) -> Counting:
    adapter = Counting().fit(files)
    adapter.decoded = 0
    return adapter


def entries(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.is_dir())


@pytest.mark.parametrize("n_jobs", [None, 1, 3])
@pytest.mark.parametrize("cached", [False, True])
def test_windows_come_in_the_order_of_the_items(files, tmp_path, n_jobs, cached):
    cache = tmp_path / "cache" if cached else None
    for _ in range(2):
        encoded = encode_items(ImageAdapter().fit(files), files, n_jobs=n_jobs, cache=cache)
        assert encoded.windows.shape == (150, 1, 8, 8)
        assert encoded.windows.dtype == np.uint8
        np.testing.assert_array_equal(encoded.windows[:, 0, 0, 0], np.arange(150))
        np.testing.assert_array_equal(encoded.item, np.arange(150))
        assert encoded.item.dtype == np.int64
        assert (encoded.key is not None) == cached


def test_several_windows_belong_to_one_item(recordings, tmp_path):
    adapter = AudioAdapter(duration=1.0).fit(recordings)
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        encoded = encode_items(adapter, recordings, cache=cache)
        np.testing.assert_array_equal(encoded.item, [0, 1, 1, 2, 2, 2])
        np.testing.assert_array_equal(encoded.windows[1:3], adapter.encode(recordings[1]))


def test_a_second_run_decodes_nothing(files, tmp_path):
    adapter = counting(files)
    first = encode_items(adapter, files, cache=tmp_path / "cache")
    assert adapter.decoded == 150
    second = encode_items(adapter, [str(path) for path in files], cache=tmp_path / "cache")
    assert adapter.decoded == 150
    np.testing.assert_array_equal(first.windows, second.windows)
    assert entries(tmp_path / "cache") == [first.key] == [second.key]


class Learning(ImageAdapter):
    """Counts how often it learns."""

    fits = 0

    def fit(self, items):
        Learning.fits += 1
        return super().fit(items)


def test_what_was_learned_of_the_same_files_is_recalled(files, tmp_path, monkeypatch):
    monkeypatch.setattr(Learning, "fits", 0)
    cache = tmp_path / "cache"
    first = fit_adapter(Learning(), files, cache=cache)
    assert fit_adapter(Learning(), [str(path) for path in files], cache=cache).state() == first.state()
    assert Learning.fits == 1
    fit_adapter(Learning(), files)
    fit_adapter(Learning(), files[1:], cache=cache)
    fit_adapter(Learning(colour=True), files, cache=cache)
    assert Learning.fits == 4
    Image.new("L", (12, 9), 200).save(files[0])
    assert fit_adapter(Learning(), files[:1], cache=cache).spec_.sizes == (9, 12)


def test_what_was_learned_of_items_in_memory_is_not_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(Learning, "fits", 0)
    for _ in range(2):
        fit_adapter(Learning(), [np.zeros((8, 8), np.uint8)], cache=tmp_path)
    assert Learning.fits == 2
    assert list(tmp_path.iterdir()) == []


def test_an_adapter_whose_code_was_changed_begins_anew(files, tmp_path, monkeypatch):
    adapter = ImageAdapter().fit(files)
    first = encode_items(adapter, files, cache=tmp_path / "cache").key
    changed = tmp_path / "image.py"
    changed.write_bytes(Path(image.__file__).read_bytes() + b"# another line")
    monkeypatch.setattr(image, "__file__", str(changed))
    assert encode_items(adapter, files, cache=tmp_path / "cache").key != first


def test_contents_order_and_adapter_tell_entries_apart(files, tmp_path):
    cache, files = tmp_path / "cache", files[:5]

    def key(adapter: ImageAdapter, paths: list[Path]) -> str | None:
        return encode_items(adapter, paths, cache=cache).key

    adapter = ImageAdapter().fit(files)
    moved = [path.rename(path.with_suffix(".picture")) for path in files]
    keys = {key(adapter, moved)}
    assert key(adapter, moved) in keys  # names do not matter
    keys.add(key(adapter, moved[::-1]))
    keys.add(key(adapter, moved[:4]))
    keys.add(key(ImageAdapter(framing="crop").fit(moved), moved))
    keys.add(key(ImageAdapter().fit([np.zeros((9, 9), np.uint8)]), moved))
    Image.new("L", (8, 8), 200).save(moved[0], format="png")
    keys.add(key(adapter, moved))
    assert len(keys) == 6
    assert encode_items(adapter, moved, cache=cache).windows[0, 0, 0, 0] == 200


def test_the_first_failure_in_order_is_raised(files, tmp_path):
    for number in (140, 70, 100):
        files[number].write_bytes(b"")
    for cache in (None, tmp_path / "cache"):
        with pytest.raises(ItemError, match=r"070\.png: the file is empty"):
            encode_items(ImageAdapter().fit(files), files, cache=cache)
    assert entries(tmp_path / "cache") == []


def test_failures_are_skipped_and_listed_also_from_the_cache(files, tmp_path):
    files[3].write_bytes(b"")
    files.insert(70, tmp_path / "missing.png")
    adapter = counting(files)
    for cache, decoded in ((None, 151), (tmp_path / "cache", 302), (tmp_path / "cache", 302)):
        encoded = encode_items(adapter, files, on_error="skip", cache=cache)
        assert adapter.decoded == decoded
        assert encoded.skipped_index == (3, 70)
        assert [(Path(skip.item).name, skip.reason) for skip in encoded.skipped] == [
            ("003.png", "the file is empty (0 bytes)"),
            ("missing.png", "there is no such file"),
        ]
        assert len(encoded.windows) == 149
        np.testing.assert_array_equal(encoded.item, np.delete(np.arange(151), [3, 70]))
    with pytest.raises(ItemError, match=r"003\.png"):  # the entry tells a strict run of its failures, too
        encode_items(adapter, files, cache=tmp_path / "cache")
    assert adapter.decoded == 302


def test_nothing_but_failures_is_nothing_encoded(files, tmp_path):
    adapter = ImageAdapter().fit(files)
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        encoded = encode_items(adapter, [tmp_path / "missing.png"], on_error="skip", cache=cache)
        assert len(encoded.windows) == len(encoded.item) == 0
        assert encoded.skipped_index == (0,)


def test_wrong_arguments_are_refused(files):
    adapter = ImageAdapter().fit(files)
    with pytest.raises(DataError, match="no items"):
        encode_items(adapter, [])
    with pytest.raises(ConfigurationError, match="'raise' or 'skip'"):
        encode_items(adapter, files, on_error="ignore")


def test_what_is_in_memory_is_not_cached(tmp_path):
    pixels = [np.full((8, 8), level, np.uint8) for level in range(3)]
    for adapter, items in [
        (ImageAdapter().fit(pixels), pixels),
        (TextAdapter().fit(["a a"]), ["a", "b"]),
        (ArrayAdapter().fit(np.eye(3)), np.eye(3)),
    ]:
        encoded = encode_items(adapter, items, cache=tmp_path)
        assert len(encoded.windows) == len(items)
        assert encoded.key is None
    assert entries(tmp_path) == []


def test_progress_is_told(files, tmp_path):
    adapter, told = ImageAdapter().fit(files), []
    encode_items(adapter, files, cache=tmp_path, progress=lambda *done: told.append(done))
    assert told[-1] == (150, 150)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert len(told) > 2
    told.clear()
    encode_items(adapter, files, cache=tmp_path, progress=lambda *done: told.append(done))
    assert told == [(150, 150)]


def test_large_entries_are_memory_mapped(files, tmp_path, monkeypatch):
    adapter = ImageAdapter().fit(files)
    assert not isinstance(encode_items(adapter, files, cache=tmp_path).windows, np.memmap)
    monkeypatch.setattr(cache_module, "MAP_ABOVE", 1_000)
    windows = encode_items(adapter, files, cache=tmp_path).windows
    assert isinstance(windows, np.memmap)
    assert not windows.flags.writeable
    np.testing.assert_array_equal(windows[:, 0, 0, 0], np.arange(150))


@pytest.mark.parametrize("name", ["windows.bin", "item.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["cut", "removed"])
def test_a_damaged_entry_is_made_again(files, tmp_path, name, damage):
    adapter = counting(files)
    key = encode_items(adapter, files, cache=tmp_path / "cache").key
    part = tmp_path / "cache" / key / name
    if damage == "cut":
        part.write_bytes(part.read_bytes()[:-7])
    else:
        part.unlink()
    for _ in range(2):
        encoded = encode_items(adapter, files, cache=tmp_path / "cache")
        np.testing.assert_array_equal(encoded.windows[:, 0, 0, 0], np.arange(150))
        assert adapter.decoded == 300
    assert entries(tmp_path / "cache") == [key]


@forking
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_kill_half_way_leaves_no_entry(files, tmp_path):
    cache, adapter = tmp_path / "cache", Frail().fit(files[:50])
    run = multiprocessing.get_context("fork").Process(
        target=encode_items, args=(adapter, files), kwargs={"cache": cache}
    )
    run.start()
    run.join(30)
    assert run.exitcode == -signal.SIGKILL
    (leftover,) = cache.iterdir()
    assert leftover.name.startswith(".draft-")
    healthy = ImageAdapter().fit(files)
    key = encode_items(healthy, files, cache=cache).key
    assert entries(cache) == [leftover.name, key]  # it might still be at work
    for path in (*leftover.iterdir(), leftover):
        os.utime(path, times=(time.time() - 90_000,) * 2)
    other = encode_items(healthy, files[:9], cache=cache).key
    assert entries(cache) == sorted([key, other])


@forking
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_two_runs_at_once_make_one_whole_entry(files, tmp_path):
    cache, adapter = tmp_path / "cache", ImageAdapter().fit(files)
    context = multiprocessing.get_context("fork")
    results = context.Queue()

    def work() -> None:
        encoded = encode_items(adapter, files, cache=cache)
        results.put(encoded.windows[:, 0, 0, 0].tolist())

    runs = [context.Process(target=work) for _ in range(3)]
    for run in runs:
        run.start()
    assert [results.get(timeout=30) for _ in runs] == [list(range(150))] * 3
    for run in runs:
        run.join(30)
    assert len(entries(cache)) == 1
    assert not entries(cache)[0].startswith(".")


def test_a_run_that_is_slower_discards_its_copy(files, tmp_path, monkeypatch):
    adapter = counting(files)
    first = encode_items(adapter, files, cache=tmp_path / "cache")
    monkeypatch.setattr(encoding, "read", lambda entry: None)  # the entry appears after the look-up
    second = encode_items(adapter, files, cache=tmp_path / "cache")
    np.testing.assert_array_equal(first.windows, second.windows)
    assert entries(tmp_path / "cache") == [first.key]


def test_the_least_recently_used_entries_go_first(files, tmp_path, monkeypatch):
    cache, adapter = tmp_path / "cache", ImageAdapter().fit(files)
    old, used = (encode_items(adapter, files[start : start + 50], cache=cache).key for start in (0, 50))
    for age, key in ((200, used), (100, old)):
        os.utime(cache / key, times=(time.time() - age,) * 2)
    encode_items(adapter, files[50:100], cache=cache)  # used again
    size = sum(path.stat().st_size for path in (cache / used).iterdir())
    monkeypatch.setattr(cache_module, "CACHE_LIMIT", int(2.5 * size))
    new = encode_items(adapter, files[100:], cache=cache).key
    assert entries(cache) == sorted([used, new])
    monkeypatch.setattr(cache_module, "CACHE_LIMIT", 1)
    last = encode_items(adapter, files[:20], cache=cache).key
    assert entries(cache) == [last]  # what is needed now stays


def test_the_grids_of_a_frozen_lift_stand_in_for_the_windows(recordings, tmp_path):
    recordings.insert(1, tmp_path / "missing.wav")
    adapter = AudioAdapter(duration=1.0).fit(recordings)
    plain = encode_items(adapter, recordings, on_error="skip")
    expected = adapter.frontend()(torch.from_numpy(plain.windows)).numpy()
    for cache in (None, tmp_path / "cache"):
        encoded = encode_items(adapter, recordings, frontend_on="cpu", on_error="skip", cache=cache)
        assert encoded.windows.shape == (6, *adapter.spec_.shape)
        assert encoded.windows.dtype == np.float32
        np.testing.assert_allclose(encoded.windows, expected, atol=1e-5)
        np.testing.assert_array_equal(encoded.item, plain.item)
        assert encoded.skipped_index == (1,)
    nothing = encode_items(adapter, recordings[1:2], frontend_on="cpu", on_error="skip")
    assert len(nothing.windows) == 0


@pytest.mark.parametrize("at_once", [1, 70_000, 140_000])
def test_grids_of_short_and_long_items_come_in_their_order(recordings, monkeypatch, at_once):
    monkeypatch.setattr(frozen, "BYTES_AT_ONCE", at_once)
    adapter = AudioAdapter(duration=1.0).fit(recordings)
    lifted = encode_items(adapter, recordings, frontend_on="cpu").windows
    expected = adapter.frontend()(torch.from_numpy(encode_items(adapter, recordings).windows)).numpy()
    np.testing.assert_allclose(lifted, expected, atol=1e-5)


def test_frozen_lifts_are_computed_once(recordings, tmp_path, monkeypatch):
    adapter = AudioAdapter(duration=1.0).fit(recordings)
    first = encode_items(adapter, recordings, frontend_on="cpu", cache=tmp_path / "cache")
    assert entries(tmp_path / "cache") == [first.key]  # no waveforms beside the grids
    monkeypatch.setattr(AudioAdapter, "encode", lambda self, item: pytest.fail("computed again"))
    second = encode_items(adapter, recordings, frontend_on="cpu", cache=tmp_path / "cache")
    np.testing.assert_array_equal(second.windows, first.windows)


def test_windows_are_not_taken_for_grids(recordings, tmp_path):
    adapter = AudioAdapter(duration=1.0).fit(recordings)
    keys = {
        encode_items(adapter, recordings, frontend_on=device, cache=tmp_path / "cache").key for device in (None, "cpu")
    }
    assert len(keys) == 2


def test_grids_are_not_taken_from_another_adapter(recordings, tmp_path):
    adapters = [AudioAdapter(duration=1.0, top_db=top_db).fit(recordings) for top_db in (80.0, 20.0)]
    one, two = (encode_items(adapter, recordings, frontend_on="cpu", cache=tmp_path) for adapter in adapters)
    assert not np.allclose(one.windows, two.windows, atol=0.01)


def test_a_lift_that_learns_is_left_to_the_training():
    adapter = TextAdapter().fit(["a a"])
    windows = encode_items(adapter, ["a"], frontend_on="cpu").windows
    np.testing.assert_array_equal(windows, encode_items(adapter, ["a"]).windows)


def test_training_tells_of_all_that_it_reads(recordings, tmp_path):
    class Told(Callback):
        def on_encode(self, done: int, total: int) -> None:
            told.append((done, total))

    for _ in range(2):
        told: list[tuple[int, int]] = []
        classifier = GridClassifier(
            AudioAdapter(duration=1.0), kernels=(4,), epochs=1, cache=tmp_path, callbacks=[Told()]
        )
        classifier.fit(recordings, ["a", "b", "b"], validation=(recordings[:1], ["a"]))
        assert told == [(3, 3), (1, 1)]


def test_the_cache_folder_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("GRIDCNN_CACHE", str(tmp_path))
    assert default_cache_folder() == tmp_path
    monkeypatch.delenv("GRIDCNN_CACHE")
    assert default_cache_folder().parts[-2:] == ("gridcnn", "encoded")
