"""What every layer of a spec can say about itself without TensorFlow."""

import math
import re
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from ridgeline.contract.regularization import DropoutSite
from ridgeline.contract.schema import Contract, LayerName

Shape = tuple[int, ...]
"""A tensor's shape without its batch axis."""

Activation = Literal[
    "linear", "relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish",
    "sigmoid", "hard_sigmoid", "hard_silu", "softmax", "log_softmax", "softplus", "softsign",
    "tanh", "exponential",
]  # fmt: skip
Initializer = Literal[
    "zeros", "ones", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
    "lecun_uniform", "lecun_normal", "random_uniform", "random_normal", "truncated_normal",
    "orthogonal",
]  # fmt: skip
PolicyPart = Literal["weights", "bias"]


class Weight(NamedTuple):
    """One variable of a layer."""

    name: str
    shape: Shape
    trainable: bool = True

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class ShapeError(ValueError):
    """A layer cannot take the shapes it is given; the message says what it expects."""


class Layer(Contract):
    """A Keras layer: `type` and arguments are Keras's own names.

    A new layer is one subclass in the file of its family: its arguments with bounds, its output
    shape and its weights. The registry, the catalogue, the graph and the engine find it by itself.
    """

    name: LayerName | None = None
    """Unique in the model; by default Keras's own, such as `dense_1`."""
    inputs: Annotated[tuple[LayerName, ...], Field(max_length=1000, fail_fast=True)] | None = None
    """Names of the layers it takes; by default the layer above, `input` for the first."""

    #: How many inputs it takes: least and most (None: any number).
    arity: ClassVar[tuple[int, int | None]] = (1, 1)
    #: Regularizer argument → (weight, part of the policy that fills it when the layer is silent).
    regularizers: ClassVar[dict[str, tuple[str, PolicyPart]]] = {}
    #: The family that `regularization.dropout.after` knows it by.
    dropout_site: ClassVar[DropoutSite | None] = None
    #: Whether it only reshapes, rescales or activates, so that dropout waits until it has.
    follows: ClassVar[bool] = False
    #: Whether it drops units itself.
    drops: ClassVar[bool] = False

    @classmethod
    def type_name(cls) -> str:
        """The Keras class's name."""
        return str(cls.model_fields["type"].default)

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape it turns `inputs` into. Raises ShapeError where it cannot take them."""
        raise NotImplementedError

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Its variables, in Keras's order, for inputs that `output_shape` accepts."""
        del inputs
        return ()

    def arguments(self) -> dict[str, Any]:
        """The arguments of the Keras class, regularizers apart."""
        wiring = {"type", "name", "inputs", *self.regularizers}
        return {
            field: getattr(self, field) for field in type(self).model_fields if field not in wiring
        }


def snake_case(type_name: str) -> str:
    """Keras's default layer name: `MaxPooling2D` → `max_pooling2d`."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type_name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def expect_rank(layer: Layer, shape: Shape, rank: int, axes: str) -> None:
    """Raise ShapeError unless `shape` has `rank` axes, named by `axes`."""
    if len(shape) != rank:
        raise ShapeError(
            f"{layer.type_name()} expects an input of shape ({axes}), received {render(shape)}"
        )


def render(shape: Shape) -> str:
    """A shape as people write it: `(8, 8, 1)`."""
    return "(" + ", ".join(str(size) for size in shape) + ")"
