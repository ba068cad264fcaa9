"""Which tests run in which order, and in which process when there are several."""

from collections.abc import Sequence

import pytest

#: Folders and files, a tuple each, whose tests share servers that take seconds to start.
SHARING_SERVERS = (
    ("tests/faults/",),
    (
        "tests/e2e/dashboard/",
        *(f"tests/e2e/test_{name}.py" for name in ["cli", "client", "docs", "jobs", "readme"]),
    ),
    ("tests/integration/worker/test_tracking",),
    ("tests/integration/storage/",),
    ("tests/integration/artifacts/",),
)
#: More processes than cores: a third of the tests' time is spent waiting.
_MORE_THAN_CORES = 1
_MOST_WORKERS = 4
#: By their markers.
_RANKS = ("slow", "servers")


def group_of(nodeid: str) -> str:
    """The tests that run in one process: those of a file, or of files that share servers."""
    file = nodeid.partition("::")[0]
    return next((group[0] for group in SHARING_SERVERS if file.startswith(group)), file)


def order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The longest groups first: shared servers, slow tests, other servers, then all others."""
    ranks: dict[str, int] = {}
    for item in items:
        group = group_of(item.nodeid)
        ranks[group] = min(_rank(item), ranks.get(group, len(_RANKS)))
    return sorted(items, key=lambda item: ranks[group_of(item.nodeid)])


def workers_for(cores: int) -> int:
    """The number of processes that run tests at once on so many cores."""
    return min(cores + _MORE_THAN_CORES, _MOST_WORKERS)


def _rank(item: pytest.Item) -> int:
    file = item.nodeid.partition("::")[0]
    for rank, group in enumerate(SHARING_SERVERS):
        if file.startswith(group):
            return rank - len(SHARING_SERVERS)
    marked = (rank for rank, name in enumerate(_RANKS) if item.get_closest_marker(name))
    return next(marked, len(_RANKS))
