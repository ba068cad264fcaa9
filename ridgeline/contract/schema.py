"""The base of every model in the contract, and the field types they share."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Contract(BaseModel):
    """A closed, immutable, strictly typed piece of the contract.

    Unknown fields are refused, NaN and infinities are refused, and nothing is coerced
    (`"64"` is not a number of units).
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


def _single_line(text: str) -> str:
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", text):
        raise ValueError("expected text without control characters or lone surrogates")
    return text


PositiveInt = Annotated[int, Field(ge=1, le=2**31 - 1)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Rate = Annotated[float, Field(ge=0.0, lt=1.0)]
"""A dropout rate: the share of units dropped. 1 would drop all of them, so it is refused."""
NonNegativeFloat = Annotated[float, Field(ge=0.0, le=1e9)]
PositiveFloat = Annotated[float, Field(gt=0.0, le=1e9)]
Label = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_single_line)]
LayerName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,62}$")]
