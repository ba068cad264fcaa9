"""Logs: one JSON object a line on standard error, from our own code and from libraries alike."""

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
"""How long a stored line's event or its fields may be; longer ones are cut."""
_MAX_EVENT = 1000
_MAX_DEPTH = 5
_MAX_ITEMS = 100
_TRANSITION = ("job", "attempt", "fence", "before", "after", "reason")

TRANSITIONS = "ridgeline.transitions"
"""The logger that tells of every change of a job's status."""


def configure_logs(keep: "Processor | None" = None, quiet: Sequence[str] = ()) -> None:
    """Send everything to standard error as JSON.

    `keep` sees every line before; of the loggers `quiet` warnings and worse are logged.
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
    told_apart: list[Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=_TRANSITION),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, *told_apart],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)


def storable(text: str) -> str:
    """`text` without what a database refuses in it: NUL and lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def event_text(event: object, clean: Callable[[str], str] = storable) -> str:
    """A line's event as it is stored."""
    return _cut(clean(str(event)), _MAX_EVENT)


def fields_json(fields: Mapping[str, object], clean: Callable[[str], str] = storable) -> str:
    """A line's fields as a JSON object of bounded length; every text goes through `clean`."""
    for longest in (MAX_LINE_BYTES, MAX_LINE_BYTES // 4, MAX_LINE_BYTES // 16, 64):
        plain = _plain(fields, clean, longest, _MAX_DEPTH)
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
        if len(text.encode()) <= MAX_LINE_BYTES:
            return text
    return '{"dropped":"the fields were too long"}'


def _plain(value: object, clean: Callable[[str], str], longest: int, depth: int) -> Any:
    """`value` as what JSON can say."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):  # a longer one cannot be read everywhere, or not even be written
        return value if abs(value) < 2**63 else hex(value)[:longest]
    if isinstance(value, float) and isfinite(value):
        return value
    if depth and isinstance(value, Mapping):
        items = list(value.items())[:_MAX_ITEMS]
        return {
            _cut(clean(str(key)), 64): _plain(each, clean, longest, depth - 1)
            for key, each in items
        }
    if depth and isinstance(value, list | tuple):
        return [_plain(each, clean, longest, depth - 1) for each in value[:_MAX_ITEMS]]
    return _cut(clean(value if isinstance(value, str) else repr(value)), longest)


def _cut(text: str, longest: int) -> str:
    """Beginning and end of a text that is too long; a traceback's end says most."""
    if len(text) <= longest:
        return text
    head = longest // 4
    return f"{text[:head]} … {text[head - longest :]}"
