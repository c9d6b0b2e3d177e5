"""Several processes train one network together, as one would alone."""

import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gridcnn.adapters import TextAdapter
from gridcnn.pipeline.encode import encode_items, encoded_chunks
from gridcnn.training.following import encode_together
from gridcnn.training.peers import Peers
from tests.one_of_two import taught

SCRIPT = Path(__file__).with_name("one_of_two.py")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Run all scenarios in two processes; return what the first one tells of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    place = tmp_path_factory.mktemp("peers") / "told"
    both = subprocess.Popen([sys.executable, str(SCRIPT), port, str(place)], start_new_session=True)
    try:
        assert both.wait(timeout=300) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(both.pid, signal.SIGKILL)
    return torch.load(place, weights_only=False)


@pytest.mark.parametrize("scenario", ["pictures", "texts"])
def test_two_processes_learn_what_one_learns(told, scenario):
    alone = taught(scenario, Peers())
    assert told[scenario]["epochs"] == [1, 2, 3, 4]
    apart = told[scenario]["scores"]["validation_accuracy"] - alone.scores["validation_accuracy"]
    assert abs(apart) < 0.1  # of 60 or 80 items


def test_what_two_processes_count_in_texts_is_what_one_counts(told):
    alone = taught("texts", Peers()).adapter.state()
    assert alone["vocabulary_"]
    assert alone["runs_"]
    assert told["texts"]["adapter"] == alone


def test_one_step_of_two_processes_is_that_of_the_whole_batch(told):
    """Only what the normalisation sees differs, of which the biases of the output are free."""
    alone = taught("one step", Peers()).network.state_dict()
    together = told["one step"]["weights"]
    torch.testing.assert_close(together["backbone.output.bias"], alone["backbone.output.bias"], atol=2e-3, rtol=0)


def test_all_trainings_of_a_fit_are_shared(told):
    assert told["refit"]["epochs"] == [1, 2]


@pytest.mark.parametrize(("scenario", "epochs"), [("stopped in an epoch", []), ("stopped after an epoch", [1])])
def test_a_callback_that_stops_the_first_process_stops_all(told, scenario, epochs):
    assert told[scenario]["epochs"] == epochs


@pytest.mark.parametrize(
    ("scenario", "error"), [("error", "OSError"), ("diverged", "DivergedError"), ("no vectors", "DataError")]
)
def test_an_error_in_the_first_process_ends_the_training_of_all(told, scenario, error):
    assert told[scenario] == {"error": error}


def test_a_step_of_fewer_examples_than_processes_is_computed_by_the_first_alone(told):
    assert told["few items"]["epochs"] == [1, 2]


class OneOfThree(Peers):
    """The first of three processes; what it deals to the others is encoded here."""

    def __init__(self, adapter) -> None:
        super().__init__(0, 3)
        self.adapter, self.tasks, self.deals, self.left = adapter, [], [], []

    def hand_out(self, value=None):
        self.tasks.append(value)

    def dealt(self, values=None):
        self.deals.append(values)
        return values[0]

    def gathered(self, value):
        others = self.deals[-1][1:]
        return [value, *([each for part in encoded_chunks(self.adapter, one, 1) for each in part] for one in others)]

    def leave(self, *, now=False):
        self.left.append(now)
        return now


def test_no_process_but_the_first_is_given_more_items_than_it_encodes_at_a_time():
    texts = [f"{word} film number {at}" for at in range(800) for word in ("good", "bad")]
    adapter = TextAdapter().fit(texts)
    peers = OneOfThree(adapter)

    encoded = encode_items(adapter, texts, spread=functools.partial(encode_together, peers))

    np.testing.assert_array_equal(encoded.windows, encode_items(adapter, texts).windows)
    assert [len(share) for deal in peers.deals for share in deal] == [256] * 6 + [64, 0, 0]
    assert not hasattr(peers.tasks[0], "items")
    assert peers.left == [False, False, False, True]
