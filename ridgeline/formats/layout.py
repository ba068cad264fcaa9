"""How the arrays of a file fit together: as columns of the same rows, or as the parts of a split.

The parts of a split are recognized by their names: x_train, y_train, x_test, y_test.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ridgeline.formats.arrays import ArrayHeader
from ridgeline.formats.errors import FileRule, UnusableDataset, fault, shown, unusable
from ridgeline.formats.limits import InspectionLimits
from ridgeline.spec.dataset.contents import OwnSplit, Part
from ridgeline.spec.faults import Fault

EXPECTED_NAMES = "x_train, y_train, x_test, y_test, and x_val, y_val if there are validation rows"
_WORDS: dict[str, Part] = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
_USUAL: dict[Part, str] = {"train": "train", "validation": "val", "test": "test"}
_WORD = f"(?P<word>{'|'.join(_WORDS)})"
_NAMES = (re.compile(f"(?P<stem>.+)_{_WORD}"), re.compile(f"{_WORD}_(?P<stem>.+)"))
"""As in Keras's files (`x_train`), and as in `train_images`."""
Headers = Mapping[str, ArrayHeader]


class SplitPlace(NamedTuple):
    """Which part of which array an array of a divided file holds."""

    stem: str
    part: Part


class Layout(NamedTuple):
    """How the arrays of a file fit together."""

    rows: int
    """Of all parts."""
    split: OwnSplit | None
    """None if every array has all rows of the data set."""
    places: Mapping[str, SplitPlace]
    """Each array's place by its name; empty without a split."""


def layout_of(headers: Headers, limits: InspectionLimits) -> Layout:
    """The layout, from names and headers. Raises UnusableDataset if arrays do not fit together."""
    for name, header in headers.items():
        _check_shape(name, header)
    places = places_of(headers)
    if places:
        split = OwnSplit(
            train=_rows_of("train", headers, places),
            validation=_rows_of("validation", headers, places),
            test=_rows_of("test", headers, places),
        )
        rows = split.train + split.validation + split.test
    else:
        split, rows = None, _common_rows(headers)
    if rows > limits.rows:
        raise unusable(
            FileRule.TOO_MANY_ROWS,
            f"the arrays have {rows:,} rows, expected at most {limits.rows:,}: upload a sample of"
            " them",
            "arrays",
        )
    return Layout(rows, split, places)


def _check_shape(name: str, header: ArrayHeader) -> None:
    if not header.shape:
        raise unusable(
            FileRule.SHAPE,
            f"array {shown(name)} is a single number, expected one entry per row: leave it out",
            "arrays",
            name,
        )
    if 0 in header.shape:
        raise unusable(
            FileRule.NO_ROWS,
            f"array {shown(name)} has the shape {'×'.join(map(str, header.shape))}, so it is"
            " empty; expected at least one row with one number",
            "arrays",
            name,
        )


def _rows_of(part: Part, headers: Headers, places: Mapping[str, SplitPlace]) -> int:
    """The number of rows in a part; 0 without arrays for it."""
    held = {name: header for name, header in headers.items() if places[name].part == part}
    return _common_rows(held, part) if held else 0


def _common_rows(headers: Headers, part: Part | None = None) -> int:
    rows = {header.shape[0] for header in headers.values()}
    if len(rows) > 1:
        raise UnusableDataset([_differs(name, headers[name], part) for name in headers])
    return rows.pop()


def _differs(name: str, header: ArrayHeader, part: Part | None) -> Fault:
    received = f"array {shown(name)} has {header.shape[0]:,} rows but others"
    if part is None:
        detail = (
            f"{received} have another number; all arrays need the same number of rows: leave out"
            f" arrays that hold other things, and name the parts of a split {EXPECTED_NAMES}"
        )
    else:
        detail = (
            f"{received} of the {part} part have another number; all arrays of a part need the same"
            " number of rows: leave out arrays that hold other things"
        )
    return fault(FileRule.ROWS_DIFFER, detail, "arrays", name)


def places_of(headers: Headers) -> dict[str, SplitPlace]:
    """Every array's place; empty unless some name has training rows and another part.

    Raises UnusableDataset if an array belongs to no part, or the parts of a name are incomplete or
    differ in shape or type.
    """
    places = {name: place for name in headers if (place := _place(name)) is not None}
    held = {place: name for name, place in places.items()}
    if not any(place.part != "train" and SplitPlace(place.stem, "train") in held for place in held):
        return {}
    _reject(_strangers(name for name in headers if name not in places))
    _reject(_doubled(places, held))
    _reject(_lacking(held))
    _reject(_unlike(headers, places, held))
    return places


def _place(name: str) -> SplitPlace | None:
    match = next(filter(None, (pattern.fullmatch(name) for pattern in _NAMES)), None)
    return None if match is None else SplitPlace(match["stem"], _WORDS[match["word"]])


def _reject(faults: Iterable[Fault]) -> None:
    listed = list(faults)
    if listed:
        raise UnusableDataset(listed)


def _strangers(names: Iterable[str]) -> Iterator[Fault]:
    for name in names:
        detail = (
            f"array {shown(name)} belongs to no part but others do; expected {EXPECTED_NAMES}:"
            " leave it out, or rename it accordingly"
        )
        yield fault(FileRule.SPLIT_NAMES, detail, "arrays", name)


def _doubled(places: Mapping[str, SplitPlace], held: Mapping[SplitPlace, str]) -> Iterator[Fault]:
    for name, place in places.items():
        if held[place] != name:
            detail = (
                f"arrays {shown(name)} and {shown(held[place])} are both the {place.part} rows of"
                f" {shown(place.stem)}, expected one: leave the other out"
            )
            yield fault(FileRule.SPLIT_NAMES, detail, "arrays", name)


def _lacking(held: Mapping[SplitPlace, str]) -> Iterator[Fault]:
    """Parts that only some arrays have, and missing features or targets."""
    stems = list(dict.fromkeys(place.stem for place in held))
    parts = dict.fromkeys(place.part for place in held)
    for stem in stems:
        for part in parts:
            if SplitPlace(stem, part) not in held:
                yield _lacks(f"{stem}_{_USUAL[part]}", f"the {part} rows of {shown(stem)}")
    if len(stems) == 1:
        stem = "x" if stems[0] == "y" else "y"
        yield _lacks(f"{stem}_train", f"anything but {shown(stems[0])}")


def _lacks(name: str, what: str) -> Fault:
    detail = (
        f"the file holds a split without {what}; expected an array {shown(name)} as well, as in"
        " np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)"
    )
    return fault(FileRule.SPLIT_ARRAYS, detail, "arrays", name)


def _unlike(
    headers: Headers, places: Mapping[str, SplitPlace], held: Mapping[SplitPlace, str]
) -> Iterator[Fault]:
    for name, (stem, _) in places.items():
        other = held[SplitPlace(stem, "train")]
        mine, theirs = headers[name], headers[other]
        if mine.shape[1:] != theirs.shape[1:]:
            detail = (
                f"a row of array {shown(name)} has the shape {mine.shape[1:]}, one of"
                f" {shown(other)} {theirs.shape[1:]}; expected the same in every part: reshape them"
            )
            yield fault(FileRule.SPLIT_SHAPES, detail, "arrays", name)
        elif mine.dtype != theirs.dtype:
            detail = (
                f"array {shown(name)} holds {mine.dtype.name}, {shown(other)} {theirs.dtype.name};"
                f" expected the same in every part: save it with .astype({theirs.dtype.name!r})"
            )
            yield fault(FileRule.SPLIT_TYPES, detail, "arrays", name)
