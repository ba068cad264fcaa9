"""The base of every layer: shapes, weights, masks and penalties, without TensorFlow."""

import math
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field

from ridgeline.spec.regularization.constraints import AnyConstraint, NonNeg
from ridgeline.spec.regularization.policy import DropoutSite, Regularization
from ridgeline.spec.regularization.regularizers import ActivityPenalty, WeightPenalty
from ridgeline.spec.schema import Contract, LayerName

Shape = tuple[int, ...]
"""A tensor's shape without its batch axis."""

Activation = Literal[
    "linear", "relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish",
    "sigmoid", "hard_sigmoid", "hard_silu", "log_sigmoid", "softmax", "log_softmax", "sparsemax",
    "softplus", "softsign", "squareplus", "sparse_plus", "sparse_sigmoid", "tanh", "hard_tanh",
    "tanh_shrink", "soft_shrink", "hard_shrink", "exponential",
]  # fmt: skip
"""All of `keras.activations` except glu, which halves the last axis without Keras inferring it, and
threshold, which has no defaults."""
VectorInitializer = Literal[
    "zeros", "ones", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
    "lecun_uniform", "lecun_normal", "random_uniform", "random_normal", "truncated_normal",
]  # fmt: skip
"""Initializers of a weight with one axis, such as a bias."""
Initializer = Literal[VectorInitializer, "orthogonal"]
Axis = Annotated[int, Field(ge=-8, le=8)]
"""As in Keras, axis 0 is the batch, so 1 is the first axis of a row; -1 is the last."""
PolicyPart = Literal["weights", "bias", "activity"]
MaskUse = Literal["passed", "used", "lost", "rejected"]
"""What a layer does with its input's mask: passes it on, consumes it, drops it unused, or makes
Keras fail at the first batch."""
MULTIPLIED = ("kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel")
"""Weights that multiply every position of the input."""


class Weight(NamedTuple):
    """One variable of a layer."""

    name: str
    """Keras's name, in a composite layer with the part's as prefix: `forward_layer/kernel`."""
    shape: Shape
    trainable: bool = True
    input_axes: tuple[int, ...] | None = None
    """The axes along which one unit's inputs lie; by default all but the last."""

    @property
    def fan_in_axes(self) -> tuple[int, ...]:
        """`input_axes`, with the default filled in."""
        if self.input_axes is None:
            return tuple(range(len(self.shape) - 1))
        return self.input_axes

    @property
    def role(self) -> str:
        """The last component of the name, which regularizers and constraints refer to: `kernel`."""
        return self.name.rpartition("/")[2]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class Governed(NamedTuple):
    """What a layer's regularizer or constraint argument applies to."""

    role: str
    """The role of the weights; `activity` is the layer's output."""
    part: PolicyPart | None = None
    """The part of the policy that fills the argument in if the layer leaves it out."""


class Penalized(NamedTuple):
    """A penalty of a layer, and the weights it is on."""

    argument: tuple[str, ...]
    """Its place in the layer: `("layer", "kernel_regularizer")` in a wrapped layer."""
    role: str
    penalty: WeightPenalty | ActivityPenalty


class ShapeError(ValueError):
    """A layer cannot accept its input shapes; the message says what it expects."""


