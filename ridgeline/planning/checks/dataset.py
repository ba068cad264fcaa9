"""Whether the data set fits its split: rows, own parts, classes."""

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
    "loss-fits-output": '; or set /dataset/task to "regression" if the target is a quantity',
    "loss-fits-target": '; or set /dataset/task to "classification" if its values are classes',
}
_LEAST = 2
"""Rows that a class needs to be split."""


def check_own_rows(dataset: Dataset, split: Split) -> None:
    """Raise SpecError if more rows are requested than exist, or parts that the data set has."""
    faults: list[Fault] = []
    if dataset.source == "keras":
        faults += _limit_faults(dataset)
        if split.test > 0:
            faults.append(_own("test", dataset.name, "; for fewer rows set dataset.test_rows"))
    if isinstance(dataset, UploadDataset):
        faults += _own_part_faults(dataset, split)
    if faults:
        raise SpecError(faults)


def _limit_faults(dataset: KerasDataset) -> Iterator[Fault]:
    for limit, rows in (("rows", dataset.whole.rows), ("test_rows", dataset.whole.test_rows)):
        requested = getattr(dataset, limit) or 0
        if requested > rows:
            detail = (
                f"expected at most {rows}, the number of rows of {dataset.name}; received"
                f" {requested}"
            )
            yield Fault(pointer=pointer("dataset", limit), detail=detail, rule="dataset-rows")


def _own_part_faults(dataset: UploadDataset, split: Split) -> Iterator[Fault]:
    shape = dataset_shape(dataset)
    # The default fraction was not requested by the user.
    if shape.validation_rows and "validation" in split.model_fields_set and split.validation > 0:
        yield _own("validation", "the file")
    if shape.test_rows and split.test > 0:
        yield _own("test", "the file")


def _own(part: Literal["validation", "test"], owner: str, more: str = "") -> Fault:
    detail = f"expected 0, since {owner} has its own {part} rows; leave split.{part} out{more}"
    return Fault(pointer=pointer("split", part), detail=detail, rule=f"own-{part}-rows")


def own_rows_spelled_out(spec: JobSpec) -> JobSpec:
    """The spec with split.validation 0 if the data set has its own validation rows."""
    if not dataset_shape(spec.dataset).validation_rows:
        return spec
    return spec.model_copy(update={"split": spec.split.model_copy(update={"validation": 0.0})})


def check_classes(dataset: Dataset, split: Split) -> None:
    """Raise SpecError if a stratified class has too few rows to be in several parts."""
    if not (split.stratify and (split.validation or split.test)):
        return
    rare = [count for count in class_counts(dataset) if count.rows < _LEAST]
    if not rare:
        return
    detail = (
        f"expected at least {_LEAST} rows of every class; {len(rare)} class(es) have one, such as"
        f" {rare[0].value[:40]!r}. Set stratify to false, or add rows of these classes"
    )
    at = pointer("split", "stratify")
    raise SpecError([Fault(pointer=at, detail=detail, rule="stratify-classes")])


def class_counts(dataset: Dataset) -> tuple[ValueCount, ...]:
    """The classes of a spelled-out stored data set with their numbers of rows; empty if none.

    Rows that the file itself holds out are not counted.
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
    return next(column.values or () for column in stored.columns or () if column.name == target)


def with_hint(error: SpecError, dataset: Dataset, loss: Loss) -> SpecError:
    """An error about a loss that does not fit the target, with a hint to set the task."""
    if not (isinstance(dataset, UploadDataset) and dataset.task == "auto"):
        return error
    return SpecError([_hinted(fault, loss) for fault in error.faults])


def _hinted(fault: Fault, loss: Loss) -> Fault:
    if fault.rule not in _HINTS or (fault.rule == "loss-fits-output" and loss.reads != "any"):
        return fault
    return fault.model_copy(update={"detail": fault.detail + _HINTS[fault.rule]})
