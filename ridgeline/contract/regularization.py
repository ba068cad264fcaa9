"""Weight penalties and the policy that is applied over a whole model."""

from typing import Annotated, Literal

from pydantic import Field

from ridgeline.contract.schema import Contract, NonNegativeFloat, Rate

Scaling = Literal["keras", "textbook"]
DropoutSite = Literal["dense", "pooling", "conv"]
Kind = Literal["l1", "l2"]


class WeightPenalty(Contract):
    """An L1 and/or L2 penalty on one weight.

    With `scaling: keras` the penalty is Keras's own: l1·Σ|w| + l2·Σw², with neither ½ nor 1/n.
    With `scaling: textbook` l1 and l2 are the λ of the textbook: λ/n·Σ|w| and λ/(2n)·Σw², so a
    gradient step decays a weight by η·λ/n (note, "L2 Regularization for Neural Network").
    """

    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0
    scaling: Scaling = "keras"
    n: Literal["batch", "rows"] = "batch"
    """What the textbook divides by: the batch size (the note's choice) or the training rows."""

    def terms(self, *, batch_size: int, rows: int) -> list[tuple[Kind, float, float, str]]:
        """The non-zero parts as (kind, λ, Keras coefficient, formula).

        `batch_size` and `rows` are those of training; a batch never holds more than all rows.
        """
        n = min(batch_size, rows) if self.n == "batch" else rows
        terms: list[tuple[Kind, float, float, str]] = []
        if self.l1:
            terms.append(("l1", self.l1, *self._l1(n)))
        if self.l2:
            terms.append(("l2", self.l2, *self._l2(n)))
        return terms

    def _l1(self, n: int) -> tuple[float, str]:
        if self.scaling == "keras":
            return self.l1, "λ·Σ|w|"
        return self.l1 / n, f"λ/n·Σ|w|, n = {n} ({self.n})"

    def _l2(self, n: int) -> tuple[float, str]:
        if self.scaling == "keras":
            return self.l2, "λ·Σw²"
        return self.l2 / (2 * n), f"λ/(2n)·Σw², n = {n} ({self.n})"


class DropoutPolicy(Contract):
    """Dropout behind every hidden layer of the named families, never behind the output."""

    rate: Rate
    after: Annotated[
        tuple[DropoutSite, ...], Field(min_length=1, max_length=10, fail_fast=True)
    ] = ("dense",)


class Regularization(Contract):
    """What holds for every layer that does not say otherwise itself."""

    weights: WeightPenalty | None = None
    """On every kernel, the output layer's too."""
    bias: WeightPenalty | None = None
    """On every bias."""
    dropout: DropoutPolicy | None = None


class PenaltyTerm(Contract):
    """One weight penalty as it is trained with: coefficient·Σ|w| (l1) or coefficient·Σw² (l2)."""

    layer: str
    weight: str
    """The weight's name in its layer, such as `kernel`."""
    kind: Kind
    strength: float
    """λ as the spec gave it."""
    coefficient: float
    """The coefficient that Keras's regularizer takes."""
    formula: str

    @property
    def key(self) -> str:
        """The term's name in the curves: `layer/weight/kind`."""
        return f"{self.layer}/{self.weight}/{self.kind}"
