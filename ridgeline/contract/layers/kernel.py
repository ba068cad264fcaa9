"""What layers with a kernel and a bias have in common."""

from typing import ClassVar

from ridgeline.contract.layers.base import Initializer, Layer, PolicyPart, Shape, Weight
from ridgeline.contract.regularization import WeightPenalty


class KernelLayer(Layer):
    """A layer that multiplies by a kernel, adds a bias and may penalize both."""

    use_bias: bool = True
    kernel_initializer: Initializer = "glorot_uniform"
    bias_initializer: Initializer = "zeros"
    kernel_regularizer: WeightPenalty | None = None
    bias_regularizer: WeightPenalty | None = None

    regularizers: ClassVar[dict[str, tuple[str, PolicyPart]]] = {
        "kernel_regularizer": ("kernel", "weights"),
        "bias_regularizer": ("bias", "bias"),
    }

    def kernel_and_bias(self, kernel: Shape) -> tuple[Weight, ...]:
        """A kernel of that shape, and the bias over its last axis if there is one."""
        weights = (Weight("kernel", kernel),)
        return (*weights, Weight("bias", kernel[-1:])) if self.use_bias else weights
