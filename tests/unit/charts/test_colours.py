"""Colors contrast with the background and, also for color-blind readers, with one another."""

import itertools
import math
from typing import Any

import pytest

from ridgeline.charts import THEMES
from ridgeline.charts.definition import colours

LINES = ("training", "validation", "penalty", "total", "nonfinite", "others")
Vector = tuple[float, ...]

#: Color matrices of protanopia, deuteranopia and tritanopia (Machado, Oliveira & Fernandes, 2009).
VISIONS: dict[str, tuple[Vector, ...]] = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "no blue": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


@pytest.mark.parametrize("theme", THEMES)
def test_lines_and_text_contrast_with_the_background(theme: Any) -> None:
    palette = colours(theme)
    drawn = [palette[role] for role in LINES] + palette["category"]
    assert min(_contrast(colour, palette["background"]) for colour in drawn) >= 3
    words = [palette[role] for role in ("text", "muted", "nonfinite")]
    assert min(_contrast(colour, palette["background"]) for colour in words) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", VISIONS)
def test_lines_in_one_panel_are_distinguishable(theme: Any, vision: str) -> None:
    """Just noticeable distances in Oklab: 0.02 between large areas, 0.08 between thin lines."""
    palette = colours(theme)
    pairs = [
        *itertools.combinations(palette["category"], 2),
        (palette["training"], palette["validation"]),
        (palette["penalty"], palette["total"]),
    ]
    distances = {pair: _distance(*pair, VISIONS[vision]) for pair in pairs}
    assert min(distances.values()) >= 0.08, min(distances, key=lambda pair: distances[pair])


def test_both_themes_have_the_same_roles() -> None:
    assert set(colours("light")) == set(colours("dark"))


def _linear(colour: str) -> Vector:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return tuple(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)


def _contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2."""
    weights = (0.2126, 0.7152, 0.0722)
    light = sorted(_times((weights,), _linear(colour))[0] for colour in (one, other))
    return (light[1] + 0.05) / (light[0] + 0.05)


def _distance(one: str, other: str, vision: tuple[Vector, ...]) -> float:
    """The distance of two colors in Oklab, as seen with `vision`."""
    return math.dist(_lab(one, vision), _lab(other, vision))


def _lab(colour: str, vision: tuple[Vector, ...]) -> Vector:
    seen = tuple(min(1.0, max(0.0, value)) for value in _times(vision, _linear(colour)))
    return _times(TO_LAB, tuple(math.cbrt(value) for value in _times(TO_CONES, seen)))


def _times(matrix: tuple[Vector, ...], vector: Vector) -> Vector:
    return tuple(sum(a * b for a, b in zip(line, vector, strict=True)) for line in matrix)
