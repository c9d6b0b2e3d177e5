"""Two processes that train together, for tests/test_peers.py: PORT PLACE."""

import functools
import os
import sys

import numpy as np
import torch
from torch import distributed

from gridcnn import datasets
from gridcnn.adapters import ImageAdapter, TextAdapter
from gridcnn.training import following
from gridcnn.training.callbacks import Callback
from gridcnn.training.fit import fit
from gridcnn.training.following import follow
from gridcnn.training.peers import Peers

ONCE = {"folds": 1, "refit": False}
SCENARIOS = {
    "pictures": ("digits", {**ONCE, "epochs": 4}, None),
    "texts": ("word_order", {**ONCE, "epochs": 4}, None),
    "one step": ("word_order", {**ONCE, "epochs": 1, "batch_size": 400, "augment": None}, None),
    "refit": ("digits", {"folds": 1, "refit": True, "epochs": 2}, None),
    "stopped in an epoch": ("digits", {**ONCE, "epochs": 3}, "step"),
    "stopped after an epoch": ("digits", {**ONCE, "epochs": 3}, "epoch"),
    "error": ("digits", {**ONCE, "epochs": 3}, "error"),
    "diverged": ("digits", {**ONCE, "epochs": 3, "learning_rate": 1e30, "kernel_learning_rate": 1e30}, None),
    "no vectors": ("vectors", {**ONCE, "epochs": 1}, None),
    "few items": ("few", {**ONCE, "epochs": 2, "batch_size": 1}, None),
}
SETS = {
    "digits": (ImageAdapter, 300),
    "word_order": (TextAdapter, 400),
    "vectors": (functools.partial(TextAdapter, vectors="missing.txt"), 400),
    "few": (TextAdapter, 60),
}


class Stops(Callback):
    """Ends the training in its first epoch, or after it, or with an error."""

    def __init__(self, when: str) -> None:
        self.when = when

    def on_step(self, n_samples):
        """Stop, or fail."""
        if self.when == "error":
            raise OSError("the disk is gone")
        return self.when == "step"

    def on_epoch(self, record, network):
        """Stop."""
        return self.when == "epoch"


def taught(scenario: str, peers: Peers):
    """Train on some items of an embedded set."""
    name, parameters, when = SCENARIOS[scenario]
    kind, n_items = SETS[name]
    data = datasets.load("digits" if name == "digits" else "word_order")
    some = np.random.default_rng(0).permutation(len(data.items))[:n_items]
    items = [data.items[at] for at in some]
    callbacks = () if when is None else (Stops(when),)
    return fit(kind(), items, np.asarray(data.labels)[some], parameters, callbacks=callbacks, peers=peers)


def told(scenario: str, peers: Peers) -> dict:
    """Train, and return what became of it."""
    try:
        model = taught(scenario, peers)
    except Exception as error:
        return {"error": type(error).__name__}
    epochs = [record.epoch for record in model.history]
    learned = {"weights": model.network.state_dict(), "adapter": model.adapter.state()}
    return {**learned, "epochs": epochs, "scores": model.scores}


if __name__ == "__main__":
    other = os.fork()  # once all is imported
    peers = Peers(int(other == 0), 2)
    torch.set_num_threads(1)
    following.FEWEST_TO_SHARE = 400
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=sys.argv[1])
    distributed.init_process_group("gloo", rank=peers.rank, world_size=2)
    if peers.first:
        results = {scenario: told(scenario, peers) for scenario in SCENARIOS}
        peers.hand_out(None)
        torch.save(results, sys.argv[2])
    else:
        follow(peers)
    distributed.destroy_process_group()
    code = os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) if peers.first else 0
    os._exit(code)  # threads of torch and the end of the interpreter may meet: "terminate called without an exception"
