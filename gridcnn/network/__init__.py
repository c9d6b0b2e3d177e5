"""The one network: its hyperparameters, backbone, layers and augmentation, readable without an optimiser."""
