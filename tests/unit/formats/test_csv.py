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
    found = inspect_dataset(path, DatasetFormat.CSV).columns or ()
    return {column.name: column for column in found}


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
    def test_narrowest_that_all_cells_have(
        self, write: WriteCsv, cells: list[str], kind: ColumnType, values: list[object]
    ) -> None:
        path = write("name,row\n" + "".join(f"{cell},r\n" for cell in cells))
        assert columns(path)["name"].type is kind
        assert rows(path, "name")["name"] == values

    def test_a_late_cell_widens_the_type_of_all(self, write: WriteCsv) -> None:
        """Types are guessed by all rows: the first block says nothing of the last."""
        path = write("a\n" + "7\n" * (BLOCK_BYTES // 2) + "7.5\n")
        column = only_column(path)
        assert (column.type, column.minimum, column.maximum) == (ColumnType.NUMBER, 7.0, 7.5)
        assert column.values == (
            ValueCount(value="7", rows=BLOCK_BYTES // 2),
            ValueCount(value="7.5", rows=1),
        )

    @pytest.mark.parametrize("word", ["", "NA", "NaN", "nan", "null", "None", "N/A", "#N/A", " "])
    def test_missing_numbers(self, write: WriteCsv, word: str) -> None:
        path = write(f"a,b\n1,x\n{word},x\n2,x\n")
        column = columns(path)["a"]
        assert (column.type, column.missing, column.distinct) == (ColumnType.INTEGER, 1, 2)
        assert rows(path, "a")["a"] == [1, None, 2]

    def test_missing_text_is_the_empty_cell_alone(self, write: WriteCsv) -> None:
        """NA is Namibia."""
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

    def test_values_sorted_as_numbers(self, write: WriteCsv) -> None:
        column = only_column(write("a\n10\n9\n-1\n10\n"))
        assert [value.value for value in column.values or ()] == ["-1", "9", "10"]

    def test_infinite_number(self, write: WriteCsv) -> None:
        for cell in ("inf", "-Infinity", "1e999"):
            fault = refusal(write(f"a,b\n1.5,1\n{cell},2\n"))
            assert (fault.rule, fault.pointer) == ("not-finite", "/columns/a")

    def test_the_word_inf_in_text(self, write: WriteCsv) -> None:
        assert only_column(write("a\ninf\nfoo\n")).type is ColumnType.TEXT


class TestCounts:
    def test_too_many_values_to_be_listed(self, write: WriteCsv) -> None:
        column = only_column(write("a\n" + "".join(f"{n}\n" for n in range(1001))))
        assert (column.distinct, column.values) == (1001, None)

    def test_too_many_values_to_be_counted(self, write: WriteCsv) -> None:
        column = only_column(write("a\n" + "".join(f"w{n}\n" for n in range(10_001))))
        assert (column.distinct, column.values) == (None, None)

    def test_long_values_are_counted_and_not_listed(self, write: WriteCsv) -> None:
        column = only_column(write("a\n" + "x" * 201 + "\ny\n"))
        assert (column.distinct, column.values) == (2, None)

    def test_many_columns_list_those_with_few_values(self, write: WriteCsv) -> None:
        """Else the answer of a wide table has millions of values."""
        names = ",".join(f"f{n}" for n in range(30)) + ",label\n"
        body = "".join(",".join([str(n)] * 30) + f",{n % 2}\n" for n in range(900))
        found = columns(write(names + body))
        assert found["label"].values == (
            ValueCount(value="0", rows=450),
            ValueCount(value="1", rows=450),
        )
        assert sum(len(column.values or ()) for column in found.values()) <= 20_000
        assert {column.distinct for name, column in found.items() if name != "label"} == {900}


class TestWriting:
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_line_ends(self, write: WriteCsv, end: str) -> None:
        assert rows(write(end.join(["a,b", "1,x", "2,y", ""])), "a", "b") == {
            "a": [1, 2],
            "b": ["x", "y"],
        }

    def test_byte_order_mark(self, write: WriteCsv) -> None:
        assert rows(write(b"\xef\xbb\xbfa,b\n1,2\n"), "a") == {"a": [1]}

    def test_quoted_commas_line_breaks_and_quotes(self, write: WriteCsv) -> None:
        path = write('a,b\n"1,5","x\ny"\n2,"say ""hi"""\n')
        assert rows(path, "a", "b") == {"a": ["1,5", "2"], "b": ["x\ny", 'say "hi"']}

    def test_no_line_break_at_the_end_and_blank_lines(self, write: WriteCsv) -> None:
        assert rows(write("\n\na,b\n\n1,2\n\n3,4"), "b", "a") == {"b": [2, 4], "a": [1, 3]}

    def test_text_in_any_script(self, write: WriteCsv) -> None:
        path = write("größe,国\n1,日本\n2,🎉\n")
        assert rows(path, "国") == {"国": ["日本", "🎉"]}

    def test_letters_that_straddle_blocks(self, write: WriteCsv) -> None:
        """UTF-8 is checked across the borders of what is read at once."""
        letters, count = "é" * 50, BLOCK_BYTES // 100
        path = write("ab\n" + f"{letters}\n" * count)
        assert only_column(path).values == (ValueCount(value=letters, rows=count),)

    def test_names_of_an_array(self, write: WriteCsv) -> None:
        """Pandas numbers columns without names, which is no missing header."""
        assert list(columns(write("0,1,2\n5,6,7\n"))) == ["0", "1", "2"]

    def test_years_as_names(self, write: WriteCsv) -> None:
        assert list(columns(write("country,2000,2001\nDE,1,2\n"))) == ["country", "2000", "2001"]


class TestHeader:
    def test_empty_file(self, write: WriteCsv) -> None:
        assert refusal(write("")).rule == "empty"

    def test_blank_lines_alone(self, write: WriteCsv) -> None:
        assert refusal(write("\n\n\r\n")).rule == "empty"

    @pytest.mark.parametrize("content", ["a,b", "a,b\n", "a,b\r\n\r\n"])
    def test_header_alone(self, write: WriteCsv, content: str) -> None:
        fault = refusal(write(content))
        assert fault.rule == "no-rows"
        assert "at least one row" in fault.detail

    def test_duplicate_columns(self, write: WriteCsv) -> None:
        fault = refusal(write("a,b, a\n1,2,3\n"))
        assert (fault.rule, fault.pointer) == ("duplicate-column", "/columns/a")
        assert "rename" in fault.detail

    def test_index_of_pandas(self, write: WriteCsv) -> None:
        fault = refusal(write(",a\n0,1\n"))
        assert (fault.rule, fault.pointer) == ("column-name", "/columns/0")
        assert "index=False" in fault.detail

    def test_trailing_comma(self, write: WriteCsv) -> None:
        assert refusal(write("a,b,\n1,2,\n")).pointer == "/columns/2"

    def test_line_break_in_a_name(self, write: WriteCsv) -> None:
        fault = refusal(write('"a\nb",c\n1,2\n'))
        assert fault.rule == "column-name"
        assert "on one line" in fault.detail

    def test_long_name(self, write: WriteCsv) -> None:
        assert refusal(write("a" * 201 + ",b\n1,2\n")).rule == "column-name"

    def test_control_character_in_a_name(self, write: WriteCsv) -> None:
        assert refusal(write("a\x07b,c\n1,2\n")).rule == "column-name"

    def test_many_wrong_names_are_a_few_faults(self, write: WriteCsv) -> None:
        assert len(refusals(write("," * 999 + "\n"))) == 20

    @pytest.mark.parametrize(
        "content",
        [
            "5.1,3.5,0\n4.9,3.0,1\n",
            "5.1,3.5,Iris-setosa\n4.9,3.0,Iris-setosa\n7,3,Iris-virginica\n",
        ],
    )
    def test_no_header(self, write: WriteCsv, content: str) -> None:
        fault = refusal(write(content))
        assert fault.rule == "no-header"
        assert "add a header" in fault.detail

    @pytest.mark.parametrize("mark", [";", "\t", "|"])
    def test_other_delimiters(self, write: WriteCsv, mark: str) -> None:
        fault = refusal(write(f"a{mark}b\n1{mark}2\n"))
        assert fault.rule == "delimiter"
        assert repr(mark) in fault.detail

    def test_a_hundred_thousand_columns(self, write: WriteCsv) -> None:
        fault = refusal(write(",".join(f"c{n}" for n in range(100_000)) + "\n"))
        assert fault.rule == "too-many-columns"
        assert "100,000" in fault.detail
        assert "4,096" in fault.detail

    def test_first_line_without_end(self, write: WriteCsv) -> None:
        fault = refusal(write("x" * (2 * 2**20)))
        assert fault.rule == "column-name"
        assert "line break" in fault.detail


class TestRows:
    @pytest.mark.parametrize("row", ["3", "3,4,5"])
    def test_ragged(self, write: WriteCsv, row: str) -> None:
        fault = refusal(write(f"a,b\n1,2\n{row}\n5,6\n"))
        assert (fault.rule, fault.pointer) == ("ragged-row", "/rows/2")
        assert "expected 2" in fault.detail

    @pytest.mark.parametrize("mark", [";", "\t", "|"])
    @pytest.mark.parametrize("names", [("a", "b"), ("a, in cm", "b"), ("a", 'b ""c""')])
    def test_other_delimiters_between_quoted_names(
        self, write: WriteCsv, mark: str, names: tuple[str, ...]
    ) -> None:
        """As R's write.csv2 writes them."""
        header = mark.join(f'"{name}"' for name in names)
        fault = refusal(write(f"{header}\n1{mark}2,5\n"))
        assert fault.rule == "delimiter"
        assert repr(mark) in fault.detail

    def test_a_quoted_name_may_hold_another_delimiter(self, write: WriteCsv) -> None:
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
    def test_what_programs_write_above_the_rows(
        self, write: WriteCsv, content: str, rule: str, remedy: str
    ) -> None:
        fault = refusal(write(content))
        assert fault.rule == rule
        assert remedy in fault.detail

    def test_a_giant_name(self, write: WriteCsv) -> None:
        """Longer than the csv module's fields."""
        assert refusal(write(f"{'x' * 200_000}\n1\n")).rule == "column-name"

    def test_ragged_far_down(self, write: WriteCsv) -> None:
        fault = refusal(write("a,b\n" + "1,2\n" * 1_000_000 + "3\n"))
        assert fault.pointer == "/rows/1000001"

    def test_quote_that_is_never_closed(self, write: WriteCsv) -> None:
        fault = refusal(write('a,b\n1,"x\n' + "2,y\n" * BLOCK_BYTES))
        assert fault.rule == "giant-row"
        assert "quotation mark" in fault.detail

    def test_giant_cell(self, write: WriteCsv) -> None:
        fault = refusal(write("a,b\n1," + "x" * (LIMITS.cell_bytes + 1) + "\n"))
        assert (fault.rule, fault.pointer) == ("giant-cell", "/columns/b")

    def test_cell_as_long_as_may_be(self, write: WriteCsv) -> None:
        path = write("a,b\n1," + "x" * LIMITS.cell_bytes + "\n")
        assert columns(path)["b"].distinct == 1

    def test_too_many_rows(self, write: WriteCsv) -> None:
        fault = refusal(write("a\n1\n2\n3\n"), limits=InspectionLimits(rows=2))
        assert fault.rule == "too-many-rows"

    def test_nul_byte(self, write: WriteCsv) -> None:
        fault = refusal(write(b"a,b\n1,2\n3,x\0y\n"))
        assert (fault.rule, fault.pointer) == ("nul-byte", "/lines/3")
        assert "tr -d" in fault.detail

    def test_nul_byte_in_the_header(self, write: WriteCsv) -> None:
        assert refusal(write(b"a\0,b\n1,2\n")).pointer == "/lines/1"

    def test_latin_1(self, write: WriteCsv) -> None:
        fault = refusal(write("a,b\n1,2\n3,grün\n".encode("latin-1")))
        assert (fault.rule, fault.pointer) == ("encoding", "/lines/3")
        assert "iconv -f WINDOWS-1252 -t UTF-8" in fault.detail

    def test_latin_1_in_the_header(self, write: WriteCsv) -> None:
        assert refusal(write("größe,b\n1,2\n".encode("latin-1"))).pointer == "/lines/1"

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
    def test_utf_16(self, write: WriteCsv, encoding: str) -> None:
        assert refusal(write("a,b\n1,2\n".encode(encoding))).rule in ("encoding", "nul-byte")

    def test_letter_cut_off_at_the_end(self, write: WriteCsv) -> None:
        fault = refusal(write(b"a,b\n1,2\n3,x\xc3"))
        assert fault.rule == "encoding"

    def test_wrong_line_after_many(self, write: WriteCsv) -> None:
        fault = refusal(write(b"a,b\n" + b"1,2\n" * 1_000_000 + b"\xff,1\n"))
        assert fault.pointer == "/lines/1000002"


class TestTable:
    def test_types_are_taken_as_known(self, write: WriteCsv) -> None:
        table = open_table(
            write("a,b\n1,2\n"), DatasetFormat.CSV, {"a": ColumnType.NUMBER, "b": ColumnType.TEXT}
        )
        (batch,) = table.batches(["b", "a"])
        assert batch.to_pydict() == {"b": ["2"], "a": [1.0]}

    def test_cell_that_is_not_of_the_known_type(self, write: WriteCsv) -> None:
        """The file has changed since it was inspected."""
        table = open_table(write("a\n1\nx\n"), DatasetFormat.CSV, {"a": ColumnType.INTEGER})
        with pytest.raises(UnusableDataset) as caught:
            list(table.batches(["a"]))
        assert caught.value.faults[0].rule == "cell-type"

    def test_unknown_column(self, write: WriteCsv) -> None:
        with pytest.raises(UnusableDataset) as caught:
            list(open_table(write("a\n1\n"), DatasetFormat.CSV).batches(["b"]))
        assert caught.value.faults[0].rule == "unknown-column"

    def test_names_without_reading(self, write: WriteCsv) -> None:
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
