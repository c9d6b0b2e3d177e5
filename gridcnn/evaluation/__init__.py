"""How good a model is: metrics, calibration, baselines, reports."""
