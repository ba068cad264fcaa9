"""Types of a table's columns: declared by Parquet, inferred for CSV as the narrowest that fits."""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from ridgeline.formats.cells import Census, Extent, describe, parse
from ridgeline.formats.errors import FileRule, shown, unusable
from ridgeline.spec.dataset.contents import Column, ColumnType

_LADDER = (ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.BOOLEAN, ColumnType.TEXT)
"""The types of a CSV column, narrowest first."""


@dataclass
class ColumnSurvey:
    """Collects the description of a column whose type the file declares."""

    name: str
    cell_bytes: int
    census: Census
    kind: ColumnType
    extent: Extent = field(default_factory=Extent)
    missing: int = 0

    def add(self, cells: pa.Array, first: int) -> None:
        """Add cells that start at row `first`. Raises UnusableDataset."""
        _check_lengths(cells, self.name, first, self.cell_bytes)
        self.missing += cells.null_count
        self.census.add(cells)
        self.measure(cells)

    def measure(self, values: pa.Array) -> None:
        """Include numbers in the extent. Raises UnusableDataset if one is infinite."""
        if self.kind in (ColumnType.INTEGER, ColumnType.NUMBER):
            self.extent.add(values)
            _check_finite(self.extent, self.name)

    def result(self) -> Column:
        """The description, after the last cell."""
        return describe(self.name, self.kind, self.missing, self.census.counts, self.extent)


@dataclass
class InferringSurvey(ColumnSurvey):
    """Infers the type of a column of text: the narrowest that all its cells have."""

    kind: ColumnType = ColumnType.INTEGER
    empty: int = 0
    """Cells that are missing even as text."""
    valued: bool = False
    """Whether any cell had a value of the type."""

    def add(self, cells: pa.Array, first: int) -> None:
        """Add cells that start at row `first`. Raises UnusableDataset."""
        _check_lengths(cells, self.name, first, self.cell_bytes)
        self.empty += pc.sum(pc.equal(cells, "")).as_py() or 0
        self.census.add(cells)
        values = self._narrowest(cells)
        self.missing += values.null_count
        self.valued = self.valued or values.null_count < len(values)
        if self.kind is not ColumnType.TEXT:
            self.measure(values)

    def measure(self, values: pa.Array) -> None:
        """Include numbers in the extent; result() checks that they are finite."""
        if self.kind in (ColumnType.INTEGER, ColumnType.NUMBER):
            self.extent.add(values)

    def result(self) -> Column:
        """The description, after the last cell."""
        if not self.valued:
            self.kind = ColumnType.TEXT
        if self.kind is ColumnType.TEXT:
            self.missing = self.empty
        if self.kind is ColumnType.NUMBER:
            _check_finite(self.extent, self.name)
        return describe(self.name, self.kind, self.missing, self._counts(), self.extent)

    def _narrowest(self, cells: pa.Array) -> pa.Array:
        while True:
            try:
                return parse(cells, self.kind)
            except pa.ArrowInvalid:
                self.kind = self._wider()

    def _wider(self) -> ColumnType:
        """The next wider type. Once numbers were seen, it cannot be boolean, only text."""
        if self.kind is ColumnType.NUMBER and self.valued:
            return ColumnType.TEXT
        return _LADDER[_LADDER.index(self.kind) + 1]

    def _counts(self) -> dict[object, int] | None:
        """The counts by value instead of by text: `1` and `1.0` are one number."""
        if self.census.counts is None:
            return None
        cells = pa.array(self.census.counts, pa.string())
        counts: dict[object, int] = {}
        values = parse(cells, self.kind).to_pylist()
        for value, rows in zip(values, self.census.counts.values(), strict=True):
            if value is not None:
                counts[value] = counts.get(value, 0) + rows
        return counts


def _check_lengths(cells: pa.Array, name: str, first: int, most: int) -> None:
    """Raise UnusableDataset if a cell of text is too long."""
    is_dictionary = pa.types.is_dictionary(cells.type)
    texts = cells.dictionary if is_dictionary else cells
    if not pa.types.is_string(texts.type):
        return
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if longest > most:
        raise unusable(
            FileRule.GIANT_CELL,
            f"column {shown(name)} contains a cell of {longest:,} bytes in the {len(cells):,} rows"
            f" from row {first:,}, expected at most {most:,}: close every quotation mark, or"
            " shorten it",
            "columns",
            name,
        )


def _check_finite(extent: Extent, name: str) -> None:
    if not extent.is_finite:
        raise unusable(
            FileRule.NOT_FINITE,
            f"column {shown(name)} contains an infinite number, expected finite ones: leave the"
            " cell empty if the value is missing",
            "columns",
            name,
        )
