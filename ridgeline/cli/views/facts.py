"""Names with values, and headings: what pages are made of."""

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ridgeline.cli.printing import styled


def facts(values: Mapping[str, str | Text]) -> Table:
    """A line for each value that is there, behind its name."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in values.items():
        if value:
            table.add_row(name, value if isinstance(value, Text) else styled(value, ""))
    return table


def indented(mark: str, text: str) -> Table:
    """A text whose lines all begin behind the mark."""
    table = Table.grid()
    table.add_row(Text(mark), styled(text, ""))
    return table


def headed(heading: str, *parts: RenderableType) -> RenderableType:
    """Parts below a heading and a blank line."""
    return Group("", Text(heading, "bold underline"), *parts)
