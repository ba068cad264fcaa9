"""A stored table: its target, its features, and how they become numbers."""

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
    KnownTask,
    Reading,
    Target,
    fault,
    guess,
    listed,
    misplaced,
    quoted,
    reject,
    target_faults,
    task_of,
)
from ridgeline.spec.dataset.contents import Column
from ridgeline.spec.dataset.encodings import CategoryEncoding, Encoding, SequenceEncoding
from ridgeline.spec.dataset.shape import DatasetShape
from ridgeline.spec.dataset.stored import DatasetSnapshot, UploadOptions, UploadScaling
from ridgeline.spec.faults import Fault

Columns = Mapping[str, Column]
Encodings = Mapping[str, Encoding]
MAX_CATEGORY_TEXT = 2**18
"""Most characters of all categories together, since the resolved spec lists them."""


def read_table(options: UploadOptions, stored: DatasetSnapshot) -> Reading:
    """Spell out target, features and encodings. Raises SpecError if they do not fit the table."""
    columns = {column.name: column for column in stored.columns or ()}
    meaningless = {"image": options.image is not None}
    reject(_name_faults(options, columns, stored.rows), misplaced(meaningless, "a table"))
    target = _target(columns[str(options.target)])
    task = task_of(options, target)
    encodings = _encodings(options, columns, stored.rows)
    reject(
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
    """Names that are missing, unknown, or not allowed where they are."""
    yield from _target_faults(options, columns, rows)
    for index, name in enumerate(options.features or ()):
        if name not in columns:
            yield _unknown(("features", index), name, columns)
        elif name == options.target:
            detail = f"expected columns other than the target; {quoted(name)} is the target"
            yield fault("features", index, detail=detail, rule="target-is-feature")
    features = set(options.features or columns)
    for name in options.encodings:
        if name not in columns:
            yield _unknown(("encodings", name), name, columns)
        elif name == options.target or name not in features:
            detail = (
                f"expected the name of a feature; {quoted(name)} is not among the features: add it"
                " there, or leave its encoding out"
            )
            yield fault("encodings", name, detail=detail, rule="encodes-feature")


def _target_faults(options: UploadOptions, columns: Columns, rows: int) -> Iterator[Fault]:
    if options.target is None:
        detail = f"expected the column to predict: one of {listed(list(columns))}"
        yield fault("target", detail=detail, rule="target-named")
    elif options.target not in columns:
        yield _unknown(("target",), options.target, columns)
    elif options.features is None and not _all_but(options.target, columns, rows):
        detail = (
            f"expected another column with values to predict {quoted(options.target)} from; the"
            " data set has none"
        )
        yield fault("target", detail=detail, rule="no-features")


def _unknown(at: tuple[str | int, ...], name: str, columns: Columns) -> Fault:
    known = list(columns)
    detail = (
        f"expected a column of the data set, received {quoted(name)}; {guess(name, known)}its"
        f" columns are {listed(known)}"
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
    """All columns except the target and empty ones."""
    return [name for name, column in columns.items() if name != target and column.missing < rows]


def _encodings(options: UploadOptions, columns: Columns, rows: int) -> dict[str, Encoding]:
    """The encoding of each feature, in the order of the features."""
    names = options.features or _all_but(str(options.target), columns, rows)
    chosen = {
        name: options.encodings.get(name) or default_encoding(columns[name]) for name in names
    }
    return {name: spelled_out(encoding, columns[name]) for name, encoding in chosen.items()}


def _row_faults(encodings: Encodings) -> Iterator[Fault]:
    """Faults of the encodings taken together."""
    for name, encoding in encodings.items():
        if isinstance(encoding, SequenceEncoding) and len(encodings) > 1:
            detail = (
                "expected no other features, since a sequence of words is a whole row; set features"
                f" to [{quoted(name)}], or use multi_hot"
            )
            yield fault("encodings", name, detail=detail, rule="sequence-alone")
    characters = sum(len(name) for encoding in encodings.values() for name in _categories(encoding))
    if characters > MAX_CATEGORY_TEXT:
        detail = (
            f"expected categories of at most {MAX_CATEGORY_TEXT} characters together, received"
            f" {characters}; leave out columns with many values, or encode texts as multi_hot"
        )
        yield fault("features", detail=detail, rule="long-categories")


def _categories(encoding: Encoding) -> tuple[str, ...]:
    return (encoding.categories or ()) if isinstance(encoding, CategoryEncoding) else ()


def _scaling_faults(requested: UploadScaling, encodings: Encodings) -> Iterator[Fault]:
    sequence = any(isinstance(encoding, SequenceEncoding) for encoding in encodings.values())
    if requested == "unit":
        detail = (
            'expected "standard", "minmax" or "none" for a table: "unit", x/255, is for images and'
            " bytes"
        )
        yield fault("scaling", detail=detail, rule="scaling-fits-data")
    elif sequence and requested not in ("auto", "none"):
        detail = (
            f'expected "none" for a sequence, since word numbers are not quantities; received'
            f' "{requested}"'
        )
        yield fault("scaling", detail=detail, rule="scaling-fits-data")


def _scaling(requested: UploadScaling, encodings: Encodings) -> UploadScaling:
    if requested != "auto":
        return requested
    return "standard" if any(map(acts_on_numbers, encodings.values())) else "none"


def _reduced(
    stored: DatasetSnapshot, columns: Columns, features: Sequence[str], target: str, task: KnownTask
) -> DatasetSnapshot:
    """The snapshot of the columns in use, without values: encodings list the categories.

    Only the target of a classification keeps its values, the classes.
    """
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
    kept = [
        numbers_kept(encoding, columns[name], scaled=scaled) for name, encoding in encodings.items()
    ]
    bounds = [numbers.below for numbers in kept]
    return DatasetShape(
        rows=rows,
        features=(sum(map(width, encodings.values())),),
        classes=classes,
        bytes_per_number=max(numbers.bytes for numbers in kept),
        tokens=None if None in bounds else max(bound for bound in bounds if bound is not None),
    )
