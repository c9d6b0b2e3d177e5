"""Segments of long recordings: what is read of them, what surrounds them, and background between them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gridcnn.adapters import ArrayAdapter, AudioAdapter, TextAdapter, sound_stretches
from gridcnn.adapters.recordings import header
from gridcnn.errors import DataError, ItemError
from gridcnn.pipeline.background import background_segments, neighbours, share_annotated, varied
from gridcnn.pipeline.encode import encode_items
from gridcnn.pipeline.fingerprint import fingerprint
from gridcnn.segments import Event, Segment, Varied

RATE = 8_000


@pytest.fixture(scope="module")
def hum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a minute whose samples tell their place."""
    path = tmp_path_factory.mktemp("sounds") / "minute.wav"
    soundfile.write(path, np.arange(60 * RATE) / (60 * RATE), RATE, subtype="FLOAT")
    return path


def adapter(hum: Path, seconds: float = 1.0) -> AudioAdapter:
    return AudioAdapter(duration=seconds).fit([Segment(str(hum), at, at + seconds) for at in range(5)])


@pytest.mark.parametrize(("start", "end"), [(10.0, 10.2), (0.0, 0.1), (59.95, 60.0), (30.0, 31.0)])
def test_a_window_holds_a_short_segment_and_what_surrounds_it(hum: Path, start: float, end: float) -> None:
    windows = adapter(hum).encode(Segment(str(hum), start, end))
    first = min(max((start + end) / 2 - 0.5, 0), 59)

    assert windows.shape == (1, RATE)
    np.testing.assert_allclose(windows[0, [0, -1]], [first / 60, (first + 1 - 1 / RATE) / 60], atol=1e-6)


def test_a_long_segment_becomes_the_windows_that_cover_it(hum: Path) -> None:
    windows = adapter(hum).encode(Segment(str(hum), 20, 22.5))

    np.testing.assert_allclose(windows[:, 0] * 60, [20, 20.75, 21.5], atol=1e-3)


def test_cells_of_a_segment_lie_at_their_times_in_the_recording(hum: Path) -> None:
    time = adapter(hum).coordinates(Segment(str(hum), 30.4, 30.6))[1]

    assert time.centre[0] == pytest.approx(30.0)
    assert time.centre[-1] == pytest.approx(31.0)


def test_a_segment_behind_the_end_is_an_error_of_that_segment(hum: Path) -> None:
    reader = adapter(hum)
    done = encode_items(reader, [Segment(str(hum), 5, 6), Segment(str(hum), 61, 62)], on_error="skip")

    assert done.item.tolist() == [0]
    assert done.skipped[0].item == f"{hum}, 61 to 62 s"
    assert "ends before that, after 60 s" in done.skipped[0].reason


def test_what_is_there_of_a_truncated_recording_is_read(hum: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.wav"
    cut.write_bytes(hum.read_bytes()[: 10 * RATE * 4])
    reader = adapter(hum)

    np.testing.assert_array_equal(reader.encode(Segment(str(cut), 3, 4.5)), reader.encode(Segment(str(hum), 3, 4.5)))
    assert reader.length_of(str(cut)) == pytest.approx(10, abs=0.01)
    with pytest.raises(ItemError, match=r"ends before that, after 9\.99\d* s \(truncated: \d+ of"):
        reader.encode(Segment(str(cut), 20, 21))


def test_pages_that_are_missing_in_the_middle_make_all_times_unknown(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 30 * RATE), RATE)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)

    with pytest.raises(ItemError, match="damaged|missing"):
        adapter_of(path).encode(Segment(str(path), 1, 2))


def adapter_of(path: Path) -> AudioAdapter:
    good = path.with_name("good.wav")
    soundfile.write(good, np.zeros(2 * RATE), RATE)
    return AudioAdapter(duration=1.0).fit([Segment(str(good), 0, 1)])


def test_a_segment_over_the_end_is_as_long_as_what_is_there(hum: Path) -> None:
    reader = adapter(hum)
    segment = Segment(str(hum), 58, 75)

    assert header(segment, None) == (RATE, pytest.approx(2))
    assert len(reader.encode(segment)) == len(reader.encode(Segment(str(hum), 58, 60)))
    assert reader.coordinates(segment, 3, 3)[1].high[-1] == pytest.approx(60)


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [(20, 21.5, 19, 22.5), (30, 30.2, 29, 31.2), (0.1, 0.2, 0, 1.2), (59.8, 75, 58.8, 60), (10, 55, 9, 39)],
)
def test_a_preview_holds_a_whole_segment_and_what_surrounds_it(
    hum: Path, start: float, end: float, first: float, last: float
) -> None:
    shown = adapter(hum).preview(Segment(str(hum), start, end))
    assert shown.waveform is not None
    assert shown.window is not None

    np.testing.assert_allclose(shown.waveform[[0, -1]] * 60, [first, last - 1 / RATE], atol=1e-3)
    assert len(shown.waveform) == pytest.approx((last - first) * RATE, abs=1)
    assert shown.window.shape == (1, len(shown.waveform))
    assert f"{first:.5g} to {last:.5g} s of the recording" in shown.note


