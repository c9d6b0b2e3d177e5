"""Pages of all kinds of networks: of every head, with a bag inside, of fixed kernels, of series of unequal length."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gridcnn import explain, fit
from gridcnn.adapters import ArrayAdapter, TextAdapter
from gridcnn.adapters.array_settings import fixed_kernels
from gridcnn.export.card import model_card
from gridcnn.model import FittedModel, Network
from gridcnn.network.backbone import BackboneConfig, ConvPoolDense
from gridcnn.network.heads import HEADS, maps_of_features
from gridcnn.render import live
from gridcnn.render.explain_page import explain_page
from gridcnn.training.bag import Mixture, learn_bag, with_bag
from gridcnn.training.loop import Examples

QUICK: dict[str, Any] = {"epochs": 1, "validation_fraction": 0.0, "refit": False}


def waves(*, channels: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Series of up to 60 cells with a fast or a slow wave, NaN behind the end of the shorter ones."""
    random = np.random.default_rng(0)
    fast = np.arange(40) % 2
    values = np.sin(2 * np.pi * np.arange(60) / np.where(fast, 5.0, 9.0)[:, None] + random.uniform(0, 7, (40, 1)))
    values += random.normal(0, 0.3, values.shape)
    values[np.arange(60) >= random.integers(40, 61, (40, 1))] = np.nan
    return (np.stack([values, 2 * values], axis=1) if channels else values), np.where(fast, "fast", "slow")


def made(head: str, *, flat: bool = True, summed: int = 0, seed: int = 0, **settings: Any) -> FittedModel:
    """Return an untrained network for arrays of 2 channels, of one ordered axis (12 cells) or two (6 by 5)."""
    random = np.random.default_rng(seed)
    sizes, axes = ((12,), ("time",)) if flat else ((6, 5), ("height", "width"))
    adapter = ArrayAdapter(("channels", *axes)).fit(random.normal(size=(20, 2, *sizes)))
    one = {"kernels": (5,), "kernel_sizes": (3,), "pool_size": 1, "batch_norm": False, **settings}
    torch.manual_seed(seed)
    backbone = ConvPoolDense(adapter.spec_, BackboneConfig(head=head, summed_kernels=summed, **one), 3)
    return FittedModel(adapter, Network(adapter.frontend(), backbone).eval(), np.array(["a", "b", "c"]))


def item_for(model: FittedModel) -> np.ndarray:
    return np.random.default_rng(1).normal(size=model.adapter.sizes_)


def data_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


# ---- every head ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("summed", [0, 4])
@pytest.mark.parametrize("flat", [True, False])
def test_a_map_of_a_feature_is_the_one_whose_change_changes_it(head: str, summed: int, flat: bool) -> None:
    network = made(head, flat=flat, summed=summed).network.backbone
    maps = torch.rand(1, 5 + summed, *network.spec.sizes, dtype=torch.float64)
    for index in range(5 + summed):
        without = maps.clone()
        without[:, index] = 0
        changed = (network.features(maps) != network.features(without))[0].numpy()
        assert (changed == (maps_of_features(head, 5, network.spec.sizes, summed) == index)).all()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("summed", [0, 4])
@pytest.mark.parametrize("flat", [True, False])
def test_the_kernels_that_are_drawn_are_those_that_most_is_read_of(head: str, summed: int, flat: bool) -> None:
    model = made(head, flat=flat, summed=summed)
    maps = maps_of_features(head, 5, model.network.backbone.spec.sizes, summed)
    with torch.no_grad():
        model.network.backbone.output.weight[:, torch.from_numpy(maps == 3)] *= 1000
        model.network.backbone.output.weight[:, torch.from_numpy(maps == 1)] = 0

    live_maps = live.layers(model)["groups"][0]["maps"]
    page = data_of(explain_page(model, item_for(model)))

    assert live_maps[0] == page["layers"]["groups"][0]["maps"][0] == 4
    assert set(live_maps) == set(page["layers"]["groups"][0]["maps"]) == {*range(1, 6 + summed)} - {2}
    assert live.maps(model, item_for(model))["logits"] == pytest.approx(page["values"]["logits"])


