"""Small stored data sets, and specs that use them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ridgeline.api.datasets import StoredDataset
from ridgeline.spec.dataset.contents import (
    ArrayMember,
    Column,
    ColumnType,
    DatasetFormat,
    ImageFolder,
    ValueCount,
)
from ridgeline.spec.job_spec import JobSpec

ID = "ds_" + "0" * 32


def stored(format: DatasetFormat, rows: int = 150, **contents: Any) -> StoredDataset:  # noqa: A002
    return StoredDataset(
        format=format,
        rows=rows,
        **contents,
        id=ID,
        name="a file",
        bytes=1000,
        sha256="0" * 64,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def counts(values: Mapping[str, int]) -> tuple[ValueCount, ...]:
    return tuple(ValueCount(value=value, rows=rows) for value, rows in values.items())


def number(name: str, low: float = -1.0, high: float = 1.0, **more: Any) -> Column:
    kind = more.pop("type", ColumnType.NUMBER)
    known = {"missing": 0, "distinct": 150, "values": None, **more}
    return Column(name=name, type=kind, minimum=low, maximum=high, **known)


def integer(name: str, low: float = 0, high: float = 9, **more: Any) -> Column:
    return number(name, low, high, type=ColumnType.INTEGER, **more)


def text(name: str, *values: str, missing: int = 0, distinct: int | None = None) -> Column:
    """A column with 50 rows of each value; without values, one with too many to list."""
    listed = counts(dict.fromkeys(values, 50)) if values else None
    known = len(values) if values else distinct
    return Column(name=name, type=ColumnType.TEXT, missing=missing, distinct=known, values=listed)


def table(*columns: Column, **more: Any) -> StoredDataset:
    return stored(DatasetFormat.CSV, columns=columns, **more)


def array(name: str, *shape: int, dtype: str = "float32", **more: Any) -> ArrayMember:
    return ArrayMember(name=name, shape=(150, *shape), dtype=dtype, **more)


def labels(name: str = "y", classes: int = 3, dtype: str = "int64") -> ArrayMember:
    values = counts({str(number): 150 // classes for number in range(classes)})
    return array(name, dtype=dtype, values=values, minimum=0, maximum=classes - 1)


def arrays(*members: ArrayMember) -> StoredDataset:
    return stored(DatasetFormat.NPZ, arrays=members)


def images(
    height: tuple[int, int] = (8, 8),
    width: tuple[int, int] = (9, 9),
    channels: tuple[int, ...] = (3,),
    classes: Mapping[str, int] | None = None,
) -> StoredDataset:
    folder = ImageFolder(
        height=height,
        width=width,
        channels=channels,
        classes=counts(classes or {"cats": 75, "dogs": 75}),
    )
    return stored(DatasetFormat.IMAGES, images=folder)


def stored_spec(dataset: StoredDataset, *, units: int = 3, **sections: Any) -> JobSpec:
    """A spec that trains on a stored data set; keywords are its options or sections of the spec."""
    spec: dict[str, Any] = {
        "model": {"layers": [{"type": "Flatten"}, {"type": "Dense", "units": units}]},
        "training": {"loss": {"name": "categorical_crossentropy", "from_logits": True}},
    }
    parts = {
        name: sections.pop(name) for name in ("model", "training", "split") if name in sections
    }
    spec |= {"dataset": {"source": "upload", "id": ID, **sections}} | parts
    parsed = JobSpec.model_validate_json(json.dumps(spec))
    return parsed.model_copy(update={"dataset": parsed.dataset.with_stored(dataset.snapshot())})  # type: ignore[union-attr]