@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.0])
def test_a_segment_behind_the_end_is_never_replaced_by_what_comes_before(hum: Path, seconds: float) -> None:
    with pytest.raises(ItemError, match="ends before that"):
        adapter(hum, seconds).encode(Segment(str(hum), 60.5, 60.7))


def test_files_that_cannot_be_read_from_any_place_are_decoded_once(
    hum: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(hum, dtype="float32")
    path = tmp_path / "minute.voc"
    soundfile.write(path, samples, rate)
    decoded: list[str] = []
    read = sound_stretches.read_sound
    seen = sound_stretches._Look(rate, len(samples), 1, jumps=False)
    monkeypatch.setattr(sound_stretches, "_look_at", lambda *_: seen)
    monkeypatch.setattr(sound_stretches, "read_sound", lambda path: (decoded.append(path), read(path))[1])
    segments = [Segment(str(path), at, at + 0.5) for at in range(50)]

    reader = adapter(hum)
    decoded.clear()
    encode_items(reader, segments, on_error="raise", n_jobs=4)

    assert decoded == [str(path)]


def test_encoded_segments_are_kept_and_known_again_by_their_times(hum: Path, tmp_path: Path) -> None:
    reader = adapter(hum)
    first, again, other = (encode_items(reader, [Segment(str(hum), start, 6)], cache=tmp_path) for start in (5, 5, 5.5))

    assert first.key == again.key != other.key
    np.testing.assert_array_equal(first.windows, again.windows)


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (2, 2), (3, 1), (0, np.inf), (np.nan, 1)])
def test_times_that_are_none_are_refused(start: float, end: float) -> None:
    with pytest.raises(DataError, match="begins at 0 or later"):
        Segment("a.wav", start, end)


def test_an_event_does_not_end_before_it_begins() -> None:
    with pytest.raises(DataError, match=r"a\.wav: an event begins"):
        Event("a.wav", 2, 1)


@pytest.mark.parametrize("step", [0.25, 0.3, 1.0, 7.0])
def test_windows_slide_from_the_beginning_to_the_end(hum: Path, step: float) -> None:
    starts, windows = (np.concatenate(each) for each in zip(*adapter(hum).slide(str(hum), step), strict=True))
    expected = [*np.arange(0, 59.0001, step), *([59.0] if 59 % step else [])]

    np.testing.assert_allclose(starts, expected, atol=1 / RATE)
    np.testing.assert_allclose(windows[:, 0] * 60, starts, atol=1e-3)


def test_windows_of_another_rate_are_those_of_the_whole_resampled_recording(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 30 * 11_025)
    path = tmp_path / "noise.flac"
    soundfile.write(path, noise, 11_025)
    reader = AudioAdapter(sample_rate=RATE, duration=1.0).fit([str(path)])
    whole = reader.decode(str(path))

    for starts, windows in reader.slide(str(path), 0.5):
        for start, window in zip(starts, windows, strict=True):
            at = round(start * RATE)
            np.testing.assert_allclose(window[200:-200], whole[at + 200 : at + RATE - 200], atol=2e-3)


def test_what_comes_before_damage_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, np.zeros(20 * RATE), RATE)
    path.write_bytes(path.read_bytes()[: 10 * RATE * 2])
    reader = AudioAdapter(duration=1.0, sample_rate=RATE).fit([np.zeros(RATE, np.float32)])
    places: list[float] = []

    def read() -> None:
        for starts, _ in reader.slide(str(path), 1.0):
            places.extend(starts.tolist())

    with pytest.raises(ItemError, match="truncated"):
        read()
    assert places[:9] == [float(at) for at in range(9)]


def test_texts_and_series_have_windows_that_slide_too() -> None:
    texts = TextAdapter(length=4, min_count=1).fit(["a b c d", "e f g h"])
    starts, rows = next(texts.slide("a b c d e f g h", 3))
    series = ArrayAdapter(axes=("time",)).fit(np.random.default_rng(0).normal(size=(20, 5)))
    places, windows = next(series.slide(np.arange(12.0), 4))

    assert starts.tolist() == [0, 3, 4]
    np.testing.assert_array_equal(rows[1], texts.encode("d e f g")[0])
    assert places.tolist() == [0, 4, 7]
    assert windows[:, 0].tolist() == [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8], [7, 8, 9, 10, 11]]