# ---- votes -----------------------------------------------------------------------------------------------------------


def strongest(model: FittedModel, kind: str) -> None:
    """Make all entries of a kind of the column those of most weight, for class a."""
    entries = kinds_of(model) == kind
    with torch.no_grad():
        model.network.backbone.output.weight.abs_()
        model.network.backbone.output.weight[:, torch.from_numpy(entries)] *= 1000


def kinds_of(model: FittedModel) -> np.ndarray:
    found = live.layers(model)["features"]
    cells = int(np.prod(found["sizes"]))
    each = [found["maps"] * (cells if part["kind"] == "cells" else 1) for part in found["parts"]]
    return np.repeat([*(part["kind"] for part in found["parts"]), "sum"], [*each, found["summed"]])


@pytest.mark.parametrize(
    ("head", "kind", "flat", "said"),
    [
        ("flatten", "cells", True, r"map \d, cell \d+: time \d+–\d+"),
        ("flatten", "cells", False, r"map \d, row \d, column \d: height \d–\d, width \d–\d"),
        ("global_max", "largest", True, r"the largest cell of map \d: time \d+–\d+"),
        ("global_average", "mean", True, r"the mean of all 12 cells of map \d"),
        ("max_average", "mean", False, r"the mean of all 30 cells of map \d"),
        ("share_average", "share", True, r"the share of the 12 cells of map \d that are above 0"),
        ("share_average", "sum", True, r"the sum of all cells of map [67]"),
        ("pyramid_max", "largest", False,
         r"the largest cell of map \d(, within cells \d–\d across cells \d–\d)?: height \d–\d, width \d–\d"),
    ],
)  # fmt: skip
def test_a_vote_says_what_it_is_of_and_where_only_if_it_is_somewhere(
    browser: Any, tmp_path: Path, head: str, kind: str, flat: bool, said: str
) -> None:
    model = made(head, flat=flat, summed=2)
    strongest(model, kind)

    texts = listed(browser, tmp_path, explain_page(model, item_for(model), label="a"))

    assert texts
    trace = explain.trace(model, item_for(model))
    assert explain.contributions(trace, "a").strongest_for[0].kind == kind
    most = min(len(texts), int((kinds_of(model) == kind).sum()), 2)
    assert all(re.fullmatch(said, text) for text in texts[:most]), texts


def listed(browser: Any, tmp_path: Path, html: str) -> list[str]:
    """Return what a page says of the strongest votes for its class."""
    (tmp_path / "why.html").write_text(html, "utf-8")
    page, complaints = browser.new_page(), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "why.html").as_uri())
    page.wait_for_selector("html[data-drawn=yes]")
    texts: list[str] = page.locator("#supporting .where").all_inner_texts()
    page.close()
    assert complaints == []
    return texts


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("flat", [True, False])
def test_the_place_of_a_largest_cell_holds_the_feature(head: str, flat: bool) -> None:
    model = made(head, flat=flat, summed=2)
    trace, values = explain.trace(model, item_for(model)), live.maps(model, item_for(model))
    maps = trace["block 1 relu 1"].output.reshape(7, -1)[:5]
    largest = trace.feature_vector[kinds_of(model) == "largest"]
    if not len(largest):
        assert values["peaks"] is None
        return
    peaks = np.reshape(values["peaks"], (-1, 5))
    np.testing.assert_allclose(np.take_along_axis(maps, peaks.T, axis=1).T.ravel(), largest)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("flat", [True, False])
