"""Names that stand for objects, and Keras's short names."""

from collections.abc import Callable, Mapping
from typing import Any


def named(aliases: Mapping[str, str]) -> Callable[[Any], Any]:
    """A validator that lets `"adam"` stand for `{"name": "adam"}`, and aliases for names."""

    def spell_out(value: Any) -> Any:
        if isinstance(value, str):
            return {"name": aliases.get(value, value)}
        if isinstance(value, dict) and isinstance(value.get("name"), str):
            return value | {"name": aliases.get(value["name"], value["name"])}
        return value

    return spell_out
