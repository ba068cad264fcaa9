"""A guarantee: what is promised, and how the checker looks for a job that broke it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.chaos.evidence import Evidence


class Look(NamedTuple):
    """One thing that was looked at."""

    job: str
    """A job's id, or the label by which a client knows it."""
    problem: str | None = None
    """How it breaks the guarantee; None: it keeps it."""


Check = Callable[[Evidence], Iterator[Look]]


@dataclass(frozen=True)
class Guarantee:
    """One line of what is printed."""

    number: str
    """As in the README's list; a letter tells parts of one apart."""
    promise: str
    check: Check


@dataclass(frozen=True)
class Verdict:
    """What the checker has found about a guarantee."""

    guarantee: Guarantee
    checked: int
    violations: tuple[Look, ...]


GUARANTEES: list[Guarantee] = []
"""All of them, in the order of their definition."""


def guarantee(number: str, promise: str) -> Callable[[Check], Check]:
    """Have the checker look for what breaks `promise`."""

    def add(check: Check) -> Check:
        GUARANTEES.append(Guarantee(number, promise, check))
        return check

    return add


def judge(evidence: Evidence) -> list[Verdict]:
    """Check every guarantee."""
    return [_verdict(each, evidence) for each in GUARANTEES]


def _verdict(each: Guarantee, evidence: Evidence) -> Verdict:
    looks = list(each.check(evidence))
    return Verdict(each, len(looks), tuple(look for look in looks if look.problem is not None))
