"""Stored arrays and images: their target, their features, and how they become numbers."""

from collections.abc import Iterator, Mapping
from typing import Final

from ridgeline.planning.dataset.outcome import (
    EXACT,
    LARGEST,
    KnownTask,
    Reading,
    Target,
    class_faults,
    fault,
    listed,
    misplaced,
    quoted,
    reject,
    target_faults,
    task_of,
)
from ridgeline.planning.graph import MAX_AXES
from ridgeline.spec.dataset.contents import ArrayMember, ColumnType, ImageFolder, Part
from ridgeline.spec.dataset.shape import DatasetShape
from ridgeline.spec.dataset.stored import DatasetSnapshot, ImageSize, UploadOptions, UploadScaling
from ridgeline.spec.faults import Fault

Members = Mapping[str, ArrayMember]
Parts = Mapping[Part, ArrayMember]
"""The arrays of one name by the part of the split; an array that is not split is `train`."""
FEATURES, TARGET = "x", "y"
"""The default names of the arrays."""
BYTE_LEVELS = 256
_KINDS = ("bool", "int", "uint", "float")
GRAY: Final = 1
COLOR: Final = 3
MAX_SIDE = 4096


def read_arrays(options: UploadOptions, stored: DatasetSnapshot) -> Reading:
    """Spell out target and features of arrays. Raises SpecError if they do not fit the file."""
    parts = arrays_by_name(stored)
    members = {name: as_one(name, arrays) for name, arrays in parts.items()}
    target_name = options.target or TARGET
    names = options.features or _features(target_name, members)
    meaningless = {"encodings": bool(options.encodings), "image": options.image is not None}
    reject(
        _name_faults(options, target_name, names, members, stored),
        misplaced(meaningless, "arrays"),
    )
    features, target = members[names[0]], _target(members[target_name])
    task = task_of(options, target)
    reject(
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


def arrays_by_name(stored: DatasetSnapshot) -> Mapping[str, Parts]:
    """Every array under its name in a spec, in the file's order."""
    by_name: dict[str, dict[Part, ArrayMember]] = {}
    for member in stored.arrays or ():
        by_name.setdefault(member.stem or member.name, {})[member.part or "train"] = member
    return by_name


def as_one(name: str, parts: Parts) -> ArrayMember:
    """The training rows' array, with the range of all parts."""
    low = [member.minimum for member in parts.values() if member.minimum is not None]
    high = [member.maximum for member in parts.values() if member.maximum is not None]
    update = {"name": name, "minimum": min(low, default=None), "maximum": max(high, default=None)}
    return parts["train"].model_copy(update=update)


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
    arrays = f"the data set has {listed(list(members))}"
    unknown = f"expected the name of an array; {arrays}"
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
            detail = f"expected an array other than the target; {quoted(name)} is the target"
            yield fault(*at, detail=detail, rule="target-is-feature")
    if len(features) != 1:
        detail = f"expected exactly one array, whose rows are the features; {arrays}"
        yield fault("features", detail=detail, rule="one-array")


def part_name_fault(name: str, stored: DatasetSnapshot, *at: str | int) -> Fault | None:
    """A fault if `name` is the array of one part, such as `y_train`: a spec names all as `y`."""
    member = next((array for array in stored.arrays or () if array.name == name), None)
    if member is None or member.stem is None:
        return None
    detail = f"expected {quoted(member.stem)}, which means {quoted(name)} and its other parts"
    return fault(*at, detail=detail, rule="unknown-array")


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
            f"expected one value per row; {quoted(member.name)} has shape {member.shape}. If it"
            " holds one-hot classes, store each row's class number instead"
        )
        yield fault("target", detail=detail, rule="target-shape")
    if not member.dtype.startswith(_KINDS):
        detail = f"expected an array of numbers; {quoted(member.name)} has type {member.dtype}"
        yield fault("target", detail=detail, rule="array-of-numbers")


def _feature_faults(member: ArrayMember) -> Iterator[Fault]:
    name = quoted(member.name)
    if not member.dtype.startswith(_KINDS):
        detail = f"expected an array of numbers; {name} has type {member.dtype}"
        yield fault("features", detail=detail, rule="array-of-numbers")
    if 0 in member.shape or len(member.shape) > MAX_AXES + 1:
        detail = (
            f"expected rows with at most {MAX_AXES} axes, none of them empty; {name} has shape"
            f" {member.shape}"
        )
        yield fault("features", detail=detail, rule="array-shape")
    if max(abs(member.minimum or 0), abs(member.maximum or 0)) > LARGEST:
        detail = (
            f"expected numbers up to {LARGEST:.3g}, whose squares fit into float32; scale {name}"
            " down"
        )
        yield fault("features", detail=detail, rule="number-range")


