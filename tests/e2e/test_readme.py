"""The request in the README works as described there."""

import json
import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
README = CHECKOUT / "README.md"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.servers
def test_curl_request_of_the_readme_trains_a_job(service_url: str) -> None:
    printed = next(block for block in blocks(README, "sh") if block.startswith("curl"))
    assert "http://127.0.0.1:8000/" in printed
    result = subprocess.run(
        ["/bin/sh", "-c", printed.replace("http://127.0.0.1:8000", service_url)],
        capture_output=True,
        check=True,
        timeout=100,
    )
    job = json.loads(result.stdout)
    assert job["status"] == "succeeded"
    assert job["metrics"]["test_accuracy"] > 0.9
    assert {artifact["name"] for artifact in job["artifacts"]} == {
        "model.keras",
        "report.json",
        "split.npz",
    }
