"""Keras's optimizers, and the size of their state."""

import math
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field

from ridgeline.spec.schema import (
    Contract,
    Fraction,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    named,
)
from ridgeline.spec.training.schedules import AnyLearningRate, Schedule

OptimizerName = Literal[
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl", "lamb", "lion",
    "muon", "nadam", "rmsprop", "sgd",
]  # fmt: skip
KERNELS = frozenset(
    {"kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel", "embeddings"}
)
"""Names of the weights that `weight_decay_on: kernels` decays."""

_MATRIX_AXES = 2


class Optimizer(Contract):
    """The arguments of every optimizer."""

    name: str
    learning_rate: AnyLearningRate = 0.001
    """A number, or a schedule over the batches: also with gradient_accumulation_steps, where a step
    takes several."""
    weight_decay: NonNegativeFloat | None = None
    """Decoupled: before each step w ← w − η·weight_decay·w (Loshchilov & Hutter, 2019)."""
    weight_decay_on: Literal["kernels", "all"] = "kernels"
    """`kernels` decays kernels and embeddings only, not biases, gamma and beta; `all` decays every
    trainable weight, as in Keras."""
    clipnorm: PositiveFloat | None = None
    """Scale each weight's gradient down to this L2 norm. At most one clipping can be set."""
    clipvalue: PositiveFloat | None = None
    """Clip every element of the gradients to ±clipvalue."""
    global_clipnorm: PositiveFloat | None = None
    """Scale all gradients down together to this L2 norm (Pascanu et al., 2013)."""
    use_ema: bool = False
    """Keep a moving average of the weights and end with it (Polyak & Juditsky, 1992). It is updated
    after every batch: also with gradient_accumulation_steps, where a step takes several."""
    ema_momentum: Annotated[float, Field(ge=0.0, le=1.0)] = 0.99
    ema_overwrite_frequency: PositiveInt | None = None
    """Also replace the weights by their averages every this many steps. With
    gradient_accumulation_steps, in all batches of every such step."""
    gradient_accumulation_steps: Annotated[int, Field(ge=2, le=1_000_000)] | None = None
    """Average the gradients of this many batches before each step. A schedule and the moving
    average still count batches, as in Keras."""

    #: Number of state variables per weight, each of the weight's shape.
    slots: ClassVar[int] = 0

    @property
    def initial_learning_rate(self) -> float:
        """The learning rate of the first step."""
        rate = self.learning_rate
        return rate.initial if isinstance(rate, Schedule) else rate

    def numbers(self, weight: str, shape: tuple[int, ...]) -> int:
        """Size of the state for one trainable weight; `weight` is `layer/name`."""
        averages = int(self.use_ema) + (self.gradient_accumulation_steps is not None)
        return averages * math.prod(shape) + self._slot_numbers(weight, shape)

    def decay(self, weight: str, shape: tuple[int, ...]) -> float:
        """Decoupled decay of one trainable weight, 0 if exempt; `weight` is `layer/name`."""
        if self.weight_decay_on == "kernels" and weight.rpartition("/")[2] not in KERNELS:
            return 0.0
        return self._decay(weight, shape) or 0.0

    def _decay(self, weight: str, shape: tuple[int, ...]) -> float | None:
        del weight, shape
        return self.weight_decay

    def _slot_numbers(self, weight: str, shape: tuple[int, ...]) -> int:
        del weight
        return self._slots() * math.prod(shape)

    def _slots(self) -> int:
        return self.slots


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (Polyak, 1964) or Nesterov's (1983)."""

    name: Literal["sgd"] = "sgd"
    learning_rate: AnyLearningRate = 0.01
    momentum: Fraction = 0.0
    nesterov: bool = False

    def _slots(self) -> int:
        return 1 if self.momentum else 0


class RMSprop(Optimizer):
    """RMSprop (Tieleman & Hinton, 2012); `centered` subtracts the mean gradient (Graves, 2013)."""

    name: Literal["rmsprop"] = "rmsprop"
    rho: Fraction = 0.9
    momentum: Fraction = 0.0
    epsilon: PositiveFloat = 1e-7
    centered: bool = False

    def _slots(self) -> int:
        return 1 + bool(self.momentum) + self.centered


class Adam(Optimizer):
    """Adam (Kingma & Ba, 2015); AMSGrad (Reddi et al., 2018) with `amsgrad`."""

    name: Literal["adam"] = "adam"
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: PositiveFloat = 1e-7
    amsgrad: bool = False

    def _slots(self) -> int:
        return 3 if self.amsgrad else 2


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019): w ← w − η·weight_decay·w.

    Keras decays every variable. Here biases and normalization parameters are exempt, unless
    `weight_decay_on` is `all`.
    """

    name: Literal["adamw"] = "adamw"
    weight_decay: NonNegativeFloat = 0.004
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: PositiveFloat = 1e-7
    amsgrad: bool = False

    def _slots(self) -> int:
        return 3 if self.amsgrad else 2


class Adadelta(Optimizer):
    """Adadelta (Zeiler, 2012); the paper's learning rate is 1."""

    name: Literal["adadelta"] = "adadelta"
    rho: Fraction = 0.95
    epsilon: PositiveFloat = 1e-7

    slots: ClassVar[int] = 2


