"""Where output goes, and in what form."""

import io
import json
import sys

import pytest
from rich.text import Text

from ridgeline.cli.printing import Output, add_row, listing
from ridgeline.spec.job_spec import JobSpec

SPEC = {
    "dataset": {"name": "iris"},
    "model": {"layers": [{"type": "Dense", "units": 3, "kernel_regularizer": None}]},
    "training": {"loss": "mean_squared_error"},
}


class Stream(io.TextIOWrapper):
    """Standard output in some encoding."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="")

    @property
    def bytes(self) -> bytes:
        self.flush()
        return self.buffer.getvalue()  # type: ignore[attr-defined,no-any-return] # a BytesIO


def test_json_survives_any_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", stream := Stream("ascii"))
    Output(as_json=True).document({"name": "λ – ü"})
    assert json.loads(stream.bytes.decode("ascii")) == {"name": "λ – ü"}


def test_text_loses_letters_and_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", stream := Stream("ascii"))
    Output(as_json=False).show("penalty λ", Text("– none"))
    assert stream.bytes == b"penalty ?\n? none\n"


def test_whoever_reads_may_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich would end the process itself, with its own exit code."""

    class Broken(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Broken())
    output = Output(as_json=False)
    with pytest.raises(BrokenPipeError):
        output.console.print("row")
    with pytest.raises(BrokenPipeError):
        output.show("line")


def test_a_document_has_the_members_that_were_said(capsys: pytest.CaptureFixture[str]) -> None:
    """In a spec null means none, and silence the policy's."""
    spec = JobSpec.model_validate_json(json.dumps(SPEC))
    Output(as_json=True).document([spec])
    (document,) = json.loads(capsys.readouterr().out)
    assert document["model"] == SPEC["model"]
    assert "regularization" not in document


def test_remarks_are_no_output(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).remark("x\x1b[31m" + "long " * 100)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(r"x\x1b[31mlong long")
    assert len(said.err.splitlines()) == 1


def test_tables_are_whole_where_a_program_reads(capsys: pytest.CaptureFixture[str]) -> None:
    table = listing({"id": "left", "name": "flexible", "count": "right"})
    add_row(table, ("a", "long " * 60 + "\x07", "1"))
    Output(as_json=False).show(table)
    header, row = capsys.readouterr().out.splitlines()
    assert row == "a   " + "long " * 60 + r"\x07" + "      1"
    assert header.split() == ["id", "name", "count"]
