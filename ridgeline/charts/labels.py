"""Names that fit beside a chart."""

from collections.abc import Iterable

MAX_LABEL = 32
"""The longest name shown, in characters."""


def short(names: Iterable[str], longest: int = MAX_LABEL) -> list[str]:
    """The names, long ones with their middle left out, each still another than the rest."""
    whole = list(names)
    labels = [_shortened(name, longest) for name in whole]
    if len(set(labels)) == len(set(whole)):
        return labels
    # What they have in common goes first, so that the difference stays.
    common = max(0, _agreeing(whole) - 3)
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


def _agreeing(names: list[str]) -> int:
    """How many characters all names begin with alike."""
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
