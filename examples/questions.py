"""What kind of answer does a question want? TREC's six kinds, or word order, which a bag of words cannot see.

    GRIDCNN_DATA=… python examples/questions.py [ITEMS]

Without TREC at hand it trains on the embedded `word_order` sentences instead, and says so.

Score: 0.896 on TREC's 500 test questions, seed 0 (mean of three seeds: 0.895);
2 shared x86-64 CPU cores, one thread, torch 2.13.
"""

import sys

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from gridcnn import GridClassifier, datasets
from gridcnn.adapters import TextAdapter
from gridcnn.errors import DataError


def main(n_items: int | None = None) -> float:
    """Train on sentences, print the accuracy beside that of a bag of words, and return it."""
    try:
        learning, unread = datasets.load("trec", split="train"), datasets.load("trec", split="test")
    except DataError as error:
        print(f"no questions here ({error}); training on word_order instead")
        learning, unread = datasets.word_order(2000, random_state=0), datasets.word_order(500, random_state=1)
    if n_items is not None:
        learning = learning.take(np.random.default_rng(0).permutation(len(learning))[:n_items])
    bag_of_words = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(learning.items, learning.labels)
    classifier = GridClassifier(adapter=TextAdapter()).fit(learning.items, learning.labels)
    accuracy = classifier.score(unread.items, unread.labels)
    print(f"bag of words {bag_of_words.score(unread.items, unread.labels):.4f}, gridcnn {accuracy:.4f}")
    print(classifier.predict_frame(unread.items[:3]).to_string(index=False))
    return accuracy


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
