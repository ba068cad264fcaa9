"""A command's output: data on standard output, remarks on standard error, and their parts."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel
from rich.console import Console, Group, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column, Table
from rich.text import Text

from ridgeline.client import OnProgress

NOTHING = "–"
#: Lines are not cut where a program reads them.
_UNCUT = 10_000
_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1000
#: Values between these are written without a decimal point, and without an exponent.
_WHOLE, _WHOLE_UNTIL = 1e4, 1e9
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
#: Characters that control a terminal: C0, C1, and the marks that change the text direction.
_CONTROLS = {
    code: ascii(chr(code))[1:-1]
    for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}

Alignment = Literal["left", "right", "flexible", "wrapped"]
Cell = str | Text


class Output:
    """Prints for people or, with `as_json`, one JSON document and nothing else."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")  # the terminal may lack a character
        self.console = _console(stderr=False)
        self._remarks = _console(stderr=True)

    @property
    def live(self) -> bool:
        """Whether lines can be redrawn: on a terminal, and not for a program."""
        console = self.console
        return console.is_terminal and not console.is_dumb_terminal and not self.as_json

    def document(self, value: Any) -> None:
        """Print a model, or a list or mapping of models, as JSON.

        It has exactly the members of the service's response: in a spec, a missing member and null
        differ.
        """
        text = json.dumps(value, default=_members, indent=2, ensure_ascii=not _unicode())
        sys.stdout.write(f"{text}\n")

    def line(self, value: BaseModel) -> None:
        """Print a model as one line of JSON, and flush it."""
        sys.stdout.write(value.model_dump_json(exclude_unset=True, ensure_ascii=True) + "\n")
        sys.stdout.flush()

    def show(self, *parts: RenderableType) -> None:
        """Print for people; texts are printed verbatim, except for control characters."""
        shown = [printable(part) if isinstance(part, str) else part for part in parts]
        if self.console.is_terminal:
            self.console.print(*shown, sep="\n")
            return
        with self.console.capture() as captured:
            self.console.print(*shown, sep="\n")
        # Without the blanks that pad the lines of a table.
        lines = (line.rstrip() for line in captured.get().splitlines())
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()

    def remark(self, text: str, style: str = "") -> None:
        """Print on standard error what is not the output itself."""
        self._remarks.print(printable(text), style=style, soft_wrap=True)

    @contextmanager
    def transfer_bar(self, name: str) -> Iterator[OnProgress | None]:
        """Show the progress of a transfer on a terminal; yield the callback that updates it."""
        if not self.live:
            yield None
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task(printable(name), total=None)
            yield lambda done, whole: bar.update(task, completed=done, total=whole)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Re-raise: a broken pipe has an exit code of its own."""
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


# Tables and pages --------------------------------------------------------------------------------


def listing(columns: Mapping[str, Alignment]) -> Table:
    """A table without lines.

    On a narrow terminal a flexible column is truncated, and a wrapped one becomes taller.
    """
    return Table(
        *(_column(name, kind) for name, kind in columns.items()),
        box=None,
        pad_edge=False,
        header_style="bold",
    )


def add_row(table: Table, cells: Sequence[Cell]) -> None:
    """Add a row, each cell on one line."""
    table.add_row(*(_cell(cell, column) for cell, column in zip(cells, table.columns, strict=True)))


def facts(values: Mapping[str, Cell]) -> Table:
    """A line for each value that is not empty, after its name."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in values.items():
        if value:
            table.add_row(name, value if isinstance(value, Text) else styled(value, ""))
    return table


def headed(heading: str, *parts: RenderableType) -> RenderableType:
    """Parts below a blank line and a heading."""
    return Group("", Text(heading, "bold underline"), *parts)


def indented(mark: str, text: str) -> Table:
    """A text whose lines all start after the mark."""
    table = Table.grid()
    table.add_row(Text(mark), styled(text, ""))
    return table


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
    # A column becomes narrower only if it may wrap; its cells are still truncated.
    text.no_wrap, text.overflow = column.overflow == "ellipsis", column.overflow
    return text


# Values as text ----------------------------------------------------------------------------------


def printable(text: str) -> str:
    """`text` on one line, with control characters escaped.

    Text from the service may come from a crashed process or a column's name: it must not control
    the terminal.
    """
    return text.translate(_CONTROLS)


def number(value: float | None) -> str:
    """A measured value to four digits; a dash for a missing or non-finite one.

    Up to a billion, all digits before the decimal point are written.
    """
    if value is None:
        return NOTHING
    whole = _WHOLE <= abs(value) < _WHOLE_UNTIL
    return f"{value:.0f}" if whole else f"{value:.4g}"


def percent(share: float | None) -> str:
    """A fraction of 1 as a percentage."""
    return NOTHING if share is None else f"{share:.3g}" if share < 0 else f"{100 * share:.3g}%"


def size(count: int) -> str:
    """A number of bytes, in powers of 1000."""
    value = float(count)
    for unit in _UNITS[:-1]:
        if value < _STEP:
            return f"{value:.3g} {unit}"
        value /= _STEP
    return f"{value:.4g} {_UNITS[-1]}"


def duration(seconds: float) -> str:
    """A time span in a suitable unit."""
    if seconds < _MINUTE:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.0f} h"
    return f"{seconds / _DAY:.0f} d"


def age(since: datetime, now: datetime) -> str:
    """The time since then; 0 s if this clock is behind the service's."""
    return duration(max(0.0, (now - since).total_seconds() // 1))


def plural(count: int, noun: str) -> str:
    """A count and its noun: `1 fault`, `2 faults`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
