"""A guarantee: its promise, and the check that looks for jobs that broke it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.chaos.evidence import Evidence


class Look(NamedTuple):
    """The result of one check."""

    job: str
    """A job's id, or its label if it has no id."""
    problem: str | None = None
    """How it breaks the guarantee; None: it does not."""


Check = Callable[[Evidence], Iterator[Look]]


@dataclass(frozen=True)
class Guarantee:
    """One line of the report."""

    number: str
    """The number in the README; a letter distinguishes parts of one guarantee."""
    promise: str
    check: Check


@dataclass(frozen=True)
class Verdict:
    """The result of checking a guarantee."""

    guarantee: Guarantee
    checked: int
    violations: tuple[Look, ...]


GUARANTEES: list[Guarantee] = []
"""Every guarantee, in the order of definition."""


def guarantee(number: str, promise: str) -> Callable[[Check], Check]:
    """Register a function as the check of `promise`."""

    def add(check: Check) -> Check:
        GUARANTEES.append(Guarantee(number, promise, check))
        return check

    return add


def judge(evidence: Evidence) -> list[Verdict]:
    """Check every guarantee."""
    return [_verdict(guarantee, evidence) for guarantee in GUARANTEES]


def _verdict(guarantee: Guarantee, evidence: Evidence) -> Verdict:
    looks = list(guarantee.check(evidence))
    return Verdict(guarantee, len(looks), tuple(look for look in looks if look.problem is not None))
