"""A trained network made ready to answer, and its predictions."""
