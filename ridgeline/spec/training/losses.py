"""Keras's losses with their arguments: what each reads as its target and expects of the output."""

from typing import Annotated, ClassVar, Literal, get_args

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
"""`index`: a class's number; `one_hot`: a column a class; `binary`: columns of 0 and 1."""


class Loss(Contract):
    """A Keras loss, without the penalty, averaged over a batch."""

    name: str
    from_logits: bool = False
    """Whether the output is before its softmax or sigmoid (crossentropies only)."""

    #: What it reads as its target.
    reads: ClassVar[Target] = "any"
    #: The activation it expects of the output, where it expects probabilities.
    activation: ClassVar[str | None] = None
    #: Whether it can take logits in their place.
    takes_logits: ClassVar[bool] = False


class SparseCategoricalCrossentropy(Loss):
    """−log p_y of the class y."""

    name: Literal["sparse_categorical_crossentropy"] = "sparse_categorical_crossentropy"
    label_smoothing: Fraction = 0.0
    """Not with this loss: it reads the class's number. Use categorical_crossentropy."""

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
    """(1 − p_y^q)/q, which noisy labels mislead less (Zhang & Sabuncu, 2018).

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
    """Binary crossentropy times (1 − p_y)^gamma, p_y that of the truth (Lin et al., 2017).

    With apply_class_balancing class 1 weighs alpha and class 0 1 − alpha.
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
    """max(1 + max_{k≠y} z_k − z_y, 0)."""

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
    """−cos of the angle between the target's and the output's vector."""

    name: Literal["cosine_similarity"] = "cosine_similarity"

    # Of one column the cosine is ±1: there is nothing to learn.
    reads: ClassVar[Target] = "one_hot"


class MeanSquaredError(Loss):
    """(y − z)²."""

    name: Literal["mean_squared_error"] = "mean_squared_error"


class MeanAbsoluteError(Loss):
    """|y − z|."""

    name: Literal["mean_absolute_error"] = "mean_absolute_error"


class MeanAbsolutePercentageError(Loss):
    """100·|y − z|/|y|."""

    name: Literal["mean_absolute_percentage_error"] = "mean_absolute_percentage_error"


class MeanSquaredLogarithmicError(Loss):
    """(log(1 + y) − log(1 + z))²."""

    name: Literal["mean_squared_logarithmic_error"] = "mean_squared_logarithmic_error"


class Huber(Loss):
    """½(y − z)² up to |y − z| = delta, beyond it delta·|y − z| − ½delta² (Huber, 1964)."""

    name: Literal["huber"] = "huber"
    delta: PositiveFloat = 1.0


class LogCosh(Loss):
    """log cosh(z − y): squared for small errors, absolute for large ones."""

    name: Literal["log_cosh"] = "log_cosh"


class Poisson(Loss):
    """z − y·log z, of counts y and their expectation z."""

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
LOSSES: dict[str, type[Loss]] = {
    model.model_fields["name"].default: model for model in get_args(_Any)
}

_LossModel = Annotated[_Any, Field(discriminator="name")]
AnyLoss = Annotated[
    _LossModel,
    BeforeValidator(named(LOSS_ALIASES), json_schema_input_type=_LossModel | LossName | LossAlias),
]
