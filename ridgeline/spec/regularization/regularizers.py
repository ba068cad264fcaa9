"""Penalties on weights and outputs, and the coefficients they train with."""

from typing import Literal, NamedTuple

from pydantic import model_validator

from ridgeline.spec.schema import Contract, NonNegativeFloat

Scaling = Literal["keras", "textbook"]
Kind = Literal["l1", "l2", "orthogonal"]
OrthogonalMode = Literal["rows", "columns"]


class AppliedPenalty(NamedTuple):
    """One kind of penalty as training adds it to the data loss."""

    kind: Kind
    strength: float
    """λ as in the spec."""
    coefficient: float
    """The coefficient of Keras's regularizer."""
    formula: str


class Orthogonal(Contract):
    """Penalizes rows or columns of a matrix that are not orthogonal to each other.

    factor·½·Σ|cos(wᵢ, wⱼ)| / pairs over i ≠ j, as in keras.regularizers.OrthogonalRegularizer, with
    pairs = size·(size − 1)/2. For matrices only.
    """

    factor: NonNegativeFloat = 0.01
    mode: OrthogonalMode = "rows"


class WeightPenalty(Contract):
    """An L1 and/or L2 penalty, or an orthogonal one, on a weight.

    With `scaling: keras` the penalty is Keras's: l1·Σ|w| + l2·Σw², without ½ or 1/n. With
    `scaling: textbook` l1 and l2 are the textbook's λ: λ/n·Σ|w| and λ/(2n)·Σw², so a gradient step
    decays a weight by η·λ/n (note, "L2 Regularization for Neural Network").
    """

    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0
    scaling: Scaling = "keras"
    n: Literal["batch", "rows"] = "batch"
    """The n of the textbook's formulas: the batch size (as in the note) or the training rows."""
    l1_mode: Literal["penalty", "proximal"] = "penalty"
    """How to minimize L1: by its subgradient, as in Keras, which gives no exact zeros, or by a soft
    threshold after every step, which does."""
    orthogonal: Orthogonal | None = None

    @model_validator(mode="after")
    def _one_regularizer(self) -> "WeightPenalty":
        if self.orthogonal is not None and (self.l1 or self.l2):
            raise ValueError(
                "expected either orthogonal or l1 and l2, received both; Keras accepts one"
                " regularizer per weight"
            )
        return self

    def applied(self, *, batch_size: int, rows: int) -> list[AppliedPenalty]:
        """The kinds of penalty that are not zero, for the training's `batch_size` and `rows`.

        A batch holds at most all rows, so n is at most `rows`.
        """
        n = min(batch_size, rows) if self.n == "batch" else rows
        applied = []
        if self.l1:
            applied.append(AppliedPenalty("l1", self.l1, *self._l1(n)))
        if self.l2:
            applied.append(AppliedPenalty("l2", self.l2, *self._l2(n)))
        if self.orthogonal is not None and self.orthogonal.factor:
            factor, mode = self.orthogonal.factor, self.orthogonal.mode
            formula = f"λ·½·Σ|cos(wᵢ, wⱼ)|/pairs over {mode}"
            applied.append(AppliedPenalty("orthogonal", factor, factor, formula))
        return applied

    def _l1(self, n: int) -> tuple[float, str]:
        if self.scaling == "keras":
            return self.l1, "λ·Σ|w|"
        return self.l1 / n, f"λ/n·Σ|w|, n = {n} ({self.n})"

    def _l2(self, n: int) -> tuple[float, str]:
        if self.scaling == "keras":
            return self.l2, "λ·Σw²"
        return self.l2 / (2 * n), f"λ/(2n)·Σw², n = {n} ({self.n})"


class ActivityPenalty(Contract):
    """An L1 and/or L2 penalty on a layer's output a: (l1·Σ|a| + l2·Σa²) / rows of the batch.

    Keras averages over the rows as well. L1 makes activations sparse.
    """

    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0

    def applied(self) -> list[AppliedPenalty]:
        """The kinds of penalty that are not zero."""
        kinds: list[tuple[Kind, float, str]] = [
            ("l1", self.l1, "λ·Σ|a| / rows of the batch"),
            ("l2", self.l2, "λ·Σa² / rows of the batch"),
        ]
        return [
            AppliedPenalty(kind, value, value, formula) for kind, value, formula in kinds if value
        ]


ACTIVITY = "activity"
"""Stands for the weight's name in a penalty on a layer's output."""


class PenaltyTerm(Contract):
    """A penalty of the training loss: coefficient·Σ|w| (l1), coefficient·Σw² (l2), and so on."""

    layer: str
    weight: str
    """The weight's name in its layer, such as `kernel`; `activity` for the layer's output."""
    kind: Kind
    strength: float
    """λ as in the spec."""
    coefficient: float
    """The coefficient of Keras's regularizer."""
    formula: str
    proximal: bool = False
    """Whether it is minimized by a soft threshold after each step instead of its gradient."""
    mode: OrthogonalMode | None = None
    """Rows or columns, for an orthogonal penalty."""

    @property
    def key(self) -> str:
        """The term's name in the curves: `layer/weight/kind`."""
        return f"{self.layer}/{self.weight}/{self.kind}"
