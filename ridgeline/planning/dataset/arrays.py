"""Arrays: which is the target, and which one holds the features.

Arrays by the names that a spec says: one array each, or the parts of a divided file as one.
"""

from collections.abc import Iterator, Mapping

from ridgeline.planning.dataset.outcome import (
    LARGEST,
    Reading,
    fault,
    listed,
    misplaced,
    quoted,
    refuse,
)
from ridgeline.planning.dataset.target import KnownTask, Target, target_faults, task_of
from ridgeline.spec.dataset.contents import ArrayMember, ColumnType, Part
from ridgeline.spec.dataset.shape import DatasetShape
from ridgeline.spec.dataset.stored import DatasetSnapshot, UploadOptions, UploadScaling
from ridgeline.spec.faults import Fault

Members = Mapping[str, ArrayMember]


FEATURES, TARGET = "x", "y"
"""The names that are taken where the spec says none."""


MAX_AXES = 8
"""Of a row, as in the graph."""


LEVELS = 256
"""Of a byte."""


_EXACT = 2**24
"""Float32 holds every whole number up to it."""


_KINDS = ("bool", "int", "uint", "float")


Parts = Mapping[Part, ArrayMember]
"""The arrays of one name by what they hold; one that is not divided is all `train`."""


def read_arrays(options: UploadOptions, stored: DatasetSnapshot) -> Reading:
    """Spell out target and features; raises SpecError where they do not fit."""
    parts = arrays_by_name(stored)
    members = {name: as_one(name, each) for name, each in parts.items()}
    target_name = options.target or TARGET
    names = options.features or _features(target_name, members)
    said = {"encodings": bool(options.encodings), "image": options.image is not None}
    refuse(
        _name_faults(options, target_name, names, members, stored),
        misplaced(said, "arrays"),
    )
    features, target = members[names[0]], _target(members[target_name])
    task = task_of(options, target)
    refuse(
        _target_shape_faults(members[target_name]),
        _feature_faults(features),
        _scaling_faults(options.scaling, features),
        target_faults(target, task),
        unknown_class_faults(parts[target_name], task),
    )
    scaling = _scaling(options.scaling, features)
    kept = (*_without_values(parts[names[0]]), *parts[target_name].values())
    classes = len(target.values or ()) if task == "classification" else None
    spelled_out = {
        "target": target_name,
        "task": task,
        "features": tuple(names),
        "scaling": scaling,
        "stored": stored.model_copy(update={"arrays": kept}),
    }
    return Reading(spelled_out, _shape(stored, features, scaling, classes))


def _without_values(parts: Parts) -> Iterator[ArrayMember]:
    for member in parts.values():
        yield member.model_copy(update={"values": None})


def _features(target: str, members: Members) -> tuple[str, ...]:
    others = tuple(name for name in members if name != target)
    return (FEATURES,) if FEATURES in others else others[:2]


def _name_faults(
    options: UploadOptions,
    target: str,
    features: tuple[str, ...],
    members: Members,
    stored: DatasetSnapshot,
) -> Iterator[Fault]:
    there = f"the data set holds {listed(list(members))}"
    unknown = f"expected the name of an array; {there}"
    if target not in members:
        yield part_name_fault(target, stored, "target") or fault(
            "target", detail=unknown, rule="unknown-array"
        )
    for index, name in enumerate(features):
        at = ("features", index) if options.features else ("features",)
        if name not in members:
            yield part_name_fault(name, stored, *at) or fault(
                *at, detail=unknown, rule="unknown-array"
            )
        elif name == target:
            detail = f"expected another array than the target; {quoted(name)} is what is predicted"
            yield fault(*at, detail=detail, rule="target-is-feature")
    if len(features) != 1:
        detail = f"expected the one array whose rows are the features; {there}"
        yield fault("features", detail=detail, rule="one-array")


def _target(member: ArrayMember) -> Target:
    values = member.values
    return Target(
        name=member.name,
        type=_type(member),
        missing=0,
        distinct=None if values is None else len(values),
        values=values,
        minimum=member.minimum,
        maximum=member.maximum,
    )


def _type(member: ArrayMember) -> ColumnType:
    whole = member.dtype.startswith(("bool", "int", "uint"))
    return ColumnType.INTEGER if whole else ColumnType.NUMBER


def _target_shape_faults(member: ArrayMember) -> Iterator[Fault]:
    if member.shape[1:] not in ((), (1,)):
        detail = (
            f"expected one value a row; {quoted(member.name)} has the shape {member.shape}. Of"
            " one-hot classes, upload the number of each row's class"
        )
        yield fault("target", detail=detail, rule="target-shape")
    if not member.dtype.startswith(_KINDS):
        detail = f"expected an array of numbers; {quoted(member.name)} holds {member.dtype}"
        yield fault("target", detail=detail, rule="array-of-numbers")


