"""Stored data sets: as a table, and one on a page."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ridgeline.api.datasets import StoredDataset
from ridgeline.cli.printing import (
    NOTHING,
    add_row,
    age,
    facts,
    headed,
    listing,
    number,
    plural,
    size,
    styled,
)
from ridgeline.cli.references import short
from ridgeline.spec.dataset.contents import ArrayMember, Column, ImageFolder, OwnSplit, ValueCount

#: How many values of a column are listed.
_VALUES = 6


def datasets_table(datasets: Iterable[StoredDataset], now: datetime) -> Table:
    """One line per data set."""
    table = listing(
        {
            "id": "left",
            "name": "flexible",
            "format": "left",
            "rows": "right",
            "size": "right",
            "age": "right",
        }
    )
    for dataset in datasets:
        add_row(
            table,
            (
                short(dataset.id),
                dataset.name,
                dataset.format,
                f"{dataset.rows:,}",
                size(dataset.bytes),
                age(dataset.created_at, now),
            ),
        )
    return table


def dataset_page(dataset: StoredDataset) -> Iterator[RenderableType]:
    """The content of a data set, and how a spec names it."""
    yield Text.assemble((dataset.id, "bold"), styled(f"  {dataset.name}", ""))
    yield facts(
        {
            "format": dataset.format.value,
            "rows": f"{dataset.rows:,}{_parts(dataset.split)}",
            "size": size(dataset.bytes),
            "sha256": dataset.sha256,
        }
    )
    if dataset.columns is not None:
        yield headed(plural(len(dataset.columns), "column"), _columns(dataset.columns))
    if dataset.arrays is not None:
        yield headed(plural(len(dataset.arrays), "array"), _arrays(dataset.arrays))
    if dataset.images is not None:
        yield headed("Images", *_images(dataset.images))
    yield headed("In a spec", styled(_in_spec(dataset), ""))


def _parts(split: OwnSplit | None) -> str:
    """The rows of each part of the split."""
    if split is None:
        return ""
    parts = {"training": split.train, "validation": split.validation, "test": split.test}
    return f" ({', '.join(f'{rows:,} {part}' for part, rows in parts.items() if rows)})"


def _columns(columns: Sequence[Column]) -> Table:
    table = listing(
        {"name": "left", "type": "left", "missing": "right", "distinct": "right", "": "flexible"}
    )
    for column in columns:
        distinct = NOTHING if column.distinct is None else f"{column.distinct:,}"
        cells = (column.name, column.type, f"{column.missing:,}", distinct, _range(column))
        add_row(table, cells)
    return table


def _range(column: Column) -> str:
    if column.values and len(column.values) <= _VALUES:
        return _balance(column.values)
    if column.minimum is not None and column.maximum is not None:
        return f"{number(column.minimum)} to {number(column.maximum)}"
    return _balance(column.values or ())


def _arrays(arrays: Sequence[ArrayMember]) -> Table:
    table = listing({"name": "left", "type": "left", "shape": "left", "": "flexible"})
    for array in arrays:
        shape = "×".join(map(str, array.shape))
        add_row(table, (array.name, array.dtype, shape, _balance(array.values or ())))
    return table


def _images(images: ImageFolder) -> Iterator[RenderableType]:
    (low, high), (narrow, wide) = images.height, images.width
    yield facts(
        {
            "height": str(low) if low == high else f"{low} to {high}",
            "width": str(narrow) if narrow == wide else f"{narrow} to {wide}",
            "channels": ", ".join(map(str, images.channels)),
        }
    )
    table = listing({"class": "left", "images": "right"})
    for class_ in images.classes:
        add_row(table, (class_.value, f"{class_.rows:,}"))
    yield table


def _balance(values: Sequence[ValueCount]) -> str:
    """Each value with its number of rows."""
    listed = ", ".join(f"{count.value}: {count.rows:,}" for count in values[:_VALUES])
    return f"{listed}, …" if len(values) > _VALUES else listed


def _in_spec(dataset: StoredDataset) -> str:
    section = {"source": "upload", "id": dataset.id}
    names = [array.stem or array.name for array in dataset.arrays or ()]
    if dataset.columns:
        section["target"] = dataset.columns[-1].name
    elif names and "y" not in names:
        section["target"] = names[-1]
    return f'"dataset": {json.dumps(section, ensure_ascii=False)}'
