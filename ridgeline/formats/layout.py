"""How a file's arrays belong together: as columns of the same rows, or as the parts of a split.

Arrays that are the parts of a split, by their names: x_train, y_train, x_test, y_test.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ridgeline.formats.arrays import ArrayHeader
from ridgeline.formats.errors import Rule, UnusableDataset, fault, shown, unusable
from ridgeline.formats.limits import InspectionLimits
from ridgeline.spec.dataset.contents import OwnSplit, Part
from ridgeline.spec.faults import Fault

EXPECTED_NAMES = "x_train, y_train, x_test, y_test, and x_val, y_val where there are such rows"


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
"""As in Keras's own files, and as in `train_images`."""


Headers = Mapping[str, ArrayHeader]


class Place(NamedTuple):
    """What an array of a divided file holds."""

    stem: str
    part: Part


class Layout(NamedTuple):
    """All arrays of a file together."""

    rows: int
    """Of all parts."""
    split: OwnSplit | None
    """None where each array has a row for every row of the data set."""
    places: Mapping[str, Place]
    """Of the arrays by their names; empty where there is no split."""


def layout_of(headers: Headers, limits: InspectionLimits) -> Layout:
    """By the arrays' names and headers. Raises UnusableDataset where they do not fit together."""
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
            Rule.TOO_MANY_ROWS,
            f"the arrays have {rows:,} rows, expected at most {limits.rows:,}: upload a sample of"
            " them",
            "arrays",
        )
    return Layout(rows, split, places)


def _check_shape(name: str, header: ArrayHeader) -> None:
    if not header.shape:
        raise unusable(
            Rule.SHAPE,
            f"array {shown(name)} is a single number, expected one entry a row: leave it out",
            "arrays",
            name,
        )
    if 0 in header.shape:
        raise unusable(
            Rule.NO_ROWS,
            f"array {shown(name)} has the shape {'×'.join(map(str, header.shape))}, so it holds"
            " nothing; expected at least one row and one number in it",
            "arrays",
            name,
        )


def _rows_of(part: Part, headers: Headers, places: Mapping[str, Place]) -> int:
    """How many the arrays of a part have; 0 where there are none."""
    held = {name: header for name, header in headers.items() if places[name].part == part}
    return _common_rows(held, part) if held else 0


def _common_rows(headers: Headers, part: Part | None = None) -> int:
    rows = {header.shape[0] for header in headers.values()}
    if len(rows) > 1:
        raise UnusableDataset([_differs(name, headers[name], part) for name in headers])
    return rows.pop()


def _differs(name: str, header: ArrayHeader, part: Part | None) -> Fault:
    begins = f"array {shown(name)} has {header.shape[0]:,} rows and other"
    if part is None:
        detail = (
            f"{begins}s have not; expected as many in every array: leave out what is no row of the"
            f" data set, and name the parts of a split {EXPECTED_NAMES}"
        )
    else:
        detail = (
            f"{begins}s of the {part} part have not; expected as many in every array of a part:"
            " leave out what is no row of it"
        )
    return fault(Rule.ROWS_DIFFER, detail, "arrays", name)


def places_of(headers: Headers) -> dict[str, Place]:
    """Every array's place; empty unless some name is there with training rows and with others.

    Raises UnusableDataset where an array has no place, or a name's parts are not all there or not
    alike.
    """
    places = {name: place for name in headers if (place := _place(name)) is not None}
    held = {place: name for name, place in places.items()}
    if not any(place.part != "train" and Place(place.stem, "train") in held for place in held):
        return {}
    _refuse(_strangers(name for name in headers if name not in places))
    _refuse(_doubled(places, held))
    _refuse(_lacking(held))
    _refuse(_unlike(headers, places, held))
    return places


def _place(name: str) -> Place | None:
    match = next(filter(None, (pattern.fullmatch(name) for pattern in _NAMES)), None)
    return None if match is None else Place(match["stem"], _WORDS[match["word"]])


def _refuse(faults: Iterable[Fault]) -> None:
    found = list(faults)
    if found:
        raise UnusableDataset(found)


def _strangers(names: Iterable[str]) -> Iterator[Fault]:
    for name in names:
        detail = (
            f"array {shown(name)} belongs to no part, and others do; expected {EXPECTED_NAMES}:"
            " leave it out, or give it such a name"
        )
        yield fault(Rule.SPLIT_NAMES, detail, "arrays", name)


def _doubled(places: Mapping[str, Place], held: Mapping[Place, str]) -> Iterator[Fault]:
    for name, place in places.items():
        if held[place] != name:
            detail = (
                f"arrays {shown(name)} and {shown(held[place])} are both the {place.part} rows of"
                f" {shown(place.stem)}, expected one: leave the other out"
            )
            yield fault(Rule.SPLIT_NAMES, detail, "arrays", name)


def _lacking(held: Mapping[Place, str]) -> Iterator[Fault]:
    """A part that some have and others have not, and targets that are not there at all."""
    stems = list(dict.fromkeys(place.stem for place in held))
    parts = dict.fromkeys(place.part for place in held)
    for stem in stems:
        for part in parts:
            if Place(stem, part) not in held:
                yield _lacks(f"{stem}_{_USUAL[part]}", f"the {part} rows of {shown(stem)}")
    if len(stems) == 1:
        stem = "x" if stems[0] == "y" else "y"
        yield _lacks(f"{stem}_train", f"anything beside {shown(stems[0])}")


def _lacks(name: str, what: str) -> Fault:
    detail = (
        f"the file holds a split without {what}; expected an array {shown(name)} too, as in"
        " np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)"
    )
    return fault(Rule.SPLIT_ARRAYS, detail, "arrays", name)


def _unlike(
    headers: Headers, places: Mapping[str, Place], held: Mapping[Place, str]
) -> Iterator[Fault]:
    for name, (stem, _) in places.items():
        other = held[Place(stem, "train")]
        mine, theirs = headers[name], headers[other]
        if mine.shape[1:] != theirs.shape[1:]:
            detail = (
                f"a row of array {shown(name)} has the shape {mine.shape[1:]}, one of"
                f" {shown(other)} {theirs.shape[1:]}; expected the same in every part: reshape them"
            )
            yield fault(Rule.SPLIT_SHAPES, detail, "arrays", name)
        elif mine.dtype != theirs.dtype:
            detail = (
                f"array {shown(name)} holds {mine.dtype.name}, {shown(other)} {theirs.dtype.name};"
                f" expected the same in every part: save it with .astype({theirs.dtype.name!r})"
            )
            yield fault(Rule.SPLIT_TYPES, detail, "arrays", name)
