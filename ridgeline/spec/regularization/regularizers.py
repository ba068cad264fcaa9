"""Penalties on weights and outputs, and what they become in training."""

from typing import Literal, NamedTuple

from pydantic import model_validator

from ridgeline.spec.schema import Contract, NonNegativeFloat

Scaling = Literal["keras", "textbook"]
Kind = Literal["l1", "l2", "orthogonal"]
OrthogonalMode = Literal["rows", "columns"]


class Part(NamedTuple):
    """One kind of penalty, as training adds it to the data loss."""

    kind: Kind
    strength: float
    """λ as the spec gave it."""
    coefficient: float
    """What Keras's regularizer takes."""
    formula: str


class Orthogonal(Contract):
    """Draws the rows or columns of a matrix towards being orthogonal to each other.

    factor·½·Σ|cos(wᵢ, wⱼ)| / pairs over i ≠ j, as keras.regularizers.OrthogonalRegularizer, with
    pairs = size·(size − 1)/2. Matrices only.
    """

    factor: NonNegativeFloat = 0.01
    mode: OrthogonalMode = "rows"


class WeightPenalty(Contract):
    """An L1 and/or L2 penalty on one weight, or an orthogonal one.

    With `scaling: keras` the penalty is Keras's own: l1·Σ|w| + l2·Σw², with neither ½ nor 1/n.
    With `scaling: textbook` l1 and l2 are the λ of the textbook: λ/n·Σ|w| and λ/(2n)·Σw², so a
    gradient step decays a weight by η·λ/n (note, "L2 Regularization for Neural Network").
    """

    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0
    scaling: Scaling = "keras"
    n: Literal["batch", "rows"] = "batch"
    """What the textbook divides by: the batch size (the note's choice) or the training rows."""
    l1_mode: Literal["penalty", "proximal"] = "penalty"
    """How L1 is minimized: by its subgradient, as Keras does, which never reaches zero, or by a
    soft threshold after every step, which reaches zeros exactly."""
    orthogonal: Orthogonal | None = None

    @model_validator(mode="after")
    def _one_regularizer(self) -> "WeightPenalty":
        if self.orthogonal is not None and (self.l1 or self.l2):
            raise ValueError(
                "expected orthogonal without l1 and l2: Keras takes one regularizer a weight"
            )
        return self

    def parts(self, *, batch_size: int, rows: int) -> list[Part]:
        """What is not zero of it.

        `batch_size` and `rows` are those of training; a batch never holds more than all rows.
        """
        n = min(batch_size, rows) if self.n == "batch" else rows
        parts = []
        if self.l1:
            parts.append(Part("l1", self.l1, *self._l1(n)))
        if self.l2:
            parts.append(Part("l2", self.l2, *self._l2(n)))
        if self.orthogonal is not None and self.orthogonal.factor:
            factor, mode = self.orthogonal.factor, self.orthogonal.mode
            formula = f"λ·½·Σ|cos(wᵢ, wⱼ)|/pairs over {mode}"
            parts.append(Part("orthogonal", factor, factor, formula))
        return parts

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

    The mean over rows is Keras's; L1 makes activations sparse.
    """

    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0

    def parts(self) -> list[Part]:
        """What is not zero of it."""
        given: list[tuple[Kind, float, str]] = [
            ("l1", self.l1, "λ·Σ|a| / rows of the batch"),
            ("l2", self.l2, "λ·Σa² / rows of the batch"),
        ]
        return [Part(kind, value, value, formula) for kind, value, formula in given if value]


ACTIVITY = "activity"
"""Where a weight's name would stand in a penalty on a layer's output."""


class PenaltyTerm(Contract):
    """One penalty as it is trained with: coefficient·Σ|w| (l1), coefficient·Σw² (l2), ..."""

    layer: str
    weight: str
    """The weight's name in its layer, such as `kernel`; `activity` for the layer's output."""
    kind: Kind
    strength: float
    """λ as the spec gave it."""
    coefficient: float
    """The coefficient that Keras's regularizer takes."""
    formula: str
    proximal: bool = False
    """Whether a soft threshold after each step minimizes it, in place of its gradient."""
    mode: OrthogonalMode | None = None
    """Rows or columns, for an orthogonal penalty."""

    @property
    def key(self) -> str:
        """The term's name in the curves: `layer/weight/kind`."""
        return f"{self.layer}/{self.weight}/{self.kind}"
