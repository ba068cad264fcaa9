"""Short names of jobs."""

from collections.abc import Iterator

import pytest

from ridgeline.cli.errors import CommandError, UsageError
from ridgeline.cli.exits import ExitCode
from ridgeline.cli.references import DATASET, JOB, LOOKED_AT, identifier

NEWEST = [f"job_{number:032x}" for number in (0xBBBB3333, 0xAAAA2222, 0xAAAA1111)]


def find(reference: str, ids: list[str] | None = None) -> str:
    return identifier(reference, JOB, lambda: iter(NEWEST if ids is None else ids))


def test_a_whole_id_is_not_looked_up() -> None:
    def nothing() -> Iterator[str]:
        raise AssertionError

    whole = "job_" + "f" * 32
    assert identifier(whole, JOB, nothing) == whole


def test_last() -> None:
    assert find("@last") == NEWEST[0]
    assert find("@last~0") == NEWEST[0]
    assert find("@last~2") == NEWEST[2]
    with pytest.raises(CommandError, match="3 before the last") as caught:
        find("@last~3")
    assert caught.value.code is ExitCode.NOT_FOUND
    with pytest.raises(CommandError, match="there is no job yet"):
        find("@last", [])


def test_an_end_or_a_start() -> None:
    assert find("2222") == NEWEST[1]
    start = "job_" + "a" * 20 + "b" * 12
    assert find("aaaaaaaa", [start]) == start
    assert find("job_aaaa", [start]) == start
    assert find(start[:-1], [start]) == start


def test_the_prefix_says_start() -> None:
    with pytest.raises(CommandError, match="begins or ends"):
        find("job_2222")


def test_several() -> None:
    with pytest.raises(UsageError, match=r"stands for 3 jobs: job_\w+ \(bbbb3333\), ") as caught:
        find("job_0000")
    assert caught.value.code is ExitCode.USAGE


@pytest.mark.parametrize(
    "reference", ["", "222", "22222g", "last", "@", "@last~", "JOB_2222", "a" * 33]
)
def test_what_is_no_reference(reference: str) -> None:
    with pytest.raises(UsageError, match="expected the id of a job"):
        find(reference)


def test_the_search_ends() -> None:
    asked: list[str] = []

    def endless() -> Iterator[str]:
        while True:
            asked.append("job_" + "0" * 32)
            yield asked[-1]

    with pytest.raises(CommandError) as caught:
        identifier("1234", JOB, endless)
    assert caught.value.code is ExitCode.NOT_FOUND
    assert len(asked) == LOOKED_AT


def test_data_sets_too() -> None:
    whole = "ds_" + "c" * 32
    assert identifier("@last", DATASET, lambda: [whole]) == whole
    with pytest.raises(UsageError, match="of a data set"):
        identifier("job_cccc", DATASET, lambda: [whole])
