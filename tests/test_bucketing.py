"""Texts lose the padding that says nothing, and nothing else."""

import numpy as np
import pytest
import torch

from gridcnn.adapters.embed import Embed
from gridcnn.grid import GridSpec
from gridcnn.inference.predictor import Predictor
from gridcnn.model import Network
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.config import BackboneConfig
from gridcnn.pipeline.bucketing import POOL, batches_in_order, lengths_needed, shuffled_batches, without_padding

LENGTH, DIM = 40, 6
TEXT = GridSpec.of("embedding", DIM, token=LENGTH)
BEST_MATCH = {"head": "global_max", "pool_size": 1, "batch_norm": False}


def network_for(**config):
    torch.manual_seed(3)
    network = Network(Embed(30, DIM), ConvPoolDense(TEXT, BackboneConfig(**{"kernels": (8,), **config}), 3))
    for block in network.backbone.blocks:
        for branch in block.convs[0]:
            if branch.bias is not None:
                torch.nn.init.normal_(branch.bias)  # so that padding has something to say
    return network.eval()


def texts(*n_tokens):
    ids = np.zeros((len(n_tokens), LENGTH, 1), dtype=np.int32)
    for text, n in zip(ids, n_tokens, strict=True):
        text[:n, 0] = np.random.default_rng(n).integers(1, 30, n)
    return ids


def test_the_last_token_counts_not_the_empty_cells_before_it():
    ids = texts(0, 1, 7, LENGTH)
    ids[2, 3] = 0
    assert Embed(30, DIM).filled(ids).tolist() == [0, 1, 7, LENGTH]


@pytest.mark.parametrize(
    "config",
    [
        {"kernel_sizes": (3, 4, 5)},
        {"kernel_sizes": (2,)},
        {"kernels": (8, 5), "kernel_sizes": (4,)},
        {"kernels": (8, 5, 4), "convs_per_block": 2, "kernel_sizes": (3,), "dense": (4,)},
    ],
)
def test_answers_and_gradients_stay_the_same(config):
    network = network_for(**BEST_MATCH, **config)
    for n_tokens in (0, 1, 3, 9, 20, LENGTH - 1, LENGTH):
        ids = texts(n_tokens, n_tokens // 2)
        sizes = lengths_needed(ids, network.frontend, network.backbone)
        cut = without_padding(ids, sizes, np.arange(2))
        assert cut.shape[1] == min(n_tokens + network.backbone.padding_margin, LENGTH)
        results = []
        for windows in (ids, cut):
            network.zero_grad()
            logits = network(torch.from_numpy(windows))
            logits[:, 1].sum().backward()
            results.append([logits.detach(), *(parameter.grad.clone() for parameter in network.parameters())])
        torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("convolutions", [1, 2, 3])
def test_one_cell_less_would_change_an_answer(convolutions):
    network = network_for(**BEST_MATCH, kernels=(200,), kernel_sizes=(3,), convs_per_block=convolutions)
    ids = texts(6)
    spare = network.backbone.padding_margin
    whole, *shorter = (network(torch.from_numpy(ids[:, : 6 + cells])) for cells in (LENGTH, spare, spare - 1))
    torch.testing.assert_close(shorter[0], whole)
    assert not torch.allclose(shorter[1], whole, atol=1e-4)


@pytest.mark.parametrize(
    "config",
    [{"head": "flatten"}, {"head": "global_average"}, {"pool_size": 2}, {"batch_norm": True}, {"padding": "valid"}],
)
def test_where_all_cells_count_nothing_is_cut(config):
    network = network_for(**{**BEST_MATCH, **config})
    assert lengths_needed(texts(3), network.frontend, network.backbone) is None


def test_series_whose_zeros_are_measured_are_not_cut():
    network = Network(torch.nn.Identity(), ConvPoolDense(TEXT, BackboneConfig(kernels=(8,), **BEST_MATCH), 3))
    assert lengths_needed(np.zeros((2, DIM, LENGTH), np.float32), network.frontend, network.backbone) is None


def test_batches_hold_every_window_once_and_like_sizes_together():
    sizes = np.random.default_rng(0).integers(5, 400, 3000)
    torch.manual_seed(0)
    batches = shuffled_batches(3000, 60, sizes)
    assert np.sort(np.concatenate(batches)).tolist() == list(range(3000))
    assert {len(batch) for batch in batches} == {50}
    computed = sum(len(batch) * sizes[batch].max() for batch in batches)
    assert computed < 1.1 * sizes.sum()  # in batches drawn at random it is nearly twice the sum
    longest = [sizes[batch].max() for batch in batches]
    assert longest != sorted(longest)
    assert len({tuple(batch) for batch in batches} & {tuple(batch) for batch in shuffled_batches(3000, 60, sizes)}) == 0


def test_short_texts_are_drawn_without_regard_to_their_length():
    drawn = []
    for sizes in (None, np.random.default_rng(0).integers(5, 50, 300)):
        torch.manual_seed(0)
        drawn.append([batch.tolist() for batch in shuffled_batches(300, 6, sizes)])
    assert drawn[0] == drawn[1]


def test_a_batch_is_drawn_from_few_batches_worth_of_windows():
    torch.manual_seed(0)
    n_batches = 3 * POOL
    batches = shuffled_batches(10 * n_batches, n_batches, np.arange(10 * n_batches))
    spread = [np.ptp(batch) for batch in batches]
    assert min(spread) > 10  # not the ten neighbours that a sort of all windows would bring together


def test_in_turn_the_smallest_come_first():
    assert [batch.tolist() for batch in batches_in_order(7, 4, None)] == [[0, 1, 2, 3], [4, 5, 6]]
    assert [batch.tolist() for batch in batches_in_order(9, 4, None)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert [batch.tolist() for batch in batches_in_order(5, 2, np.array([9, 1, 9, 3, 2]))] == [[1, 4], [3, 0], [2]]


def test_predictions_come_in_the_order_of_the_items():
    network = network_for(**BEST_MATCH, kernel_sizes=(3, 4, 5))
    ids = texts(30, 2, 17, 0, 40, 5)
    expected = network(torch.from_numpy(ids)).double().softmax(dim=1).detach().numpy()
    predict = Predictor(network, torch.device("cpu"))
    np.testing.assert_allclose(predict(ids), expected, atol=1e-5)
    predict.batch_size = 2
    np.testing.assert_allclose(predict(ids), expected, atol=1e-5)
