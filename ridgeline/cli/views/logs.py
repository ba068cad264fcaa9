"""A line of a log."""

import json

from rich.text import Text

from ridgeline.api.log import LogEntry, LogLevel
from ridgeline.cli.printing import styled

_STYLES = {
    LogLevel.DEBUG: "dim",
    LogLevel.INFO: "",
    LogLevel.WARNING: "yellow",
    LogLevel.ERROR: "red",
    LogLevel.CRITICAL: "bold red",
}


def log_line(entry: LogEntry) -> Text:
    """Time, attempt, who says it, what, and what else it says."""
    time = entry.at.strftime("%Y-%m-%d %H:%M:%S")
    said = f"{entry.level.value:<8} {entry.source.value:<7} {entry.event}"
    more = " ".join(f"{name}={_value(value)}" for name, value in entry.fields.items())
    return Text.assemble(
        styled(f"{time} #{entry.attempt} ", "dim"),
        styled(said, _STYLES[entry.level]),
        styled(f" {more}" if more else "", "dim"),
    )


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
