"""CSV files: the header, the rows as text, and every way in which they can be malformed."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv

from ridgeline.formats.cells import parse
from ridgeline.formats.errors import FileRule, UnusableDataset, check_columns, shown, unusable
from ridgeline.formats.limits import MEBIBYTE, InspectionLimits, block_bytes
from ridgeline.spec.dataset.contents import Column, ColumnType

_HEADER_BYTES = MEBIBYTE
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_QUOTED_END = re.compile(r'"(?:[^"]|"")*"[;\t|]')
"""A quoted name followed by another delimiter than a comma."""
_WIDE_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_AS_UTF8 = (
    'save it as UTF-8 (in Excel "CSV UTF-8"; in a shell'
    " `iconv -f {guess} -t UTF-8 old.csv > new.csv`)"
)


@dataclass(frozen=True)
class CsvFile:
    """A CSV file (RFC 4180, UTF-8, a header line) whose rows are read as text."""

    path: Path
    limits: InspectionLimits

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names. Raises UnusableDataset if there is no usable header."""
        return self._header[0]

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The named columns of all rows, as text. Raises UnusableDataset at a malformed row."""
        header, start = self._header
        ragged: list[Any] = []
        with self.path.open("rb") as file:
            file.seek(start)
            checked = _CheckedText(file)
            try:
                with _open(checked, header, names, ragged) as reader:
                    yield from reader
            except pa.ArrowInvalid as error:
                raise _refusal(str(error), ragged, block_bytes(len(header))) from error

    @cached_property
    def _header(self) -> tuple[tuple[str, ...], int]:
        """The names, and the offset of the first row."""
        with self.path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
        if head.startswith(_WIDE_BOMS):
            detail = f"received UTF-16, expected UTF-8: {_AS_UTF8.format(guess='UTF-16')}"
            raise unusable(FileRule.ENCODING, detail)
        start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
        start += len(head[start:]) - len(head[start:].lstrip(b"\r\n"))
        length = _line_length(head[start:])
        if start + length == _HEADER_BYTES:
            raise unusable(
                FileRule.COLUMN_NAME,
                f"the first line has more than {_HEADER_BYTES:,} bytes, expected the columns'"
                " names: add a header line, and end every line with a line break",
            )
        names = _parse_header(_decode(head[start : start + length]))
        check_columns(names, self.limits.columns)
        return tuple(names), start + length


def _line_length(head: bytes) -> int:
    """Bytes up to the first line break of any kind."""
    ends = [end for end in (head.find(b"\n"), head.find(b"\r")) if end >= 0]
    return min(ends, default=len(head))


def _decode(line: bytes) -> str:
    if b"\0" in line:
        raise _nul(1)
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(1) from error


def _parse_header(line: str) -> list[str]:
    if not line:
        raise unusable(
            FileRule.EMPTY, "the file has no lines, expected a header and rows: upload a CSV file"
        )
    if line.lower().startswith("sep="):
        raise unusable(
            FileRule.COLUMN_NAME,
            f"the first line is {shown(line)!r}, which only Excel reads; expected the columns'"
            " names: delete that line, and separate cells by commas",
            "columns",
        )
    try:
        _check_delimiter(line)
        (names,) = csv.reader([line], strict=True)
    except csv.Error as error:
        raise unusable(
            FileRule.COLUMN_NAME,
            f"the first line cannot be read ({error}), expected the columns' names on one line:"
            " remove line breaks from the names, and double every quotation mark inside a name",
            "columns",
        ) from error
    return [name.strip() for name in names]


def _check_delimiter(line: str) -> None:
    """Raise UnusableDataset if the first line has another delimiter than the comma."""
    if len(next(csv.reader([line]))) > 1 and not _QUOTED_END.match(line):
        return
    for mark, name in _OTHER_DELIMITERS.items():
        if len(next(csv.reader([line], delimiter=mark))) > 1:
            raise unusable(
                FileRule.DELIMITER,
                f"the first line is separated by {name}, expected commas: save the file with commas"
                f" (pandas: `read_csv(path, sep={mark!r}).to_csv(path, index=False)`, with"
                " also `decimal=','` if numbers have a decimal comma)",
            )


def check_header(columns: Sequence[Column]) -> None:
    """Raise UnusableDataset if the first line looks like the rows: then the header is missing."""
    if [column.name for column in columns] == [str(number) for number in range(len(columns))]:
        return  # the header that pandas writes for an array
    if all(_is_cell(column) for column in columns):
        raise unusable(
            FileRule.NO_HEADER,
            "the first line looks like a row of values, expected the columns' names: add a header"
            " line such as `height,width,label`",
        )


def _is_cell(column: Column) -> bool:
    """Whether the column's name could be one of its cells."""
    if column.type is ColumnType.TEXT:
        return any(value.value == column.name for value in column.values or ())
    try:
        parse(pa.array([column.name]), column.type)
    except pa.ArrowInvalid:
        return False
    return True