def _scaling_faults(requested: UploadScaling, member: ArrayMember) -> Iterator[Fault]:
    if requested == "unit" and member.dtype != "uint8":
        detail = (
            'expected "standard", "minmax" or "none": "unit", x/255, is for bytes (uint8), but'
            f" {quoted(member.name)} has type {member.dtype}"
        )
        yield fault("scaling", detail=detail, rule="scaling-fits-data")


def unknown_class_faults(parts: Parts, task: KnownTask) -> Iterator[Fault]:
    """Faults for classes of held-out rows that no training row has."""
    train = parts["train"]
    if task != "classification" or train.values is None:
        return
    known = {count.value for count in train.values}
    for part, member in parts.items():
        unknown = [count.value for count in member.values or () if count.value not in known]
        if unknown or member.values is None:
            classes = listed(unknown) or "more different values than are listed"
            detail = (
                f"expected only classes that the training rows have; {quoted(member.name)} has"
                f" {classes}, {quoted(train.name)} does not: add such rows to the training part,"
                f' remove them from the {part} part, or set task to "regression" if the values are'
                " quantities"
            )
            yield fault("target", detail=detail, rule="unknown-classes")


def _scaling(requested: UploadScaling, member: ArrayMember) -> UploadScaling:
    if requested != "auto":
        return requested
    if member.dtype == "bool":
        return "none"
    pixels = member.dtype == "uint8" and len(member.shape) > 2  # noqa: PLR2004 - rows, two axes
    return "unit" if pixels else "standard"


def _without_values(parts: Parts) -> Iterator[ArrayMember]:
    for member in parts.values():
        yield member.model_copy(update={"values": None})


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
        return BYTE_LEVELS
    low, high = member.minimum, member.maximum
    if _type(member) is not ColumnType.INTEGER or low is None or high is None:
        return None
    return int(high) + 1 if low >= 0 and high < EXACT else None


def read_images(options: UploadOptions, stored: DatasetSnapshot) -> Reading:
    """Spell out the size of images. Raises SpecError if it is not given and they differ in it."""
    folder = stored.images
    if folder is None:
        raise ValueError("expected `images` in the snapshot, received null")
    requested = options.image or ImageSize()
    reject(
        _option_faults(options),
        _size_faults(requested, folder),
        class_faults([count.value for count in folder.classes], "id"),
    )
    height, width = requested.height or folder.height[0], requested.width or folder.width[0]
    channels = requested.channels or (GRAY if folder.channels == (GRAY,) else COLOR)
    scaling = "unit" if options.scaling == "auto" else options.scaling
    spelled_out = {
        "task": "classification",
        "image": ImageSize(height=height, width=width, channels=channels),
        "scaling": scaling,
    }
    shape = DatasetShape(
        rows=stored.rows,
        features=(height, width, channels),
        classes=len(folder.classes),
        bytes_per_number=1,
        tokens=BYTE_LEVELS if scaling == "none" else None,
    )
    return Reading(spelled_out, shape)


def _option_faults(options: UploadOptions) -> Iterator[Fault]:
    meaningless = {
        "target": options.target is not None,
        "features": options.features is not None,
        "encodings": bool(options.encodings),
    }
    yield from misplaced(meaningless, "images, whose classes are their folders")
    if options.task == "regression":
        detail = 'expected "classification", since the folders of images are classes'
        yield fault("task", detail=detail, rule="task-fits-target")
    if options.scaling == "minmax":
        detail = 'expected "unit", "standard" or "none" for images, received "minmax"'
        yield fault("scaling", detail=detail, rule="scaling-fits-data")


def _size_faults(requested: ImageSize, folder: ImageFolder) -> Iterator[Fault]:
    sides = {"height": (requested.height, folder.height), "width": (requested.width, folder.width)}
    for name, (side, (least, most)) in sides.items():
        if side is None and (least != most or most > MAX_SIDE):
            detail = (
                f"expected the {name} to resize all images to, at most {MAX_SIDE} pixels; theirs"
                f" are {least} to {most}"
            )
            yield fault("image", name, detail=detail, rule="image-size")