def _feature_faults(member: ArrayMember) -> Iterator[Fault]:
    name = quoted(member.name)
    if not member.dtype.startswith(_KINDS):
        detail = f"expected an array of numbers; {name} holds {member.dtype}"
        yield fault("features", detail=detail, rule="array-of-numbers")
    if 0 in member.shape or len(member.shape) > MAX_AXES + 1:
        detail = (
            f"expected rows of 1 to {MAX_AXES} axes, none of them empty; {name} has the shape"
            f" {member.shape}"
        )
        yield fault("features", detail=detail, rule="array-shape")
    if max(abs(member.minimum or 0), abs(member.maximum or 0)) > LARGEST:
        detail = (
            f"expected numbers up to {LARGEST:.3g}, whose squares float32 holds; scale {name} down"
        )
        yield fault("features", detail=detail, rule="number-range")


def _scaling_faults(asked: UploadScaling, member: ArrayMember) -> Iterator[Fault]:
    if asked == "unit" and member.dtype != "uint8":
        detail = (
            'expected "standard", "minmax" or "none": x/255 is for bytes (uint8),'
            f" {quoted(member.name)} holds {member.dtype}"
        )
        yield fault("scaling", detail=detail, rule="scaling-fits-data")


def _scaling(asked: UploadScaling, member: ArrayMember) -> UploadScaling:
    if asked != "auto":
        return asked
    if member.dtype == "bool":
        return "none"
    pixels = member.dtype == "uint8" and len(member.shape) > 2  # noqa: PLR2004 - rows, two axes
    return "unit" if pixels else "standard"


def _shape(
    stored: DatasetSnapshot, member: ArrayMember, scaling: UploadScaling, classes: int | None
) -> DatasetShape:
    split = stored.split
    return DatasetShape(
        rows=stored.rows if split is None else split.train,
        features=member.shape[1:] or (1,),
        classes=classes,
        bytes_per_number=1 if member.dtype in ("bool", "uint8") else 4,
        tokens=_tokens(member) if scaling == "none" else None,
        validation_rows=0 if split is None else split.validation,
        test_rows=0 if split is None else split.test,
    )


def _tokens(member: ArrayMember) -> int | None:
    if member.dtype == "bool":
        return 2
    if member.dtype == "uint8":
        return LEVELS
    low, high = member.minimum, member.maximum
    if _type(member) is not ColumnType.INTEGER or low is None or high is None:
        return None
    return int(high) + 1 if low >= 0 and high < _EXACT else None


def arrays_by_name(stored: DatasetSnapshot) -> Mapping[str, Parts]:
    """Every array under the name that a spec says, in the file's order."""
    found: dict[str, dict[Part, ArrayMember]] = {}
    for member in stored.arrays or ():
        found.setdefault(member.stem or member.name, {})[member.part or "train"] = member
    return found


def as_one(name: str, parts: Parts) -> ArrayMember:
    """The training rows' array, its range that of all parts: what is read must hold for all."""
    low = [each.minimum for each in parts.values() if each.minimum is not None]
    high = [each.maximum for each in parts.values() if each.maximum is not None]
    update = {"name": name, "minimum": min(low, default=None), "maximum": max(high, default=None)}
    return parts["train"].model_copy(update=update)


def part_name_fault(name: str, stored: DatasetSnapshot, *at: str | int) -> Fault | None:
    """A fault where `name` is that of one part: what is predicted, and from what, is of all."""
    member = next((each for each in stored.arrays or () if each.name == name), None)
    if member is None or member.stem is None:
        return None
    detail = f"expected {quoted(member.stem)}: it stands for {quoted(name)} and its other parts"
    return fault(*at, detail=detail, rule="unknown-array")


def unknown_class_faults(parts: Parts, task: KnownTask) -> Iterator[Fault]:
    """Why the classes of the rows that are held out cannot be told apart after training."""
    train = parts["train"]
    if task != "classification" or train.values is None:
        return
    known = {each.value for each in train.values}
    for part, member in parts.items():
        unknown = [each.value for each in member.values or () if each.value not in known]
        if unknown or member.values is None:
            what = listed(unknown) or "more different values than are listed"
            detail = (
                f"expected classes that the training rows have too; {quoted(member.name)} holds"
                f" {what}, {quoted(train.name)} does not: upload rows of them in the training part,"
                f' leave them out of the {part} part, or set task to "regression" if these are'
                " quantities"
            )
            yield fault("target", detail=detail, rule="unknown-classes")
