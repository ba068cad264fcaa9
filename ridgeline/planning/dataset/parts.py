"""Arrays by the names that a spec says: one array each, or the parts of a divided file as one."""

from collections.abc import Iterator, Mapping

from ridgeline.planning.dataset.outcome import fault, listed, quoted
from ridgeline.planning.dataset.target import KnownTask
from ridgeline.spec.dataset.contents import ArrayMember, Part
from ridgeline.spec.dataset.stored import DatasetSnapshot
from ridgeline.spec.faults import Fault

Parts = Mapping[Part, ArrayMember]
"""The arrays of one name by what they hold; one that is not divided is all `train`."""


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
