"""The one network: backbone, layers and augmentation, readable without an optimiser."""
