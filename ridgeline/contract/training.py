"""How a model is trained: optimizer, loss, metrics, epochs."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ridgeline.contract.schema import (
    Contract,
    Fraction,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
)

LossName = Literal[
    "sparse_categorical_crossentropy",
    "categorical_crossentropy",
    "binary_crossentropy",
    "categorical_hinge",
    "hinge",
    "squared_hinge",
    "kl_divergence",
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "huber",
    "log_cosh",
    "poisson",
]
MetricName = Literal[
    "accuracy",
    "top_k_categorical_accuracy",
    "auc",
    "precision",
    "recall",
    "mean_squared_error",
    "root_mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "r2_score",
]
OptimizerName = Literal["adam", "adamw", "sgd", "rmsprop"]

#: What each loss reads as its target.
INDEX_LOSSES = frozenset({"sparse_categorical_crossentropy"})
ONE_HOT_LOSSES = frozenset({"categorical_crossentropy", "categorical_hinge", "kl_divergence"})
BINARY_LOSSES = frozenset({"binary_crossentropy", "hinge", "squared_hinge"})
#: Losses that can take logits, and the activation they expect otherwise.
PROBABILITY_LOSSES: dict[str, str] = {
    "sparse_categorical_crossentropy": "softmax",
    "categorical_crossentropy": "softmax",
    "binary_crossentropy": "sigmoid",
}
CLASS_METRICS = frozenset({"accuracy", "top_k_categorical_accuracy", "auc", "precision", "recall"})

DEFAULT_DEADLINE_S = 86_400


class Optimizer(Contract):
    """What every optimizer takes."""

    learning_rate: PositiveFloat = 0.001


class Adam(Optimizer):
    """Adam (Kingma & Ba, 2015)."""

    name: Literal["adam"] = "adam"
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: PositiveFloat = 1e-7
    amsgrad: bool = False


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019): w ← w − η·weight_decay·w.

    Keras's own decays every variable. Here biases and normalization parameters are spared.
    """

    name: Literal["adamw"] = "adamw"
    weight_decay: NonNegativeFloat = 0.004
    beta_1: Fraction = 0.9
    beta_2: Fraction = 0.999
    epsilon: PositiveFloat = 1e-7
    amsgrad: bool = False


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (Polyak) or Nesterov's."""

    name: Literal["sgd"] = "sgd"
    learning_rate: PositiveFloat = 0.01
    momentum: Fraction = 0.0
    nesterov: bool = False


class RMSprop(Optimizer):
    """RMSprop (Tieleman & Hinton, 2012)."""

    name: Literal["rmsprop"] = "rmsprop"
    rho: Fraction = 0.9
    momentum: Fraction = 0.0
    epsilon: PositiveFloat = 1e-7
    centered: bool = False


class Loss(Contract):
    """A Keras loss, without the penalty."""

    name: LossName
    from_logits: bool = False
    """Whether the output is before its softmax or sigmoid (crossentropies only)."""


def _named(value: Any) -> Any:
    """Let `"adam"` stand for `{"name": "adam"}`, as in Keras."""
    return {"name": value} if isinstance(value, str) else value


_OptimizerModel = Annotated[Adam | AdamW | SGD | RMSprop, Field(discriminator="name")]
# The input types are for the JSON schema: clients check their specs by it.
AnyOptimizer = Annotated[
    _OptimizerModel,
    BeforeValidator(_named, json_schema_input_type=_OptimizerModel | OptimizerName),
]
AnyLoss = Annotated[Loss, BeforeValidator(_named, json_schema_input_type=Loss | LossName)]


class Training(Contract):
    """How the model is fitted."""

    loss: AnyLoss
    optimizer: AnyOptimizer = Adam()
    metrics: Annotated[tuple[MetricName, ...], Field(max_length=10, fail_fast=True)] = ()
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 10
    batch_size: Annotated[PositiveInt, Field(le=1_000_000)] = 32
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Decides the split, the initial weights, the order of rows and every dropout mask."""
    deadline_s: Annotated[int, Field(ge=1, le=30 * 86_400)] = DEFAULT_DEADLINE_S
    """Seconds a job may take from its first start; after that it ends `failed`."""
