"""Whether the data set fits its split: rows, own parts, classes."""

from collections.abc import Iterator, Sequence
from typing import Literal

from ridgeline.planning.dataset import dataset_shape
from ridgeline.planning.dataset.arrays import arrays_by_name
from ridgeline.planning.dataset.outcome import quoted
from ridgeline.planning.stratification import divided_rows, missing_class, sufficient_split
from ridgeline.spec.dataset import (
    BuiltinDataset,
    Dataset,
    DatasetShape,
    KerasDataset,
    Split,
    UploadDataset,
)
from ridgeline.spec.dataset.contents import ValueCount
from ridgeline.spec.dataset.provided import BUILTIN_CLASSES
from ridgeline.spec.dataset.stored import DatasetSnapshot
from ridgeline.spec.faults import Fault, SpecError, pointer
from ridgeline.spec.job_spec import JobSpec
from ridgeline.spec.training import Loss

_HINTS = {
    "loss-fits-output": '; or set /dataset/task to "regression" if the target is a quantity',
    "loss-fits-target": '; or set /dataset/task to "classification" if its values are classes',
}
_STRATIFY = "stratify-classes"
_SHARES = ("validation", "test")
_PARTS = {"train": "training", "validation": "validation", "test": "test"}


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


def check_classes(dataset: Dataset, split: Split, seed: int) -> None:
    """Raise SpecError if a stratified split would leave a class without a row in a part.

    Counts classes as far as they are known; the worker checks again with the rows themselves.
    """
    counts = class_counts(dataset) if split.stratify else ()
    if counts:
        fault = stratification_fault(counts, split, dataset_shape(dataset), seed)
        if fault is not None:
            raise SpecError([fault])


def stratification_fault(
    counts: Sequence[ValueCount], split: Split, data: DatasetShape, seed: int
) -> Fault | None:
    """Which class lacks rows in which part of a stratified split, and the share that would do."""
    rows = [count.rows for count in counts]
    missing = missing_class(rows, divided_rows(split, data), seed)
    if missing is None:
        return None
    name, size = quoted(counts[missing.place].value), rows[missing.place]
    enough = sufficient_split(rows, split, data, missing, seed)
    if enough is None:
        rare = sum(count <= size for count in rows)
        detail = (
            f"expected rows of every class for every part of a stratified split; {rare} class(es)"
            f" have too few, such as {name} with {size}. Set stratify to false, or add rows of"
            " these classes"
        )
        return Fault(pointer=pointer("split", "stratify"), detail=detail, rule=_STRATIFY)
    changed = {
        part: share for part in _SHARES if (share := getattr(enough, part)) != getattr(split, part)
    }
    shares = " and ".join(f"split.{part} to {share:g}" for part, share in changed.items())
    detail = (
        f"expected a row of every class in every part of a stratified split; of the {size} row(s)"
        f" of class {name} the {_PARTS[missing.part]} rows get none. Set {shares}, or stratify"
        " to false"
    )
    at = pointer("split", *changed) if len(changed) == 1 else pointer("split")
    return Fault(pointer=at, detail=detail, rule=_STRATIFY)


def class_counts(dataset: Dataset) -> tuple[ValueCount, ...]:
    """The classes of a spelled-out data set with their numbers of rows; empty if not known.

    Rows that the data set itself holds out are not counted.
    """
    if isinstance(dataset, BuiltinDataset):
        return tuple(
            ValueCount(value=str(number), rows=rows)
            for number, rows in enumerate(BUILTIN_CLASSES.get(dataset.name, ()))
        )
    if isinstance(dataset, UploadDataset) and dataset.task == "classification" and dataset.stored:
        return _stored_counts(dataset.stored, str(dataset.target))
    return ()


def _stored_counts(stored: DatasetSnapshot, target: str) -> tuple[ValueCount, ...]:
    if stored.images is not None:
        return stored.images.classes
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
