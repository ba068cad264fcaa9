"""How a file's arrays belong together: as columns of the same rows, or as the parts of a split."""

from collections.abc import Mapping
from typing import NamedTuple

from ridgeline.formats.arrays import ArrayHeader
from ridgeline.formats.errors import Rule, UnusableDataset, fault, shown, unusable
from ridgeline.formats.limits import InspectionLimits
from ridgeline.formats.splits import EXPECTED_NAMES, Headers, Place, places_of
from ridgeline.spec.dataset.contents import OwnSplit, Part
from ridgeline.spec.faults import Fault


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