class Layer(Contract):
    """A Keras layer: `type` and arguments are Keras's own names.

    To add a layer, write one subclass in the file of its family: arguments with bounds, output
    shape and weights. Registry, catalog, graph and engine pick it up by themselves.
    """

    name: LayerName | None = None
    """Unique in the model; by default Keras's own, such as `dense_1`."""
    inputs: Annotated[tuple[LayerName, ...], Field(max_length=1000, fail_fast=True)] | None = None
    """Names of the input layers; by default the layer above, and `input`, the data, for the
    first."""

    #: Number of inputs: least and most (None: any number).
    arity: ClassVar[tuple[int, int | None]] = (1, 1)
    #: How Keras takes several inputs: as one list or as one argument each.
    inputs_as: ClassVar[Literal["list", "arguments"]] = "list"
    #: Regularizer arguments and what they apply to.
    regularizers: ClassVar[dict[str, Governed]] = {}
    #: Constraint arguments and what they apply to.
    constraints: ClassVar[dict[str, Governed]] = {}
    #: Its family in `regularization.dropout.after`.
    dropout_site: ClassVar[DropoutSite | None] = None
    #: Whether it only reshapes, rescales or activates; the policy's dropout goes after it.
    follows: ClassVar[bool] = False
    #: Whether it drops units itself, by a `rate`.
    drops: ClassVar[bool] = False
    #: Whether it acts in training only; the saved model has no layer for it.
    training_only: ClassVar[bool] = False
    #: The Keras class that replaces it, with its arguments, in prediction and the saved model.
    in_prediction: ClassVar[str | None] = None
    #: What it does with the padding mask of an Embedding.
    mask_use: ClassVar[MaskUse] = "lost"
    #: Whether it mixes the targets of rows along with the rows.
    mixes_labels: ClassVar[bool] = False

    @classmethod
    def type_name(cls) -> str:
        """The Keras class's name."""
        return _type_name(cls)

    def output_shape(self, *inputs: Shape) -> Shape:
        """The output shape for `inputs`. Raises ShapeError if it cannot accept them."""
        raise NotImplementedError

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Its variables in Keras's order, for inputs that `output_shape` accepts."""
        del inputs
        return ()

    def multiply_adds(self, *inputs: Shape) -> int:
        """Multiply-adds for one row: each kernel at every position."""
        positions = math.prod(self.output_shape(*inputs)[:-1])
        kernels = (weight.size for weight in self.weights(*inputs) if weight.role in MULTIPLIED)
        return positions * sum(kernels)

    def activations(self, *inputs: Shape) -> int:
        """Numbers computed for one row, intermediate results and output."""
        return math.prod(self.output_shape(*inputs))

    def makes_mask(self) -> bool:
        """Whether it creates a mask that marks padding."""
        return False

    def keeps_numbers(self) -> bool:
        """Whether it only moves numbers, or inserts zeros, without computing new ones."""
        return False

    def masking(self, masked: Sequence[bool], *inputs: Shape) -> MaskUse:
        """What it does with the masks; `masked` says which inputs have one, at least one does.

        A mask is over all axes of a row but the last, also after it is passed on.
        """
        del masked, inputs
        return self.mask_use

    def family(self) -> DropoutSite | None:
        """This layer's family in `regularization.dropout.after`."""
        return self.dropout_site

    def arguments(self) -> dict[str, Any]:
        """The arguments of the Keras class, without regularizers and constraints."""
        return {argument: getattr(self, name) for argument, name in _arguments(type(self))}

    def penalties(self) -> Iterator[Penalized]:
        """The penalties on its weights and its output."""
        for argument, (role, _) in self.regularizers.items():
            penalty = getattr(self, argument)
            if penalty is not None:
                yield Penalized((argument,), role, penalty)

    def with_policy(self, policy: Regularization, weights: Sequence[Weight]) -> Self:
        """The layer with the policy's penalties and constraints for arguments that it leaves out.

        `weights` are the layer's; the policy's norms are taken over the inputs of each unit.
        """
        unset = set(self.regularizers) | set(self.constraints)
        unset -= self.model_fields_set
        filled: dict[str, Any] = {}
        for argument, (_, part) in self.regularizers.items():
            if argument in unset:
                filled[argument] = _from_policy(policy, part)
        for argument, (role, part) in self.constraints.items():
            if argument in unset and part == "weights":
                filled[argument] = _over_inputs(policy.constraint, role, weights)
        return self.model_copy(update=filled) if filled else self


@cache
def _type_name(layer: type[Layer]) -> str:
    return str(layer.model_fields["type"].default)


@cache
def _arguments(layer: type[Layer]) -> tuple[tuple[str, str], ...]:
    """Names of the Keras class's arguments, paired with the names of their fields."""
    excluded = {"type", "name", "inputs", *layer.regularizers, *layer.constraints}
    return tuple(
        (field.alias or name, name)
        for name, field in layer.model_fields.items()
        if name not in excluded
    )


def concrete(base: type[Layer]) -> list[type[Layer]]:
    """`base` and its subclasses as far as a spec may name them, in order of definition."""
    own = [base] if "type" in base.model_fields else []
    return own + [layer for child in base.__subclasses__() for layer in concrete(child)]


def _from_policy(
    policy: Regularization, part: PolicyPart | None
) -> WeightPenalty | ActivityPenalty | None:
    if part is None:
        return None
    penalty: WeightPenalty | ActivityPenalty | None = getattr(policy, part)
    if isinstance(penalty, WeightPenalty):
        fields = {name: getattr(penalty, name) for name in WeightPenalty.model_fields}
        return WeightPenalty(**fields)
    return penalty


def _over_inputs(
    constraint: AnyConstraint | None, role: str, weights: Sequence[Weight]
) -> AnyConstraint | None:
    """The constraint with norms over the inputs of each unit, unless it names axes.

    None if every unit has only one such weight.
    """
    if (
        constraint is None
        or isinstance(constraint, NonNeg)
        or "axis" in constraint.model_fields_set
    ):
        return constraint
    axes = max((weight.fan_in_axes for weight in weights if weight.role == role), default=())
    if not axes:
        return None
    return constraint.model_copy(update={"axis": axes if len(axes) > 1 else axes[0]})


@cache
def snake_case(type_name: str) -> str:
    """Keras's default layer name: `MaxPooling2D` → `max_pooling2d`."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type_name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def axis_of(layer: Layer, axis: int, shape: Shape) -> int:
    """The index in a row's shape of a Keras axis, which counts the batch as 0 and the last as -1.

    Raises ShapeError if the row has no such axis.
    """
    rank = len(shape)
    index = axis + rank if axis < 0 else axis - 1
    if not 0 <= index < rank:
        raise ShapeError(
            f"{layer.type_name()} has axis {axis}; expected an axis of {render(shape)}:"
            f" 1 to {rank}, or -{rank} to -1"
        )
    return index


def expect_rank(layer: Layer, shape: Shape, rank: int, axes: str) -> None:
    """Raise ShapeError unless `shape` has `rank` axes; `axes` names them in the message."""
    if len(shape) != rank:
        raise ShapeError(
            f"{layer.type_name()} expects an input of shape ({axes}), received {render(shape)}"
        )


def render(shape: Shape) -> str:
    """A shape for messages: `(8, 8, 1)`, and `(8)` rather than `(8,)`."""
    return "(" + ", ".join(str(size) for size in shape) + ")"
