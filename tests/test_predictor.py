"""Answers come faster than from the network as it was trained, and are the same."""

import gc
import sys
import threading
import types
import weakref
from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.base import clone

from gridcnn import GridClassifier
from gridcnn.adapters import ArrayAdapter, ImageAdapter, TextAdapter
from gridcnn.errors import ItemError
from gridcnn.grid import GridSpec
from gridcnn.inference import onnx_runtime, predictions
from gridcnn.inference.predictor import LARGEST_BATCH, Predictor, predictor
from gridcnn.model import Network
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.config import BackboneConfig
from gridcnn.pipeline.parallel import TRIED

CPU = torch.device("cpu")
CURVE = GridSpec.of("sensor", 3, time=21)
PICTURE = GridSpec.of("colour", 2, height=11, width=14)

CONFIGS = [
    {"convs_per_block": 2, "pool_after": 1},
    {"kernel_sizes": (3, 4, 5), "head": "global_max", "pool_size": 1},
    {"padding": "valid", "head": "global_average", "dense": (6,)},
    {"head": "max_average"},
    {"head": "share_average", "dilations": (1, 2), "kernel_sizes": (3,)},
    {"head": "pyramid_max"},
    {"pool": "average", "pool_size": 3, "pool_stride": 2},
    {"pool_size": 2, "pool_stride": 3},
    {"batch_norm": False, "kernel_sizes": (4,)},
]


def trained(spec=PICTURE, frontend=None, **config):
    """Return a network whose normalisation has seen something."""
    torch.manual_seed(1)
    net = ConvPoolDense(spec, BackboneConfig(**{"kernels": (5, 4), "dropout": 0.5} | config), n_classes=3)
    for name, values in net.state_dict().items():
        if "norms" in name and "num_batches" not in name:
            values.copy_(torch.rand_like(values) + 0.5)
    network = Network(torch.nn.Identity() if frontend is None else frontend, net).eval()
    network.kernels_channels_last()
    return network


def grids(network, n=9):
    return np.random.default_rng(0).normal(size=(n, *network.backbone.spec.shape)).astype(np.float32)


@torch.inference_mode()
def eager(network, windows):
    return network(torch.from_numpy(windows)).double().softmax(dim=1).numpy()


@pytest.fixture
def no_openvino(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)  # importing it raises ImportError


@pytest.fixture
def only_torch(monkeypatch, no_openvino):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)


