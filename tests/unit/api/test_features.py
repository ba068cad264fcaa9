"""`features.json` encodes a row, given as Python values or as the text of a CSV file."""

from typing import Any

import pytest

from ridgeline.api.features import Cell, ColumnFeatures, RowEncoding, TargetFeatures
from ridgeline.spec.dataset.contents import ColumnType, DatasetFormat
from tests.unit.planning.dataset.stored import ID


def column(encoding: Any, kind: ColumnType, width: int = 1, **more: Any) -> ColumnFeatures:
    return ColumnFeatures(name="c", type=kind, encoding=encoding, first=0, width=width, **more)


SIZES = ("S", "M", "L")
FLOORS = ("-1", "0", "2")
WORDS: dict[str, Any] = {"words": ("good", "bad"), "first_word": 2, "unknown": 1}


@pytest.mark.parametrize(
    ("features", "cell", "numbers"),
    [
        (column("number", ColumnType.NUMBER), 1.5, [1.5]),
        (column("number", ColumnType.INTEGER), " 7", [7.0]),
        (column("number", ColumnType.NUMBER, missing=2.5), "", [2.5]),
        (column("number", ColumnType.NUMBER, missing=0.0), None, [0.0]),
        (column("number", ColumnType.NUMBER, missing=2.5), float("nan"), [2.5]),
        (column("number", ColumnType.BOOLEAN), True, [1.0]),
        (column("number", ColumnType.BOOLEAN), "FALSE", [0.0]),
        (column("one_hot", ColumnType.TEXT, 3, categories=SIZES), "M", [0.0, 1.0, 0.0]),
        (column("one_hot", ColumnType.TEXT, 3, categories=SIZES), "XL", [0.0] * 3),
        (column("one_hot", ColumnType.TEXT, 3, categories=SIZES), None, [0.0] * 3),
        (column("one_hot", ColumnType.INTEGER, 3, categories=FLOORS), 0, [0.0, 1.0, 0.0]),
        (column("one_hot", ColumnType.NUMBER, 3, categories=FLOORS), "2.0", [0.0, 0.0, 1.0]),
        (
            column("one_hot", ColumnType.BOOLEAN, 2, categories=("false", "true")),
            "True",
            [0.0, 1.0],
        ),
        (column("ordinal", ColumnType.TEXT, categories=SIZES), "S", [1.0]),
        (column("ordinal", ColumnType.TEXT, categories=SIZES), "L", [3.0]),
        (column("ordinal", ColumnType.TEXT, categories=SIZES), "", [0.0]),
        (column("sequence", ColumnType.TEXT, 3, **WORDS), "Good: so BAD!", [2.0, 1.0, 3.0]),
        (column("sequence", ColumnType.TEXT, 3, **WORDS), "bad", [0.0, 0.0, 3.0]),
        (column("sequence", ColumnType.TEXT, 2, **WORDS), "a b good bad", [2.0, 3.0]),
        (
            column("multi_hot", ColumnType.TEXT, 4, words=("good", "bad"), first_word=1, unknown=0),
            "so good, good",
            [1.0, 1.0, 0.0, 0.0],
        ),
    ],
)
def test_a_cell_is_encoded(features: ColumnFeatures, cell: Cell, numbers: list[float]) -> None:
    assert features.encode(cell) == numbers


def encoding(*columns: ColumnFeatures) -> RowEncoding:
    return RowEncoding(
        dataset=ID,
        sha256="0" * 64,
        format=DatasetFormat.CSV,
        shape=(len(columns),),
        dtype="float32",
        columns=columns or None,
        target=TargetFeatures(task="regression"),
    )


def test_a_row_that_cannot_be_encoded_is_an_error() -> None:
    features = encoding(column("number", ColumnType.NUMBER))
    assert features.encode({"c": 3, "unused": "x"}) == [3.0]
    with pytest.raises(ValueError, match=r"missing: \['c'\]"):
        features.encode({"d": 3})
    with pytest.raises(ValueError, match="nothing replaces it"):
        features.encode({"c": None})
    with pytest.raises(ValueError, match="could not convert"):
        features.encode({"c": "three"})
    with pytest.raises(ValueError, match="only tables are encoded"):
        encoding().encode({"c": 3})
