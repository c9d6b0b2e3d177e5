"""The search for hyperparameters: what is tried, how it is judged, and whether the best is better than the defaults."""
