"""Losses and metrics, side by side for the rows they were measured on."""

from collections.abc import Mapping

from rich.table import Table

from ridgeline.cli.figures import number
from ridgeline.cli.printing import add_row, listing

#: The rows, by how the names of their measures begin; the first are the epoch's own.
_PARTS = {"": "training", "train_": "in inference mode", "val_": "validation", "test_": "test"}


def measures_table(measures: Mapping[str, float | None]) -> Table:
    """A line a measure, a column for each kind of rows there are."""
    prefixes = {name: _prefix(name) for name in measures}
    there = [prefix for prefix in _PARTS if prefix in prefixes.values()]
    table = listing({"": "left", **dict.fromkeys((_PARTS[prefix] for prefix in there), "right")})
    for name in dict.fromkeys(name.removeprefix(prefix) for name, prefix in prefixes.items()):
        names = [f"{prefix}{name}" for prefix in there]
        add_row(
            table, (name, *(number(measures[each]) if each in measures else "" for each in names))
        )
    return table


def _prefix(name: str) -> str:
    return next((prefix for prefix in _PARTS if prefix and name.startswith(prefix)), "")
