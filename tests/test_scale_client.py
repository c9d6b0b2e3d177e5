"""Work through ray://, from a process that is none of the cluster: results come back to its disk."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gridcnn import GridClassifier
from gridcnn.adapters import TextAdapter
from gridcnn.cli import main
from gridcnn.errors import ConfigurationError, DataError

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install '.[scale]'")
pytest.importorskip("grpc", reason="Ray's client needs grpcio: pip install '.[scale]'")

from gridcnn.scale.session import connected  # noqa: E402  (they need Ray)
from gridcnn.scale.training import fit  # noqa: E402

TEXTS = [f"{word} film number {at}" for at in range(60) for word in ("good", "bad")]
LABELS = ["a", "b"] * 60


@pytest.fixture(scope="module")
def address(only_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster of one node that listens for clients."""
    from ray.cluster_utils import Cluster

    with socket.socket() as free, pytest.MonkeyPatch.context() as patch:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("GRPC_ENABLE_FORK_SUPPORT", "0")  # what listens forks for each client, which its handlers may stop
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        head = {"num_cpus": 3, "object_store_memory": 128 * 2**20, "ray_client_server_port": port}
        started = Cluster(initialize_head=True, head_node_args=head)
        listening = f"ray://127.0.0.1:{port}"
        for _ in range(4):  # what listens starts last, and what it starts for a client may be late on a busy machine
            with contextlib.suppress(ConfigurationError), connected(listening, 1):
                break
            time.sleep(5)
        yield listening
        started.shutdown()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model") / "m.safetensors"
    classifier = GridClassifier(adapter=TextAdapter(), epochs=1, kernels=(3,), cache=False, random_state=0)
    classifier.fit(TEXTS, LABELS).save(place)
    return place


def test_predictions_come_back_to_the_disk_of_the_client(address: str, model: Path, tmp_path: Path) -> None:
    pd.DataFrame({"text": [*TEXTS, None, "größer"]}).to_csv(tmp_path / "t.csv", index=False)
    command = ["predict", str(model), str(tmp_path / "t.csv"), "-o"]
    with contextlib.suppress(SystemExit):
        main([*command, str(tmp_path / "alone.parquet")])

    with contextlib.suppress(SystemExit):
        main([*command, str(tmp_path / "out"), "--workers", "1", "--ray-address", address])

    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["rows"] == 122
    rows, expected = (
        pq.read_table(tmp_path / name).to_pandas() for name in ("out/part-00000.parquet", "alone.parquet")
    )
    assert rows["item"].tolist() == expected["item"].tolist()
    assert rows["error"].notna().sum() == expected["error"].notna().sum() == 1
    np.testing.assert_allclose(rows["p(a)"].astype(float), expected["p(a)"].astype(float), atol=1e-5)
    assert not ray.is_initialized()


def test_a_model_comes_back_to_the_client_and_so_does_an_error_of_the_input(address: str, tmp_path: Path) -> None:
    parameters = {"epochs": 3, "folds": 1, "refit": False, "checkpoint_dir": tmp_path}
    trained = fit(TextAdapter(), TEXTS, LABELS, parameters, workers=2, address=address)
    assert [record.epoch for record in trained.history] == [1, 2, 3]

    with pytest.raises(DataError, match="class"):
        fit(TextAdapter(), TEXTS, ["same"] * 120, parameters, workers=1, address=address)


def test_a_missing_client_is_named_with_its_command(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)

    with pytest.raises(ConfigurationError, match=r"ray:// needs grpcio, .*pip install 'gridcnn\[scale\]'"):
        connected(address, 1).__enter__()
