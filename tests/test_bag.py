"""A bag of tokens and runs inside a network for texts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gridcnn.adapters.text import TextAdapter
from gridcnn.bundle import load, save
from gridcnn.errors import ConfigurationError
from gridcnn.explain.contribution import contributions
from gridcnn.explain.tracing import trace
from gridcnn.export.onnx_file import export_onnx
from gridcnn.inference.distinct_words import DistinctWords
from gridcnn.inference.predictions import predict
from gridcnn.model import Network
from gridcnn.network.backbone import BackboneConfig, ConvPoolDense
from gridcnn.network.sizes import weight_shapes
from gridcnn.training.bag import Mixture, add_bag, can_hold_bag, learn_bag, mixture_of, with_bag
from gridcnn.training.fit import fit
from gridcnn.training.loop import Examples

GOOD, BAD, FILLING = (
    ["fine", "great", "lovely", "warm"],
    ["poor", "dull", "cold", "sad"],
    ["it", "was", "the", "film", "and", "so"],
)


def sentences(n: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Sentences of which single words tell the class."""
    random = np.random.default_rng(seed)
    labels = random.integers(2, size=n)
    texts = [
        " ".join(random.permutation([*random.choice((BAD, GOOD)[each], 2), *random.choice(FILLING, 4)]))
        for each in labels
    ]
    return texts, labels


def network_for(adapter: TextAdapter, n_classes: int = 2) -> Network:
    config = BackboneConfig(kernels=(5,), kernel_sizes=(3, 4), head="global_max", batch_norm=False, pool_size=1)
    return Network(adapter.frontend(), ConvPoolDense(adapter.spec_, config, n_classes)).eval()


@pytest.mark.parametrize("tokens", ["word", "character"])
def test_a_network_with_a_bag_adds_the_logits_of_both(tokens):
    texts, labels = sentences(60)
    adapter = TextAdapter(tokens=tokens, embedding_dim=6).fit(texts)
    windows = np.concatenate([adapter.encode(text) for text in texts])
    bag = learn_bag(adapter.counts(windows), Examples(windows, labels, np.ones(60)), 2, strength=10.0)
    network = network_for(adapter)
    before = network(torch.from_numpy(windows)).detach().numpy()
    both = with_bag(network, adapter, bag, Mixture(0.3, 0.7, 10.0), leaning=np.array([0.5, 0.0])).eval()
    after = both(torch.from_numpy(windows)).detach().numpy()
    expected = 0.3 * before + 0.7 * bag.logits(adapter.counts(windows)) - [0.5, 0.0]
    np.testing.assert_allclose(after, expected, atol=1e-5)
    assert (bag.logits(adapter.counts(windows)).argmax(axis=1) == labels).mean() > 0.95
    by_words = DistinctWords(both.frontend, both.backbone.blocks[0].convs[0])(windows)
    maps = both.backbone.blocks[0].convs[0](both.frontend(torch.from_numpy(windows)))
    np.testing.assert_allclose(by_words.detach(), maps.detach(), atol=1e-5)


def test_padding_does_not_change_the_sums():
    adapter = TextAdapter(embedding_dim=6, length=20).fit(sentences(60)[0])
    windows = np.concatenate([adapter.encode(text) for text in sentences(60)[0]])
    bag = learn_bag(adapter.counts(windows), Examples(windows, sentences(60)[1], np.ones(60)), 2, strength=10.0)
    network = with_bag(network_for(adapter), adapter, bag, Mixture(1.0, 1.0, 10.0), np.zeros(2)).eval()
    needed = 6 + network.backbone.padding_margin
    whole, cut = (network(torch.from_numpy(each)) for each in (windows, windows[:, :needed]))
    torch.testing.assert_close(whole, cut)


def test_the_mixture_leans_to_what_is_right_about_items_held_out():
    random = np.random.default_rng(0)
    target = random.integers(2, size=400)
    right, noise = 4.0 * (np.eye(2)[target] - 0.5) + random.normal(size=(400, 2)), random.normal(size=(400, 2))
    held = Examples(np.empty(0), target, np.ones(400))
    assert mixture_of(right, {3.0: noise}, held).bag < 0.2
    assert mixture_of(noise, {3.0: noise, 10.0: right}, held).strength == 10.0
    assert mixture_of(right, {3.0: -right}, held) == Mixture(1.0, 0.0, 3.0)


def test_a_bag_that_counts_next_to_nothing_is_left_out():
    texts, labels = sentences(60)
    adapter = TextAdapter(embedding_dim=6).fit(texts)
    windows = np.concatenate([adapter.encode(text) for text in texts])
    network, examples = network_for(adapter), Examples(windows, labels, np.ones(60))
    same, mixture = add_bag(network, adapter, examples, None, Mixture(1.0, 0.0, 3.0), batch_size=50)
    assert same is network
    assert adapter.evidence_ == 0
    other, mixture = add_bag(network, adapter, examples, examples, None, batch_size=50)
    assert mixture.bag > 0
    assert other.backbone.config.summed_kernels == 4


def test_a_fit_puts_a_bag_into_the_network_and_a_bundle_keeps_it(tmp_path):
    texts, labels = sentences(120)
    model = fit(TextAdapter(embedding_dim=8), texts, labels, {"epochs": 2, "cache": False, "n_jobs": 1})
    others, expected = sentences(60, seed=1)
    answers = predict(model, others)
    assert (answers.probabilities.argmax(axis=1) == expected).mean() > 0.9
    assert set(model.summary["mixture"]) == {"kernels", "bag", "strength"}
    assert model.network.backbone.config.summed_kernels == 4
    save(model, tmp_path / "model.gridcnn")
    np.testing.assert_allclose(predict(load(tmp_path / "model.gridcnn"), others).probabilities, answers.probabilities)
    exported = export_onnx(model, tmp_path / "model.onnx", items=others[:20])
    assert exported is not None
    found = trace(model, others[0])
    votes = contributions(found)
    assert votes.products.sum() + votes.bias == pytest.approx(votes.logit, abs=1e-5)
    assert len(votes.products) == 300 + 4


@pytest.mark.parametrize(
    "change", [{"kernels": (5, 5)}, {"batch_norm": True}, {"pool_size": 2}, {"dense": (4,)}, {"padding": "valid"}]
)
def test_other_networks_than_one_convolution_hold_no_bag(change):
    usual = {"kernels": (5,), "batch_norm": False, "pool_size": 1, "head": "global_max"}
    assert BackboneConfig(**usual, summed_kernels=4).has_one_convolution
    with pytest.raises(ConfigurationError, match="summed_kernels stand beside one convolution"):
        BackboneConfig(**{**usual, **change}, summed_kernels=4)
    adapter = TextAdapter(embedding_dim=6).fit(["a b a", "b a c"])
    without = Network(adapter.frontend(), ConvPoolDense(adapter.spec_, BackboneConfig(**{**usual, **change}), 2))
    assert not can_hold_bag(adapter, without)


def test_the_shapes_of_a_network_with_sums_are_known_before_it_is_made():
    adapter = TextAdapter(embedding_dim=6).fit(["a b a", "b a c"])
    for head in ("global_max", "flatten"):
        config = BackboneConfig((5,), (3, 4), batch_norm=False, pool_size=1, head=head, summed_kernels=4)
        state = ConvPoolDense(adapter.spec_, config, 2).state_dict()
        assert {name: tuple(each.shape) for name, each in state.items()} == weight_shapes(adapter.spec_, config, 2)
