"""A table: which column is the target, which are features, and how each becomes numbers."""

from collections.abc import Iterator, Mapping, Sequence

from ridgeline.planning.dataset.columns import (
    acts_on_numbers,
    default_encoding,
    encoding_faults,
    numbers_kept,
    spelled_out,
    width,
)
from ridgeline.planning.dataset.outcome import (
    Reading,
    fault,
    guess,
    listed,
    misplaced,
    quoted,
    refuse,
)
from ridgeline.planning.dataset.target import KnownTask, Target, target_faults, task_of
from ridgeline.spec.dataset.contents import Column
from ridgeline.spec.dataset.encodings import CategoryEncoding, Encoding, SequenceEncoding
from ridgeline.spec.dataset.shape import DatasetShape
from ridgeline.spec.dataset.stored import DatasetSnapshot, UploadOptions, UploadScaling
from ridgeline.spec.faults import Fault

Columns = Mapping[str, Column]
Encodings = Mapping[str, Encoding]
MAX_CATEGORY_TEXT = 2**18
"""Characters of all categories together: they stand in the resolved spec."""


def read_table(options: UploadOptions, stored: DatasetSnapshot) -> Reading:
    """Spell out target, features and encodings; raises SpecError where they do not fit."""
    columns = {column.name: column for column in stored.columns or ()}
    said = {"image": options.image is not None}
    refuse(_name_faults(options, columns, stored.rows), misplaced(said, "a table"))
    target = _target(columns[str(options.target)])
    task = task_of(options, target)
    encodings = _encodings(options, columns, stored.rows)
    refuse(
        target_faults(target, task),
        *(encoding_faults(encoding, columns[name]) for name, encoding in encodings.items()),
        _row_faults(encodings),
        _scaling_faults(options.scaling, encodings),
    )
    scaling = _scaling(options.scaling, encodings)
    spelled_out = {
        "target": target.name,
        "task": task,
        "features": tuple(encodings),
        "encodings": encodings,
        "scaling": scaling,
        "stored": _reduced(stored, columns, tuple(encodings), target.name, task),
    }
    classes = len(target.values or ()) if task == "classification" else None
    return Reading(spelled_out, _shape(stored.rows, columns, encodings, scaling, classes))


def _name_faults(options: UploadOptions, columns: Columns, rows: int) -> Iterator[Fault]:
    """Names that are missing, are no column's, or stand where they must not."""
    yield from _target_faults(options, columns, rows)
    for index, name in enumerate(options.features or ()):
        if name not in columns:
            yield _unknown(("features", index), name, columns)
        elif name == options.target:
            detail = f"expected columns other than the target; {quoted(name)} is what is predicted"
            yield fault("features", index, detail=detail, rule="target-is-feature")
    features = set(options.features or columns)
    for name in options.encodings:
        if name not in columns:
            yield _unknown(("encodings", name), name, columns)
        elif name == options.target or name not in features:
            detail = f"expected a feature's name; {quoted(name)} is none of the features"
            yield fault("encodings", name, detail=detail, rule="encodes-feature")


def _target_faults(options: UploadOptions, columns: Columns, rows: int) -> Iterator[Fault]:
    if options.target is None:
        detail = f"expected the column to predict: one of {listed(list(columns))}"
        yield fault("target", detail=detail, rule="target-named")
    elif options.target not in columns:
        yield _unknown(("target",), options.target, columns)
    elif options.features is None and not _all_but(options.target, columns, rows):
        detail = "expected another column with values beside the target, to predict it from"
        yield fault("target", detail=detail, rule="no-features")


def _unknown(at: tuple[str | int, ...], name: str, columns: Columns) -> Fault:
    there = list(columns)
    detail = (
        f"expected a column of the data set; {guess(name, there)}its columns are {listed(there)}"
    )
    return fault(*at, detail=detail, rule="unknown-column")


def _target(column: Column) -> Target:
    return Target(
        name=column.name,
        type=column.type,
        missing=column.missing,
        distinct=column.distinct,
        values=column.values,
        minimum=column.minimum,
        maximum=column.maximum,
    )


def _all_but(target: str, columns: Columns, rows: int) -> Sequence[str]:
    """All columns but the target that have any value."""
    return [name for name, column in columns.items() if name != target and column.missing < rows]


def _encodings(options: UploadOptions, columns: Columns, rows: int) -> dict[str, Encoding]:
    """How each feature is encoded, in the order of the features."""
    names = options.features or _all_but(str(options.target), columns, rows)
    said = {name: options.encodings.get(name) or default_encoding(columns[name]) for name in names}
    return {name: spelled_out(encoding, columns[name]) for name, encoding in said.items()}


def _scaling(asked: UploadScaling, encodings: Encodings) -> UploadScaling:
    if asked != "auto":
        return asked
    return "standard" if any(map(acts_on_numbers, encodings.values())) else "none"


def _scaling_faults(asked: UploadScaling, encodings: Encodings) -> Iterator[Fault]:
    sequence = any(isinstance(each, SequenceEncoding) for each in encodings.values())
    if asked == "unit":
        detail = 'expected "standard", "minmax" or "none": x/255 is for images and bytes'
        yield fault("scaling", detail=detail, rule="scaling-fits-data")
    elif sequence and asked not in ("auto", "none"):
        detail = 'expected "none": the numbers of words are no quantities'
        yield fault("scaling", detail=detail, rule="scaling-fits-data")


def _row_faults(encodings: Encodings) -> Iterator[Fault]:
    """What is wrong with the columns together."""
    for name, encoding in encodings.items():
        if isinstance(encoding, SequenceEncoding) and len(encodings) > 1:
            detail = (
                "expected the only feature: a sequence of words is the whole row. Set features to"
                f" [{quoted(name)}], or use multi_hot beside other columns"
            )
            yield fault("encodings", name, detail=detail, rule="sequence-alone")
    text = sum(len(value) for each in encodings.values() for value in _categories(each))
    if text > MAX_CATEGORY_TEXT:
        detail = (
            f"expected categories of {MAX_CATEGORY_TEXT} characters together at most, received"
            f" {text}; leave out some of the columns that have many values, or encode texts as"
            " multi_hot"
        )
        yield fault("features", detail=detail, rule="long-categories")


def _categories(encoding: Encoding) -> tuple[str, ...]:
    return (encoding.categories or ()) if isinstance(encoding, CategoryEncoding) else ()


def _reduced(
    stored: DatasetSnapshot, columns: Columns, features: Sequence[str], target: str, task: KnownTask
) -> DatasetSnapshot:
    """The snapshot of what is used: categories stand in the encodings, classes with the target."""
    used = [_without_values(columns[name]) for name in features]
    predicted = columns[target]
    used.append(predicted if task == "classification" else _without_values(predicted))
    return stored.model_copy(update={"columns": tuple(used)})


def _without_values(column: Column) -> Column:
    return column if column.values is None else column.model_copy(update={"values": None})


def _shape(
    rows: int,
    columns: Columns,
    encodings: Encodings,
    scaling: UploadScaling,
    classes: int | None,
) -> DatasetShape:
    scaled = scaling != "none"
    kept = [numbers_kept(each, columns[name], scaled=scaled) for name, each in encodings.items()]
    bounds = [each.below for each in kept]
    return DatasetShape(
        rows=rows,
        features=(sum(map(width, encodings.values())),),
        classes=classes,
        bytes_per_number=max(each.bytes for each in kept),
        tokens=None if None in bounds else max(bound for bound in bounds if bound is not None),
    )
