"""Models that leave gridcnn: one ONNX file with the preprocessing inside, a static page, a model card, the hub."""
