"""Predictions of a trained network, computed fast."""

from gridcnn.inference.predictions import Predictions, predict, predict_in_parts
from gridcnn.inference.predictor import Predictor, predictor

__all__ = ["Predictions", "Predictor", "predict", "predict_in_parts", "predictor"]
