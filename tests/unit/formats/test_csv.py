import io
from collections.abc import Callable
from pathlib import Path

import pytest

from ridgeline.formats import (
    LIMITS,
    InspectionLimits,
    UnusableDataset,
    inspect_dataset,
    open_table,
)
from ridgeline.formats.limits import BLOCK_BYTES
from ridgeline.spec.dataset.contents import Column, ColumnType, DatasetFormat, ValueCount
from tests.unit.formats.refusals import refusal, refusals

WriteCsv = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> WriteCsv:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def columns(path: Path) -> dict[str, Column]:
    contents = inspect_dataset(path, DatasetFormat.CSV)
    return {column.name: column for column in contents.columns or ()}


def only_column(path: Path) -> Column:
    (column,) = columns(path).values()
    return column


def rows(path: Path, *names: str) -> dict[str, list[object]]:
    table = open_table(path, DatasetFormat.CSV)
    read: dict[str, list[object]] = {name: [] for name in names}
    for batch in table.batches(names):
        for name in names:
            read[name] += batch.column(name).to_pylist()
    return read


class TestTypes:
    @pytest.mark.parametrize(
        ("cells", "kind", "values"),
        [
            (["1", "-20", " 3 "], ColumnType.INTEGER, [1, -20, 3]),
            (["1", "0.5", "-1e-3"], ColumnType.NUMBER, [1.0, 0.5, -0.001]),
            (["1", "2", "x"], ColumnType.TEXT, ["1", "2", "x"]),
            (["true", "False", "TRUE"], ColumnType.BOOLEAN, [True, False, True]),
            (["true", "1"], ColumnType.TEXT, ["true", "1"]),
            (["1", "true"], ColumnType.TEXT, ["1", "true"]),
            (["yes", "no"], ColumnType.TEXT, ["yes", "no"]),
            (["2020-01-02", "2021-01-02"], ColumnType.TEXT, ["2020-01-02", "2021-01-02"]),
            (["9223372036854775807"], ColumnType.INTEGER, [2**63 - 1]),
            (["9223372036854775808"], ColumnType.NUMBER, [2.0**63]),
            ([" x", "y "], ColumnType.TEXT, [" x", "y "]),
        ],
    )
    def test_narrowest_type_that_fits_all_cells_is_inferred(
        self, write: WriteCsv, cells: list[str], kind: ColumnType, values: list[object]
    ) -> None:
        path = write("name,row\n" + "".join(f"{cell},r\n" for cell in cells))
        assert columns(path)["name"].type is kind
        assert rows(path, "name")["name"] == values

    def test_late_cell_widens_the_type_of_the_column(self, write: WriteCsv) -> None:
        """Types are inferred from all rows, not from the first block alone."""
        path = write("a\n" + "7\n" * (BLOCK_BYTES // 2) + "7.5\n")
        column = only_column(path)
        assert (column.type, column.minimum, column.maximum) == (ColumnType.NUMBER, 7.0, 7.5)
        assert column.values == (
            ValueCount(value="7", rows=BLOCK_BYTES // 2),
            ValueCount(value="7.5", rows=1),
        )

    @pytest.mark.parametrize("word", ["", "NA", "NaN", "nan", "null", "None", "N/A", "#N/A", " "])
    def test_missing_words_in_a_numeric_column_are_missing_cells(
        self, write: WriteCsv, word: str
    ) -> None:
        path = write(f"a,b\n1,x\n{word},x\n2,x\n")
        column = columns(path)["a"]
        assert (column.type, column.missing, column.distinct) == (ColumnType.INTEGER, 1, 2)
        assert rows(path, "a")["a"] == [1, None, 2]

    def test_only_an_empty_cell_is_missing_text(self, write: WriteCsv) -> None:
        """NA may be Namibia."""
        path = write('country,n\nNA,1\n"",1\nDE,1\nNone,1\n')
        column = columns(path)["country"]
        assert (column.type, column.missing, column.distinct) == (ColumnType.TEXT, 1, 3)
        assert rows(path, "country")["country"] == ["NA", None, "DE", "None"]

    def test_column_without_a_value_is_text(self, write: WriteCsv) -> None:
        column = columns(write("a,b\n,1\n,2\n"))["a"]
        assert (column.type, column.missing, column.distinct) == (ColumnType.TEXT, 2, 0)

    def test_one_number_in_many_spellings_is_one_value(self, write: WriteCsv) -> None:
        column = only_column(write("a\n1\n1.0\n1e0\n0.0\n-0.0\n"))
        assert column.values == (ValueCount(value="0", rows=2), ValueCount(value="1", rows=3))
        assert column.distinct == 2

    def test_numeric_values_are_sorted_as_numbers(self, write: WriteCsv) -> None:
        column = only_column(write("a\n10\n9\n-1\n10\n"))
        assert [value.value for value in column.values or ()] == ["-1", "9", "10"]

    def test_infinite_number_is_rejected(self, write: WriteCsv) -> None:
        for cell in ("inf", "-Infinity", "1e999"):
            fault = refusal(write(f"a,b\n1.5,1\n{cell},2\n"))
            assert (fault.rule, fault.pointer) == ("not-finite", "/columns/a")

    def test_inf_in_a_text_column_is_accepted(self, write: WriteCsv) -> None:
        assert only_column(write("a\ninf\nfoo\n")).type is ColumnType.TEXT


class TestCounts:
    def test_more_than_a_thousand_values_are_counted_and_not_listed(self, write: WriteCsv) -> None:
        column = only_column(write("a\n" + "".join(f"{n}\n" for n in range(1001))))
        assert (column.distinct, column.values) == (1001, None)

    def test_more_than_ten_thousand_values_are_not_counted(self, write: WriteCsv) -> None:
        column = only_column(write("a\n" + "".join(f"w{n}\n" for n in range(10_001))))
        assert (column.distinct, column.values) == (None, None)

    def test_long_values_are_counted_and_not_listed(self, write: WriteCsv) -> None:
        column = only_column(write("a\n" + "x" * 201 + "\ny\n"))
        assert (column.distinct, column.values) == (2, None)

    def test_wide_table_lists_only_columns_with_few_values(self, write: WriteCsv) -> None:
        """Otherwise the response for a wide table has millions of values."""
        names = ",".join(f"f{n}" for n in range(30)) + ",label\n"
        body = "".join(",".join([str(n)] * 30) + f",{n % 2}\n" for n in range(900))
        inspected = columns(write(names + body))
        assert inspected["label"].values == (
            ValueCount(value="0", rows=450),
            ValueCount(value="1", rows=450),
        )
        assert sum(len(column.values or ()) for column in inspected.values()) <= 20_000
        assert {column.distinct for name, column in inspected.items() if name != "label"} == {900}


class TestWriting:
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_every_line_ending_is_accepted(self, write: WriteCsv, end: str) -> None:
        assert rows(write(end.join(["a,b", "1,x", "2,y", ""])), "a", "b") == {
            "a": [1, 2],
            "b": ["x", "y"],
        }

    def test_byte_order_mark_is_ignored(self, write: WriteCsv) -> None:
        assert rows(write(b"\xef\xbb\xbfa,b\n1,2\n"), "a") == {"a": [1]}

    def test_quoted_commas_line_breaks_and_quotes_are_part_of_the_cell(
        self, write: WriteCsv
    ) -> None:
        path = write('a,b\n"1,5","x\ny"\n2,"say ""hi"""\n')
        assert rows(path, "a", "b") == {"a": ["1,5", "2"], "b": ["x\ny", 'say "hi"']}

    def test_blank_lines_and_a_missing_last_line_break_are_accepted(self, write: WriteCsv) -> None:
        assert rows(write("\n\na,b\n\n1,2\n\n3,4"), "b", "a") == {"b": [2, 4], "a": [1, 3]}

    def test_text_in_any_script_is_accepted(self, write: WriteCsv) -> None:
        path = write("größe,国\n1,日本\n2,🎉\n")
        assert rows(path, "国") == {"国": ["日本", "🎉"]}

    def test_letters_across_block_borders_are_read_whole(self, write: WriteCsv) -> None:
        """UTF-8 is checked across the borders of the blocks read."""
        letters, count = "é" * 50, BLOCK_BYTES // 100
        path = write("ab\n" + f"{letters}\n" * count)
        assert only_column(path).values == (ValueCount(value=letters, rows=count),)

    def test_consecutive_integers_as_header_are_accepted(self, write: WriteCsv) -> None:
        """Pandas numbers unnamed columns; that is a header, not a missing one."""
        assert list(columns(write("0,1,2\n5,6,7\n"))) == ["0", "1", "2"]

    def test_years_as_column_names_are_accepted(self, write: WriteCsv) -> None:
        assert list(columns(write("country,2000,2001\nDE,1,2\n"))) == ["country", "2000", "2001"]


class TestHeader:
    def test_empty_file_is_rejected(self, write: WriteCsv) -> None:
        assert refusal(write("")).rule == "empty"

    def test_file_of_blank_lines_is_rejected(self, write: WriteCsv) -> None:
        assert refusal(write("\n\n\r\n")).rule == "empty"

    @pytest.mark.parametrize("content", ["a,b", "a,b\n", "a,b\r\n\r\n"])
    def test_header_without_rows_is_rejected(self, write: WriteCsv, content: str) -> None:
        fault = refusal(write(content))
        assert fault.rule == "no-rows"
        assert "at least one row" in fault.detail

    def test_duplicate_column_names_are_rejected(self, write: WriteCsv) -> None:
        fault = refusal(write("a,b, a\n1,2,3\n"))
        assert (fault.rule, fault.pointer) == ("duplicate-column", "/columns/a")
        assert "rename" in fault.detail

    def test_unnamed_pandas_index_is_rejected_with_advice(self, write: WriteCsv) -> None:
        fault = refusal(write(",a\n0,1\n"))
        assert (fault.rule, fault.pointer) == ("column-name", "/columns/0")
        assert "index=False" in fault.detail

    def test_trailing_comma_in_the_header_is_rejected(self, write: WriteCsv) -> None:
        assert refusal(write("a,b,\n1,2,\n")).pointer == "/columns/2"

    def test_line_break_in_a_name_is_rejected(self, write: WriteCsv) -> None:
        fault = refusal(write('"a\nb",c\n1,2\n'))
        assert fault.rule == "column-name"
        assert "on one line" in fault.detail

    def test_long_name_is_rejected(self, write: WriteCsv) -> None:
        assert refusal(write("a" * 201 + ",b\n1,2\n")).rule == "column-name"

    def test_control_character_in_a_name_is_rejected(self, write: WriteCsv) -> None:
        assert refusal(write("a\x07b,c\n1,2\n")).rule == "column-name"

    def test_number_of_faults_for_wrong_names_is_limited(self, write: WriteCsv) -> None:
        assert len(refusals(write("," * 999 + "\n"))) == 20

    @pytest.mark.parametrize(
        "content",
        [
            "5.1,3.5,0\n4.9,3.0,1\n",
            "5.1,3.5,Iris-setosa\n4.9,3.0,Iris-setosa\n7,3,Iris-virginica\n",
        ],
    )
    def test_missing_header_is_rejected(self, write: WriteCsv, content: str) -> None:
        fault = refusal(write(content))
        assert fault.rule == "no-header"
        assert "add a header" in fault.detail

    @pytest.mark.parametrize("mark", [";", "\t", "|"])
    def test_other_delimiter_is_rejected(self, write: WriteCsv, mark: str) -> None:
        fault = refusal(write(f"a{mark}b\n1{mark}2\n"))
        assert fault.rule == "delimiter"
        assert repr(mark) in fault.detail

    def test_hundred_thousand_columns_are_rejected(self, write: WriteCsv) -> None:
        fault = refusal(write(",".join(f"c{n}" for n in range(100_000)) + "\n"))
        assert fault.rule == "too-many-columns"
        assert "100,000" in fault.detail
        assert "4,096" in fault.detail

    def test_first_line_without_a_line_break_is_rejected(self, write: WriteCsv) -> None:
        fault = refusal(write("x" * (2 * 2**20)))
        assert fault.rule == "column-name"
        assert "line break" in fault.detail


class TestRows:
    @pytest.mark.parametrize("row", ["3", "3,4,5"])
    def test_row_of_another_length_is_rejected(self, write: WriteCsv, row: str) -> None:
        fault = refusal(write(f"a,b\n1,2\n{row}\n5,6\n"))
        assert (fault.rule, fault.pointer) == ("ragged-row", "/rows/2")
        assert "expected 2" in fault.detail

    @pytest.mark.parametrize("mark", [";", "\t", "|"])
    @pytest.mark.parametrize("names", [("a", "b"), ("a, in cm", "b"), ("a", 'b ""c""')])
    def test_other_delimiter_between_quoted_names_is_rejected(
        self, write: WriteCsv, mark: str, names: tuple[str, ...]
    ) -> None:
        """The output of R's write.csv2."""
        header = mark.join(f'"{name}"' for name in names)
        fault = refusal(write(f"{header}\n1{mark}2,5\n"))
        assert fault.rule == "delimiter"
        assert repr(mark) in fault.detail

    def test_quoted_name_may_contain_another_delimiter(self, write: WriteCsv) -> None:
        path = write('"a;b","c|d",e;f\n1,2,3\n')
        assert list(columns(path)) == ["a;b", "c|d", "e;f"]
        assert list(columns(write('"a;b"\n1\n2\n'))) == ["a;b"]

    @pytest.mark.parametrize(
        ("content", "rule", "remedy"),
        [
            ("sep=,\na,b\n1,2\n", "column-name", "delete that line"),
            ("My table\n\na,b\n1,2\n", "ragged-row", "titles and comments"),
            ("# made today\na,b\n1,2\n", "ragged-row", "titles and comments"),
            ('"a","b"\n"1",1,2\n', "ragged-row", "row.names=FALSE"),
            ("a,b\n1,2\n1,2,3\n", "ragged-row", "quote cells"),
        ],
    )
    def test_extra_lines_and_columns_of_other_programs_are_rejected_with_advice(
        self, write: WriteCsv, content: str, rule: str, remedy: str
    ) -> None:
        fault = refusal(write(content))
        assert fault.rule == rule
        assert remedy in fault.detail

    def test_name_longer_than_a_csv_field_is_rejected(self, write: WriteCsv) -> None:
        """The csv module limits the length of a field."""
        assert refusal(write(f"{'x' * 200_000}\n1\n")).rule == "column-name"

    def test_short_row_after_a_million_rows_is_rejected(self, write: WriteCsv) -> None:
        fault = refusal(write("a,b\n" + "1,2\n" * 1_000_000 + "3\n"))
        assert fault.pointer == "/rows/1000001"

    def test_unclosed_quote_is_rejected(self, write: WriteCsv) -> None:
        fault = refusal(write('a,b\n1,"x\n' + "2,y\n" * BLOCK_BYTES))
        assert fault.rule == "giant-row"
        assert "quotation mark" in fault.detail

    def test_cell_above_the_limit_is_rejected(self, write: WriteCsv) -> None:
        fault = refusal(write("a,b\n1," + "x" * (LIMITS.cell_bytes + 1) + "\n"))
        assert (fault.rule, fault.pointer) == ("giant-cell", "/columns/b")

    def test_cell_at_the_limit_is_accepted(self, write: WriteCsv) -> None:
        path = write("a,b\n1," + "x" * LIMITS.cell_bytes + "\n")
        assert columns(path)["b"].distinct == 1

    def test_more_rows_than_the_limit_are_rejected(self, write: WriteCsv) -> None:
        fault = refusal(write("a\n1\n2\n3\n"), limits=InspectionLimits(rows=2))
        assert fault.rule == "too-many-rows"

    def test_nul_byte_is_rejected_with_its_line(self, write: WriteCsv) -> None:
        fault = refusal(write(b"a,b\n1,2\n3,x\0y\n"))
        assert (fault.rule, fault.pointer) == ("nul-byte", "/lines/3")
        assert "tr -d" in fault.detail

    def test_nul_byte_in_the_header_is_rejected(self, write: WriteCsv) -> None:
        assert refusal(write(b"a\0,b\n1,2\n")).pointer == "/lines/1"

    def test_latin_1_is_rejected_with_advice(self, write: WriteCsv) -> None:
        fault = refusal(write("a,b\n1,2\n3,grün\n".encode("latin-1")))
        assert (fault.rule, fault.pointer) == ("encoding", "/lines/3")
        assert "iconv -f WINDOWS-1252 -t UTF-8" in fault.detail

    def test_latin_1_in_the_header_is_rejected(self, write: WriteCsv) -> None:
        assert refusal(write("größe,b\n1,2\n".encode("latin-1"))).pointer == "/lines/1"

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
    def test_utf_16_is_rejected(self, write: WriteCsv, encoding: str) -> None:
        assert refusal(write("a,b\n1,2\n".encode(encoding))).rule in ("encoding", "nul-byte")

    def test_incomplete_letter_at_the_end_is_rejected(self, write: WriteCsv) -> None:
        fault = refusal(write(b"a,b\n1,2\n3,x\xc3"))
        assert fault.rule == "encoding"

    def test_wrong_encoding_after_a_million_rows_is_rejected(self, write: WriteCsv) -> None:
        fault = refusal(write(b"a,b\n" + b"1,2\n" * 1_000_000 + b"\xff,1\n"))
        assert fault.pointer == "/lines/1000002"


class TestTable:
    def test_known_types_replace_inference(self, write: WriteCsv) -> None:
        table = open_table(
            write("a,b\n1,2\n"), DatasetFormat.CSV, {"a": ColumnType.NUMBER, "b": ColumnType.TEXT}
        )
        (batch,) = table.batches(["b", "a"])
        assert batch.to_pydict() == {"b": ["2"], "a": [1.0]}

    def test_cell_that_does_not_fit_the_known_type_is_rejected(self, write: WriteCsv) -> None:
        """The file has changed since it was inspected."""
        table = open_table(write("a\n1\nx\n"), DatasetFormat.CSV, {"a": ColumnType.INTEGER})
        with pytest.raises(UnusableDataset) as caught:
            list(table.batches(["a"]))
        assert caught.value.faults[0].rule == "cell-type"

    def test_unknown_column_is_rejected(self, write: WriteCsv) -> None:
        with pytest.raises(UnusableDataset) as caught:
            list(open_table(write("a\n1\n"), DatasetFormat.CSV).batches(["b"]))
        assert caught.value.faults[0].rule == "unknown-column"

    def test_names_are_read_without_reading_rows(self, write: WriteCsv) -> None:
        assert open_table(write("a,b\n1\n"), DatasetFormat.CSV).names == ("a", "b")

    def test_batches_stay_small(self, write: WriteCsv) -> None:
        content = io.StringIO()
        content.write("a\n")
        for _ in range(40_000):
            content.write("x" * 100 + "\n")
        sizes = [
            batch.nbytes
            for batch in open_table(write(content.getvalue()), DatasetFormat.CSV).batches(["a"])
        ]
        assert len(sizes) > 1
        assert max(sizes) < 3 * BLOCK_BYTES
