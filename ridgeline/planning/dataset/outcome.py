"""What reading a stored data set gives: options spelled out, or faults; and what its target is."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, takewhile
from typing import Any, Literal, NamedTuple

from ridgeline.spec.dataset.contents import ColumnType, ValueCount
from ridgeline.spec.dataset.encodings import MAX_CATEGORIES
from ridgeline.spec.dataset.shape import DatasetShape
from ridgeline.spec.dataset.stored import UploadOptions
from ridgeline.spec.faults import MAX_FAULTS, Fault, SpecError, closest, pointer

MOST_NAMED = 8
"""Most names that a message lists."""
_LONGEST = 40
"""Most characters of a quoted name."""
LARGEST = 1.8e19
"""The largest number to train on; its square is still a float32."""
EXACT = 2**24
"""Float32 holds every whole number up to it."""
_LONGEST_NAME = 64
"""A longer name is left out of a pointer."""
_MOST_GUESSED = 100
_LONGEST_GUESSED = 40
MOST_CLASSES = 100
"""Whole numbers with more different values are classes only if the spec says so."""
MAX_CLASS_TEXT = 2**18
"""Most characters of all class names together."""
KnownTask = Literal["classification", "regression"]


class Reading(NamedTuple):
    """A stored data set as a job uses it."""

    spelled_out: dict[str, Any]
    """The fields of the options, with defaults filled in."""
    shape: DatasetShape


class Target(NamedTuple):
    """The column or array to predict."""

    name: str
    type: ColumnType
    missing: int
    distinct: int | None
    values: tuple[ValueCount, ...] | None
    minimum: float | None
    maximum: float | None


def fault(*at: str | int, detail: str, rule: str) -> Fault:
    """A fault at a place in `/dataset`. The pointer ends before a name that is too long."""
    parts = takewhile(lambda part: len(str(part)) <= _LONGEST_NAME, at)
    return Fault(pointer=pointer("dataset", *parts), detail=detail, rule=rule)


def reject(*faults: Iterable[Fault]) -> None:
    """Raise SpecError if there are faults; at most MAX_FAULTS are looked for."""
    first = list(islice(chain.from_iterable(faults), MAX_FAULTS))
    if first:
        raise SpecError(first)


def misplaced(options: dict[str, bool], kind: str) -> Iterator[Fault]:
    """A fault for each option that is set (true) and has no meaning for this kind of data."""
    for name, is_set in options.items():
        if is_set:
            detail = f"expected no {name}, since the data set holds {kind}; leave it out"
            yield fault(name, detail=detail, rule="option-fits-data")


def listed(names: Sequence[str]) -> str:
    """The names, quoted; of many only the first, and how many more there are."""
    shown = ", ".join(map(quoted, names[:MOST_NAMED]))
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"


def quoted(name: str) -> str:
    """A user's name or value for a message: quoted, escaped and shortened."""
    return repr(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…")


def guess(name: str, known: Sequence[str]) -> str:
    """`did you mean …? ` if `name` is close to a known name, else an empty text."""
    if len(name) > _LONGEST_GUESSED:
        return ""
    candidates = [other for other in known[:_MOST_GUESSED] if len(other) <= _LONGEST_GUESSED]
    near = closest(name, candidates)
    return f"did you mean {quoted(near)}? " if near else ""


def task_of(options: UploadOptions, target: Target) -> KnownTask:
    """The task that the options name, or for `auto` the one that the target's type suggests."""
    if options.task != "auto":
        return options.task
    if target.type is ColumnType.INTEGER:
        return "classification" if _are_classes(target.values or ()) else "regression"
    return "regression" if target.type is ColumnType.NUMBER else "classification"


def _are_classes(values: Sequence[ValueCount]) -> bool:
    """Whether whole numbers look like labels: few different ones, frequent on average."""
    rows = sum(value.rows for value in values)
    return 0 < len(values) <= min(MOST_CLASSES, rows // 2)


def target_faults(target: Target, task: KnownTask) -> Iterator[Fault]:
    """Why the target cannot be predicted."""
    if target.missing:
        detail = (
            f"expected a value in every row; {target.missing} row(s) have none in"
            f" {quoted(target.name)}: remove these rows and store the file again"
        )
        yield fault("target", detail=detail, rule="missing-target")
    elif task == "classification":
        yield from _class_faults(target)
    else:
        yield from _value_faults(target)


def _class_faults(target: Target) -> Iterator[Fault]:
    if target.values is None:
        count = "more" if target.distinct is None else str(target.distinct)
        detail = (
            f"expected at most {MAX_CATEGORIES} different values as classes, {quoted(target.name)}"
            f' has {count}; use another target, or task "regression" if it is a number'
        )
        yield fault("target", detail=detail, rule="too-many-classes")
    else:
        yield from class_faults([count.value for count in target.values], "target")


def class_faults(names: Sequence[str], at: str) -> Iterator[Fault]:
    """Why these names cannot be the classes."""
    characters = sum(map(len, names))
    if len(names) <= 1:
        detail = f"expected at least two classes, received {len(names)}; add rows of another class"
        yield fault(at, detail=detail, rule="single-class")
    elif characters > MAX_CLASS_TEXT:
        detail = (
            f"expected class names of at most {MAX_CLASS_TEXT} characters together, received"
            f" {characters}; shorten them"
        )
        yield fault(at, detail=detail, rule="long-classes")


def _value_faults(target: Target) -> Iterator[Fault]:
    if target.type not in (ColumnType.NUMBER, ColumnType.INTEGER):
        detail = (
            f'expected "classification": {quoted(target.name)} is {target.type.value}, but'
            " regression predicts numbers"
        )
        yield fault("task", detail=detail, rule="task-fits-target")
    elif target.distinct == 1:
        detail = (
            f"expected different values; {quoted(target.name)} has the same value in all rows: use"
            " another target"
        )
        yield fault("target", detail=detail, rule="constant-target")
    elif max(abs(target.minimum or 0), abs(target.maximum or 0)) > LARGEST:
        detail = (
            f"expected numbers up to {LARGEST:.3g}, whose squares fit into float32; scale"
            f" {quoted(target.name)} down"
        )
        yield fault("target", detail=detail, rule="number-range")
