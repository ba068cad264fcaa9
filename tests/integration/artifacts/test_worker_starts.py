"""A worker that cannot publish does not start, and reports why."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.usefixtures("url")
def test_worker_with_rejected_keys_does_not_start(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "RIDGELINE_HOME": str(tmp_path),
        "RIDGELINE_ARTIFACTS_URL": "s3://artifacts",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "worker"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == os.EX_CONFIG
    assert "worker_cannot_start" in ended.stderr
    assert "HTTP 403" in ended.stderr
    assert "Create the bucket" in ended.stderr
    assert "hunter2" not in ended.stderr
