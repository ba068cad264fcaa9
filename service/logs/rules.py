"""A job's log, as JSON, as a line of JSON for each of its lines, and as text for people."""

import json
from collections.abc import Iterator

from ridgeline.api.log import LogLevel
from ridgeline.storage import LogRecord, LogRecords, LogStore
from service.http.representations import dump, rfc3339
from service.services import Parts

MAX_LINES = 1000


def page(parts: Parts, job_id: str, after: int, limit: int, level: LogLevel | None) -> LogRecords:
    """Up to `limit` lines behind `after` that are of `level` or matter more.

    Raises UnknownJob.
    """
    levels = level.and_above if level else ()
    return LogStore(parts.database).page(job_id, after, limit, levels)


def to_json(found: LogRecords) -> str:
    """The contract's LogPage."""
    items = ",".join(map(_entry, found.records))
    following = f'"next":{dump(found.next_after)},"dropped":{found.dropped}'
    return f'{{"items":[{items}],{following}}}'


def to_ndjson(found: LogRecords) -> str:
    """The contract's LogEntry, one a line."""
    return "".join(f"{_entry(record)}\n" for record in found.records)


def to_text(found: LogRecords, *, from_start: bool) -> str:
    """A line each, but for texts of several lines, which follow their line."""
    missing = [f"({found.dropped} older lines are gone)"] if from_start and found.dropped else []
    lines = (line for record in found.records for line in _text(record))
    return "".join(f"{line}\n" for line in (*missing, *lines))


def _entry(record: LogRecord) -> str:
    members = (
        ("id", dump(record.number)),
        ("at", dump(rfc3339(record.at))),
        ("attempt", dump(record.attempt)),
        ("fence", dump(record.fence)),
        ("level", dump(record.level)),
        ("source", dump(record.source)),
        ("event", dump(record.event)),
        ("fields", record.fields),
    )
    return "{" + ",".join(f'"{name}":{value}' for name, value in members) + "}"


def _text(record: LogRecord) -> Iterator[str]:
    fields = json.loads(record.fields)
    long = {key: value for key, value in fields.items() if "\n" in str(value)}
    short = [f"{key}={_word(fields[key])}" for key in fields if key not in long]
    event = " ".join(record.event.splitlines())
    start = f"{rfc3339(record.at)} {record.level:<8} {record.source:<7} attempt {record.attempt}"
    yield " ".join([start, event, *short])
    for key, value in long.items():
        yield f"    {key}:"
        yield from (f"    | {line}" for line in str(value).splitlines())


def _word(value: object) -> str:
    plain = isinstance(value, str) and value and not set(value) & set(' "=')
    return str(value) if plain else dump(value)
