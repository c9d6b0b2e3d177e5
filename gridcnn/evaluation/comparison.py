"""Two classifiers on the same items, compared by the exact McNemar test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats
from sklearn.metrics import accuracy_score

from gridcnn.display import counted

__all__ = ["Comparison", "compare"]

CERTAIN = 0.05


@dataclass(frozen=True)
class Comparison:
    """A baseline and the network on the same items.

    Parameters
    ----------
    name : str
        What the baseline is.
    baseline, network : float
        Accuracies, in [0, 1].
    n_items : int
        Number of items that both predicted.
    p_value : float
        Of the exact McNemar test: the probability of a difference this large if both were equally good.
    """

    name: str
    baseline: float
    network: float
    n_items: int
    p_value: float

    @property
    def verdict(self) -> str:
        """Say in a sentence or two which of them is ahead."""
        by = f"by {100 * abs(self.network - self.baseline):.1f} points"
        on = f"on {counted(self.n_items, 'item')}"
        if self.network == self.baseline:
            return f"The network and the baseline ({self.name}) are level {on}: the baseline is the simpler one."
        ahead = self.network > self.baseline
        if self.p_value >= CERTAIN:
            who = "The network" if ahead else f"The baseline ({self.name})"
            return f"{who} is ahead {by} {on}, which may be chance (p = {self.p_value:.2g}): more items would tell."
        if ahead:
            return f"The network beats the baseline ({self.name}) {by} {on}."
        return (
            f"The baseline wins: {self.name} beats the network {by} {on}. Use it instead, or give the network more "
            "items or epochs."
        )


def compare(name: str, truth: Any, baseline: Any, network: Any) -> Comparison:
    """Compare the predictions of a baseline with the network's on the same items.

    Parameters
    ----------
    name : str
        What the baseline is.
    truth, baseline, network : array-like of shape (n,)
        Labels, compared by their string form.

    References
    ----------
    McNemar 1947, "Note on the sampling error of the difference between correlated proportions"; exact form.

    Examples
    --------
    >>> compare("majority", ["a", "a", "b"], ["a", "a", "a"], ["a", "a", "b"]).network
    1.0
    """
    truth, baseline, network = (np.asarray(labels).astype(str) for labels in (truth, baseline, network))
    only_network = int(((network == truth) & (baseline != truth)).sum())
    differing = only_network + int(((network != truth) & (baseline == truth)).sum())
    p_value = float(scipy.stats.binomtest(only_network, differing).pvalue) if differing else 1.0
    return Comparison(
        name,
        baseline=float(accuracy_score(truth, baseline)),
        network=float(accuracy_score(truth, network)),
        n_items=len(truth),
        p_value=p_value,
    )
