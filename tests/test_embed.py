"""Feature vectors: the same as the network's, alone and among others, and found again by what is like them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from gridcnn import datasets, embed, fit, load, predict, save
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.cli.answers import Answers
from gridcnn.errors import DataError, ItemError
from gridcnn.inference.embedding import length_of
from gridcnn.inference.similarity import farthest_first, nearest
from gridcnn.model import FittedModel
from gridcnn.segments import Segment

QUICK: dict[str, Any] = {"epochs": 2, "cache": False}
HOSTILE = "<script>window.hacked=1</script>"


def trained(name: str) -> tuple[FittedModel, list[Any]]:
    """Return a small model of a kind, and items for it."""
    rng = np.random.default_rng(0)
    match name:
        case "pictures":
            data = datasets.load("digits").take(range(120))
            return fit(ImageAdapter(), data.items, data.labels, {**QUICK, "kernels": (5, 8)}), list(data.items[:40])
        case "flattened pictures with dense layers":
            data = datasets.load("digits").take(range(120))
            settings = {**QUICK, "kernels": (5,), "head": "flatten", "dense": (7,)}
            return fit(ImageAdapter(), data.items, data.labels, settings), list(data.items[:40])
        case "sounds":
            data = datasets.load("tones").take(range(24))
            adapter = AudioAdapter(sample_rate=data.sample_rate, duration=0.3)
            return fit(adapter, data.items, data.labels, {**QUICK, "kernels": (4,)}), list(data.items)
        case "texts":
            texts = [f"{word} film {'really ' * (at % 5)}number {at}" for at in range(40) for word in ("good", "bad")]
            return fit(TextAdapter(), texts, ["a", "b"] * 40, {**QUICK, "kernels": (6,)}), texts[:30]
        case "flipped pictures":
            pictures = [rng.integers(0, 99, (8, 8)).astype(np.uint8) + 150 * (at % 2) for at in range(32)]
            settings = {**QUICK, "kernels": (4,), "augment": {"flip": ("width",)}}
            return fit(ImageAdapter(), pictures, ["a", "b"] * 16, settings), pictures
    series = [np.sin(np.arange(40) * rng.uniform(0.2 + 0.4 * (at % 2), 0.3 + 0.4 * (at % 2))) for at in range(40)]
    return fit(ArrayAdapter(), series, ["slow", "fast"] * 20, {**QUICK, "kernels": (4,)}), series


KINDS = ["pictures", "flattened pictures with dense layers", "sounds", "texts", "flipped pictures", "series"]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[FittedModel, list[Any]]:
    return trained(request.param)


@pytest.fixture(scope="module")
def pictures() -> tuple[FittedModel, list[Any]]:
    return trained("pictures")


def test_a_vector_is_the_feature_vector_of_the_network(kind: tuple[FittedModel, list[Any]]) -> None:
    model, items = kind
    found = embed(model, items[:5])

    assert found.vectors.dtype == np.float32
    assert found.vectors.shape == (5, length_of(model.network))
    for item, vector in zip(model.adapter.check_items(items[:5]), found.vectors, strict=True):
        windows = torch.from_numpy(model.adapter.encode(item))
        with torch.inference_mode():
            grids = model.network.frontend(windows)
            copies = [grids, grids.flip(-1)] if model.network.flip_axes else [grids]
            expected = [copy_features(model, each) for each in copies]
        np.testing.assert_allclose(vector, np.mean(expected, axis=(0, 1)), rtol=1e-4, atol=1e-4)


def copy_features(model: FittedModel, grids: torch.Tensor) -> np.ndarray:
    values = grids
    for step in model.network.backbone.steps():
        values = step.run(values)
        if step.kind == "features":
            return values.numpy()
    raise AssertionError


def test_a_vector_is_the_same_alone_and_among_others(kind: tuple[FittedModel, list[Any]]) -> None:
    model, items = kind
    together = embed(model, items)
    alone = np.concatenate([embed(model, items[at : at + 1]).vectors for at in range(0, len(items), 7)])

    np.testing.assert_allclose(together.vectors[::7], alone, rtol=1e-5, atol=1e-5)


def test_the_answers_beside_the_vectors_are_those_of_predict(kind: tuple[FittedModel, list[Any]]) -> None:
    model, items = kind

    np.testing.assert_allclose(
        embed(model, items).answers.probabilities, predict(model, items).probabilities, atol=1e-6
    )


def test_a_digest_survives_saving_and_tells_trainings_apart(
    kind: tuple[FittedModel, list[Any]], tmp_path: Path
) -> None:
    model, _ = kind
    save(model, tmp_path / "m.safetensors")
    digest = model.digest

    assert load(tmp_path / "m.safetensors").digest == digest
    with torch.no_grad():
        next(iter(model.network.backbone.parameters())).view(-1)[0] += 1
        changed = model.digest
        next(iter(model.network.backbone.parameters())).view(-1)[0] -= 1
    assert changed != digest


def test_an_item_that_cannot_be_read_has_an_error_and_no_vector(
    pictures: tuple[FittedModel, list[Any]], tmp_path: Path
) -> None:
    model, items = pictures
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    found = embed(model, [bad, items[0]])

    assert [bool(error) for error in found.errors] == [True, False]
    assert np.isnan(found.vectors[0]).all()
    assert np.isfinite(found.vectors[1]).all()
    assert found.to_frame().embedding[0] is None
    with pytest.raises(ItemError, match=r"bad\.png"):
        embed(model, [bad], on_error="raise")


def test_no_items_give_no_vectors(pictures: tuple[FittedModel, list[Any]]) -> None:
    assert embed(pictures[0], []).vectors.shape == (0, length_of(pictures[0].network))


def test_blocks_are_searched_as_one() -> None:
    rng = np.random.default_rng(0)
    vectors, query = rng.normal(size=(500, 6)), rng.normal(size=6)
    vectors[17] = np.nan
    exact = vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)

    positions, similarities = nearest(query, np.array_split(vectors, 7), 9)
    assert positions.tolist() == np.argsort(-np.nan_to_num(exact, nan=-2))[:9].tolist()
    np.testing.assert_allclose(similarities, exact[positions], atol=1e-6)
    with pytest.raises(DataError, match="zero or not finite"):
        nearest(np.zeros(6), [vectors], 3)


def test_farthest_first_visits_every_cluster_before_any_twice() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(5)
    vectors = np.repeat(centres, 20, axis=0) + rng.normal(scale=0.02, size=(100, 5))

    assert sorted(at // 20 for at in farthest_first(vectors, 5)) == [0, 1, 2, 3, 4]
    assert len(farthest_first(np.ones((4, 3)), 3)) == 1  # copies say nothing new


# ---- the commands --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, pictures: tuple[FittedModel, list[Any]]) -> Path:
    root = tmp_path_factory.mktemp("world")
    (root / "new").mkdir()
    model, items = pictures
    save(model, root / "m.safetensors")
    for at, item in enumerate(items):
        Image.fromarray(np.asarray(item * 15, dtype=np.uint8)).save(root / "new" / f"{at:02}.png")
    (root / "new" / "40.png").write_bytes(b"no picture")
    return root


Run = Callable[..., Any]


def test_embed_writes_lists_of_one_size_that_pandas_stacks(run: Run, world: Path) -> None:
    output = world / "e.parquet"
    done = run("embed", world / "m.safetensors", world / "new", "-o", output)
    frame = pd.read_parquet(output)
    model = load(world / "m.safetensors")
    expected = embed(model, sorted((world / "new").iterdir()))

    assert done.code == 0
    assert "1 of 41 items without a vector" in done.err
    assert list(frame.columns) == ["item", "prediction", "confidence", "embedding", "error"]
    assert pa.types.is_fixed_size_list(pq.read_schema(output).field("embedding").type)
    np.testing.assert_array_equal(np.stack(frame.embedding[:40]), expected.vectors[:40])
    assert frame.embedding[40] is None
    assert "cannot" in frame.error[40] or frame.error[40]
    np.testing.assert_allclose(frame.confidence[:40], predict(model, frame.item[:40]).probabilities.max(axis=1))


def test_csv_has_a_column_for_each_number_and_jsonl_a_list(run: Run, world: Path) -> None:
    for suffix in ("parquet", "csv", "jsonl"):
        assert run("embed", world / "m.safetensors", world / "new", "-o", world / f"f.{suffix}").code == 0
    exact = np.stack(pd.read_parquet(world / "f.parquet").embedding[:40])
    columns = pd.read_csv(world / "f.csv").filter(regex=r"^embedding_\d+$")
    rows = [json.loads(line) for line in (world / "f.jsonl").read_text().splitlines()]

    np.testing.assert_array_equal(columns[:40].to_numpy(np.float32), exact)
    assert columns.iloc[40].isna().all()
    np.testing.assert_array_equal(np.array([row["embedding"] for row in rows[:40]], np.float32), exact)
    assert rows[40]["embedding"] is None


def test_rows_that_name_one_item_have_the_answer_that_was_computed_once(
    run: Run, world: Path, monkeypatch: Any
) -> None:
    from gridcnn.inference import embedding

    model = load(world / "m.safetensors")
    order = [5, 5, 7, 40, 5, 9, 7, 40, 5] * 3
    (world / "rows.csv").write_text("\n".join(["path", *(f"new/{at:02}.png" for at in order), ""]))
    asked: list[Any] = []
    ahead = embedding.encode_ahead

    def counting(adapter: Any, items: Any, **options: Any) -> Any:
        return ahead(adapter, (asked.append(item) or item for item in items), **options)

    monkeypatch.setattr(embedding, "encode_ahead", counting)
    done = run("embed", world / "m.safetensors", world / "rows.csv", "-o", world / "rows.parquet")
    frame = pd.read_parquet(world / "rows.parquet")
    expected = embed(model, [world / "new" / f"{at:02}.png" for at in order])

    assert done.code == 0
    assert len(asked) == 4 + len(order)  # and those of the expected answers
    assert [Path(each).stem for each in frame.item] == [f"{at:02}" for at in order]
    for at, vector, error in zip(order, frame.embedding, frame.error, strict=True):
        assert (vector is None, pd.isna(error)) == (at == 40, at != 40)
    np.testing.assert_allclose(np.stack(frame.embedding.dropna()), expected.vectors[expected.answers.good], atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_answers_stand_in_the_order_of_the_rows_however_parts_fall(size: int, monkeypatch: Any) -> None:
    from gridcnn.cli import rows
    from gridcnn.cli.asked import Asked

    monkeypatch.setattr(rows, "KEPT", 3)
    words = list("abacbbdeaafgggabcd")
    computed: list[Path] = []

    class Part(list[str]):
        def called(self, items: list[str]) -> Part:
            return Part(f"{name}={value}" for name, value in zip(items, self, strict=True))

        def take(self, places: Any) -> Part:
            return Part(self[at] for at in places)

    def in_parts(items: Any) -> Any:
        for some in iter(lambda: list(itertools.islice(items, size)), []):
            computed.extend(some)
            yield Part(str(each).upper() for each in some)

    asked = (Asked(f"{at}{word}", Path(word)) for at, word in enumerate(words))
    found = [row for part in rows.named(in_parts, asked) for row in part]

    assert found == [f"{at}{word}={word.upper()}" for at, word in enumerate(words)]
    assert len(computed) == 11  # of 18, with the last three kept


def test_files_about_the_items_of_a_folder_are_passed_over(run: Run, world: Path, tmp_path: Path) -> None:
    for at in range(2):
        (tmp_path / f"{at}.png").write_bytes((world / "new" / f"{at:02}.png").read_bytes())
        (tmp_path / f"{at}.selections.txt").write_text("Selection\tBegin Time (s)\tEnd Time (s)\n")
    (tmp_path / "2.dat").write_bytes(b"?")
    done = run("predict", world / "m.safetensors", tmp_path)

    assert done.code == 0
    assert [line.split(",")[0][-5:] for line in done.out.splitlines()[1:]] == ["0.png", "1.png", "2.dat"]


def test_a_stopped_run_goes_on_and_ends_with_the_same_file(run: Run, world: Path, monkeypatch: Any) -> None:
    lines = world / "lines.txt"
    lines.write_text("\n".join(f"a film number {at}" for at in range(300)))
    model, _ = trained("texts")
    save(model, world / "t.safetensors")
    assert run("embed", world / "t.safetensors", lines, "-o", world / "whole.parquet").code == 0
    real = Answers.add
    added: list[int] = []

    def add(answers: Answers, part: Any) -> None:
        if added:
            raise OSError(28, "No space left on device")
        added.append(len(part))
        real(answers, part)

    monkeypatch.setattr(Answers, "add", add)
    assert run("embed", world / "t.safetensors", lines, "-o", world / "half.parquet").code != 0
    monkeypatch.undo()
    assert run("embed", world / "t.safetensors", lines, "-o", world / "half.parquet").code == 2
    assert run("embed", world / "t.safetensors", lines, "-o", world / "half.parquet", "--resume").code == 0
    assert 0 < added[0] < 300
    whole, half = (pd.read_parquet(world / f"{name}.parquet") for name in ("whole", "half"))
    np.testing.assert_array_equal(np.stack(whole.embedding), np.stack(half.embedding))


def test_going_on_with_nothing_is_said(run: Run, world: Path) -> None:
    command = ("embed", world / "m.safetensors", world / "new" / "01.png", "-o", world / "one.parquet")

    assert "to go on with, so this begins anew" in run(*command, "--resume").err
    assert "to go on with" not in run(*command).err


def test_events_of_a_table_have_vectors_and_answers_of_their_own(run: Run, tmp_path: Path) -> None:
    import soundfile

    random = np.random.default_rng(0)
    samples = random.normal(0, 0.02, 80_000)
    samples[::2][10_000:20_000] += 0.5  # from 2.5 to 5 s
    soundfile.write(tmp_path / "a.wav", samples, 8_000)
    items = [Segment(str(tmp_path / "a.wav"), at, at + 0.5) for at in (0, 0.6, 1.2, 1.8, 2.6, 3.2, 3.8, 4.4)]
    model = fit(AudioAdapter(), items, np.repeat(["low", "high"], 4), {"epochs": 1, "kernels": (4,)})
    save(model, tmp_path / "m.safetensors")
    rows = [f"a.wav,{each.start},{each.end}" for each in items]
    (tmp_path / "events.csv").write_text("\n".join(["path,start,end", *rows, "a.wav,9,3", ""]))
    command = ("embed", tmp_path / "m.safetensors", tmp_path / "events.csv", "-o", tmp_path / "e.parquet")
    done = run(*command, "--start", "start", "--end", "end")
    alone = run(*command, "--start", "start")
    frame = pd.read_parquet(tmp_path / "e.parquet")

    times = ("--start", "start", "--end", "end")
    found = run("search", tmp_path / "e.parquet", tmp_path / "events.csv", "--row", 3, "--top", 1, "--json", *times)

    assert done.code == 0, done.err
    assert json.loads(found.out)[0]["item"] == f"{tmp_path / 'a.wav'}, 0.6 to 1.1 s"
    assert "belong together" in alone.err
    np.testing.assert_allclose(np.stack(frame.embedding[:8]), embed(model, items).vectors, atol=1e-5)
    assert frame.item[0] == f"{tmp_path / 'a.wav'}, 0 to 0.5 s"
    assert "ends after that" in frame.error[8]

    told = run("predict", tmp_path / "m.safetensors", tmp_path / "events.csv", "-o", tmp_path / "p.csv", *times)
    answers = pd.read_csv(tmp_path / "p.csv")
    assert told.code == 0, told.err
    assert answers.item.tolist()[:8] == frame.item.tolist()[:8]
    np.testing.assert_allclose(answers["p(low)"][:8], predict(model, items).probabilities[:, 1], atol=1e-5)


def test_search_finds_the_item_itself_first_and_as_many_as_asked(run: Run, world: Path) -> None:
    run("embed", world / "m.safetensors", world / "new", "-o", world / "s.parquet")
    done = run("search", world / "s.parquet", world / "new" / "07.png", "--top", 3, "--json")
    found = json.loads(done.out)

    assert done.code == 0
    assert [row["similarity"] for row in found] == sorted((row["similarity"] for row in found), reverse=True)
    assert (Path(found[0]["item"]).name, found[0]["similarity"], len(found)) == ("07.png", 1.0, 3)
    shown = run("search", world / "s.parquet", world / "new" / "07.png", "--top", 2).out
    assert "07.png" in shown
    assert len(json.loads(run("search", world / "s.parquet", world / "new" / "07.png", "--json").out)) == 20
    assert run("search", world / "s.parquet", world / "new" / "40.png").code == 2


def test_search_refuses_vectors_of_another_model(run: Run, world: Path) -> None:
    run("embed", world / "m.safetensors", world / "new", "-o", world / "s.parquet")
    data = datasets.load("digits").take(range(60))
    save(fit(ImageAdapter(), data.items, data.labels, {**QUICK, "kernels": (5, 8)}), world / "other.safetensors")
    done = run("search", world / "s.parquet", world / "new" / "07.png", "--model", world / "other.safetensors")

    assert done.code == 2
    assert "another model" in done.err


def test_a_model_that_was_moved_is_found_beside_its_vectors_or_asked_for(run: Run, world: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    model = tmp_path / "a" / "m.safetensors"
    model.write_bytes((world / "m.safetensors").read_bytes())
    run("embed", model, world / "new", "-o", tmp_path / "s.parquet")
    moved = model.rename(tmp_path / "a" / "moved.safetensors")
    query = world / "new" / "07.png"

    assert "--model MODEL" in run("search", tmp_path / "s.parquet", query).err
    assert run("search", tmp_path / "s.parquet", query, "--model", moved).code == 0
    moved.rename(tmp_path / "m.safetensors")
    assert run("search", tmp_path / "s.parquet", query).code == 0


def test_a_file_that_holds_no_vectors_is_refused(run: Run, world: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame({"item": ["a"], "prediction": ["x"], "confidence": [0.5], "embedding": [[1.0, 2.0]]})
    frame.to_parquet(tmp_path / "lists.parquet")
    frame[["item"]].to_parquet(tmp_path / "items.parquet")
    frame.to_csv(tmp_path / "e.csv")
    run("embed", world / "m.safetensors", world / "new", "-o", tmp_path / "e.parquet")
    table = pq.read_table(tmp_path / "e.parquet")
    pq.write_table(table.replace_schema_metadata({}), tmp_path / "stripped.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "e.parquet").read_bytes()[:-50])
    said = {
        "lists": "is of type list", "items": "has no column confidence", "stripped": "which model made it",
        "cut": "not a readable parquet file", "missing": "no such file",
    }  # fmt: skip

    for name, why in said.items():
        done = run("search", tmp_path / f"{name}.parquet", world / "new" / "07.png")
        assert done.code == 2
        assert why in done.err
    assert "no parquet file" in run("search", tmp_path / "e.csv", world / "new" / "07.png").err
