"""Output: streams, JSON, tables, and values as text."""

import io
import json
import sys
from datetime import UTC, datetime, timedelta

import pytest
from rich.text import Text

from ridgeline.cli.printing import (
    Output,
    add_row,
    age,
    duration,
    listing,
    number,
    percent,
    plural,
    printable,
    size,
)
from ridgeline.spec.job_spec import JobSpec

SPEC = {
    "dataset": {"name": "iris"},
    "model": {"layers": [{"type": "Dense", "units": 3, "kernel_regularizer": None}]},
    "training": {"loss": "mean_squared_error"},
}


class Stream(io.TextIOWrapper):
    """Standard output in a given encoding."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="")

    @property
    def bytes(self) -> bytes:
        self.flush()
        return self.buffer.getvalue()  # type: ignore[attr-defined,no-any-return] # a BytesIO


def test_json_is_valid_in_any_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", stream := Stream("ascii"))
    Output(as_json=True).document({"name": "λ – ü"})
    assert json.loads(stream.bytes.decode("ascii")) == {"name": "λ – ü"}


def test_text_replaces_characters_that_the_encoding_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", stream := Stream("ascii"))
    Output(as_json=False).show("penalty λ", Text("– none"))
    assert stream.bytes == b"penalty ?\n? none\n"


def test_broken_pipe_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich would end the process with an exit code of its own."""

    class Broken(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Broken())
    output = Output(as_json=False)
    with pytest.raises(BrokenPipeError):
        output.console.print("row")
    with pytest.raises(BrokenPipeError):
        output.show("line")


def test_document_has_only_the_members_that_were_set(capsys: pytest.CaptureFixture[str]) -> None:
    """In a spec null means none, and a missing member means the policy's value."""
    spec = JobSpec.model_validate_json(json.dumps(SPEC))
    Output(as_json=True).document([spec])
    (document,) = json.loads(capsys.readouterr().out)
    assert document["model"] == SPEC["model"]
    assert "regularization" not in document


def test_remarks_go_to_standard_error_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).remark("x\x1b[31m" + "long " * 100)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(r"x\x1b[31mlong long")
    assert len(printed.err.splitlines()) == 1


def test_tables_are_not_truncated_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    table = listing({"id": "left", "name": "flexible", "count": "right"})
    add_row(table, ("a", "long " * 60 + "\x07", "1"))
    Output(as_json=False).show(table)
    header, row = capsys.readouterr().out.splitlines()
    assert row == "a   " + "long " * 60 + r"\x07" + "      1"
    assert header.split() == ["id", "name", "count"]


def test_numbers() -> None:
    assert [number(value) for value in (None, 0.0, 1.0, 0.123456, 1.5e-7, 12345.6)] == [
        *("–", "0", "1", "0.1235", "1.5e-07", "12346")
    ]
    assert [percent(value) for value in (None, 0.0, 0.0312345, 1.0)] == ["–", "0%", "3.12%", "100%"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_234_567, "1.23 MB"), (5 * 10**15, "5000 TB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.123, "0.12 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (10**6, "12 d")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_age_is_never_negative() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert age(now - timedelta(seconds=90), now) == "2 min"
    assert age(now + timedelta(seconds=90), now) == "0 s"


def test_plurals() -> None:
    assert [plural(count, "epoch") for count in (0, 1, 2000)] == [
        *("0 epochs", "1 epoch", "2,000 epochs")
    ]


def test_control_characters_are_escaped() -> None:
    assert printable("a\x1b[31mb\r\n\x07\x9b\u202e") == r"a\x1b[31mb\r\n\x07\x9b\u202e"
    assert printable("ümläut λ 数") == "ümläut λ 数"
