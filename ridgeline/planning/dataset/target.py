"""What a job is to predict: classes, or a real value."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from ridgeline.planning.dataset.outcome import LARGEST, fault, quoted
from ridgeline.spec.dataset.contents import ColumnType, ValueCount
from ridgeline.spec.dataset.encodings import MAX_CATEGORIES
from ridgeline.spec.dataset.stored import UploadOptions
from ridgeline.spec.faults import Fault

MOST_CLASSES = 100
"""Whole numbers of more different values are not taken for classes unless the spec says so."""
MAX_CLASS_TEXT = 2**18
"""Characters of all class names together."""

KnownTask = Literal["classification", "regression"]


class Target(NamedTuple):
    """A column or vector that is to be predicted."""

    name: str
    type: ColumnType
    missing: int
    distinct: int | None
    values: tuple[ValueCount, ...] | None
    minimum: float | None
    maximum: float | None


def task_of(options: UploadOptions, target: Target) -> KnownTask:
    """What the target is, if need be by its type."""
    if options.task != "auto":
        return options.task
    if target.type is ColumnType.INTEGER:
        return "classification" if _are_classes(target.values or ()) else "regression"
    return "regression" if target.type is ColumnType.NUMBER else "classification"


def _are_classes(values: Sequence[ValueCount]) -> bool:
    """Whether whole numbers are so few, and each so frequent, that they seem to be labels."""
    rows = sum(each.rows for each in values)
    return 0 < len(values) <= min(MOST_CLASSES, rows // 2)


def target_faults(target: Target, task: KnownTask) -> Iterator[Fault]:
    """Why it cannot be predicted."""
    if target.missing:
        detail = (
            f"expected a value in every row; {target.missing} row(s) have none in"
            f" {quoted(target.name)}: upload the data without them"
        )
        yield fault("target", detail=detail, rule="missing-target")
    elif task == "classification":
        yield from _class_faults(target)
    else:
        yield from _value_faults(target)


def class_faults(names: Sequence[str], at: str) -> Iterator[Fault]:
    """Why these cannot be the classes."""
    if len(names) <= 1:
        detail = f"expected two classes at least, received {len(names)}: nothing is to be learned"
        yield fault(at, detail=detail, rule="single-class")
    elif sum(map(len, names)) > MAX_CLASS_TEXT:
        detail = f"expected class names of {MAX_CLASS_TEXT} characters together at most"
        yield fault(at, detail=detail, rule="long-classes")


def _class_faults(target: Target) -> Iterator[Fault]:
    if target.values is None:
        count = "more" if target.distinct is None else str(target.distinct)
        detail = (
            f"expected at most {MAX_CATEGORIES} different values as classes, {quoted(target.name)}"
            f' has {count}; use another target, or task "regression" where it is a number'
        )
        yield fault("target", detail=detail, rule="too-many-classes")
    else:
        yield from class_faults([each.value for each in target.values], "target")


def _value_faults(target: Target) -> Iterator[Fault]:
    if target.type not in (ColumnType.NUMBER, ColumnType.INTEGER):
        detail = (
            f'expected "classification": {quoted(target.name)} is {target.type.value}, and'
            " regression predicts numbers"
        )
        yield fault("task", detail=detail, rule="task-fits-target")
    elif target.distinct == 1:
        detail = (
            f"expected different values; {quoted(target.name)} has one and the same in all rows"
        )
        yield fault("target", detail=detail, rule="constant-target")
    elif max(abs(target.minimum or 0), abs(target.maximum or 0)) > LARGEST:
        detail = f"expected numbers up to {LARGEST:.3g}, whose squares float32 holds; scale it down"
        yield fault("target", detail=detail, rule="number-range")