@pytest.mark.parametrize("spec", [CURVE, PICTURE])
@pytest.mark.parametrize("config", CONFIGS)
def test_folding_and_reordering_change_no_answer(only_torch, spec, config):
    network = trained(spec, **config)
    fast = Predictor(network, CPU)
    assert fast.runtime == "torch"
    np.testing.assert_allclose(fast(grids(network)), eager(network, grids(network)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("spec", [CURVE, PICTURE])
@pytest.mark.parametrize("config", CONFIGS)
def test_onnxruntime_gives_the_same_answers(no_openvino, spec, config):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    network = trained(spec, **config)
    fast = Predictor(network, CPU)
    assert fast.runtime == "onnxruntime"
    np.testing.assert_allclose(fast(grids(network)), eager(network, grids(network)), atol=1e-5, rtol=0)


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def test_several_threads_compute_batches_of_their_own(two_threads):
    network, seen = trained(frontend=Seen()), Seen.threads
    seen.clear()
    fast = Predictor(network, CPU)
    answers = fast(grids(network, 50))
    np.testing.assert_allclose(answers, eager(network, grids(network, 50)), atol=1e-5, rtol=0)
    assert threading.get_ident() not in {thread for thread, _ in seen[:-1]}
    assert {threads for _, threads in seen[:-1]} == {1}
    assert torch.get_num_threads() == 2


def test_fewer_windows_than_threads_are_computed_by_all_of_them(two_threads):
    network, seen = trained(frontend=Seen()), Seen.threads
    fast = Predictor(network, CPU)
    seen.clear()
    np.testing.assert_allclose(fast(grids(network, 1)), eager(network, grids(network, 1)), atol=1e-5, rtol=0)
    assert seen[0] == (threading.get_ident(), 2)


class Seen(torch.nn.Module):
    """A frontend that notes the threads that run it, and the threads that each of them computes with."""

    threads: ClassVar = []

    def forward(self, windows):
        self.threads.append((threading.get_ident(), torch.get_num_threads()))
        return windows


def test_the_network_itself_stays_as_it_was_trained():
    network = trained()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    Predictor(network, CPU)(grids(network))
    assert before.keys() == network.state_dict().keys()
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_it_is_made_ready_once_and_again_where_a_weight_changed():
    network = trained()
    first = predictor(network, CPU)
    assert predictor(network, CPU) is first
    before = first(grids(network))
    with torch.no_grad():
        network.backbone.blocks[0].norms[0].bias += 1
    after = predictor(network, CPU)(grids(network))
    np.testing.assert_allclose(after, eager(network, grids(network)), atol=1e-5, rtol=0)
    assert np.abs(after - before).max() > 1e-3


def test_it_is_forgotten_with_its_network():
    network = trained()
    gone = weakref.ref(predictor(network, CPU))
    del network
    gc.collect()
    assert gone() is None


def test_large_maps_are_computed_in_small_batches():
    spec = GridSpec.of("colour", 1, height=128, width=128)
    sizes = [Predictor(trained(spec, kernels=(kernels,)), CPU).batch_size for kernels in (4, 64, 256)]
    assert sizes == [32, 2, 1]
    assert Predictor(trained(CURVE), CPU).batch_size == LARGEST_BATCH


def test_more_windows_than_a_batch_come_back_in_their_order():
    network = trained()
    fast = Predictor(network, CPU)
    fast.batch_size = 4
    np.testing.assert_allclose(fast(grids(network, 11)), eager(network, grids(network, 11)), atol=1e-5, rtol=0)


class FakeSession:
    """Stands in for a runtime that gives wrong answers."""

    def __init__(self, *_, **__):
        pass

    def run(self, _, inputs):
        return [np.arange(3, dtype=np.float32) + np.zeros((len(inputs["grids"]), 1), np.float32)]


class FailingSession(FakeSession):
    def run(self, *_):
        raise RuntimeError("no kernel for this")


@pytest.fixture
def fake_runtime(monkeypatch, no_openvino):
    options = types.SimpleNamespace(add_session_config_entry=lambda *_: None)
    module = types.SimpleNamespace(SessionOptions=lambda: options, InferenceSession=FakeSession)
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    monkeypatch.setattr(onnx_runtime, "onnx_model", lambda _: b"")
    return module


def test_a_runtime_with_other_answers_is_not_used(fake_runtime):
    assert Predictor(trained(), CPU).runtime == "torch"


def test_a_runtime_that_fails_is_named_and_torch_answers(fake_runtime):
    fake_runtime.InferenceSession = FailingSession
    network = trained()
    with pytest.warns(UserWarning, match="torch does, slower: no kernel for this"):
        fast = Predictor(network, CPU)
    np.testing.assert_allclose(fast(grids(network)), eager(network, grids(network)), atol=1e-5, rtol=0)


# ---- the whole way, from items --------------------------------------------------------------------------------------

N = 3 * predictions.PART


@pytest.fixture(scope="module")
def curves():
    X = np.random.default_rng(0).normal(size=(N, 12)).astype(np.float32)
    return X, (X[:, 3] > X[:, 4]).astype(int)


@pytest.fixture(scope="module")
def classifier(curves):
    return GridClassifier(adapter=ArrayAdapter(), kernels=(4,), epochs=1).fit(*curves)


def test_an_item_gets_the_same_answer_alone_and_among_others(classifier, curves):
    X, _ = curves
    together = classifier.predict_proba(X)
    alone = np.concatenate([classifier.predict_proba(X[index : index + 1]) for index in range(0, N, 17)])
    np.testing.assert_allclose(together[::17], alone, atol=1e-6, rtol=0)
    np.testing.assert_allclose(together, eager(classifier.network_, X[:, None]), atol=1e-5, rtol=0)


def test_a_classifier_that_is_fitted_again_answers_with_its_new_network(curves):
    X, y = curves
    again = GridClassifier(adapter=ArrayAdapter(), kernels=(4,), epochs=1).fit(X, y)
    before = again.predict_proba(X)
    again.fit(X, 1 - y)
    np.testing.assert_allclose(again.predict_proba(X), eager(again.network_, X[:, None]), atol=1e-5, rtol=0)
    assert np.abs(again.predict_proba(X) - before).max() > 1e-3


def test_the_next_items_are_decoded_while_the_network_computes(classifier, curves, monkeypatch):
    later_item_is_decoded = threading.Event()

    def encode(self, item):
        if np.array_equal(item, curves[0][-1]):
            later_item_is_decoded.set()
        return np.asarray(item, dtype=np.float32)[None, None]

    def compute(windows):
        assert len(windows) <= TRIED or later_item_is_decoded.wait(timeout=20)
        return np.full((len(windows), 2), 0.5)

    compute.batch_size = TRIED
    classifier = clone(classifier).set_params(n_jobs=2).fit(*curves)
    monkeypatch.setattr(ArrayAdapter, "encode", encode)
    monkeypatch.setattr(ArrayAdapter, "reads_files", True)  # so that it is taken for a decoder
    monkeypatch.setattr(predictions, "predictor", lambda *_: compute)
    assert classifier.predict_proba(curves[0]).shape == (N, 2)


def test_what_holds_pythons_lock_is_encoded_in_the_thread_that_asks(monkeypatch):
    texts = [f"{word} day" for word in ("good", "bad")] * 200
    classifier = GridClassifier(adapter=TextAdapter(length=8), kernels=(2,), epochs=1, n_jobs=2).fit(
        texts, [1, 0] * 200
    )
    encode, threads = TextAdapter.encode, set()
    monkeypatch.setattr(TextAdapter, "encode", lambda *asked: threads.add(threading.get_ident()) or encode(*asked))
    classifier.predict(texts)
    assert threads == {threading.get_ident()}


def test_the_first_item_that_cannot_be_read_is_named(tmp_path):
    pictures = [np.full((8, 8), value % 250, np.uint8) for value in range(N)]
    images = GridClassifier(adapter=ImageAdapter(), kernels=(2,), epochs=1).fit(pictures[:20], [0, 1] * 10)
    for index in (N - 1, N - 9, 5):
        pictures[index] = tmp_path / f"{index}.png"
    with pytest.raises(ItemError, match=r"5\.png"):
        images.predict(pictures)
    errors = images.predict_frame(pictures)["error"]
    assert np.flatnonzero(errors != "").tolist() == [5, N - 9, N - 1]


def test_an_answer_is_the_mean_over_the_item_and_its_mirror_image_where_training_mirrored_it(tmp_path):
    rng = np.random.default_rng(0)
    pictures = list(rng.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8))
    mirrored = [picture[:, ::-1] for picture in pictures]
    classifier = GridClassifier(adapter=ImageAdapter(), kernels=(4,), epochs=2).fit(pictures, [0, 1] * 10)
    both = [np.concatenate([classifier.adapter_.encode(each) for each in items]) for items in (pictures, mirrored)]
    expected = np.mean([eager(classifier.network_, windows) for windows in both], axis=0)
    np.testing.assert_allclose(classifier.predict_proba(pictures), expected, atol=1e-5, rtol=0)
    assert np.abs(expected - eager(classifier.network_, both[0])).max() > 1e-3

    classifier.save(tmp_path / "m.safetensors")
    again = GridClassifier.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict_proba(pictures), classifier.predict_proba(pictures))

    upright = classifier.set_params(augment=None).fit(pictures, [0, 1] * 10)
    answers = eager(upright.network_, both[0])
    np.testing.assert_allclose(upright.predict_proba(pictures), answers, atol=1e-5, rtol=0)


def test_ctrl_c_ends_a_prediction_and_the_next_one_works(classifier, curves, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    interrupted.batch_size = 1
    with monkeypatch.context() as patched:
        patched.setattr(predictions, "predictor", lambda *_: interrupted)
        with pytest.raises(KeyboardInterrupt):
            classifier.predict_proba(curves[0])
    assert np.isfinite(classifier.predict_proba(curves[0])).all()


def test_the_windows_of_a_long_item_are_averaged():
    texts = ["good fine nice", "bad poor sad"] * 5
    classifier = GridClassifier(adapter=TextAdapter(length=8, min_count=1), epochs=2).fit(texts, [1, 0] * 5)
    long = "good " * 20 + "bad " * 3
    windows = classifier.adapter_.encode(long)
    assert len(windows) == 3
    expected = [eager(classifier.network_, windows).mean(axis=0), eager(classifier.network_, windows[:1])[0]]
    answers = classifier.predict_proba([long, "good " * 8])
    np.testing.assert_allclose(answers, expected, atol=1e-5, rtol=0)
