"""Rows that a data set holds out itself, beside a split that would hold out others.

What only an uploaded data set can have wrong, beside the rest of its spec.
"""

from collections.abc import Iterator
from typing import Literal

from ridgeline.planning.dataset import dataset_shape
from ridgeline.planning.dataset.arrays import arrays_by_name
from ridgeline.spec.dataset import Dataset, KerasDataset, Split, UploadDataset
from ridgeline.spec.dataset.contents import ValueCount
from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.training import Loss

_HINTS = {
    "loss-fits-output": '; or set /dataset/task to "regression", if the target is a quantity',
    "loss-fits-target": '; or set /dataset/task to "classification", if its values are classes',
}


_LEAST = 2
"""Rows that a class needs to be divided."""


def check_own_rows(dataset: Dataset, split: Split) -> None:
    """Raise SpecError where rows are asked for that the set has not, or not to give away."""
    faults: list[Fault] = []
    if dataset.source == "keras":
        faults += _limit_faults(dataset)
        if split.test > 0:
            faults.append(_own("test", dataset.name, ", and for fewer set dataset.test_rows"))
    if isinstance(dataset, UploadDataset):
        faults += _upload_faults(dataset, split)
    if faults:
        raise SpecError(faults)


def own_rows_spelled_out(spec: JobSpec) -> JobSpec:
    """The spec with no share of validation rows where the data set has its own."""
    if not dataset_shape(spec.dataset).validation_rows:
        return spec
    return spec.model_copy(update={"split": spec.split.model_copy(update={"validation": 0.0})})


def _limit_faults(dataset: KerasDataset) -> Iterator[Fault]:
    for limit, there in (("rows", dataset.whole.rows), ("test_rows", dataset.whole.test_rows)):
        asked = getattr(dataset, limit) or 0
        if asked > there:
            detail = f"expected at most {there}, as many as {dataset.name} has; received {asked}"
            yield Fault(pointer=pointer("dataset", limit), detail=detail, rule="dataset-rows")


def _upload_faults(dataset: UploadDataset, split: Split) -> Iterator[Fault]:
    shape = dataset_shape(dataset)
    # The share that stands there where nothing is said is no wish.
    if shape.validation_rows and "validation" in split.model_fields_set and split.validation > 0:
        yield _own("validation", "the file")
    if shape.test_rows and split.test > 0:
        yield _own("test", "the file")


def _own(part: Literal["validation", "test"], owner: str, more: str = "") -> Fault:
    detail = (
        f"expected 0: {owner} has {part} rows of its own, which are the {part} part; leave"
        f" split.{part} out{more}"
    )
    return Fault(pointer=pointer("split", part), detail=detail, rule=f"own-{part}-rows")


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
