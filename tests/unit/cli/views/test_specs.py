"""Specs in a few words."""

import json
from typing import Any

from ridgeline.cli.views.specs import data_in_words
from ridgeline.spec.job_spec import JobSpec

ID = "ds_" + "0" * 32
COLUMN = {"name": "a", "type": "number", "missing": 0, "distinct": 2}
STORED = {"bytes": 9, "sha256": "0" * 64, "format": "csv", "rows": 2, "columns": [COLUMN]}


def words(dataset: dict[str, Any]) -> str:
    spec = {
        "dataset": dataset,
        "split": {"validation": 0.2},
        "model": {"layers": [{"type": "Dense", "units": 1}]},
        "training": {"loss": "mean_squared_error"},
    }
    return data_in_words(JobSpec.model_validate_json(json.dumps(spec)))


def test_stored_data_set_is_named_by_its_file_and_id() -> None:
    upload = {"source": "upload", "id": ID}
    named = words({**upload, "stored": {**STORED, "name": "flats.csv"}})
    assert named == f"upload flats.csv, {ID}, 20% validation"
    assert words({**upload, "stored": STORED}) == f"upload {ID}, 20% validation"
    assert words(upload) == f"upload {ID}, 20% validation"


def test_other_data_sets_are_named_by_source() -> None:
    assert words({"source": "builtin", "name": "iris"}) == "builtin iris, 20% validation"
