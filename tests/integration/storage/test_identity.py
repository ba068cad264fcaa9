"""The identity of a database: created once, stable, and kept by copies."""

import re
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from ridgeline.storage import Database, DatabaseUnavailable
from ridgeline.storage.ownership import IdentityStore
from tests.integration.storage.conftest import execute_on


def test_identity_is_created_once(database: Database, database_url: str) -> None:
    found = IdentityStore(database).get()
    assert re.fullmatch(r"db_[0-9a-f]{32}", found)
    with closing(Database(database_url)) as another:
        another.migrate()
        assert IdentityStore(another).get() == found


def test_databases_have_different_identities(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with closing(Database(f"sqlite:///{tmp_path_factory.mktemp('other')}/records.db")) as other:
        other.migrate()
        assert IdentityStore(other).get() != IdentityStore(database).get()


def test_second_identity_row_is_rejected(database: Database, sql: Callable[..., list[Any]]) -> None:
    for single in (1, 2):
        with pytest.raises(IntegrityError):
            sql("INSERT INTO identity (single, id) VALUES (:single, 'db_2')", single=single)
    renewed = IdentityStore(database).renew()
    assert sql("SELECT single, id FROM identity") == [(1, renewed)]


def test_unmigrated_database_is_unavailable(database_url: str) -> None:
    """A worker may start before the API has migrated the database."""
    with closing(Database(database_url)) as fresh:
        with pytest.raises(DatabaseUnavailable, match="no identity yet"):
            IdentityStore(fresh).get()
        fresh.migrate()
        assert IdentityStore(fresh).get()


def test_database_without_identity_row_is_unavailable(
    database: Database, sql: Callable[..., list[Any]]
) -> None:
    sql("DELETE FROM identity")
    with pytest.raises(DatabaseUnavailable, match="no identity"):
        IdentityStore(database).get()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_copied_rows_keep_the_identity(
    database: Database, database_url: str, postgresql_server: Callable[[], str]
) -> None:
    """As pg_dump and pg_restore do, into empty tables."""
    found = IdentityStore(database).get()
    schema = database_url.rpartition("search_path%3D")[2]
    restored = postgresql_server()
    execute_on(restored, f"CREATE TABLE identity AS SELECT * FROM {schema}.identity")  # noqa: S608
    with closing(Database(restored)) as copy:
        assert IdentityStore(copy).get() == found
