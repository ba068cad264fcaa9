"""A file that is not what was stored ends the job with a reason, never with a wrong model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ridgeline.api.job import EndCode
from ridgeline.planning.resolve import resolve
from tests.unit.worker.engine.data.stored.files import (
    Upload,
    csv_file,
    image_file,
    npz_file,
    parquet_file,
)
from worker.engine.context import TrainingFailed
from worker.engine.data import prepare_data

X = [1.0, 2.5, 3.0, 4.0, 5.0]
KINDS = ["a", "b", "a", "b", "a"]


def failure(upload: Upload, file: Path | None, **options: Any) -> str:
    resolution = resolve(upload.spec(**options))
    with pytest.raises(TrainingFailed) as caught:
        prepare_data(resolution, file=file)
    assert caught.value.code is EndCode.DATA_UNAVAILABLE
    return caught.value.detail


def test_no_file(tmp_path: Path) -> None:
    upload = csv_file(tmp_path, {"x": X, "kind": KINDS})
    assert "is not on the worker" in failure(upload, None, target="kind")
    detail = failure(upload, tmp_path / "gone.csv", target="kind")
    assert "No such file" in detail
    assert detail.endswith("POST /datasets")


def rewritten(upload: Upload, text: str) -> Path:
    """A file of the same length."""
    content = text.encode()
    assert len(content) == upload.stored.bytes
    upload.file.write_bytes(content)
    return upload.file


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("2.5,b", "2.5,c", "values that were not there"),
        ("2.5,b", "2x5,b", "not a number"),
        ("2.5,b", ",bbbb", "values that were not there"),
        ("2.5,b\r\n", "2.52225", "row"),
        ("x,kind", "z,kind", "no column"),
        ("2.5,b", "   ,b", "value is missing"),
    ],
)
def test_a_table_that_has_changed(before: str, after: str, words: str, tmp_path: Path) -> None:
    upload = csv_file(tmp_path, {"x": X, "kind": KINDS})
    text = upload.file.read_bytes().decode()
    file = rewritten(upload, text.replace(before, after, 1))
    assert words in failure(upload, file, target="kind")


def test_a_file_of_another_length(tmp_path: Path) -> None:
    upload = csv_file(tmp_path, {"x": X, "kind": KINDS})
    upload.file.write_text("x,kind\n1,a\n")
    assert "bytes, expected" in failure(upload, upload.file, target="kind")


def test_fewer_rows_than_were_there(tmp_path: Path) -> None:
    upload = csv_file(tmp_path, {"x": X, "kind": KINDS})
    more = upload._replace(stored=upload.stored.model_copy(update={"rows": 6}))
    assert "it has 5 rows, expected 6" in failure(more, upload.file, target="kind")


def test_a_spoilt_archive(tmp_path: Path) -> None:
    arrays = npz_file(tmp_path, x=np.zeros((20, 3)), y=np.arange(20) % 2)
    table = parquet_file(tmp_path, {"x": X, "kind": KINDS})
    pixels = np.zeros((4, 4, 3), np.uint8)
    images = image_file(tmp_path, {f"{k}/{n}.png": pixels for k in "ab" for n in range(5)})
    for upload, options in ((arrays, {}), (table, {"target": "kind"}), (images, {})):
        content = bytearray(upload.file.read_bytes())
        content[: len(content) // 2] = bytes(len(content) // 2)
        upload.file.write_bytes(content)
        assert "has changed and cannot be read" in failure(upload, upload.file, **options)
