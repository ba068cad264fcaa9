"""Vega-Lite definitions as data: JSON files with places that a chart fills in."""

import json
import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_PLACE = re.compile(r"<(\w+)>")

Node = dict[str, Any]

NULL: Any = object()
"""Stands for null where None would take the member away."""


def fill(name: str, values: Mapping[str, Any], without: Collection[str] = ()) -> Node:
    """The definition `name` with `values` in its places; a member whose value is None goes.

    Views whose name, less its prefix, is in `without` are left out. A place in the middle of a text
    takes text.
    """
    filled: Node = _fill(json.loads(_text(name)), values, frozenset(without))
    return filled


@cache
def _text(name: str) -> str:
    return files("ridgeline.charts").joinpath("definitions", f"{name}.json").read_text("utf-8")


def _fill(node: Any, values: Mapping[str, Any], without: frozenset[str]) -> Any:
    if isinstance(node, str):
        place = _PLACE.fullmatch(node)
        return values[place[1]] if place else _PLACE.sub(lambda found: values[found[1]], node)
    if isinstance(node, list):
        return _items(node, values, without)
    if isinstance(node, dict):
        filled = {key: _fill(value, values, without) for key, value in node.items()}
        return {
            key: None if value is NULL else value
            for key, value in filled.items()
            if value is not None or node[key] is None
        }
    return node


def _items(nodes: list[Any], values: Mapping[str, Any], without: frozenset[str]) -> list[Any]:
    return [
        _fill(node, values, without)
        for node in nodes
        if not (isinstance(node, dict) and node.get("name", "").removeprefix("<name>_") in without)
    ]
