"""The colours of charts, on a light and on a dark ground."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from ridgeline.api.curves import Theme
from ridgeline.charts.definition import fill

DASHES: tuple[tuple[int, ...], ...] = ((1, 0), (7, 3), (2, 2))
"""A solid line and two that are not: where colours run out, and for who cannot tell them apart."""


@cache
def colours(theme: Theme) -> dict[str, Any]:
    """Colours by role; `category` is a list of them, for lines that have no role.

    Each stands out from the ground by 3:1 at least (WCAG 2.2, 1.4.11), text by 4.5:1, and colours
    that meet in a chart can be told apart with any of the three colour blindnesses.
    """
    text = files("ridgeline.charts").joinpath("themes", f"{theme}.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def colour_places(theme: Theme) -> dict[str, Any]:
    """The colours as values for a definition's places."""
    return {f"{role}_colour": colour for role, colour in colours(theme).items()}


def config(theme: Theme) -> dict[str, Any]:
    """What all charts of a theme have in common."""
    return fill("config", colour_places(theme))
