"""Records are checked against the tables they are read from, on import."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import pytest
from sqlalchemy import func

from ridgeline.api.lifecycle import JobStatus
from ridgeline.storage.columns import RowReader
from ridgeline.storage.tables import jobs


class Good(NamedTuple):
    id: str
    status: JobStatus
    tags: tuple[str, ...]
    started_at: datetime | None
    deadline_s: float | None


class Unknown(NamedTuple):
    id: str
    colour: str


class WrongType(NamedTuple):
    status: str


class NotOptional(NamedTuple):
    started_at: datetime


class NeverNull(NamedTuple):
    created_at: datetime | None


@dataclass(frozen=True)
class WithDefault:
    id: str
    files: tuple[str, ...] = ()


def test_fields_become_columns_in_their_order() -> None:
    reader = RowReader(Good, jobs)
    assert [column.name for column in reader.columns] == list(Good._fields)


@pytest.mark.parametrize("record", [Unknown, WrongType, NotOptional, NeverNull])
def test_field_that_does_not_match_its_column_is_rejected(record: type[object]) -> None:
    with pytest.raises(TypeError, match=record.__name__):
        RowReader(record, jobs)


def test_expression_stands_in_for_a_column() -> None:
    reader = RowReader(Unknown, jobs, colour=func.upper(jobs.c.name, type_=jobs.c.name.type))
    assert [column.name for column in reader.columns] == ["id", "colour"]


def test_field_without_a_column_keeps_its_default() -> None:
    reader = RowReader(WithDefault, jobs, without=("files",))
    assert [column.name for column in reader.columns] == ["id"]
