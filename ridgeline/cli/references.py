"""Short ways to name a job or a data set: the start or the end of its id, or `@last`."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ridgeline.cli.errors import CommandError, UsageError
from ridgeline.cli.exits import ExitCode
from ridgeline.cli.figures import short

#: How many of the newest are looked through.
LOOKED_AT = 200
_LISTED = 5
_LAST = re.compile(r"@last(?:~([0-9]{1,3}))?")


@dataclass(frozen=True)
class Kind:
    """What is named: `job_` and 32 digits is a job."""

    prefix: str
    noun: str

    @property
    def whole(self) -> re.Pattern[str]:
        """What an id looks like."""
        return re.compile(rf"{self.prefix}[0-9a-f]{{32}}")

    @property
    def part(self) -> re.Pattern[str]:
        """What is long enough to look for."""
        return re.compile(rf"(?:{self.prefix})?[0-9a-f]{{4,32}}")


JOB = Kind("job_", "job")
DATASET = Kind("ds_", "data set")


def identifier(reference: str, kind: Kind, newest: Callable[[], Iterable[str]]) -> str:
    """The id that `reference` stands for; `newest` gives the ids there are, newest first.

    Raises UsageError where it is no reference or stands for several, CommandError for none.
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
    ids = list(itertools.islice(newest(), LOOKED_AT))
    found = [each for each in ids if _matches(each.removeprefix(kind.prefix), digits, reference)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(_ambiguous(reference, kind, found))
    raise CommandError(
        f"no {kind.noun} among the newest {len(ids)} begins or ends with {digits};"
        " give the whole id of an older one",
        ExitCode.NOT_FOUND,
    )


def _last(back: int, kind: Kind, newest: Iterable[str]) -> str:
    found = list(itertools.islice(newest, back, back + 1))
    if found:
        return found[0]
    what = "yet" if back == 0 else f"that is {back} before the last"
    raise CommandError(f"there is no {kind.noun} {what}", ExitCode.NOT_FOUND)


def _matches(own: str, digits: str, reference: str) -> bool:
    """Whether an id begins with the digits, or ends with them where no prefix says start."""
    return own.startswith(digits) or (digits == reference and own.endswith(digits))


def _ambiguous(reference: str, kind: Kind, found: Sequence[str]) -> str:
    listed = ", ".join(f"{each} ({short(each)})" for each in found[:_LISTED])
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return f"{reference} stands for {len(found)} {kind.noun}s: {listed}{more}; give more digits"
