"""Keras's losses, with the target and output that each expects, and Keras's metrics."""

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field

from ridgeline.spec.schema import Contract, Fraction, NonNegativeFloat, PositiveFloat, named

LossName = Literal[
    "sparse_categorical_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_hinge",
    "hinge",
    "squared_hinge",
    "kl_divergence",
    "cosine_similarity",
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "huber",
    "log_cosh",
    "poisson",
]
LossAlias = Literal["mse", "mae", "mape", "msle", "bce", "kld"]
LOSS_ALIASES: dict[str, LossName] = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
}
Target = Literal["index", "one_hot", "binary", "any"]
"""`index`: the class number; `one_hot`: one column per class; `binary`: columns of 0 and 1."""


class Loss(Contract):
    """A Keras loss, averaged over the output's columns and a batch, without the penalty.

    Formulas with Σ, or of a class y, take all columns together. y is the target, z the output, and
    p an output that is a probability.
    """

    name: str
    from_logits: bool = False
    """Whether the output is logits, before softmax or sigmoid (crossentropies only)."""

    #: The target it reads.
    reads: ClassVar[Target] = "any"
    #: The output activation it expects, if it expects probabilities.
    activation: ClassVar[str | None] = None
    #: Whether it accepts logits instead.
    takes_logits: ClassVar[bool] = False


class SparseCategoricalCrossentropy(Loss):
    """−log p_y for the class y."""

    name: Literal["sparse_categorical_crossentropy"] = "sparse_categorical_crossentropy"
    label_smoothing: Fraction = 0.0
    """Must be 0: class numbers cannot be smoothed. Use categorical_crossentropy instead."""

    reads: ClassVar[Target] = "index"
    activation: ClassVar[str | None] = "softmax"
    takes_logits: ClassVar[bool] = True


class CategoricalCrossentropy(Loss):
    """−Σ y·log p over the classes.

    label_smoothing s trains on (1 − s)·y + s/classes (Szegedy et al., 2016).
    """

    name: Literal["categorical_crossentropy"] = "categorical_crossentropy"
    label_smoothing: Fraction = 0.0

    reads: ClassVar[Target] = "one_hot"
    activation: ClassVar[str | None] = "softmax"
    takes_logits: ClassVar[bool] = True


class CategoricalFocalCrossentropy(Loss):
    """−Σ alpha·(1 − p)^gamma·y·log p: confident classes count less (Lin et al., 2017)."""

    name: Literal["categorical_focal_crossentropy"] = "categorical_focal_crossentropy"
    alpha: PositiveFloat = 0.25
    gamma: NonNegativeFloat = 2.0
    label_smoothing: Fraction = 0.0

    reads: ClassVar[Target] = "one_hot"
    activation: ClassVar[str | None] = "softmax"
    takes_logits: ClassVar[bool] = True


class CategoricalGeneralizedCrossEntropy(Loss):
    """(1 − p_y^q)/q, robust against noisy labels (Zhang & Sabuncu, 2018).

    q → 0 is crossentropy, q → 1 the mean absolute error.
    """

    name: Literal["categorical_generalized_cross_entropy"] = "categorical_generalized_cross_entropy"
    q: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5

    reads: ClassVar[Target] = "index"
    activation: ClassVar[str | None] = "softmax"


class BinaryCrossentropy(Loss):
    """−y·log p − (1 − y)·log(1 − p), averaged over the columns.

    label_smoothing s trains on (1 − s)·y + s/2.
    """

    name: Literal["binary_crossentropy"] = "binary_crossentropy"
    label_smoothing: Fraction = 0.0

    reads: ClassVar[Target] = "binary"
    activation: ClassVar[str | None] = "sigmoid"
    takes_logits: ClassVar[bool] = True


class BinaryFocalCrossentropy(Loss):
    """Binary crossentropy times (1 − p_y)^gamma, p_y of the true class (Lin et al., 2017).

    p_y = y·p + (1 − y)·(1 − p), with y after label smoothing.

    With apply_class_balancing, class 1 has weight alpha and class 0 has weight 1 − alpha.
    """

    name: Literal["binary_focal_crossentropy"] = "binary_focal_crossentropy"
    apply_class_balancing: bool = False
    alpha: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.25
    gamma: NonNegativeFloat = 2.0
    label_smoothing: Fraction = 0.0

    reads: ClassVar[Target] = "binary"
    activation: ClassVar[str | None] = "sigmoid"
    takes_logits: ClassVar[bool] = True