def test_the_graph_of_a_page_has_the_places_and_sums_of_a_trace(head: str, flat: bool) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    from gridcnn.export.traced_graph import traced_graph

    model = made(head, flat=flat, summed=2)
    item, graph = item_for(model), traced_graph(model, live.layers(model)).model().SerializeToString()
    session, expected = onnxruntime.InferenceSession(graph), live.maps(model, item)
    names = [each.name for each in session.get_outputs()]
    found = dict(zip(names, session.run(None, {"array": item[None].astype(np.float32)}), strict=True))

    assert ("peaks" in found) == (expected["peaks"] is not None)
    if "peaks" in found:
        assert found["peaks"].tolist() == expected["peaks"]
    sums = np.frombuffer(base64.b64decode(expected["sums"]["numbers"]), "<f4")
    np.testing.assert_allclose(found["sums"].ravel(), sums, atol=1e-5)
    np.testing.assert_allclose(found["logits"], expected["logits"], atol=1e-4)


def test_the_votes_of_twenty_thousand_numbers_are_there_for_a_page() -> None:
    model = made("share_average", kernels=(10_080,))
    layers, values = live.layers(model), live.maps(model, item_for(model))
    assert (
        layers["column"]["entries"] == values["column"]["shape"][0] == layers["dense"]["weights"]["shape"][1] == 20_160
    )


# ---- what kernels are ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fixed() -> FittedModel:
    return fit(ArrayAdapter(), *waves(), {**fixed_kernels(60), **QUICK, "kernels": (84,)})


def with_bag_of(tokens: str, kernels: float) -> FittedModel:
    """Return a network for texts in which a bag counts once and the other kernels as often as is said."""
    texts, labels = ["fine film", "dull film", "so fine a film", "it was dull"] * 10, np.tile([1, 0], 20)
    adapter = TextAdapter(tokens=tokens, embedding_dim=6, min_count=1).fit(texts)
    windows = np.concatenate([adapter.encode(text) for text in texts])
    config = BackboneConfig(kernels=(5,), kernel_sizes=(3,), head="global_max", batch_norm=False, pool_size=1)
    network = Network(adapter.frontend(), ConvPoolDense(adapter.spec_, config, 2)).eval()
    bag = learn_bag(adapter.counts(windows), Examples(windows, labels, np.ones(40)), 2, strength=10.0)
    both = with_bag(network, adapter, bag, Mixture(kernels, 1.0, 10.0), np.zeros(2)).eval()
    return FittedModel(adapter, both, np.array(["bad", "good"]))


