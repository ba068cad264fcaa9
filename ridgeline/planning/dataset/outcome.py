"""What reading an upload's options gives: the options spelled out and the rows, or faults."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import chain, islice, takewhile
from typing import Any, NamedTuple

from ridgeline.spec.dataset.shape import DatasetShape
from ridgeline.spec.faults import MAX_FAULTS, Fault, SpecError, pointer

MOST_NAMED = 8
"""How many of many names an answer lists."""
_LONGEST = 40
LARGEST = 1.8e19
"""Of a number to be trained on: its square is a float32 too."""
_LONGEST_NAME = 64
"""A longer one is not quoted in a pointer."""
_MOST_GUESSED = 100
_LONGEST_GUESSED = 40


class Reading(NamedTuple):
    """An upload as a job uses it."""

    spelled_out: dict[str, Any]
    """The options' fields that had defaults."""
    shape: DatasetShape


def fault(*at: str | int, detail: str, rule: str) -> Fault:
    """A fault at a place in `/dataset`, up to a name that is too long to send back."""
    known = takewhile(lambda part: len(str(part)) <= _LONGEST_NAME, at)
    return Fault(pointer=pointer("dataset", *known), detail=detail, rule=rule)


def refuse(*faults: Iterable[Fault]) -> None:
    """Raise SpecError where there are any, of which no more are looked for than are told."""
    found = list(islice(chain.from_iterable(faults), MAX_FAULTS))
    if found:
        raise SpecError(found)


def guess(name: str, known: Sequence[str]) -> str:
    """A question, where `name` is nearly one of the first of the `known`."""
    if len(name) > _LONGEST_GUESSED:
        return ""
    short = [each for each in known[:_MOST_GUESSED] if len(each) <= _LONGEST_GUESSED]
    near = get_close_matches(name, short, n=1)
    return f"did you mean {quoted(near[0])}? " if near else ""


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
