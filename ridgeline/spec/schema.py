"""The base of every model in the contract, and shared field types and validators."""

import re
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(ge=1, le=2**31 - 1)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Rate = Annotated[float, Field(ge=0.0, lt=1.0)]
"""A dropout rate: the fraction of units to drop, below 1, which would drop all of them."""
NonNegativeFloat = Annotated[float, Field(ge=0.0, le=1e9)]
PositiveFloat = Annotated[float, Field(gt=0.0, le=1e9)]
LayerName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,62}$")]


class Contract(BaseModel):
    """An immutable, strictly typed model of the contract.

    Unknown fields, NaN and infinities are rejected, and nothing is coerced (`"64"` is not a number
    of units). Lists that are usually short report their first wrong item only (`fail_fast`), since
    a body of 1 MiB could otherwise cause 300,000 errors.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    def model_post_init(self, context: Any) -> None:
        """Mark the tag of a union's member (`type`, `source`) as set.

        So `model_dump_json(exclude_unset=True)` is what the author wrote and can be parsed again. A
        full dump differs in meaning: `kernel_regularizer: null` means no penalty, while an unset
        field gets the policy's.
        """
        del context
        self.__pydantic_fields_set__.update(_tags(type(self)))


@cache
def _tags(model: type[Contract]) -> frozenset[str]:
    """The fields with only one possible value."""
    annotations = {name: field.annotation for name, field in model.model_fields.items()}
    return frozenset(
        name
        for name, annotation in annotations.items()
        if get_origin(annotation) is Literal and len(get_args(annotation)) == 1
    )


def _single_line(text: str) -> str:
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", text):
        raise ValueError(
            "expected one line of text; remove line breaks, control characters and lone surrogates"
        )
    return text


def each_once(values: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    """Validate that no value occurs twice."""
    if len(set(values)) < len(values):
        raise ValueError("expected each value once; remove the duplicates")
    return values


Label = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_single_line)]


def named(aliases: Mapping[str, str]) -> Callable[[Any], Any]:
    """A validator that expands `"adam"` to `{"name": "adam"}` and aliases to names."""

    def spell_out(value: Any) -> Any:
        if isinstance(value, str):
            return {"name": aliases.get(value, value)}
        if isinstance(value, dict) and isinstance(value.get("name"), str):
            return value | {"name": aliases.get(value["name"], value["name"])}
        return value

    return spell_out
