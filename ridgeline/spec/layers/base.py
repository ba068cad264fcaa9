"""What every layer of a spec can say about itself without TensorFlow."""

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
"""All of `keras.activations` but glu, which halves the last axis behind Keras's back, and
threshold, which has no defaults."""
VectorInitializer = Literal[
    "zeros", "ones", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
    "lecun_uniform", "lecun_normal", "random_uniform", "random_normal", "truncated_normal",
]  # fmt: skip
"""What a weight of one axis, such as a bias, can begin with."""
Initializer = Literal[VectorInitializer, "orthogonal"]
Axis = Annotated[int, Field(ge=-8, le=8)]
"""As in Keras, axis 0 is the batch, so 1 is the first axis of a row; -1 is the last."""
PolicyPart = Literal["weights", "bias", "activity"]
MaskUse = Literal["passed", "used", "lost", "refused"]
"""What becomes of the mask of a layer's input: it is handed on, used up, dropped unheeded, or
Keras fails on it at the first batch."""
MULTIPLIED = ("kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel")
"""Weights that every position of the input is multiplied by."""


class Weight(NamedTuple):
    """One variable of a layer."""

    name: str
    """Keras's; behind the name of its part where a layer has parts: `forward_layer/kernel`."""
    shape: Shape
    trainable: bool = True
    input_axes: tuple[int, ...] | None = None
    """The axes over which one unit's inputs lie; by default all but the last."""

    @property
    def role(self) -> str:
        """The last part of the name, by which regularizers and constraints know it: `kernel`."""
        return self.name.rpartition("/")[2]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class Governed(NamedTuple):
    """What an argument of a layer governs."""

    role: str
    """The weights, by the last part of their names; `activity` is the layer's output."""
    part: PolicyPart | None = None
    """The part of the policy that fills it when the layer is silent."""


class Penalised(NamedTuple):
    """A penalty that a layer puts on its weights."""

    argument: tuple[str, ...]
    """Where it stands in the layer: `("layer", "kernel_regularizer")` in a wrapped one."""
    role: str
    penalty: WeightPenalty | ActivityPenalty


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
    #: How Keras takes several inputs: as one list or as one argument each.
    inputs_as: ClassVar[Literal["list", "arguments"]] = "list"
    #: Regularizer arguments and what they govern.
    regularizers: ClassVar[dict[str, Governed]] = {}
    #: Constraint arguments and what they govern.
    constraints: ClassVar[dict[str, Governed]] = {}
    #: The family that `regularization.dropout.after` knows it by.
    dropout_site: ClassVar[DropoutSite | None] = None
    #: Whether it only reshapes, rescales or activates, so that dropout waits until it has.
    follows: ClassVar[bool] = False
    #: Whether it drops units itself, by a `rate`.
    drops: ClassVar[bool] = False
    #: Whether it is there in training only: no Keras layer stands for it in the saved model.
    training_only: ClassVar[bool] = False
    #: The Keras class that takes its place, with its arguments, in prediction and the saved model.
    in_prediction: ClassVar[str | None] = None
    #: What it does with the mask that an Embedding has put on padding.
    mask_use: ClassVar[MaskUse] = "lost"
    #: Whether it mixes the targets of rows as it mixes the rows.
    mixes_labels: ClassVar[bool] = False

    @classmethod
    def type_name(cls) -> str:
        """The Keras class's name."""
        return _type_name(cls)

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape it turns `inputs` into. Raises ShapeError where it cannot take them."""
        raise NotImplementedError

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Its variables, in Keras's order, for inputs that `output_shape` accepts."""
        del inputs
        return ()

    def multiply_adds(self, *inputs: Shape) -> int:
        """Multiply-adds by which one row passes through it: each kernel at every position."""
        positions = math.prod(self.output_shape(*inputs)[:-1])
        kernels = (weight.size for weight in self.weights(*inputs) if weight.role in MULTIPLIED)
        return positions * sum(kernels)

    def activations(self, *inputs: Shape) -> int:
        """Numbers that it makes of one row on the way to its output, that included."""
        return math.prod(self.output_shape(*inputs))

    def makes_mask(self) -> bool:
        """Whether it tells padding from tokens."""
        return False

    def keeps_numbers(self) -> bool:
        """Whether it moves numbers about, or puts zeros between them, and computes none."""
        return False

    def masking(self, masked: Sequence[bool], *inputs: Shape) -> MaskUse:
        """What becomes of the masks where at least one input has one; `masked` says which.

        A mask is over all axes of a row but the last, and stays so where it is passed.
        """
        del masked, inputs
        return self.mask_use

    def family(self) -> DropoutSite | None:
        """The family that `regularization.dropout.after` knows this layer by."""
        return self.dropout_site

    def arguments(self) -> dict[str, Any]:
        """The arguments of the Keras class, without regularizers and constraints."""
        return {argument: getattr(self, name) for argument, name in _arguments(type(self))}

    def penalties(self) -> Iterator[Penalised]:
        """The penalties it puts on its weights and its output."""
        for argument, (role, _) in self.regularizers.items():
            penalty = getattr(self, argument)
            if penalty is not None:
                yield Penalised((argument,), role, penalty)

    def with_policy(self, policy: Regularization, weights: Sequence[Weight]) -> Self:
        """The layer with the policy's penalties and constraints where it says nothing itself.

        `weights` are its own: norms are taken over the inputs of each unit.
        """
        silent = set(self.regularizers) | set(self.constraints)
        silent -= self.model_fields_set
        filled: dict[str, Any] = {}
        for argument, (_, part) in self.regularizers.items():
            if argument in silent:
                filled[argument] = _from_policy(policy, part)
        for argument, (role, part) in self.constraints.items():
            if argument in silent and part == "weights":
                filled[argument] = _over_inputs(policy.constraint, role, weights)
        return self.model_copy(update=filled) if filled else self


