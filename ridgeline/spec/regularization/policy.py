"""The regularization policy of a whole model."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ridgeline.spec.regularization.constraints import AnyConstraint
from ridgeline.spec.regularization.regularizers import ActivityPenalty, WeightPenalty
from ridgeline.spec.schema import Contract, PositiveFloat, PositiveInt, Rate

DropoutSite = Literal["dense", "pooling", "conv"]


class RaiseDropout(Contract):
    """Raise every dropout rate when the model overfits (note: start at 0.3, raise on overfitting).

    Each raise restores the best weights and continues with rates `step` higher, up to `to`.
    """

    to: Rate
    """The highest rate."""
    step: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Added to the rates at each raise."""
    patience: Annotated[PositiveInt, Field(le=100_000)] = 3
    """Consecutive epochs of overfitting before a raise: val_data_loss above its best while the loss
    on the training rows is below its value at that epoch."""


class RaiseL2(Contract):
    """Raise the L2 strength λ of every kernel when the model overfits.

    Each raise restores the best weights and continues with the higher λ, up to `to`.
    """

    to: PositiveFloat
    """The highest λ."""
    step: PositiveFloat | None = None
    """Added to λ at each raise."""
    factor: Annotated[float, Field(gt=1.0, le=1e6)] | None = None
    """Multiplies λ at each raise, in place of `step`."""
    patience: Annotated[PositiveInt, Field(le=100_000)] = 3
    """Consecutive epochs of overfitting before a raise, as for dropout."""

    @model_validator(mode="after")
    def _one_way(self) -> "RaiseL2":
        if (self.step is None) == (self.factor is None):
            raise ValueError(
                "expected either step or factor, received"
                f" {'neither' if self.step is None else 'both'}"
            )
        return self


class WeightsPolicy(WeightPenalty):
    """The penalty on every kernel, and whether to raise it on overfitting."""

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
    """Dropout after every hidden layer of the named families, never after the output."""

    rate: Rate
    after: Annotated[
        tuple[DropoutSite, ...], Field(min_length=1, max_length=10, fail_fast=True)
    ] = ("dense",)
    """Families of layers that dropout goes after."""
    raise_on_overfit: RaiseDropout | None = None

    @model_validator(mode="after")
    def _raises(self) -> "DropoutPolicy":
        if self.raise_on_overfit is not None and self.rate >= self.raise_on_overfit.to:
            raise ValueError(
                f"expected rate below raise_on_overfit.to ({self.raise_on_overfit.to:g}),"
                f" received {self.rate:g}"
            )
        return self


class Regularization(Contract):
    """Defaults for every layer; a layer's own arguments take precedence."""

    weights: WeightsPolicy | None = None
    """Penalty on every kernel, including the output layer's."""
    bias: WeightPenalty | None = None
    """Penalty on every bias."""
    activity: ActivityPenalty | None = None
    """Penalty on the output of every layer with a kernel."""
    constraint: AnyConstraint | None = None
    """Constraint on every kernel; norms are over the inputs of each unit unless `axis` is set."""
    dropout: DropoutPolicy | None = None
    """Dropout layers to add."""
