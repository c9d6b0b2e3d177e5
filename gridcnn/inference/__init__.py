"""Predictions of a trained network, computed fast."""

from gridcnn.inference.predictions import Predictions, predict, predict_in_parts

__all__ = ["Predictions", "predict", "predict_in_parts"]
