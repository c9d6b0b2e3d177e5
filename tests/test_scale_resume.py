"""`predict --workers --resume`: a run goes on behind the shards that an earlier one has left."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gridcnn import GridClassifier
from gridcnn.adapters import TextAdapter
from gridcnn.cli import main
from gridcnn.errors import ConfigurationError

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install '.[scale]'")

from gridcnn.scale import predicting, shards  # noqa: E402  (they need Ray)
from gridcnn.scale.passed import Passed  # noqa: E402
from gridcnn.scale.session import connected  # noqa: E402

N_ITEMS = 200


@pytest.fixture(scope="module", autouse=True)
def cluster(only_ray: None) -> Iterator[None]:
    """Start Ray once for all tests."""
    with connected(None, 1):
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model") / "m.safetensors"
    written = [f"{word} film number {at}" for at in range(40) for word in ("good", "bad")]
    classifier = GridClassifier(adapter=TextAdapter(), epochs=1, kernels=(3,), cache=False, random_state=0)
    classifier.fit(written, ["a", "b"] * 40).save(place)
    return place


def run(model: Path, *options: str) -> int:
    """Predict, and return the exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(model), "one.csv", "two.csv", "-o", "out", "--workers", "1", *options])
    return int(ended.value.code or 0)


class Begun(NamedTuple):
    """Two tables of texts in a folder, a whole run over them in `whole`, and one that was stopped in `out`."""

    folder: Path
    whole: str
    stopped: str


@pytest.fixture(scope="module")
def begun(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Begun:
    """One text is missing; the second run was stopped after some parts, with a shard of all rows that had come."""
    folder = tmp_path_factory.mktemp("begun")
    answered = predicting.answered

    def cut(*arguments: Any) -> Iterator[Any]:
        for at, part in enumerate(answered(*arguments)):
            if at == 3:
                raise KeyboardInterrupt
            yield part

    def said(code: int, *options: str) -> str:
        heard = io.StringIO()
        with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard):
            assert run(model, *options) == code
        return heard.getvalue()

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(shards, "ROWS", 32)
        rows = [f"{'good' if at % 3 else 'bad'} film number {at}" for at in range(N_ITEMS)]
        pd.DataFrame({"text": [*rows[:20], None, *rows[20:50]]}).to_csv("one.csv", index=False)
        pd.DataFrame({"text": rows[50:]}).to_csv("two.csv", index=False)
        whole = said(0, "--resume")
        Path("out").rename("whole")
        patch.setattr(predicting, "answered", cut)
        return Begun(folder, whole, said(130))


@pytest.fixture
def work(begun: Begun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begun:
    """Be in a copy of the folder, where shards are small."""
    shutil.copytree(begun.folder, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(shards, "ROWS", 32)
    return begun


def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which each part that is computed adds its number of rows."""
    found: list[int] = []
    whole = predicting.answered

    def counted(*arguments: Any) -> Iterator[Any]:
        for part in whole(*arguments):
            found.append(part.n_rows)
            yield part

    monkeypatch.setattr(predicting, "answered", counted)
    return found


def rows(folder: str = "out") -> pd.DataFrame:
    manifest = json.loads(Path(folder, "manifest.json").read_text())
    parts = [pq.read_table(Path(folder, shard["name"])).to_pandas() for shard in manifest["shards"]]
    assert manifest["rows"] == sum(map(len, parts)) == N_ITEMS + 1
    assert manifest["failed"] == len(pd.read_csv(Path(folder, "skipped.csv"))) == 1
    assert not Path(folder, "unfinished.json").exists()
    return pd.concat(parts, ignore_index=True)


def test_a_resumed_run_computes_the_rest_and_has_the_rows_of_one_that_was_not_stopped(
    model: Path, work: Begun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "items are answered, in out; the same command with --resume goes on" in work.stopped
    before = sum(pq.read_metadata(each).num_rows for each in Path("out").glob("*.parquet"))
    found = computed(monkeypatch)

    assert run(model, "--resume") == 0

    assert 51 < before == N_ITEMS + 1 - sum(found)  # all of the first table, and some of the second one
    assert f"--resume: {before} items are answered already" in capsys.readouterr().err
    expected, resumed = rows("whole"), rows()
    assert resumed["item"].tolist() == expected["item"].tolist()
    np.testing.assert_allclose(resumed["p(a)"], expected["p(a)"], atol=1e-5)


def test_a_resumed_run_goes_on_before_a_damaged_shard(
    model: Path, work: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = Path("out", "part-00001.parquet")
    damaged.write_bytes(damaged.read_bytes()[:-10])
    first = pq.read_metadata("out/part-00000.parquet").num_rows
    found = computed(monkeypatch)

    assert run(model, "--resume") == 0

    assert sum(found) == N_ITEMS + 1 - first
    assert rows()["item"].iloc[-1] == f"good film number {N_ITEMS - 1}"


def test_shards_of_a_run_that_was_stopped_are_neither_lost_nor_mixed_with_others(
    model: Path, work: Begun, capsys: pytest.CaptureFixture[str]
) -> None:
    there = sorted(Path("out").iterdir())

    assert run(model) == 2
    assert "go on with it by --resume, or remove the folder to begin anew" in capsys.readouterr().err
    assert run(model, "--resume", "--abstain", "0.6") == 2
    assert "are of another run (--abstain was not given, and is 0.6)" in capsys.readouterr().err
    Path("one.csv").write_text("text\nanother one\n")
    assert run(model, "--resume") == 2
    assert "are of another run (one.csv has changed)" in capsys.readouterr().err
    assert sorted(Path("out").iterdir()) == there


def test_resume_without_shards_begins(work: Begun) -> None:
    assert "there are no shards to go on with, so this begins anew" in work.whole
    assert f"{N_ITEMS + 1} rows written to out, in " in work.whole
    rows("whole")


def test_items_that_were_answered_are_passed_over_input_by_input_and_others_are_noticed() -> None:
    passed = Passed([("a", 2), ("b", 0), ("c", 4)])
    passed.see(["1", "2", "3"])
    passed.see(["4"])
    assert [(each.name, each.n_items) for each in passed.beginnings] == [("a", 2), ("b", 0), ("c", 2)]
    in_c = passed.beginnings[2]

    items = iter([("3", 0), ("4", 0), ("5", 0), ("6", 0)])
    in_c.pass_over(items)

    assert [name for name, _ in items] == ["5", "6"]
    for others in (["3", "x", "5"], ["3"], ["34", ""]):
        with pytest.raises(ConfigurationError, match="c has changed: its first 2 items are not those"):
            in_c.pass_over((name, 0) for name in others)


def test_a_shard_ends_at_some_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    schema = pa.schema([("item", pa.string()), ("error", pa.string())])
    part = pa.record_batch([["a"], [None]], schema=schema).serialize().to_pybytes()
    written = shards.Shards(shards.place_of(str(tmp_path)), schema, {})
    written.add(part, [])
    assert written.n_shards == 0

    monkeypatch.setattr(shards, "SECONDS", 0)
    written.add(part, [])

    assert written.n_shards == 1
