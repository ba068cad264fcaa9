"""A description of a file is never too long, whatever the file."""

import json

from ridgeline.spec.dataset.contents import (
    Column,
    ColumnType,
    DatasetContents,
    DatasetFormat,
    ValueCount,
)
from service.datasets.inspection.__main__ import bounded


def contents(distinct: list[int]) -> DatasetContents:
    """A table whose columns have so many different values each."""
    return DatasetContents(
        format=DatasetFormat.CSV,
        rows=1000,
        columns=tuple(
            Column(
                name=f"c{index}",
                type=ColumnType.TEXT,
                missing=0,
                distinct=count,
                values=tuple(ValueCount(value=f"v{each}", rows=1) for each in range(count)),
            )
            for index, count in enumerate(distinct)
        ),
    )


def listed(found: dict[str, object], columns: int) -> list[bool]:
    values = DatasetContents.model_validate_json(json.dumps(found)).columns
    assert values is not None
    assert len(values) == columns
    return [column.values is not None for column in values]


def test_a_short_one_is_as_it_was_found() -> None:
    found = contents([2, 1000])
    assert bounded(found) == found.model_dump(mode="json")


def test_the_longest_lists_go_first() -> None:
    found = bounded(contents([2, 15, 90, 900]), most_bytes=6_000)
    assert listed(found, 4) == [True, True, True, False]
    found = bounded(contents([2, 15, 90, 900]), most_bytes=1_500)
    assert listed(found, 4) == [True, True, False, False]


def test_many_columns_lose_all_of_them() -> None:
    found = bounded(contents([2] * 4096), most_bytes=400_000)
    assert listed(found, 4096) == [False] * 4096
