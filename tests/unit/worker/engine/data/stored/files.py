"""Files as users upload them, inspected as the service does, and specs that train on them."""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from ridgeline.api.datasets import StoredDataset
from ridgeline.formats import inspect_dataset
from ridgeline.planning.resolve import resolve
from ridgeline.spec.dataset import UploadDataset
from ridgeline.spec.dataset.contents import DatasetContents
from ridgeline.spec.job_spec import JobSpec
from worker.engine.data import Data, prepare_data

Columns = Mapping[str, Sequence[Any] | npt.NDArray[Any]]
LOGITS = {"name": "categorical_crossentropy", "from_logits": True}


class Upload(NamedTuple):
    """A file and what the service knows of it."""

    file: Path
    stored: StoredDataset

    def spec(self, *, units: int = 2, **sections: Any) -> JobSpec:
        """A spec that trains on it; keywords are the data set's options, or sections of a spec."""
        names = ("model", "training", "split", "outputs", "regularization")
        parts = {name: sections.pop(name) for name in names if name in sections}
        layers = [{"type": "Flatten"}, {"type": "Dense", "units": units}]
        body = {
            "dataset": {"source": "upload", "id": self.stored.id, **sections},
            "split": {"validation": 0.2, "test": 0.2},
            "model": {"layers": layers},
            "training": {"loss": LOGITS if units > 1 else "mean_squared_error", "seed": 3},
        }
        spec = JobSpec.model_validate_json(json.dumps(body | parts))
        assert isinstance(spec.dataset, UploadDataset)
        return spec.model_copy(update={"dataset": spec.dataset.with_stored(self.stored.snapshot())})

    def data(self, scratch: Path | None = None, **options: Any) -> Data:
        """Its rows as they are trained on."""
        return prepare_data(resolve(self.spec(**options)), scratch, file=self.file)


def uploaded(file: Path) -> Upload:
    """The file as POST /datasets would take it."""
    contents, digest = inspect_dataset(file), hashlib.sha256(file.read_bytes()).hexdigest()
    known = {name: getattr(contents, name) for name in DatasetContents.model_fields}
    stored = StoredDataset(
        **known,
        id=f"ds_{digest[:32]}",
        name=file.name,
        bytes=file.stat().st_size,
        sha256=digest,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return Upload(file, stored)


def csv_file(folder: Path, columns: Columns) -> Upload:
    """A table; None is an empty cell."""
    path = folder / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return uploaded(path)


def parquet_file(folder: Path, columns: Columns) -> Upload:
    path = folder / "table.parquet"
    parquet.write_table(pa.table(dict(columns)), path)
    return uploaded(path)


def npz_file(folder: Path, **arrays: npt.NDArray[Any]) -> Upload:
    path = folder / "arrays.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return uploaded(path)


def npy_file(folder: Path, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Upload:
    path = folder / "pair.npy"
    with path.open("wb") as file:
        np.save(file, x)
        np.save(file, y)
    return uploaded(path)


def image_file(folder: Path, images: Mapping[str, npt.NDArray[np.uint8]]) -> Upload:
    """A ZIP file of PNGs by their paths."""
    path = folder / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, pixels in images.items():
            content = io.BytesIO()
            Image.fromarray(pixels.squeeze()).save(content, "PNG")
            archive.writestr(name, content.getvalue())
    return uploaded(path)


def all_rows(data: Data) -> npt.NDArray[Any]:
    """The features of every part, unscaled, in the file's order."""
    parts = [getattr(data, name) for name in data.indices]
    rows = np.concatenate([np.asarray(part.x) for part in parts])
    if data.scaled:
        rows = rows * np.sqrt(data.scaling.variance) + data.scaling.mean
    ordered = np.empty_like(rows)
    ordered[np.concatenate(list(data.indices.values()))] = rows
    return ordered


def all_targets(data: Data) -> npt.NDArray[Any]:
    """The encoded targets of every part in the file's order."""
    targets = np.concatenate([getattr(data, name).y for name in data.indices])
    ordered = np.empty_like(targets)
    ordered[np.concatenate(list(data.indices.values()))] = targets
    return ordered
