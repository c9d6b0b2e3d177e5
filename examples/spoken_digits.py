"""Spoken digits from a speaker who was never heard in training: the honest way to score a voice model.

    GRIDCNN_DATA=… python examples/spoken_digits.py [ITEMS]

Without the Free Spoken Digit Dataset at hand it trains on the embedded tones instead, and says so.

Score: 0.942 on 500 recordings of theo, one run, seed 0;
2 shared x86-64 CPU cores, one thread, torch 2.13, under 4 minutes.
"""

import sys

import numpy as np

from gridcnn import GridClassifier, datasets
from gridcnn.adapters import AudioAdapter
from gridcnn.errors import DataError

SPEAKER = "theo"


def main(n_items: int | None = None) -> float:
    """Train on five speakers, print the accuracy on the sixth, and return it."""
    try:
        recordings = datasets.load("fsdd")
        held_out = recordings.groups == SPEAKER
        adapter = AudioAdapter()
    except DataError as error:
        print(f"no spoken digits here ({error}); training on the embedded tones instead")
        recordings = datasets.tones(800)
        held_out = np.arange(len(recordings)) % 5 == 0
        adapter = AudioAdapter(sample_rate=recordings.sample_rate)
    learning, unheard = (recordings.take(np.flatnonzero(part)) for part in (~held_out, held_out))
    if n_items is not None:
        learning = learning.take(np.random.default_rng(0).permutation(len(learning))[:n_items])
    classifier = GridClassifier(adapter=adapter).fit(learning.items, learning.labels)
    accuracy = classifier.score(unheard.items, unheard.labels)
    print(f"grid {classifier.adapter_.spec_}, accuracy on {len(unheard)} unheard recordings: {accuracy:.4f}")
    return accuracy


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
