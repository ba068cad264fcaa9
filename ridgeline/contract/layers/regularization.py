"""Layers that regularize by dropping."""

from typing import Literal

from ridgeline.contract.layers.base import Layer, Shape, expect_rank
from ridgeline.contract.schema import Rate


class Dropout(Layer):
    """Zeroes each unit with probability `rate` in training and scales the rest by 1/(1 − rate).

    Srivastava et al., 2014. At rate 0 and outside training it does nothing.
    """

    type: Literal["Dropout"] = "Dropout"
    rate: Rate

    drops = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        return inputs[0]


class SpatialDropout2D(Layer):
    """Dropout of whole feature maps (Tompson et al., 2015), for behind a convolution."""

    type: Literal["SpatialDropout2D"] = "SpatialDropout2D"
    rate: Rate

    drops = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape, (height, width, channels)."""
        expect_rank(self, inputs[0], 3, "height, width, channels")
        return inputs[0]
