"""What a model of the contract takes, for people and for forms: read off the model itself."""

import inspect
import json
import re
from typing import Any

from ridgeline.spec.schema import Contract


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
            default=None if field.is_required() else field.get_default(call_default_factory=True),
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
    """`node` with the definitions that it refers to, and those that they refer to."""
    needed: dict[str, Any] = {}
    waiting = _references(node)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = definitions[name]
            waiting |= _references(definitions[name])
    return {**node, "$defs": needed} if needed else node


def _references(node: dict[str, Any]) -> set[str]:
    return set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(node)))
