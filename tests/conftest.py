"""What every test runs under. Fixtures live beside the tests that use them."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from ridgeline.storage import Database
from tests.rig.migrations import migrate_by_copy

# TensorFlow's start-up lines would drown a failing test's output, here and in what tests start.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Shared machines are slow at times, which says nothing about the code. CI repeats the same
# examples, so that a red run can be run again; elsewhere every run looks at new ones.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(autouse=True, scope="session")
def migrations_by_copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Migrate by copying a template: Alembic for each of a thousand databases takes minutes."""
    with pytest.MonkeyPatch.context() as patch:
        copy = migrate_by_copy(tmp_path_factory.mktemp("migrated"))
        patch.setattr(Database, "migrate", copy)
        yield
