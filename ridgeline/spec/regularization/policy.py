"""The policy that is applied over a whole model."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ridgeline.spec.regularization.constraints import AnyConstraint
from ridgeline.spec.regularization.regularizers import ActivityPenalty, WeightPenalty
from ridgeline.spec.schema import Contract, PositiveFloat, PositiveInt, Rate

DropoutSite = Literal["dense", "pooling", "conv"]


class RaiseDropout(Contract):
    """Raise every dropout rate when the model overfits (note: start at 0.3, raise on overfitting).

    Each raise goes back to the best weights and goes on with the rate `step` higher, up to `to`.
    """

    to: Rate
    step: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    patience: Annotated[PositiveInt, Field(le=100_000)] = 3
    """Epochs of overfitting in a row before the raise: val_data_loss above its best while the
    training rows' own loss is below what it was there."""


class RaiseL2(Contract):
    """Raise the L2 strength of every kernel when the model overfits, as RaiseDropout the rates."""

    to: PositiveFloat
    step: PositiveFloat | None = None
    """What is added to λ at each raise."""
    factor: Annotated[float, Field(gt=1.0, le=1e6)] | None = None
    """What λ is multiplied by at each raise; in place of `step`."""
    patience: Annotated[PositiveInt, Field(le=100_000)] = 3

    @model_validator(mode="after")
    def _one_way(self) -> "RaiseL2":
        if (self.step is None) == (self.factor is None):
            raise ValueError("expected step or factor, one of them")
        return self


class WeightsPolicy(WeightPenalty):
    """The penalty on every kernel."""

    raise_on_overfit: RaiseL2 | None = None

    @model_validator(mode="after")
    def _raises(self) -> "WeightsPolicy":
        if self.raise_on_overfit is not None and not 0 < self.l2 < self.raise_on_overfit.to:
            raise ValueError(
                f"expected l2 above 0 and below raise_on_overfit.to"
                f" ({self.raise_on_overfit.to:g}), received {self.l2:g}"
            )
        return self


class DropoutPolicy(Contract):
    """Dropout behind every hidden layer of the named families, never behind the output."""

    rate: Rate
    after: Annotated[
        tuple[DropoutSite, ...], Field(min_length=1, max_length=10, fail_fast=True)
    ] = ("dense",)
    raise_on_overfit: RaiseDropout | None = None

    @model_validator(mode="after")
    def _raises(self) -> "DropoutPolicy":
        if self.raise_on_overfit is not None and self.rate >= self.raise_on_overfit.to:
            raise ValueError(
                f"expected a rate below raise_on_overfit.to ({self.raise_on_overfit.to:g}),"
                f" received {self.rate:g}"
            )
        return self


class Regularization(Contract):
    """What holds for every layer that does not say otherwise itself."""

    weights: WeightsPolicy | None = None
    """On every kernel, the output layer's too."""
    bias: WeightPenalty | None = None
    """On every bias."""
    activity: ActivityPenalty | None = None
    """On the output of every layer that has a kernel."""
    constraint: AnyConstraint | None = None
    """On every kernel; norms are taken over the inputs of each unit unless `axis` is given."""
    dropout: DropoutPolicy | None = None
