"""The hyperparameters that suit spectrograms."""

from __future__ import annotations

from typing import Any

from gridcnn.adapters.counts import block_count, epoch_count

__all__ = ["settings"]

SETTINGS: dict[str, Any] = {
    "kernel_sizes": (3,),
    "convs_per_block": 2,
    "pool_after": 1,
    "pool": "max",
    "pool_size": 2,
    "head": "global_average",
    "dense": (),
    "dropout": 0.2,
    "batch_norm": True,
    "batch_size": 64,
    "learning_rate": 3e-3,
    "kernel_learning_rate": 0.01,
    "weight_decay": 1e-2,
    "label_smoothing": 0.05,
}
KERNELS = (32, 64, 128)
EPOCH_ITEMS = 35_000  # recordings heard in training, between the two bounds
FEWEST_EPOCHS, MOST_EPOCHS = 6, 40
FEW_EPOCH_ITEMS, MOST_EPOCHS_OF_FEW = 8_000, 80  # the same below 200 recordings, which are learned better so
MOST_REFITTED = 8_000  # recordings up to which a second training, on all of them, takes no more than minutes
VIEWED = 48_000  # windows met in training, if each event is met in several
AUGMENT: dict[str, Any] = {
    # Frequencies move by little more than a band: pitch tells toms, vowels and bats apart, and far moves hurt even
    # where it does not, as for dogs and rain (docs/RESULTS.md).
    "shift": {"frequency": 0.02, "time": 0.12},
    "scale": {"frequency": 0.02, "time": 0.2},
    "mask": {"frequency": 0.1, "time": 0.1},
    "tilt": {"frequency": 0.3},
    "gain": 0.2,
    "noise": 0.1,
}


def settings(cells: int, n_items: int, n_views: int = 1) -> dict[str, Any]:
    """Return the parameters of `GridClassifier` for recordings.

    Parameters
    ----------
    cells : int
        Size of the shorter axis of a spectrogram.
    n_items : int
        Number of recordings in training.
    n_views : int
        Windows of each, other than those that its length takes.
    """
    epochs = epoch_count(VIEWED, n_items * n_views, FEWEST_EPOCHS, MOST_EPOCHS) if n_views > 1 else None
    most = epoch_count(FEW_EPOCH_ITEMS, n_items, MOST_EPOCHS, MOST_EPOCHS_OF_FEW)
    return {
        **SETTINGS,
        "kernels": KERNELS[: block_count(cells, len(KERNELS))],
        "epochs": epochs or epoch_count(EPOCH_ITEMS, n_items, FEWEST_EPOCHS, most),
        "augment": AUGMENT,
        "refit": n_items <= MOST_REFITTED,
    }
