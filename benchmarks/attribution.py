"""Does attribution point at what was drawn? On `xo` at the stroke, on `tones` at the tone.

    python benchmarks/attribution.py [HELD_OUT_ITEMS] [VALIDATION_ITEMS]

Where the stroke or tone covers less than a quarter of the cells, the share of the attribution for the predicted class
(its positive mass) that lies on the drawn cells. Drawn are the pixels that the pen covers by more than half, and the
cells of a spectrogram in which the tone has more power than the noise; there is no tolerance around them. The methods
are compared on validation items, the default is then measured on held-out items, beside

- random: the same network with weights that nobody trained. `net` is the mass for the class less the mass against it
  on the drawn cells, as a share of all mass: random weights speak for and against alike;
- input: the share of the cells' own distance from the empty grid, which knows no network at all.
"""

from __future__ import annotations

import copy
import sys
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from gridcnn import ConvPoolDense, GridClassifier, datasets, explain
from gridcnn.adapters import AudioAdapter, ImageAdapter

VALIDATION, HELD_OUT = 2, 1  # seeds; the models are trained with seed 0


def pictures(n_items: int, seed: int) -> tuple[Any, np.ndarray]:
    """Return letters, and where they were drawn."""
    data, drawn = datasets.xo(n_items, random_state=seed, with_masks=True)
    return data, drawn


def sounds(n_items: int, seed: int) -> tuple[Any, np.ndarray]:
    """Return tones, and the cells of their spectrograms in which they sound."""
    data, clean = datasets.tones(n_items, random_state=seed, with_clean=True)
    lift = AudioAdapter(sample_rate=data.sample_rate).fit(data.items).lift()
    with torch.inference_mode():
        tone, noise = (lift.mel(torch.from_numpy(sound)).numpy() for sound in (clean, data.items - clean))
    return data, tone > noise


def untrained(classifier: GridClassifier) -> GridClassifier:
    """Return a copy of a classifier with random weights in its backbone."""
    random = copy.deepcopy(classifier)
    backbone = random.network_.backbone
    torch.manual_seed(0)
    random.network_.backbone = ConvPoolDense(backbone.spec, backbone.config, backbone.n_classes).eval()
    return random


def shares(maps: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    """Return the mean share of the positive mass on the drawn cells, and the mean net share of all mass there."""
    positive, on_it = np.maximum(maps, 0), drawn.astype(float)
    share = (positive * on_it).sum((1, 2)) / np.maximum(positive.sum((1, 2)), 1e-12)
    net = (maps * on_it).sum((1, 2)) / np.maximum(np.abs(maps).sum((1, 2)), 1e-12)
    return float(share.mean()), float(net.mean())


def main(n_held_out: int = 200, n_validation: int = 40) -> None:
    torch.set_num_threads(1)
    for make, adapter in ((pictures, ImageAdapter()), (sounds, AudioAdapter(sample_rate=8000))):
        learning = datasets.xo() if make is pictures else datasets.tones()
        classifier = GridClassifier(adapter=adapter).fit(learning.items, learning.labels)
        for seed, wanted, methods in (
            (VALIDATION, n_validation, explain.METHODS),
            (HELD_OUT, n_held_out, explain.METHODS[:1]),
        ):
            data, drawn = make(2 * wanted, seed)
            chosen = np.flatnonzero(drawn.mean(axis=(1, 2)) < 0.25)[:wanted]
            drawn = drawn[chosen]
            part = "held out" if seed == HELD_OUT else "validation"
            head = f"{data.name}, {part}, {len(chosen)} items, {drawn.mean():.0%} of the cells drawn"
            print(f"{head}, accuracy {classifier.score(data.items, data.labels):.3f}", flush=True)
            traces = [explain.trace(classifier, data.items[index]) for index in chosen]
            for method in methods:
                maps = np.stack([explain.attribute(trace, method=method) for trace in traces])
                share, net = shares(maps, drawn)
                print(f"  {method:28} share {share:.3f}  net {net:+.3f}", flush=True)
        grids = np.stack([trace.grid for trace in traces])
        empty = np.median(grids, axis=(2, 3), keepdims=True)
        print(f"  {'input':28} share {shares(np.abs(grids - empty).sum(axis=1), drawn)[0]:.3f}")
        cams = np.stack([explain.grad_cam(trace) for trace in traces])
        print(f"  {'Grad-CAM of the last block':28} share {shares(cams, drawn)[0]:.3f}")
        random = untrained(classifier)
        noise = np.stack([explain.attribute(explain.trace(random, data.items[index])) for index in chosen])
        share, net = shares(noise, drawn)
        ranks = np.mean([spearmanr(one.ravel(), other.ravel())[0] for one, other in zip(maps, noise, strict=True)])
        print(f"  {'random':28} share {share:.3f}  net {net:+.3f}  rank correlation with the trained {ranks:+.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
