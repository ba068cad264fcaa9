"""Vega-Lite definitions as JSON files with placeholders, and the colors and labels for them."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from ridgeline.api.curves import Theme

_PLACEHOLDER = re.compile(r"<(\w+)>")
Node = dict[str, Any]
NULL: Any = object()
"""Stands for JSON's null, since None removes the member."""
DASHES: tuple[tuple[int, ...], ...] = ((1, 0), (7, 3), (2, 2))
"""Line styles, for when colors run out and for readers who cannot tell them apart."""
MAX_LABEL = 32
"""Length limit of a name, in characters."""


def fill(name: str, values: Mapping[str, Any], without: Collection[str] = ()) -> Node:
    """The definition `name` with `values` for its placeholders; a member whose value is None goes.

    Views whose name, without its prefix, is in `without` are left out. A placeholder inside a text
    takes text.
    """
    filled: Node = _fill(json.loads(_text(name)), values, frozenset(without))
    return filled


@cache
def _text(name: str) -> str:
    return files("ridgeline.charts").joinpath("definitions", f"{name}.json").read_text("utf-8")


def _fill(node: Any, values: Mapping[str, Any], without: frozenset[str]) -> Any:
    if isinstance(node, str):
        place = _PLACEHOLDER.fullmatch(node)
        return values[place[1]] if place else _PLACEHOLDER.sub(lambda found: values[found[1]], node)
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


@cache
def colours(theme: Theme) -> dict[str, Any]:
    """Colors by role; `category` is a list of them, for lines without a role.

    Each contrasts with the background by at least 3:1 (WCAG 2.2, 1.4.11), text by 4.5:1. Colors
    that meet in a chart can be distinguished with any of the three kinds of color blindness.
    """
    text = files("ridgeline.charts").joinpath("themes", f"{theme}.json").read_text("utf-8")
    palette: dict[str, Any] = json.loads(text)
    return palette


def colour_places(theme: Theme) -> dict[str, Any]:
    """The colors as values for a definition's placeholders."""
    return {f"{role}_colour": colour for role, colour in colours(theme).items()}


def config(theme: Theme) -> dict[str, Any]:
    """The configuration shared by all charts of a theme."""
    return fill("config", colour_places(theme))


def short(names: Iterable[str], longest: int = MAX_LABEL) -> list[str]:
    """The names, long ones shortened in the middle, all still distinct."""
    whole = list(names)
    labels = [_shortened(name, longest) for name in whole]
    if len(set(labels)) == len(set(whole)):
        return labels
    # Cut the common beginning first, so that the difference stays visible.
    common = max(0, _common_length(whole) - 3)
    labels = [_shortened(f"…{name[common:]}", longest) for name in whole] if common else labels
    return _numbered(labels)


def number(value: float) -> str:
    """A value as text, to three digits."""
    return f"{value:.3g}"


def _shortened(name: str, longest: int) -> str:
    if len(name) <= longest:
        return name
    head = (longest - 1) // 2
    return f"{name[:head]}…{name[len(name) - (longest - 1 - head) :]}"


def _common_length(names: list[str]) -> int:
    """The length of the common beginning of all names."""
    first, last = min(names), max(names)
    pairs = enumerate(zip(first, last, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(first), len(last)))


def _numbered(labels: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    for index, label in enumerate(labels):
        seen[label] = seen.get(label, 0) + 1
        if seen[label] > 1:
            labels[index] = f"{label} ({seen[label]})"
    return labels
