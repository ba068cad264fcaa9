"""Short references to a job or a data set: the start or the end of its id, or `@last`."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ridgeline.cli.errors import CommandError, ExitCode, UsageError

#: How many of the newest ids are searched.
SEARCHED = 200
_LISTED = 5
_LAST = re.compile(r"@last(?:~([0-9]{1,3}))?")


def short(identifier: str) -> str:
    """The end of an id, which identifies it: its start is only the time it was created."""
    return identifier[-8:]


@dataclass(frozen=True)
class Kind:
    """What a reference names: `job_` and 32 digits is a job."""

    prefix: str
    noun: str

    @property
    def whole(self) -> re.Pattern[str]:
        """The form of an id."""
        return re.compile(rf"{self.prefix}[0-9a-f]{{32}}")

    @property
    def part(self) -> re.Pattern[str]:
        """The form of a part that is long enough to search for."""
        return re.compile(rf"(?:{self.prefix})?[0-9a-f]{{4,32}}")


JOB = Kind("job_", "job")
DATASET = Kind("ds_", "data set")


def identifier(reference: str, kind: Kind, newest: Callable[[], Iterable[str]]) -> str:
    """The id that `reference` stands for; `newest` returns all ids, newest first.

    Raises UsageError if it is not a reference or matches several ids, CommandError if none.
    """
    if kind.whole.fullmatch(reference):
        return reference
    if last := _LAST.fullmatch(reference):
        return _last(int(last[1] or 0), kind, newest())
    if not kind.part.fullmatch(reference):
        raise UsageError(
            f"expected the id of a {kind.noun}, four or more digits of its start or end, or @last"
            f" (@last~1 is the one before); received {reference!r}"
        )
    digits = reference.removeprefix(kind.prefix)
    ids = list(itertools.islice(newest(), SEARCHED))
    matches = [id_ for id_ in ids if _matches(id_.removeprefix(kind.prefix), digits, reference)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(_ambiguous(reference, kind, matches))
    raise CommandError(
        f"no {kind.noun} among the newest {len(ids)} has an id that starts or ends with {digits};"
        " for an older one pass the whole id",
        ExitCode.NOT_FOUND,
    )


def _last(back: int, kind: Kind, newest: Iterable[str]) -> str:
    for id_ in itertools.islice(newest, back, back + 1):
        return id_
    if back == 0:
        raise CommandError(f"there is no {kind.noun} yet", ExitCode.NOT_FOUND)
    raise CommandError(f"there is no {kind.noun} {back} before the last", ExitCode.NOT_FOUND)


def _matches(own: str, digits: str, reference: str) -> bool:
    """Whether an id starts with the digits, or ends with them if the reference has no prefix."""
    return own.startswith(digits) or (digits == reference and own.endswith(digits))


def _ambiguous(reference: str, kind: Kind, matches: Sequence[str]) -> str:
    listed = ", ".join(f"{id_} ({short(id_)})" for id_ in matches[:_LISTED])
    more = f" and {len(matches) - _LISTED} more" if len(matches) > _LISTED else ""
    return f"{reference} matches {len(matches)} {kind.noun}s: {listed}{more}; give more digits"
