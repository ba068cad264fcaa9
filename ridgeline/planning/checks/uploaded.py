"""What only an uploaded data set can have wrong, beside the rest of its spec."""

from ridgeline.planning.dataset.parts import arrays_by_name
from ridgeline.spec.dataset import Dataset, Split, UploadDataset
from ridgeline.spec.dataset.contents import ValueCount
from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.training import Loss

_HINTS = {
    "loss-fits-output": '; or set /dataset/task to "regression", if the target is a quantity',
    "loss-fits-target": '; or set /dataset/task to "classification", if its values are classes',
}
_LEAST = 2
"""Rows that a class needs to be divided."""


def check_classes(dataset: Dataset, split: Split) -> None:
    """Raise SpecError where a class has too few rows to be in more than one part."""
    if not (split.stratify and (split.validation or split.test)):
        return
    rare = [each for each in class_counts(dataset) if each.rows < _LEAST]
    if not rare:
        return
    detail = (
        f"expected false: {len(rare)} class(es) have one row, such as {rare[0].value[:40]!r}, which"
        " cannot be in every part; or upload more rows of them"
    )
    at = pointer("split", "stratify")
    raise SpecError([Fault(pointer=at, detail=detail, rule="stratify-classes")])


def class_counts(dataset: Dataset) -> tuple[ValueCount, ...]:
    """The classes of an upload that is spelled out, with their rows; none where it has none.

    Rows that a file holds out itself are not counted.
    """
    if not isinstance(dataset, UploadDataset) or dataset.task != "classification":
        return ()
    stored = dataset.stored
    if stored is None:
        return ()
    if stored.images is not None:
        return stored.images.classes
    target = str(dataset.target)
    if stored.arrays is not None:
        return arrays_by_name(stored)[target]["train"].values or ()
    return next(each.values or () for each in stored.columns or () if each.name == target)


def with_hint(error: SpecError, dataset: Dataset, loss: Loss) -> SpecError:
    """The error of a loss that does not fit the target, told that it may be taken otherwise."""
    if not (isinstance(dataset, UploadDataset) and dataset.task == "auto"):
        return error
    return SpecError([_hinted(fault, loss) for fault in error.faults])


def _hinted(fault: Fault, loss: Loss) -> Fault:
    if fault.rule not in _HINTS or (fault.rule == "loss-fits-output" and loss.reads != "any"):
        return fault
    return fault.model_copy(update={"detail": fault.detail + _HINTS[fault.rule]})
