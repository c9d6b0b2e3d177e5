"""What the first of several processes asks the others to do: count in a share of the items, encode it, or train along.

All else of a fit (the split, the text's bag, every decision) is the work of the first one alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from gridcnn.adapters import Adapter
from gridcnn.errors import ItemError
from gridcnn.model import Network
from gridcnn.pipeline.cache import Encoded
from gridcnn.pipeline.device import choose_device
from gridcnn.pipeline.encode import Chunks, encoded_chunks
from gridcnn.training.callbacks import Callback
from gridcnn.training.config import TrainingConfig
from gridcnn.training.loop import Examples, Outcome, train
from gridcnn.training.peers import Peers

__all__ = ["encode_together", "fit_together", "follow", "train_together"]

ROUND = 256
"""Items that each process encodes between two exchanges."""


FEWEST_TO_SHARE = 5_000
"""Items below which one process has counted in them before others have got theirs."""


@dataclass(frozen=True)
class _Training:
    """A training that all take part in; the examples follow as arrays."""

    network: Network
    config: TrainingConfig
    device: str
    seed: int
    validated: bool

    def follow(self, peers: Peers) -> None:
        examples = Examples(*(peers.hand_out_array() for _ in Examples._fields))
        held = Examples(*(peers.hand_out_array() for _ in Examples._fields)) if self.validated else None
        torch.manual_seed(self.seed + peers.rank)  # augmentation differs between the shares of a batch
        device = choose_device(self.device)
        train(self.network, examples, self.config, validation=held, device=device, peers=peers)


@dataclass(frozen=True)
class _Encoding:
    """An encoding of items that follow round by round, so that no process but the first one holds all of them."""

    adapter: Adapter
    n_jobs: int | None

    def follow(self, peers: Peers) -> None:
        while not peers.leave():
            self.encode(peers, peers.dealt())

    def encode(self, peers: Peers, mine: Sequence[Any]) -> list[list[Encoded | ItemError]]:
        """Encode the share of this process; return those of all to the first one."""
        encoded: list[Encoded | ItemError] = []
        try:
            encoded += itertools.chain.from_iterable(encoded_chunks(self.adapter, mine, self.n_jobs))
        finally:
            found = peers.gathered(encoded)
        return found


@dataclass(frozen=True)
class _Surveying:
    """Items that all count in a share of; these follow."""

    survey: Callable[[Sequence[Any]], Any]

    def follow(self, peers: Peers) -> None:
        survey = self.survey(peers.dealt())
        while not peers.leave():
            question, given = peers.hand_out()
            peers.gathered(getattr(survey, question)(*given))


def fit_together(peers: Peers, adapter: Adapter, items: Sequence[Any]) -> Adapter:
    """Fit an adapter that counts in all items: each process counts in a share. The first process calls it."""
    if peers.alone or adapter.survey is None or len(items) < FEWEST_TO_SHARE:
        return adapter.fit(items)
    peers.hand_out(_Surveying(adapter.survey))
    ends = [len(items) * at // peers.size for at in range(peers.size + 1)]
    survey = adapter.survey(peers.dealt([items[first:end] for first, end in itertools.pairwise(ends)]))

    def ask(question: str, *given: Any) -> list[Any]:
        peers.leave()
        peers.hand_out((question, given))
        answer = None
        try:
            answer = getattr(survey, question)(*given)
        finally:
            answers = peers.gathered(answer)
        return answers

    of_texts: Any = adapter  # whose `fit` takes more than the contract asks for
    try:
        fitted: Adapter = of_texts.fit(items, ask)
        return fitted
    finally:
        peers.leave(now=True)


def encode_together(peers: Peers, adapter: Adapter, items: Sequence[Any], n_jobs: int | None) -> Chunks:
    """Encode items in all processes; yield them in their order, in parts. The first process calls it."""
    task = _Encoding(adapter, n_jobs)
    peers.hand_out(task)
    try:
        for at in range(0, len(items), ROUND * peers.size):
            ends = range(at, at + ROUND * (peers.size + 1), ROUND)
            peers.leave()
            yield from task.encode(peers, peers.dealt([items[first:end] for first, end in itertools.pairwise(ends)]))
    finally:
        peers.leave(now=True)


def train_together(
    network: Network,
    examples: Examples,
    config: TrainingConfig,
    *,
    validation: Examples | None = None,
    device: torch.device | None = None,
    callback: Callback | None = None,
    peers: Peers,
) -> Outcome:
    """Train in all processes; see `train`. The first process calls it, and alone if a step has fewer examples."""
    steps = -(-len(examples.target) // config.batch_size)
    if peers.alone or len(examples.target) // steps < peers.size:
        return train(network, examples, config, validation=validation, device=device, callback=callback)
    place = "cpu" if device is None or device.type == "cpu" else "auto"
    peers.hand_out(_Training(network.cpu(), config, place, torch.initial_seed() % 2**62, validation is not None))
    for array in (*examples, *(validation or ())):
        peers.hand_out_array(array)
    return train(network, examples, config, validation=validation, device=device, callback=callback, peers=peers)


def follow(peers: Peers) -> None:
    """Do what the first process asks for, until it has no more to ask."""
    while (task := peers.hand_out()) is not None:
        task.follow(peers)
