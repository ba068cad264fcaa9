"""Logs: JSON lines on standard error, from our own code and from libraries alike."""

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from structlog.typing import Processor

MAX_LINE_BYTES = 8 * 2**10
"""The maximum size of a stored line's event or fields; longer ones are cut."""
_MAX_EVENT = 1000
_MAX_DEPTH = 5
_MAX_ITEMS = 100
_TRANSITION = ("job", "attempt", "fence", "before", "after", "reason")

TRANSITIONS = "ridgeline.transitions"
"""The logger of all changes of a job's status."""


def configure_logs(keep: "Processor | None" = None, quiet: Sequence[str] = ()) -> None:
    """Log everything to standard error as JSON.

    `keep` processes every line first. The loggers `quiet` log only warnings and errors.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[Processor] = [
        structlog.processors.format_exc_info,
        *([keep] if keep else []),
        structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    foreign: list[Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=_TRANSITION),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, *foreign],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)


def storable(text: str) -> str:
    """`text` with NUL and lone surrogates replaced, which databases reject."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def event_text(event: object, clean: Callable[[str], str] = storable) -> str:
    """The event of a line, cleaned and cut to the length that is stored."""
    return _cut(clean(str(event)), _MAX_EVENT)


def fields_json(fields: Mapping[str, object], clean: Callable[[str], str] = storable) -> str:
    """The fields of a line as a JSON object of bounded size; `clean` is applied to every text."""
    for longest in (MAX_LINE_BYTES, MAX_LINE_BYTES // 4, MAX_LINE_BYTES // 16, 64):
        plain = _plain(fields, clean, longest, _MAX_DEPTH)
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
        if len(text.encode()) <= MAX_LINE_BYTES:
            return text
    return '{"dropped":"the fields were too long"}'


def _plain(value: object, clean: Callable[[str], str], longest: int, depth: int) -> Any:
    """`value` as something that JSON can represent."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):  # not every reader of JSON takes larger ones
        return value if abs(value) < 2**63 else hex(value)[:longest]
    if isinstance(value, float) and isfinite(value):
        return value
    if depth and isinstance(value, Mapping):
        items = list(value.items())[:_MAX_ITEMS]
        return {
            _cut(clean(str(key)), 64): _plain(item, clean, longest, depth - 1)
            for key, item in items
        }
    if depth and isinstance(value, list | tuple):
        return [_plain(item, clean, longest, depth - 1) for item in value[:_MAX_ITEMS]]
    return _cut(clean(value if isinstance(value, str) else repr(value)), longest)


def _cut(text: str, longest: int) -> str:
    """The start and the end of a text that is too long: a traceback ends with its cause."""
    if len(text) <= longest:
        return text
    head = longest // 4
    return f"{text[:head]} … {text[head - longest :]}"
