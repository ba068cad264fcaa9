"""Core layers: Dense, Embedding, Rescaling."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ridgeline.spec.layers.base import (
    Activation,
    Governed,
    Initializer,
    Layer,
    Shape,
    ShapeError,
    Weight,
    render,
)
from ridgeline.spec.layers.kernel import KernelLayer
from ridgeline.spec.regularization.constraints import AnyConstraint
from ridgeline.spec.regularization.regularizers import WeightPenalty
from ridgeline.spec.schema import PositiveInt

_Number = Annotated[float, Field(ge=-1e9, le=1e9)]
_Numbers = Annotated[tuple[_Number, ...], Field(min_length=1, max_length=4096, fail_fast=True)]


class Dense(KernelLayer):
    """activation(x·kernel + bias) over the last axis."""

    type: Literal["Dense"] = "Dense"
    units: PositiveInt
    activation: Activation = "linear"

    dropout_site = "dense"
    mask_use = "passed"

    def output_shape(self, *inputs: Shape) -> Shape:
        """(…, features) → (…, units)."""
        return (*inputs[0][:-1], self.units)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Kernel (features, units) and bias (units,)."""
        return self.kernel_and_bias((inputs[0][-1], self.units))


class Embedding(Layer):
    """A learned vector for each token number below `input_dim` (Bengio et al., 2003).

    Its input is whole numbers from 0 to input_dim − 1; floats are truncated. The policy does not
    apply to its vectors: penalize them with `embeddings_regularizer`.
    """

    type: Literal["Embedding"] = "Embedding"
    input_dim: PositiveInt
    """Size of the vocabulary."""
    output_dim: PositiveInt
    """Length of each vector."""
    embeddings_initializer: Initializer = "random_uniform"
    embeddings_regularizer: WeightPenalty | None = None
    embeddings_constraint: AnyConstraint | None = None
    mask_zero: bool = False
    """Whether token 0 is padding, which layers that use a mask skip."""

    regularizers: ClassVar[dict[str, Governed]] = {
        "embeddings_regularizer": Governed("embeddings"),
    }
    constraints: ClassVar[dict[str, Governed]] = {"embeddings_constraint": Governed("embeddings")}

    def output_shape(self, *inputs: Shape) -> Shape:
        """(…) → (…, output_dim)."""
        return (*inputs[0], self.output_dim)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Embeddings (input_dim, output_dim)."""
        del inputs
        return (Weight("embeddings", (self.input_dim, self.output_dim)),)

    def makes_mask(self) -> bool:
        """With `mask_zero`, a mask over tokens other than 0."""
        return self.mask_zero


class Rescaling(Layer):
    """x·scale + offset; scale and offset are one number, or one per index of the last axis."""

    type: Literal["Rescaling"] = "Rescaling"
    scale: _Number | _Numbers
    offset: _Number | _Numbers = 0.0

    follows = True
    mask_use = "passed"

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        for given in (self.scale, self.offset):
            if isinstance(given, tuple) and len(given) != inputs[0][-1]:
                raise ShapeError(
                    f"Rescaling expects one number, or one per index of the last axis of"
                    f" {render(inputs[0])}; received {len(given)} numbers"
                )
        return inputs[0]
