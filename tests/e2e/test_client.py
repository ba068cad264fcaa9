"""From a table in a file to a model in Keras, with the client alone."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ridgeline.api.events import EpochEvent
from ridgeline.api.job import JobStatus
from ridgeline.client import Client
from tests.e2e.conftest import CHECKOUT

pytestmark = pytest.mark.servers

#: A user who wants to predict: only what the client loads is used.
LOAD = """
import json, sys
import numpy as np
from ridgeline import Client
model = Client(sys.argv[1]).load_model(sys.argv[2])
rows = np.array([[0.0, 0.0], [1.0, 1.0]], "float32")
print(json.dumps({"kind": type(model).__module__.partition(".")[0],
                  "shape": model.predict(rows, verbose=0).shape,
                  "penalties": len(model.losses)}))
"""


def table(path: Path) -> Path:
    """Write a CSV file with two classes, separated by the sum of two numbers."""
    rows = [((a % 13) / 13, (a % 7) / 7) for a in range(120)]
    lines = [f"{x:.3f},{y:.3f},{'high' if x + y > 0.9 else 'low'}\n" for x, y in rows]
    path.write_text("x,y,level\n" + "".join(lines))
    return path


def test_client_uploads_a_table_trains_and_loads_the_model(
    service_url: str, tmp_path: Path
) -> None:
    with Client(service_url) as client:
        stored = client.upload(table(tmp_path / "levels.csv"))
        spec: dict[str, Any] = {
            "dataset": {"source": "upload", "id": stored.id, "target": "level"},
            "split": {"validation": 0.2, "test": 0.1},
            "model": {"layers": [{"type": "Dense", "units": 2, "activation": "softmax"}]},
            "regularization": {"weights": {"l2": 0.001}},
            "training": {
                "loss": "sparse_categorical_crossentropy",
                "metrics": ["accuracy"],
                "epochs": 4,
            },
        }
        assert client.validate(spec).penalties
        job = client.submit(spec)
        events = list(client.events(job.id))
        rows = [event.row.epoch for event in events if isinstance(event, EpochEvent)]
        assert rows == [1, 2, 3, 4]
        job = client.job(job.id)
        assert job.status is JobStatus.SUCCEEDED, job.reason
        assert client.curves(job.id, max_points=2).epoch[-1] == 4
        assert client.report(job.id).epochs == 4
        assert client.chart(job.id, format="png").startswith(b"\x89PNG")
        assert b"<svg" in client.chart(job.id, "penalty", theme="dark")
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD, service_url, job.id],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    result = json.loads(loaded.stdout.splitlines()[-1])
    assert result == {"kind": "keras", "shape": [2, 2], "penalties": 1}
