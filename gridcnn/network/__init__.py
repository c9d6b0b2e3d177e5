"""The one network: its hyperparameters, backbone, layers and augmentation, readable without an optimiser."""

from gridcnn.network.augment import AugmentConfig
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.config import BackboneConfig

__all__ = ["AugmentConfig", "BackboneConfig", "ConvPoolDense"]
