"""Which names columns, arrays and classes may have."""

import re
from collections import Counter
from collections.abc import Sequence

from ridgeline.formats.errors import Rule, UnusableDataset, fault, shown, unusable
from ridgeline.formats.limits import MAX_NAME_LENGTH
from ridgeline.spec.faults import Fault

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def check_columns(names: Sequence[str], most: int) -> None:
    """Raises UnusableDataset where a table's columns are too many, or a name is none."""
    if len(names) > most:
        raise unusable(
            Rule.TOO_MANY_COLUMNS,
            f"received {len(names):,} columns, expected at most {most:,}: leave out what is not"
            " trained on, or upload the features as one array in an NPZ file",
        )
    faults = [*_unusable_names(names), *_repeated(names)]
    if faults:
        raise UnusableDataset(faults)


def is_plain(name: str, most: int = MAX_NAME_LENGTH) -> bool:
    """Whether a name is on one line, not empty and no longer than that."""
    return 0 < len(name) <= most and not _CONTROL.search(name)


def _unusable_names(names: Sequence[str]) -> list[Fault]:
    return [
        fault(Rule.COLUMN_NAME, _wrong_name(name, number), "columns", number)
        for number, name in enumerate(names)
        if not is_plain(name)
    ]


def _wrong_name(name: str, number: int) -> str:
    if not name:
        hint = " (pandas writes such a column for its index: use index=False)" if not number else ""
        return f"column {number + 1} has no name{hint}; name every column in the first line"
    if len(name) > MAX_NAME_LENGTH:
        return (
            f"column {number + 1} has a name of {len(name):,} characters, expected at most"
            f" {MAX_NAME_LENGTH}: is the first line the header?"
        )
    return (
        f"column {number + 1} has a line break or a control character in its name, expected plain"
        f" text: rename {shown(name)}"
    )


def _repeated(names: Sequence[str]) -> list[Fault]:
    return [
        fault(
            Rule.DUPLICATE_COLUMN,
            f"{count} columns are named {shown(name)}, expected each name once: rename or drop"
            " all but one",
            "columns",
            name,
        )
        for name, count in Counter(names).items()
        if count > 1 and name
    ]
