"""What every test runs under. Fixtures live beside the tests that use them."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from ridgeline.storage import Database
from tests.rig.lanes import order, workers_for
from tests.rig.migrations import migrate_by_copy

if TYPE_CHECKING:
    from tests.rig.scheduling import ByServers

# TensorFlow's start-up lines would drown a failing test's output, here and in what tests start.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Shared machines are slow at times, which says nothing about the code. CI repeats the same
# examples, so that a red run can be run again; elsewhere every run looks at new ones.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest files first, so that all processes end at about the same time."""
    items[:] = order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """The number of processes of `--numprocesses auto`."""
    return workers_for(os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "ByServers":
    """Give each process whole files, and all files that share a server to one process."""
    from tests.rig.scheduling import ByServers

    return ByServers(config, log)


@pytest.fixture(autouse=True, scope="session")
def migrations_by_copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Migrate by copying a template: Alembic for each of a thousand databases takes minutes."""
    with pytest.MonkeyPatch.context() as patch:
        copy = migrate_by_copy(tmp_path_factory.mktemp("migrated"))
        patch.setattr(Database, "migrate", copy)
        yield
