"""The bases of layers with a kernel and a bias."""

from typing import ClassVar

from ridgeline.spec.layers.base import (
    Governed,
    Initializer,
    Layer,
    Shape,
    VectorInitializer,
    Weight,
)
from ridgeline.spec.regularization.constraints import AnyConstraint
from ridgeline.spec.regularization.regularizers import ACTIVITY, ActivityPenalty, WeightPenalty


class BiasLayer(Layer):
    """A layer with an optional bias; bias and output can be penalized."""

    use_bias: bool = True
    bias_initializer: VectorInitializer = "zeros"
    bias_regularizer: WeightPenalty | None = None
    activity_regularizer: ActivityPenalty | None = None
    bias_constraint: AnyConstraint | None = None

    regularizers: ClassVar[dict[str, Governed]] = {
        "bias_regularizer": Governed("bias", "bias"),
        "activity_regularizer": Governed(ACTIVITY, "activity"),
    }
    constraints: ClassVar[dict[str, Governed]] = {"bias_constraint": Governed("bias")}

    def bias_over(self, units: int) -> tuple[Weight, ...]:
        """The bias, one number per unit; empty without one."""
        return (Weight("bias", (units,)),) if self.use_bias else ()


class KernelLayer(BiasLayer):
    """A layer that multiplies by a kernel and adds a bias; both can be penalized."""

    kernel_initializer: Initializer = "glorot_uniform"
    kernel_regularizer: WeightPenalty | None = None
    kernel_constraint: AnyConstraint | None = None

    regularizers: ClassVar[dict[str, Governed]] = {
        "kernel_regularizer": Governed("kernel", "weights"),
        **BiasLayer.regularizers,
    }
    constraints: ClassVar[dict[str, Governed]] = {
        "kernel_constraint": Governed("kernel", "weights"),
        **BiasLayer.constraints,
    }

    def kernel_and_bias(self, kernel: Shape) -> tuple[Weight, ...]:
        """A kernel of that shape, and the bias, if any, over its last axis."""
        return (Weight("kernel", kernel), *self.bias_over(kernel[-1]))
