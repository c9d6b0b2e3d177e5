"""Several processes train one network together, as one would alone."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

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
