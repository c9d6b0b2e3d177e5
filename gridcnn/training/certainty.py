"""What the held-out items tell about a trained network: its temperature, and scores for sets and abstaining."""

from __future__ import annotations

import numpy as np
import torch

from gridcnn.calibration import calibrate, fit_temperature, mean_loss, mean_probabilities
from gridcnn.certainty import Certainty, Quality
from gridcnn.model import Network
from gridcnn.network.augment import flipped_copies
from gridcnn.network.layers import to_channels_last
from gridcnn.pipeline.bucketing import batches_in_order, lengths_needed, without_padding
from gridcnn.pipeline.encode import EncodedItems
from gridcnn.pipeline.prefetch import batches
from gridcnn.pipeline.split import LabelledItems

__all__ = ["learn_certainty", "still_right"]


def learn_certainty(
    network: Network, held_out: tuple[LabelledItems, EncodedItems] | None, device: torch.device, batch_size: int
) -> Certainty:
    """Return what held-out items tell, as prediction answers them: over all windows and flipped copies.

    Parameters
    ----------
    network : Network
        With the weights that are kept, on `device`, and with the frontend that reads the encoded windows.
    held_out : (LabelledItems, EncodedItems) or None
        Items that the network was not trained on, and what became of them.
    device : torch.device
        Where to compute.
    batch_size : int
        Windows at a time.
    """
    if held_out is None or not len(held_out[1].item):
        return Certainty()
    given, encoded = held_out
    readable = np.unique(encoded.item)
    target, weight = given.target[readable], given.weight[readable]
    logits = _logits(network, encoded.windows, device, batch_size)
    if not np.isfinite(logits).all():  # an item far outside of the others; the training itself was checked
        return Certainty()
    temperature = fit_temperature(logits, encoded.item, target, weight)
    answers = [mean_probabilities(logits, encoded.item, each) for each in (1.0, temperature)]
    before, after = (_quality(each, target, weight) for each in answers)
    return Certainty.learned(temperature, before, after, answers[1], target)


def still_right(
    network: Network,
    held_out: tuple[LabelledItems, EncodedItems],
    before: Certainty,
    device: torch.device,
    batch_size: int,
) -> bool:
    """Whether a network that has learned from held-out items too is right about them as often as the one before.

    It should be right about more of them. One that falls behind by more than a standard error has failed to learn, and
    what the one before was right about says nothing about it. The parameters are as in `learn_certainty`.
    """
    given, encoded = held_out
    if not before.n_items or not len(encoded.item):
        return True
    probabilities = mean_probabilities(_logits(network, encoded.windows, device, batch_size), encoded.item, 1.0)
    hit = probabilities.argmax(axis=1) == given.target[np.unique(encoded.item)]
    spread = np.sqrt(before.accuracy * (1 - before.accuracy) / before.n_items)
    return bool(hit.mean() >= before.accuracy - spread)


@torch.inference_mode()
def _logits(network: Network, windows: np.ndarray, device: torch.device, batch_size: int) -> np.ndarray:
    """Return the logits of windows as they are and flipped, `(windows, copies, n_classes)`."""
    network.eval()
    spec, flip_axes = network.backbone.spec, network.flip_axes
    sizes = None if flip_axes else lengths_needed(windows, network.frontend, network.backbone)
    logits = np.empty((len(windows), 2 ** len(flip_axes), network.backbone.n_classes), np.float32)
    order = batches_in_order(len(windows), batch_size, sizes)
    for batch, rows in zip(order, batches(windows, order), strict=True):
        grids = to_channels_last(network.frontend(torch.from_numpy(without_padding(rows, sizes, batch)).to(device)))
        copies = [network.backbone(each).float().cpu() for each in flipped_copies(grids, spec, flip_axes)]
        logits[batch] = torch.stack(copies, dim=1).numpy()
    return logits


def _quality(probabilities: np.ndarray, target: np.ndarray, weight: np.ndarray) -> Quality:
    hit = probabilities.argmax(axis=1) == target
    return Quality(mean_loss(probabilities, target, weight), calibrate(hit, probabilities.max(axis=1)).error)
