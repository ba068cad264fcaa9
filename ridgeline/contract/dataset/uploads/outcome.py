"""What reading an upload's options gives: the options spelled out and the rows, or faults."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ridgeline.contract.dataset.shape import DatasetShape
from ridgeline.contract.problems import Fault, pointer

MOST_NAMED = 8
"""How many of many names an answer lists."""
_LONGEST = 40
LARGEST = 3.4028234e38
"""The largest float32."""


class Reading(NamedTuple):
    """An upload as a job uses it."""

    spelled_out: dict[str, Any]
    """The options' fields that had defaults."""
    shape: DatasetShape


def fault(*at: str | int, detail: str, rule: str) -> Fault:
    """A fault at a place in `/dataset`."""
    return Fault(pointer=pointer("dataset", *at), detail=detail, rule=rule)


def listed(names: Sequence[str]) -> str:
    """The names, or the first of them where there are many."""
    shown = ", ".join(map(quoted, names[:MOST_NAMED]))
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"


def quoted(name: str) -> str:
    """A name of a file, which may be long or hold anything, as an answer shows it."""
    return repr(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…")


def misplaced(said: dict[str, bool], kind: str) -> Iterator[Fault]:
    """A fault for each option that is said (true) and has no meaning for this kind of data."""
    for name, is_said in said.items():
        if is_said:
            detail = f"expected no {name}: the data set holds {kind}; leave it out"
            yield fault(name, detail=detail, rule="option-fits-data")