@cache
def _type_name(layer: type[Layer]) -> str:
    return str(layer.model_fields["type"].default)


@cache
def _arguments(layer: type[Layer]) -> tuple[tuple[str, str], ...]:
    """The names of the Keras class's arguments, each with its field's."""
    apart = {"type", "name", "inputs", *layer.regularizers, *layer.constraints}
    return tuple(
        (field.alias or name, name)
        for name, field in layer.model_fields.items()
        if name not in apart
    )


def concrete(base: type[Layer]) -> list[type[Layer]]:
    """The layers a spec may name among `base` and its subclasses, in order of definition."""
    found = [base] if "type" in base.model_fields else []
    return found + [layer for child in base.__subclasses__() for layer in concrete(child)]


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
    """The constraint with its norms over what comes into each unit, unless it names axes.

    None where a unit has one weight of the kind only.
    """
    if (
        constraint is None
        or isinstance(constraint, NonNeg)
        or "axis" in constraint.model_fields_set
    ):
        return constraint
    axes = max((_input_axes(weight) for weight in weights if weight.role == role), default=())
    if not axes:
        return None
    return constraint.model_copy(update={"axis": axes if len(axes) > 1 else axes[0]})


def _input_axes(weight: Weight) -> tuple[int, ...]:
    return tuple(range(len(weight.shape) - 1)) if weight.input_axes is None else weight.input_axes


@cache
def snake_case(type_name: str) -> str:
    """Keras's default layer name: `MaxPooling2D` → `max_pooling2d`."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type_name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def axis_of(layer: Layer, axis: int, shape: Shape) -> int:
    """Which axis of a row a Keras axis is: axis 0 of Keras's is the batch, -1 the last.

    Raises ShapeError where the row has no such axis.
    """
    rank = len(shape)
    index = axis + rank if axis < 0 else axis - 1
    if not 0 <= index < rank:
        raise ShapeError(
            f"{layer.type_name()} with axis {axis} expects an axis of {render(shape)}:"
            f" 1 to {rank}, or -{rank} to -1"
        )
    return index


def expect_rank(layer: Layer, shape: Shape, rank: int, axes: str) -> None:
    """Raise ShapeError unless `shape` has `rank` axes, named by `axes`."""
    if len(shape) != rank:
        raise ShapeError(
            f"{layer.type_name()} expects an input of shape ({axes}), received {render(shape)}"
        )


def render(shape: Shape) -> str:
    """A shape as people write it: `(8, 8, 1)`."""
    return "(" + ", ".join(str(size) for size in shape) + ")"
