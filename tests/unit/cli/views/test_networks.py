"""What a job is made of, in a few words."""

import json
from typing import Any

from ridgeline.cli.views.networks import data_in_words
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


def test_an_upload_has_the_name_of_its_file_and_its_id() -> None:
    upload = {"source": "upload", "id": ID}
    named = words({**upload, "stored": {**STORED, "name": "flats.csv"}})
    assert named == f"upload flats.csv, {ID}, 20% validation"
    assert words({**upload, "stored": STORED}) == f"upload {ID}, 20% validation"
    assert words(upload) == f"upload {ID}, 20% validation"


def test_others_have_their_own_names() -> None:
    assert words({"source": "builtin", "name": "iris"}) == "builtin iris, 20% validation"
