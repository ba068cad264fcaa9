"""Tests with shared servers stay together, and the longest run first."""

from pathlib import Path
from typing import Any, cast

import pytest

from tests.rig.lanes import SHARING_SERVERS, group_of, order, workers_for

ROOT = Path(__file__).parents[3]


class Item:
    def __init__(self, nodeid: str, *marks: str) -> None:
        self.nodeid = nodeid
        self.marks = marks

    def get_closest_marker(self, name: str) -> object:
        return name if name in self.marks else None


def ordered(*items: Item) -> list[str]:
    return [item.nodeid for item in order(cast("Any", items))]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tests/faults/test_redis.py::test_a[x::y]", "tests/faults/test_gpus.py::test_b"),
        ("tests/e2e/test_docs.py::test_a", "tests/e2e/dashboard/test_form.py::test_b"),
    ],
)
def test_files_with_shared_servers_are_one_group(one: str, other: str) -> None:
    assert group_of(one) == group_of(other)


def test_every_other_file_is_a_group_of_its_own() -> None:
    assert group_of("tests/e2e/test_up.py::test_a") == "tests/e2e/test_up.py"
    assert group_of("tests/unit/test_a.py::Class::test_a") == "tests/unit/test_a.py"


@pytest.mark.parametrize("prefix", [prefix for group in SHARING_SERVERS for prefix in group])
def test_every_shared_place_exists(prefix: str) -> None:
    folder, _, name = prefix.rpartition("/")
    assert list((ROOT / folder).glob(f"{name}*"))


def test_shared_servers_come_first_and_a_slow_test_takes_its_file_along() -> None:
    assert ordered(
        Item("tests/unit/test_quick.py::test_a"),
        Item("tests/unit/test_mixed.py::test_a"),
        Item("tests/unit/test_mixed.py::test_b", "slow"),
        Item("tests/integration/test_served.py::test_a", "servers"),
        Item("tests/faults/test_redis.py::test_a", "servers"),
    ) == [
        "tests/faults/test_redis.py::test_a",
        "tests/unit/test_mixed.py::test_a",
        "tests/unit/test_mixed.py::test_b",
        "tests/integration/test_served.py::test_a",
        "tests/unit/test_quick.py::test_a",
    ]


@pytest.mark.parametrize(("cores", "workers"), [(1, 2), (2, 3), (3, 4), (16, 4)])
def test_one_more_process_than_cores_but_at_most_four(cores: int, workers: int) -> None:
    assert workers_for(cores) == workers
