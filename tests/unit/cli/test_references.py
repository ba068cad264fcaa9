"""Short references to jobs and data sets."""

from collections.abc import Iterator

import pytest

from ridgeline.cli.errors import CommandError, ExitCode, UsageError
from ridgeline.cli.references import DATASET, JOB, SEARCHED, identifier

NEWEST = [f"job_{number:032x}" for number in (0xBBBB3333, 0xAAAA2222, 0xAAAA1111)]


def find(reference: str, ids: list[str] | None = None) -> str:
    return identifier(reference, JOB, lambda: iter(NEWEST if ids is None else ids))


def test_whole_id_is_not_looked_up() -> None:
    def nothing() -> Iterator[str]:
        raise AssertionError

    whole = "job_" + "f" * 32
    assert identifier(whole, JOB, nothing) == whole


def test_last_counts_back_from_the_newest() -> None:
    assert find("@last") == NEWEST[0]
    assert find("@last~0") == NEWEST[0]
    assert find("@last~2") == NEWEST[2]
    with pytest.raises(CommandError, match="3 before the last") as caught:
        find("@last~3")
    assert caught.value.code is ExitCode.NOT_FOUND
    with pytest.raises(CommandError, match="there is no job yet"):
        find("@last", [])


def test_start_or_end_of_an_id_matches() -> None:
    assert find("2222") == NEWEST[1]
    start = "job_" + "a" * 20 + "b" * 12
    assert find("aaaaaaaa", [start]) == start
    assert find("job_aaaa", [start]) == start
    assert find(start[:-1], [start]) == start


def test_prefix_matches_only_the_start() -> None:
    with pytest.raises(CommandError, match="starts or ends"):
        find("job_2222")


def test_ambiguous_reference_lists_the_matches() -> None:
    with pytest.raises(UsageError, match=r"matches 3 jobs: job_\w+ \(bbbb3333\), ") as caught:
        find("job_0000")
    assert caught.value.code is ExitCode.USAGE


@pytest.mark.parametrize(
    "reference", ["", "222", "22222g", "last", "@", "@last~", "JOB_2222", "a" * 33]
)
def test_invalid_reference_is_rejected(reference: str) -> None:
    with pytest.raises(UsageError, match="expected the id of a job"):
        find(reference)


def test_search_is_limited_to_the_newest() -> None:
    yielded: list[str] = []

    def endless() -> Iterator[str]:
        while True:
            yielded.append("job_" + "0" * 32)
            yield yielded[-1]

    with pytest.raises(CommandError) as caught:
        identifier("1234", JOB, endless)
    assert caught.value.code is ExitCode.NOT_FOUND
    assert len(yielded) == SEARCHED


def test_data_set_references() -> None:
    whole = "ds_" + "c" * 32
    assert identifier("@last", DATASET, lambda: [whole]) == whole
    with pytest.raises(UsageError, match="of a data set"):
        identifier("job_cccc", DATASET, lambda: [whole])
