"""What a model of the contract takes, for people and for forms: read off the model itself."""

import inspect
import json
from typing import Any

from ridgeline.contract.schema import Contract


class Argument(Contract):
    """An argument of a layer, an optimizer, a schedule, a loss, a callback or a preset."""

    name: str
    required: bool
    default: Any
    """The value when it is left out; null if it is required, too."""
    description: str
    json_schema: dict[str, Any]


def arguments_of(model: type[Contract], *tags: str) -> tuple[Argument, ...]:
    """The fields of `model` but its `tags`."""
    schema = model.model_json_schema()
    return tuple(
        Argument(
            name=field.alias or name,
            required=field.is_required(),
            default=None if field.is_required() else field.default,
            description=field.description or "",
            json_schema=_standalone(
                schema["properties"][field.alias or name], schema.get("$defs", {})
            ),
        )
        for name, field in model.model_fields.items()
        if name not in tags
    )


def description_of(model: type[Contract]) -> str:
    """The docstring."""
    return inspect.cleandoc(model.__doc__ or "")


def _standalone(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """`node` with the definitions that it refers to."""
    return {**node, "$defs": definitions} if "$ref" in json.dumps(node) else node