class Adagrad(Optimizer):
    """Adagrad (Duchi et al., 2011)."""

    name: Literal["adagrad"] = "adagrad"
    initial_accumulator_value: NonNegativeFloat = 0.1
    epsilon: PositiveFloat = 1e-7

    slots: ClassVar[int] = 1


class Adamax(Optimizer):
    """Adam with the infinity norm (Kingma & Ba, 2015, §7)."""

    name: Literal["adamax"] = "adamax"
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: PositiveFloat = 1e-7

    slots: ClassVar[int] = 2


class Adafactor(Optimizer):
    """Adafactor (Shazeer & Stern, 2018): second moments by row and column of each matrix."""

    name: Literal["adafactor"] = "adafactor"
    beta_2_decay: Annotated[float, Field(ge=-10.0, lt=0.0)] = -0.8
    epsilon_1: PositiveFloat = 1e-30
    epsilon_2: PositiveFloat = 1e-3
    clip_threshold: PositiveFloat = 1.0
    relative_step: bool = True
    """Whether to limit the learning rate to 1/√t."""

    def _slot_numbers(self, weight: str, shape: tuple[int, ...]) -> int:
        """Keras also keeps the product of rows and columns."""
        del weight
        if len(shape) < _MATRIX_AXES:
            return math.prod(shape)
        *rest, rows, columns = shape
        return math.prod(shape) + math.prod(rest) * (rows + columns)


class Nadam(Optimizer):
    """Adam with Nesterov's momentum (Dozat, 2016)."""

    name: Literal["nadam"] = "nadam"
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: PositiveFloat = 1e-7

    slots: ClassVar[int] = 2


class Ftrl(Optimizer):
    """Follow the regularized leader (McMahan et al., 2013), with its own L1, L2 and shrinkage.

    Its L1 gives exact zeros: a weight is 0 while its accumulated gradient is within
    l1_regularization_strength.
    """

    name: Literal["ftrl"] = "ftrl"
    learning_rate_power: Annotated[float, Field(ge=-10.0, le=0.0)] = -0.5
    # With 0, a weight's first step without a gradient would divide 0 by 0.
    initial_accumulator_value: PositiveFloat = 0.1
    l1_regularization_strength: NonNegativeFloat = 0.0
    l2_regularization_strength: NonNegativeFloat = 0.0
    l2_shrinkage_regularization_strength: NonNegativeFloat = 0.0
    beta: NonNegativeFloat = 0.0

    slots: ClassVar[int] = 2


class Lion(Optimizer):
    """Lion: the sign of an interpolated momentum (Chen et al., 2023)."""

    name: Literal["lion"] = "lion"
    beta_1: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9
    beta_2: Fraction = 0.99

    slots: ClassVar[int] = 1


class Lamb(Optimizer):
    """Adam with steps proportional to each weight's norm (You et al., 2020)."""

    name: Literal["lamb"] = "lamb"
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: PositiveFloat = 1e-7

    slots: ClassVar[int] = 2


class Muon(Optimizer):
    """Orthogonalized momentum for matrices, AdamW for other weights (Jordan et al., 2024).

    The `adam_…` arguments belong to AdamW; `muon_a`, `muon_b` and `muon_c` are the coefficients of
    the Newton–Schulz iteration.
    """

    name: Literal["muon"] = "muon"
    adam_beta_1: Fraction = 0.9
    adam_beta_2: Fraction = 0.999
    adam_weight_decay: NonNegativeFloat | None = 0.004
    epsilon: PositiveFloat = 1e-7
    weight_decay: NonNegativeFloat | None = 0.004
    exclude_embeddings: bool = True
    muon_a: Annotated[float, Field(ge=-100.0, le=100.0)] = 3.4445
    muon_b: Annotated[float, Field(ge=-100.0, le=100.0)] = -4.7750
    muon_c: Annotated[float, Field(ge=-100.0, le=100.0)] = 2.0315
    adam_lr_ratio: PositiveFloat = 1.0
    momentum: Fraction = 0.95
    ns_steps: Annotated[int, Field(ge=1, le=20)] = 5
    nesterov: bool = True
    rms_rate: PositiveFloat | None = 0.2

    def _slot_numbers(self, weight: str, shape: tuple[int, ...]) -> int:
        return (1 if self._by_muon(weight, shape) else 2) * math.prod(shape)

    def _decay(self, weight: str, shape: tuple[int, ...]) -> float | None:
        return self.weight_decay if self._by_muon(weight, shape) else self.adam_weight_decay

    def _by_muon(self, weight: str, shape: tuple[int, ...]) -> bool:
        embedding = self.exclude_embeddings and "embedding" in weight.lower()
        return len(shape) == _MATRIX_AXES and not embedding


_Any = (
    Adadelta | Adafactor | Adagrad | Adam | Adamax | AdamW | Ftrl
    | Lamb | Lion | Muon | Nadam | RMSprop | SGD
)  # fmt: skip
OPTIMIZERS: dict[str, type[Optimizer]] = {
    model.model_fields["name"].default: model for model in get_args(_Any)
}

_OptimizerModel = Annotated[_Any, Field(discriminator="name")]
# The input types are for the JSON schema, by which clients validate specs.
AnyOptimizer = Annotated[
    _OptimizerModel,
    BeforeValidator(named({}), json_schema_input_type=_OptimizerModel | OptimizerName),
]
