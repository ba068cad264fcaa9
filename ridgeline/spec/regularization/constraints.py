"""Constraints, which project a weight after every step."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ridgeline.spec.schema import Contract, NonNegativeFloat, PositiveFloat

_Index = Annotated[int, Field(ge=-8, le=7)]
Axis = _Index | Annotated[tuple[_Index, ...], Field(min_length=1, max_length=8, fail_fast=True)]
"""The axes along which norms are taken: 0 for a Dense kernel, [0, 1, 2] for a Conv2D's."""


class Constraint(Contract):
    """A Keras constraint: `type` and arguments are Keras's own names."""

    def arguments(self) -> dict[str, Any]:
        """The arguments of the Keras class."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self
            if name != "type"
        }


class MaxNorm(Constraint):
    """Limits norms to `max_value`: w ← w·min(1, max_value/‖w‖) (Srebro & Shraibman, 2005)."""

    type: Literal["MaxNorm"] = "MaxNorm"
    max_value: PositiveFloat = 2
    axis: Axis = 0


class UnitNorm(Constraint):
    """Sets norms to 1: w ← w/‖w‖."""

    type: Literal["UnitNorm"] = "UnitNorm"
    axis: Axis = 0


class NonNeg(Constraint):
    """Removes negative weights: w ← max(w, 0)."""

    type: Literal["NonNeg"] = "NonNeg"


class MinMaxNorm(Constraint):
    """Moves norms into [min_value, max_value]: w ← w·(rate·clip(‖w‖) + (1 − rate)·‖w‖)/‖w‖."""

    type: Literal["MinMaxNorm"] = "MinMaxNorm"
    min_value: NonNegativeFloat = 0.0
    max_value: PositiveFloat = 1.0
    rate: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    axis: Axis = 0

    @model_validator(mode="after")
    def _ordered(self) -> "MinMaxNorm":
        if self.min_value > self.max_value:
            raise ValueError(
                f"expected min_value ({self.min_value:g}) at most max_value ({self.max_value:g})"
            )
        return self


AnyConstraint = Annotated[MaxNorm | UnitNorm | NonNeg | MinMaxNorm, Field(discriminator="type")]
