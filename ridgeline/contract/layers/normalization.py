"""Normalizations."""

from typing import Literal

from ridgeline.contract.layers.base import Layer, Shape, Weight
from ridgeline.contract.schema import Fraction, PositiveFloat


class BatchNormalization(Layer):
    """Normalizes each channel over the batch (Ioffe & Szegedy, 2015), over the last axis."""

    type: Literal["BatchNormalization"] = "BatchNormalization"
    momentum: Fraction = 0.99
    epsilon: PositiveFloat = 1e-3
    center: bool = True
    scale: bool = True

    follows = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        return inputs[0]

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Gamma and beta, trained, and the moving statistics, which are not."""
        channels = (inputs[0][-1],)
        gamma = (Weight("gamma", channels),) if self.scale else ()
        beta = (Weight("beta", channels),) if self.center else ()
        moving = ("moving_mean", "moving_variance")
        return gamma + beta + tuple(Weight(name, channels, trainable=False) for name in moving)
