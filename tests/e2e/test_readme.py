"""What the README says works as it is printed."""

import json
import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.servers
def test_the_request_works_as_printed(service_url: str) -> None:
    printed = next(block for block in blocks(PAGES[0], "sh") if block.startswith("curl"))
    assert "http://127.0.0.1:8000/" in printed
    answer = subprocess.run(
        ["/bin/sh", "-c", printed.replace("http://127.0.0.1:8000", service_url)],
        capture_output=True,
        check=True,
        timeout=100,
    )
    job = json.loads(answer.stdout)
    assert job["status"] == "succeeded"
    assert job["metrics"]["test_accuracy"] > 0.9
    assert {artifact["name"] for artifact in job["artifacts"]} == {
        "model.keras",
        "report.json",
        "split.npz",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_make_targets_that_are_named_exist() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", PAGES[0].read_text(), re.MULTILINE))
    assert {"demo", "test", "run"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