def text_of(browser: Any, tmp_path: Path, html: str) -> str:
    (tmp_path / "why.html").write_text(html, "utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "why.html").as_uri())
    page.wait_for_selector("html[data-drawn=yes]")
    text: str = page.inner_text("body")
    page.close()
    return text


def test_fixed_kernels_are_not_said_to_be_learned(browser: Any, tmp_path: Path, fixed: FittedModel) -> None:
    html = explain_page(fixed, waves()[0][0])
    text = text_of(browser, tmp_path, html)

    assert "Fixed, not learned" in text
    assert "each is a contrast that weighs three cells" in text
    assert "began at random" not in text
    assert data_of(html)["match"]["random"] is None
    assert "its kernels fixed, its votes learned" in "".join(model_card(fixed, name="waves"))


def test_learned_kernels_are_said_to_be_learned(browser: Any, tmp_path: Path) -> None:
    model = made("global_max")
    assert "Nobody drew these kernels: they began at random" in text_of(
        browser, tmp_path, explain_page(model, item_for(model))
    )


@pytest.mark.parametrize("tokens", ["word", "character"])
def test_a_page_tells_of_the_bag_and_of_the_words_that_add_most(browser: Any, tmp_path: Path, tokens: str) -> None:
    model = with_bag_of(tokens, kernels=0.01)
    html = explain_page(model, "so dull a film", label="bad")
    text, data = text_of(browser, tmp_path, html), data_of(html)

    assert f"Kernels 6 to 9 are a bag of {tokens}s inside the network." in text
    assert "Beside these stand 2 more, one for each class: how much it speaks for the class" in text
    assert re.search(r"\b6 adds up what speaks for “bad”", text)
    first = "“dull” [+]" if tokens == "word" else "“. . . . [^”]*” [+]"
    assert re.search(rf"the sum of all cells of map 6, most of it from {first}", text)
    assert not {"6", "7", "8", "9"} & set(data["layers"]["looks_for"])
    assert f"reaches over a few {tokens}s at a time" in text
    assert text.startswith("Sentence" if tokens == "word" else "Text")
    assert "Kernels 6 to 9 are not among them" in text


def test_a_network_that_is_a_bag_alone_shows_the_kernels_that_count_and_says_so(browser: Any, tmp_path: Path) -> None:
    model = with_bag_of("word", kernels=0.0)
    html = explain_page(model, "so dull a film", label="bad")
    text, data = text_of(browser, tmp_path, html), data_of(html)

    assert set(data["layers"]["groups"][0]["maps"]) == set(live.layers(model)["groups"][0]["maps"]) == {6, 7, 8, 9}
    assert "the 4 of 9 kernels that count at all (the weights of the others are 0)" in text
    assert "So this network is a bag alone." in text
    assert data["match"] is None
    assert "began at random" not in text


def test_the_letters_over_the_strips_stand_upright_and_whole(browser: Any, tmp_path: Path) -> None:
    model = with_bag_of("character", kernels=1.0)
    (tmp_path / "why.html").write_text(explain_page(model, "so dull a film"), "utf-8")
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto((tmp_path / "why.html").as_uri())
    page.wait_for_selector("html[data-drawn=yes]")

    cut = page.evaluate(
        """() => [...document.querySelectorAll(".strip-words .word")]
            .filter((each) => each.scrollHeight > each.clientHeight).length"""
    )
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.strip-words .word')).writingMode") == "horizontal-tb"
    )
    assert cut == 0
    page.close()


def test_the_strips_of_a_series_are_whole(browser: Any, tmp_path: Path, fixed: FittedModel) -> None:
    (tmp_path / "why.html").write_text(explain_page(fixed, waves()[0][0]), "utf-8")
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.goto((tmp_path / "why.html").as_uri())
    page.wait_for_selector("html[data-drawn=yes]")
    wide, seen = page.evaluate(
        "(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth])(document.querySelector('.scroll'))"
    )
    page.close()
    assert wide == seen


def test_votes_of_which_one_is_far_above_all_others_are_not_drawn_blank(browser: Any, tmp_path: Path) -> None:
    model = made("flatten", flat=False, summed=2)
    with torch.no_grad():
        model.network.backbone.output.weight[:, -2:] *= 1e5
    (tmp_path / "why.html").write_text(explain_page(model, item_for(model)), "utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "why.html").as_uri())
    page.wait_for_selector("html[data-drawn=yes]")

    assert "a few are far larger" in page.locator("[data-part=weights] + figcaption").inner_text()
    shades = page.evaluate(
        """() => { const canvas = document.querySelector("[data-part=weights] canvas"), pen = canvas.getContext("2d");
            return new Set(pen.getImageData(0, 0, canvas.width, canvas.height).data).size; }"""
    )
    page.close()
    assert shades > 50


# ---- series of unequal length ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [False, True])
def test_the_example_of_series_of_unequal_length_has_only_numbers_before_the_end(channels: bool) -> None:
    adapter = ArrayAdapter(("channels", "length") if channels else ("length",))
    model = fit(adapter, *waves(channels=channels), {**QUICK, "kernels": (4,)})

    takes = live.layers(model)["takes"]

    assert (takes["shape"], takes["ends"]) == ([2, 60] if channels else [60], {"axis": int(channels), "step": 1})
    assert len(takes["example"]) == (116 if channels else 58)
    assert np.isfinite(takes["example"]).all()