def test_background_lies_between_what_is_annotated() -> None:
    annotated = [Segment("a.wav", at, at + 2) for at in range(0, 1_000, 10)]
    drawn = background_segments(annotated, lambda _: 1_000.0)
    everything = sorted([*annotated, *drawn], key=lambda each: each.start)

    assert len(drawn) == 200
    assert all(one.end <= other.start for one, other in itertools.pairwise(everything))
    assert {annotated[at].path for at in neighbours(drawn, annotated)} == {"a.wav"}
    assert all(
        abs(annotated[at].start - each.start) <= 8 for at, each in zip(neighbours(drawn, annotated), drawn, strict=True)
    )


def test_background_is_drawn_from_the_named_files_only_and_the_seed_decides() -> None:
    annotated = [Segment(name, at, at + 1) for name in ("a.wav", "b.wav") for at in range(0, 300, 3)]
    first, again, other = (
        background_segments(annotated, lambda _: 300.0, files={"b.wav"}, most=20, seed=seed) for seed in (0, 0, 1)
    )

    assert {each.path for each in first} == {"b.wav"}
    assert first == again != other


def test_background_is_drawn_from_recordings_without_any_event_too() -> None:
    annotated = [Segment("a.wav", at, at + 2) for at in range(0, 100, 10)]
    drawn = background_segments(annotated, lambda _: 100.0, quiet=["b.wav"])
    quiet = [each for each in drawn if each.path == "b.wav"]

    assert 10 < len(quiet) < len(drawn)
    assert len(set(neighbours(quiet, annotated))) == 1


def test_files_that_are_annotated_from_end_to_end_have_no_background() -> None:
    with pytest.raises(DataError, match="no room for segments of background"):
        background_segments([Segment("a.wav", at, at + 1) for at in range(10)], lambda _: 10.0)


def test_an_event_is_met_at_several_places_and_in_other_backgrounds(hum: Path) -> None:
    reader = adapter(hum)
    quiet = Segment(str(hum), 0, 1)
    item = Varied(str(hum), 30, 30.4, (quiet,) * 40, inside=0.5, seed=3)
    windows = reader.encode(item)
    starts = windows[:, 0] * 60
    mixed = np.ptp(windows, axis=1) > 1.5 / 60  # a ramp on a ramp

    assert windows.shape == (40, RATE)
    assert 15 <= mixed.sum() <= 38
    assert starts[~mixed].min() >= 29.2 - 1e-3
    assert starts[~mixed].max() <= 30.2 + 1e-3
    np.testing.assert_array_equal(windows, reader.encode(item))
    assert not np.array_equal(windows, reader.encode(Varied(str(hum), 30, 30.4, (quiet,) * 40, 0.5, seed=4)))
    assert reader.content(item, windows) == reader.encode(Segment(str(hum), 30, 30.4)).tobytes()


def test_the_cache_knows_in_which_backgrounds_an_event_is_met(hum: Path) -> None:
    one, other = Segment(str(hum), 0, 1), Segment(str(hum), 1, 2)
    items = [Varied(str(hum), 30, 31, beside, 0.5) for beside in ((one,), (other,), (one, other))]

    assert len({fingerprint([each], None) for each in [*items, Segment(str(hum), 30, 31)]}) == 4


def test_training_meets_few_segments_more_often_than_many() -> None:
    few, many = ([Segment("a.wav", at, at + 1) for at in range(n)] for n in (10, 3_000))
    drawn = [Segment("a.wav", 5_000, 5_001)]

    assert [len(each.beside) for each in varied(few, drawn) if isinstance(each, Varied)] == [8] * 10 + [4]
    assert {len(each.beside) for each in varied(many, drawn) if isinstance(each, Varied)} == {2, 1}
    assert {len(each.beside) for each in varied([*many] * 3, drawn) if isinstance(each, Varied)} == {1}


def test_background_is_at_least_as_long_as_a_window_so_that_no_event_is_in_it() -> None:
    annotated = [Segment("a.wav", at, at + 0.1 + at / 1_000) for at in range(0, 1_000, 10)]
    least = np.percentile([each.end - each.start for each in annotated], 25)

    assert min(each.end - each.start for each in background_segments(annotated, lambda _: 1_000.0)) >= least - 1e-9


def test_the_share_that_is_annotated_counts_overlaps_once() -> None:
    annotated = [Segment("a.wav", 0, 4), Segment("a.wav", 2, 5), Segment("b.wav", 0, 1)]

    assert share_annotated(annotated, lambda _: 10.0) == pytest.approx(0.3)
    assert share_annotated(annotated, lambda _: 10.0, files={"a.wav"}) == pytest.approx(0.5)


def test_windows_of_events_that_are_to_be_located_are_short(hum: Path) -> None:
    long = [Segment(str(hum), at, at + 3) for at in range(5)]
    met = [Varied(each.path, each.start, each.end, (long[0],)) for each in long]

    assert AudioAdapter().fit(long).extent_ == pytest.approx(3)
    assert AudioAdapter().fit(met).extent_ == pytest.approx(1)
