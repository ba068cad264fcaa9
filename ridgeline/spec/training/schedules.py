"""Learning rates: a number, or one of Keras's schedules over the batches."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag

from ridgeline.spec.schema import Contract, NonNegativeFloat, PositiveFloat, PositiveInt

MAX_BOUNDARIES = 100

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Schedule(Contract):
    """A learning rate η(t) over the batches t, counted from 0.

    Without gradient accumulation every batch is a step of the optimizer.
    """

    name: str

    @property
    def initial(self) -> float:
        """The learning rate of the first step."""
        raise NotImplementedError


class _Decay(Schedule):
    initial_learning_rate: PositiveFloat
    decay_steps: PositiveInt

    @property
    def initial(self) -> float:
        return self.initial_learning_rate


class ExponentialDecay(_Decay):
    """η(t) = initial·decay_rate^(t/decay_steps); `staircase` rounds the exponent down."""

    name: Literal["exponential_decay"] = "exponential_decay"
    decay_rate: PositiveFloat
    staircase: bool = False


class InverseTimeDecay(_Decay):
    """η(t) = initial/(1 + decay_rate·t/decay_steps); `staircase` rounds t/decay_steps down."""

    name: Literal["inverse_time_decay"] = "inverse_time_decay"
    decay_rate: NonNegativeFloat
    staircase: bool = False


class PolynomialDecay(_Decay):
    """η(t) = (initial − end)·(1 − t/decay_steps)^power + end, and `end` from decay_steps on.

    With `cycle`, decay_steps is replaced by its next multiple that is at least t.
    """

    name: Literal["polynomial_decay"] = "polynomial_decay"
    end_learning_rate: NonNegativeFloat = 0.0001
    power: PositiveFloat = 1.0
    cycle: bool = False


class CosineDecay(Schedule):
    """η(t) = initial·((1 − alpha)·½(1 + cos(π·t/decay_steps)) + alpha) (Loshchilov & Hutter, 2017).

    With `warmup_target` the rate first rises linearly from initial to it in `warmup_steps` steps
    (Goyal et al., 2017) and decays from there.
    """

    name: Literal["cosine_decay"] = "cosine_decay"
    initial_learning_rate: NonNegativeFloat
    decay_steps: PositiveInt
    alpha: Share = 0.0
    warmup_target: PositiveFloat | None = None
    warmup_steps: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0

    @property
    def initial(self) -> float:
        """The rate of the first step."""
        return self.initial_learning_rate


class CosineDecayRestarts(Schedule):
    """Cosine decay with warm restarts (SGDR, Loshchilov & Hutter, 2017).

    Each period is `t_mul` times as long as the previous one and starts `m_mul` times as high.
    """

    name: Literal["cosine_decay_restarts"] = "cosine_decay_restarts"
    initial_learning_rate: PositiveFloat
    first_decay_steps: PositiveInt
    t_mul: Annotated[float, Field(ge=1.0, le=1e6)] = 2.0
    m_mul: PositiveFloat = 1.0
    alpha: Share = 0.0

    @property
    def initial(self) -> float:
        """The rate of the first step."""
        return self.initial_learning_rate


class PiecewiseConstantDecay(Schedule):
    """values[0] up to and including step boundaries[0], then values[1], and so on."""

    name: Literal["piecewise_constant_decay"] = "piecewise_constant_decay"
    # Not strict: after the validator of names, a JSON list arrives as a Python list.
    boundaries: Annotated[
        tuple[PositiveInt, ...],
        Field(min_length=1, max_length=MAX_BOUNDARIES, fail_fast=True, strict=False),
    ]
    values: Annotated[
        tuple[PositiveFloat, ...],
        Field(min_length=2, max_length=MAX_BOUNDARIES + 1, fail_fast=True, strict=False),
    ]

    @property
    def initial(self) -> float:
        """The rate of the first step."""
        return self.values[0]


_Any = (
    CosineDecay
    | CosineDecayRestarts
    | ExponentialDecay
    | InverseTimeDecay
    | PiecewiseConstantDecay
    | PolynomialDecay
)
SCHEDULES: dict[str, type[Schedule]] = {
    model.model_fields["name"].default: model for model in get_args(_Any)
}


def _kind(value: Any) -> str | None:
    """The tag of the union's member for `value`."""
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", "number")
    return None if name is None else str(name)


AnyLearningRate = Annotated[
    Annotated[PositiveFloat, Tag("number")]
    | Annotated[CosineDecay, Tag("cosine_decay")]
    | Annotated[CosineDecayRestarts, Tag("cosine_decay_restarts")]
    | Annotated[ExponentialDecay, Tag("exponential_decay")]
    | Annotated[InverseTimeDecay, Tag("inverse_time_decay")]
    | Annotated[PiecewiseConstantDecay, Tag("piecewise_constant_decay")]
    | Annotated[PolynomialDecay, Tag("polynomial_decay")],
    Discriminator(_kind),
    # For the JSON schema: a number, or an object identified by its name.
    BeforeValidator(
        lambda value: value,
        json_schema_input_type=PositiveFloat | Annotated[_Any, Field(discriminator="name")],
    ),
]
