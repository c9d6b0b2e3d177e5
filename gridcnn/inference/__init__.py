"""Predictions of a trained network, computed fast, and feature vectors."""

from gridcnn.inference.embedding import Embeddings, embed, embed_in_parts
from gridcnn.inference.predictions import Predictions, predict, predict_in_parts

__all__ = ["Embeddings", "Predictions", "embed", "embed_in_parts", "predict", "predict_in_parts"]
