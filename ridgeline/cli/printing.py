"""Where a command's output goes: data on standard output, remarks on standard error."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel
from rich.console import Console, RenderableType
from rich.table import Column, Table
from rich.text import Text

from ridgeline.cli.figures import printable

#: Lines are not cut where a program reads them.
_UNCUT = 10_000

Alignment = Literal["left", "right", "flexible", "wrapped"]
Cell = str | Text


class Output:
    """Prints either for people or, with `as_json`, one JSON document and nothing else."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")  # a terminal may lack a letter
        self.console = _console(stderr=False)
        self._remarks = _console(stderr=True)

    @property
    def live(self) -> bool:
        """Whether lines can be drawn again: on a terminal, and not for a program."""
        console = self.console
        return console.is_terminal and not console.is_dumb_terminal and not self.as_json

    def document(self, value: Any) -> None:
        """Print a model, or a list or mapping of models, as JSON.

        Of what the service answered it has the members that were in the answer: in a spec, a
        member that is missing and one that is null differ.
        """
        text = json.dumps(value, default=_members, indent=2, ensure_ascii=not _unicode())
        sys.stdout.write(f"{text}\n")

    def line(self, value: BaseModel) -> None:
        """Print a model as one line of JSON, now: somebody may be waiting for it."""
        sys.stdout.write(value.model_dump_json(exclude_unset=True, ensure_ascii=True) + "\n")
        sys.stdout.flush()

    def show(self, *parts: RenderableType) -> None:
        """Print for people; texts are printed as they are, but for control characters."""
        shown = [printable(part) if isinstance(part, str) else part for part in parts]
        if self.console.is_terminal:
            self.console.print(*shown, sep="\n")
            return
        with self.console.capture() as captured:
            self.console.print(*shown, sep="\n")
        # Without the blanks that fill the lines of a table up.
        lines = (line.rstrip() for line in captured.get().splitlines())
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()

    def remark(self, text: str, style: str = "") -> None:
        """Say something that is not the output itself."""
        self._remarks.print(printable(text), style=style, soft_wrap=True)


def listing(columns: Mapping[str, Alignment]) -> Table:
    """A table without lines.

    Where the terminal is narrow, a flexible column is cut and a wrapped one becomes higher.
    """
    return Table(
        *(_column(name, kind) for name, kind in columns.items()),
        box=None,
        pad_edge=False,
        header_style="bold",
    )


def add_row(table: Table, cells: Sequence[Cell]) -> None:
    """Add a row, cell by cell on one line each."""
    table.add_row(*(_cell(cell, column) for cell, column in zip(cells, table.columns, strict=True)))


def styled(text: str, style: str) -> Text:
    """A text in a style, without control characters."""
    return Text(printable(text), style)


def _column(name: str, kind: Alignment) -> Column:
    return Column(
        name,
        justify="right" if kind == "right" else "left",
        no_wrap=kind in {"left", "right"},
        overflow="fold" if kind == "wrapped" else "ellipsis",
    )


def _cell(cell: Cell, column: Column) -> Text:
    text = styled(cell, "") if isinstance(cell, str) else cell
    # The column may give way, which it does only where it may wrap; its cells are cut all the same.
    text.no_wrap, text.overflow = column.overflow == "ellipsis", column.overflow
    return text


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let it pass: it ends the command with an exit code of its own."""
        raise BrokenPipeError


def _console(*, stderr: bool) -> Console:
    console = _Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _UNCUT
    return console


def _members(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    raise TypeError(f"expected a model, received {type(value).__name__}")


def _unicode() -> bool:
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
