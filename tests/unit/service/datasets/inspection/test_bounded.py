"""The description of a file has a bounded length."""

import json

from ridgeline.spec.dataset.contents import (
    Column,
    ColumnType,
    DatasetContents,
    DatasetFormat,
    ValueCount,
)
from service.datasets.inspector_child import bounded


def contents(distinct: list[int]) -> DatasetContents:
    """A table whose columns each have so many different values."""
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


def test_a_short_description_is_unchanged() -> None:
    found = contents([2, 1000])
    assert bounded(found) == found.model_dump(mode="json")


def test_the_longest_lists_are_dropped_first() -> None:
    found = bounded(contents([2, 15, 90, 900]), most_bytes=6_000)
    assert listed(found, 4) == [True, True, True, False]
    found = bounded(contents([2, 15, 90, 900]), most_bytes=1_500)
    assert listed(found, 4) == [True, True, False, False]


def test_many_columns_lose_all_their_values() -> None:
    found = bounded(contents([2] * 4096), most_bytes=400_000)
    assert listed(found, 4096) == [False] * 4096