class _CheckedText(io.RawIOBase):
    """Reads a file and rejects bytes that are not UTF-8 text, naming their line."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._plain = True
        self._lines = 1

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises UnusableDataset at a NUL byte, or bytes that are not UTF-8."""
        content = self._file.read(size)
        nul = content.find(b"\0")
        if nul >= 0:
            raise _nul(self._lines + content.count(b"\n", 0, nul))
        if not self._plain or not content.isascii() or not content:
            self._decode(content)
        self._lines += content.count(b"\n")
        return content

    def _decode(self, content: bytes) -> None:
        """Decode bytes that are not ASCII, continuing a character that the last block cut."""
        try:
            self._decoder.decode(content, final=not content)
        except UnicodeDecodeError as error:
            raise _not_utf8(self._lines + content.count(b"\n", 0, error.start)) from error
        self._plain = not self._decoder.getstate()[0]


def _open(
    file: _CheckedText, header: Sequence[str], names: Sequence[str], ragged: list[Any]
) -> arrow_csv.CSVStreamingReader:
    def record(row: Any) -> str:
        ragged.append(row)
        return "error"

    return arrow_csv.open_csv(
        file,
        # One thread reports the number of a ragged row, and leaves the other cores to training.
        read_options=arrow_csv.ReadOptions(
            column_names=list(header), block_size=block_bytes(len(header)), use_threads=False
        ),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=record),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=list(names),
            column_types=dict.fromkeys(header, pa.string()),
            strings_can_be_null=False,
            check_utf8=False,  # _CheckedText has checked it, line by line
        ),
    )


def _refusal(message: str, ragged: list[Any], most: int) -> UnusableDataset:
    if ragged:
        row = ragged[0]
        return unusable(
            FileRule.RAGGED_ROW,
            f"row {row.number:,} has {row.actual_columns:,} cells, expected"
            f" {row.expected_columns:,} as the header: {_remedy(row)}",
            "rows",
            row.number,
        )
    if "straddling" in message:
        return unusable(
            FileRule.GIANT_ROW,
            f"a row has more than {most:,} bytes, expected less: close every quotation mark,"
            " double those inside a cell, and shorten longer cells",
            "rows",
        )
    if "Empty CSV" in message:
        return no_rows()
    return unusable(FileRule.DAMAGED, f"the file cannot be read as CSV: {message[:200]}")


def _remedy(row: Any) -> str:
    """How to fix a row with too many or too few cells."""
    if row.number == 1 and row.expected_columns == 1:
        return "start the file with the columns' names, and delete titles and comments above them"
    if row.number == 1 and row.actual_columns == row.expected_columns + 1:
        return (
            "name every column (R writes no name above the row names: use write.csv with"
            " row.names=FALSE), and quote cells that contain commas"
        )
    return "quote cells that contain commas or line breaks, and add the missing cells"


def no_rows() -> UnusableDataset:
    """The error of a table with a header alone."""
    return unusable(
        FileRule.NO_ROWS, "the table has columns but no rows, expected at least one row", "rows"
    )


def _nul(line: int) -> UnusableDataset:
    return unusable(
        FileRule.NUL_BYTE,
        f"line {line:,} contains a NUL byte, expected text: is it a CSV file? Remove it (in a shell"
        " `tr -d '\\000' < old.csv > new.csv`), or save UTF-16 as UTF-8",
        "lines",
        line,
    )


def _not_utf8(line: int) -> UnusableDataset:
    return unusable(
        FileRule.ENCODING,
        f"line {line:,} is not UTF-8; expected UTF-8: {_AS_UTF8.format(guess='WINDOWS-1252')}",
        "lines",
        line,
    )
