"""Each different word of a text is multiplied with the kernels once, and the answers stay the same."""

import numpy as np
import pytest
import torch

from gridcnn.adapters.embed import Embed
from gridcnn.grid import GridSpec
from gridcnn.inference.distinct_words import DistinctWords
from gridcnn.inference.folding import fold_batch_norm
from gridcnn.inference.predictor import Predictor
from gridcnn.model import Network
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.config import BackboneConfig

LENGTH, DIM, N_TOKENS, N_PIECES = 19, 6, 40, 25
TEXT = GridSpec.of("embedding", DIM, token=LENGTH)
CPU = torch.device("cpu")


def network_for(mirrored=(), **config):
    torch.manual_seed(2)
    backbone = ConvPoolDense(TEXT, BackboneConfig(**{"kernels": (7,)} | config), 3)
    for name, values in backbone.state_dict().items():
        if "norms" in name and "num_batches" not in name:
            values.copy_(torch.rand_like(values) + 0.5)
        if name.endswith("bias"):
            values.copy_(torch.randn_like(values))
    return Network(Embed(N_TOKENS, DIM, N_PIECES), backbone, mirrored).eval()


def texts(n=30):
    """Return texts of few words, some of them unknown but of known pieces, with padding at their ends."""
    rng = np.random.default_rng(4)
    words = np.concatenate([rng.integers(1, 6, (12, 1)), rng.integers(0, N_PIECES, (12, 3))], axis=1).astype(np.int32)
    ids = words[rng.integers(0, 12, (n, LENGTH))]
    ids[np.arange(LENGTH) >= rng.integers(0, LENGTH + 1, n)[:, None]] = 0
    return ids


def eager(network, ids):
    with torch.inference_mode():
        return network(torch.from_numpy(ids)).double().softmax(dim=1).numpy()


@pytest.mark.parametrize(
    "config",
    [
        {"kernel_sizes": (3, 4, 5), "head": "global_max", "pool_size": 1, "batch_norm": False},
        {"kernel_sizes": (2,), "head": "global_average"},
        {"kernel_sizes": (1,), "pool": "average", "dense": (5,)},
        {"kernels": (7, 4), "kernel_sizes": (5, 2), "convs_per_block": 2, "pool_after": 1},
        {"kernel_sizes": (3,), "padding": "valid"},  # computed as any other grid
    ],
)
def test_the_answers_are_those_of_the_network(config):
    network, ids = network_for(**config), texts()
    np.testing.assert_allclose(Predictor(network, CPU)(ids), eager(network, ids), atol=1e-6, rtol=0)


def test_an_item_gets_the_same_answer_alone():
    predict, ids = Predictor(network_for(), CPU), texts()
    np.testing.assert_allclose(np.concatenate([predict(text[None]) for text in ids]), predict(ids), atol=1e-6, rtol=0)


def test_the_maps_are_those_of_the_first_convolution():
    network, ids = network_for(kernel_sizes=(3, 4)), texts()
    convolution = fold_batch_norm(network.backbone).blocks[0].convs[0]
    with torch.inference_mode():
        torch.testing.assert_close(
            DistinctWords(network.frontend, convolution)(ids), convolution(network.frontend(torch.from_numpy(ids)))
        )


def test_each_different_word_is_looked_up_once(monkeypatch):
    network, ids = network_for(), texts()
    predict = Predictor(network, CPU)
    looked_up = []
    monkeypatch.setattr(
        Embed, "forward", lambda _, asked: looked_up.append(asked) or torch.zeros(1, DIM, asked.shape[1])
    )
    predict(ids)
    assert len(looked_up) == 1
    assert looked_up[0].shape == (1, len(np.unique(ids.reshape(-1, 4), axis=0)), 4)


def test_as_many_texts_as_memory_allows_are_computed_at_once(monkeypatch):
    network, ids = network_for(kernel_sizes=(3, 4, 5)), texts()
    few = 4 * 5 * 21 * LENGTH * 3  # bytes: numbers, places under a kernel, maps, cells, texts
    monkeypatch.setattr("gridcnn.inference.predictor.MEMORY", few)
    predict = Predictor(network, CPU)
    assert predict.batch_size == 3
    np.testing.assert_allclose(predict(ids), eager(network, ids), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "config", [{}, {"kernel_sizes": (3, 4), "head": "global_max", "pool_size": 1, "batch_norm": False}]
)
def test_mirrored_texts_are_answered_both_ways(config):
    network, ids = network_for(mirrored=("token",), **config), texts()
    with torch.inference_mode():
        grids = network.frontend(torch.from_numpy(ids))
        both = [network.backbone(each).double().softmax(dim=1).numpy() for each in (grids, grids.flip(2))]
    np.testing.assert_allclose(Predictor(network, CPU)(ids), np.mean(both, axis=0), atol=1e-5, rtol=0)