class CategoricalHinge(Loss):
    """max(1 + max(0, max_{k≠y} z_k) − z_y, 0) for the class y.

    Keras's maximum is over (1 − y)·z for one-hot y, which holds a 0 for the class y itself. So z_y
    must exceed 0 by 1 too, even if all other outputs are negative.
    """

    name: Literal["categorical_hinge"] = "categorical_hinge"

    reads: ClassVar[Target] = "one_hot"


class Hinge(Loss):
    """max(1 − y·z, 0), y = ±1."""

    name: Literal["hinge"] = "hinge"

    reads: ClassVar[Target] = "binary"


class SquaredHinge(Loss):
    """max(1 − y·z, 0)², y = ±1."""

    name: Literal["squared_hinge"] = "squared_hinge"

    reads: ClassVar[Target] = "binary"


class KLDivergence(Loss):
    """Σ y·log(y/p) over the classes."""

    name: Literal["kl_divergence"] = "kl_divergence"

    reads: ClassVar[Target] = "one_hot"


class CosineSimilarity(Loss):
    """−cos of the angle between target and output vector."""

    name: Literal["cosine_similarity"] = "cosine_similarity"

    # With one column the cosine is ±1, so there is nothing to learn.
    reads: ClassVar[Target] = "one_hot"


class MeanSquaredError(Loss):
    """(y − z)²."""

    name: Literal["mean_squared_error"] = "mean_squared_error"


class MeanAbsoluteError(Loss):
    """|y − z|."""

    name: Literal["mean_absolute_error"] = "mean_absolute_error"


class MeanAbsolutePercentageError(Loss):
    """100·|y − z|/|y|, with |y| at least 1e-7."""

    name: Literal["mean_absolute_percentage_error"] = "mean_absolute_percentage_error"


class MeanSquaredLogarithmicError(Loss):
    """(log(1 + y) − log(1 + z))², in which y and z below 0 count as 0."""

    name: Literal["mean_squared_logarithmic_error"] = "mean_squared_logarithmic_error"


class Huber(Loss):
    """½(y − z)² up to |y − z| = delta, delta·|y − z| − ½delta² beyond it (Huber, 1964)."""

    name: Literal["huber"] = "huber"
    delta: PositiveFloat = 1.0


class LogCosh(Loss):
    """log cosh(z − y): about squared for small errors, absolute for large ones."""

    name: Literal["log_cosh"] = "log_cosh"


class Poisson(Loss):
    """z − y·log z, for counts y with expectation z."""

    name: Literal["poisson"] = "poisson"


_Any = (
    BinaryCrossentropy
    | BinaryFocalCrossentropy
    | CategoricalCrossentropy
    | CategoricalFocalCrossentropy
    | CategoricalGeneralizedCrossEntropy
    | CategoricalHinge
    | CosineSimilarity
    | Hinge
    | Huber
    | KLDivergence
    | LogCosh
    | MeanAbsoluteError
    | MeanAbsolutePercentageError
    | MeanSquaredError
    | MeanSquaredLogarithmicError
    | Poisson
    | SparseCategoricalCrossentropy
    | SquaredHinge
)
_LossModel = Annotated[_Any, Field(discriminator="name")]
AnyLoss = Annotated[
    _LossModel,
    BeforeValidator(named(LOSS_ALIASES), json_schema_input_type=_LossModel | LossName | LossAlias),
]
LOSSES: dict[str, type[Loss]] = {
    model.model_fields["name"].default: model for model in get_args(_Any)
}

MetricName = Literal[
    "accuracy",
    "top_k_categorical_accuracy",
    "auc",
    "precision",
    "recall",
    "f1_score",
    "categorical_crossentropy",
    "binary_crossentropy",
    "cosine_similarity",
    "mean_squared_error",
    "root_mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "log_cosh_error",
    "r2_score",
]
MetricAlias = Literal["acc", "mse", "mae", "mape", "msle", "bce"]
METRIC_ALIASES: dict[str, MetricName] = {
    "acc": "accuracy",
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
}
CLASS_METRICS = frozenset(
    {
        *("accuracy", "top_k_categorical_accuracy", "auc", "precision", "recall", "f1_score"),
        *("categorical_crossentropy", "binary_crossentropy", "cosine_similarity"),
    }
)
#: Metrics for which higher is better, by Keras's `_direction`; for the others lower is.
RISING_METRICS = frozenset(
    {
        *("accuracy", "top_k_categorical_accuracy", "auc", "precision", "recall", "f1_score"),
        *("cosine_similarity", "r2_score"),
    }
)


def _spell_out(name: Any) -> Any:
    return METRIC_ALIASES.get(name, name) if isinstance(name, str) else name


AnyMetric = Annotated[
    MetricName, BeforeValidator(_spell_out, json_schema_input_type=MetricName | MetricAlias)
]
