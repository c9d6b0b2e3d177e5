"""Answers in bfloat16 are nearly those in float32, and are refused where they would be slower."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from gridcnn import GridClassifier, predict
from gridcnn.adapters import ImageAdapter
from gridcnn.errors import ConfigurationError
from gridcnn.grid import GridSpec
from gridcnn.inference import openvino_runtime, predictor
from gridcnn.inference.predictor import Predictor
from gridcnn.model import Network
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.config import BackboneConfig
from gridcnn.pipeline.device import multiplies_bfloat16

CPU = torch.device("cpu")
CURVE = GridSpec.of("sensor", 3, time=21)
PICTURE = GridSpec.of("colour", 2, height=11, width=14)

multiplies = pytest.mark.skipif(not multiplies_bfloat16(CPU), reason="this CPU does not multiply bfloat16")


def network_for(spec=PICTURE, **config):
    torch.manual_seed(1)
    backbone = ConvPoolDense(spec, BackboneConfig(**{"kernels": (5, 4)} | config), n_classes=3)
    return Network(torch.nn.Identity(), backbone.eval()).eval()


def grids(spec, n=9):
    return np.random.default_rng(0).normal(size=(n, *spec.shape)).astype(np.float32)


@torch.inference_mode()
def eager(network, windows):
    return network(torch.from_numpy(windows)).double().softmax(dim=1).numpy()


@pytest.fixture
def unable(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True}, raising=False)


@pytest.fixture
def no_openvino(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)  # importing it raises ImportError


def needs_openvino():
    try:
        openvino_runtime.imported()
    except ImportError:
        pytest.skip("the extra fast is not installed")


CONFIGS = [
    (PICTURE, {}),
    (CURVE, {"kernel_sizes": (3, 5), "head": "global_max"}),
    (PICTURE, {"pool": "average", "head": "global_average", "dense": (6,)}),
    (PICTURE, {"kernels": (128, 128), "convs_per_block": 2}),
]


def is_rounded(answers, exact):
    """Whether answers are near the exact ones, and yet not those of float32."""
    difference = np.abs(answers - exact).max()
    return 1e-5 < difference < 0.05


@multiplies
@pytest.mark.parametrize(("spec", "config"), CONFIGS)
def test_torch_answers_nearly_the_same_in_bfloat16(no_openvino, spec, config):
    network = network_for(spec, **config)
    fast = Predictor(network, CPU, "bfloat16")
    assert fast.runtime == "torch"
    assert is_rounded(fast(grids(spec)), eager(network, grids(spec)))


@multiplies
@pytest.mark.parametrize(("spec", "config"), CONFIGS)
def test_openvino_answers_nearly_the_same_in_bfloat16(spec, config):
    needs_openvino()
    network = network_for(spec, **config)
    fast = Predictor(network, CPU, "bfloat16")
    assert fast.runtime == "openvino"
    assert is_rounded(fast(grids(spec)), eager(network, grids(spec)))


@multiplies
def test_the_network_itself_stays_in_float32():
    network = network_for()
    Predictor(network, CPU, "bfloat16")
    assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}


@multiplies
def test_both_precisions_of_one_network_are_told_apart():
    network, windows = network_for(), grids(PICTURE)
    rough = predictor.predictor(network, CPU, "bfloat16")(windows)
    exact = predictor.predictor(network, CPU)(windows)
    assert predictor.predictor(network, CPU, "bfloat16") is not predictor.predictor(network, CPU)
    assert predictor.predictor(network, CPU) is predictor.predictor(network, CPU)
    assert is_rounded(rough, exact)
    np.testing.assert_allclose(exact, eager(network, windows), atol=1e-5, rtol=0)


@multiplies
def test_an_item_gets_the_same_answer_alone_and_among_others():
    network, windows = network_for(kernels=(32, 32)), grids(PICTURE, 40)
    fast = Predictor(network, CPU, "bfloat16")
    alone = np.concatenate([fast(windows[index : index + 1]) for index in range(40)])
    np.testing.assert_allclose(fast(windows), alone, atol=1e-6, rtol=0)


def test_a_cpu_that_does_not_multiply_it_says_so(unable):
    with pytest.raises(ConfigurationError, match=r"slower than float32 on this cpu.*use precision float32"):
        Predictor(network_for(), CPU, "bfloat16")
    np.testing.assert_allclose(
        Predictor(network_for(), CPU)(grids(PICTURE)), eager(network_for(), grids(PICTURE)), atol=1e-5
    )


def test_an_unknown_precision_is_refused():
    with pytest.raises(ConfigurationError, match="expected one of float32, bfloat16; got 'half'"):
        Predictor(network_for(), CPU, "half")


# ---- float32 in OpenVINO --------------------------------------------------------------------------------------------


def test_openvino_computes_networks_that_would_fill_blocks_of_onnxruntime_with_zeros():
    needs_openvino()
    pytest.importorskip("onnxruntime")
    for kernels, runtime in (((24, 24), "openvino"), ((32, 64), "onnxruntime"), ((16,), "onnxruntime")):
        network = network_for(kernels=kernels, convs_per_block=2)
        fast = Predictor(network, CPU)
        assert fast.runtime == runtime
        np.testing.assert_allclose(fast(grids(PICTURE)), eager(network, grids(PICTURE)), atol=1e-5, rtol=0)


REPORTS = """
import sys
from gridcnn.inference import openvino_runtime
openvino_runtime.imported()
assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
"""


def test_openvino_reports_nothing_about_its_users(tmp_path):
    needs_openvino()
    environment = {**os.environ, "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", REPORTS], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_does_without_openvino(monkeypatch):
    needs_openvino()
    network = network_for(kernels=(24, 24))
    assert Predictor(network, CPU).runtime == "openvino"
    monkeypatch.setattr(openvino_runtime.os, "getpid", lambda: -1)  # as in a fork
    assert Predictor(network, CPU).runtime in {"onnxruntime", "torch"}
    with pytest.raises(ImportError, match="forked"):
        openvino_runtime._core()


# ---- the whole way --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    pictures = list(np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8))
    classifier = GridClassifier(adapter=ImageAdapter(), kernels=(8,), epochs=1).fit(pictures, [0, 1] * 10)
    path = tmp_path_factory.mktemp("models") / "m.safetensors"
    classifier.save(path)
    return path, classifier, pictures


@pytest.fixture
def picture(tmp_path):
    from PIL import Image

    path = tmp_path / "p.png"
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(path)
    return path


@multiplies
def test_predict_takes_a_precision(bundle):
    _, classifier, pictures = bundle
    exact = predict(classifier, pictures).probabilities
    assert is_rounded(predict(classifier, pictures, precision="bfloat16").probabilities, exact)


@multiplies
def test_the_command_takes_a_precision(run, bundle, picture):
    exact, rough = (run("predict", bundle[0], picture, "--precision", name) for name in ("float32", "bfloat16"))
    assert exact.code == rough.code == 0
    assert exact.out != rough.out
    numbers = [np.array(each.out.splitlines()[1].split(",")[2:4], dtype=float) for each in (exact, rough)]
    assert is_rounded(*numbers)


def test_the_command_says_in_one_line_that_this_cpu_is_slower_in_bfloat16(run, bundle, picture, unable):
    answer = run("predict", bundle[0], picture, "--precision", "bfloat16")
    assert (answer.code, answer.out) == (2, "")
    assert "use precision float32" in " ".join(answer.err.split())
    assert "Traceback" not in answer.err
