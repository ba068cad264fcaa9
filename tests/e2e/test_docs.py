"""Every command and program in README.md and docs/ does what the page describes.

The blocks marked `sh` and `python` run in order, in one folder and one shell environment, against
a test service in place of http://127.0.0.1:8000. A `text` block directly after one of them is part
of its expected output. tests/architecture/test_documentation.py resolves the JSON.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

CHECKOUT = Path(__file__).parents[2]
DEFAULT_URL = "http://127.0.0.1:8000"
PAGES = [
    CHECKOUT / "README.md",
    CHECKOUT / "CONTRIBUTING.md",
    CHECKOUT / "benchmarks" / "README.md",
    *sorted((CHECKOUT / "docs").rglob("*.md")),
]
#: Commands of blocks that are not run here, with the reason.
ELSEWHERE = {
    "make ": "it runs these tests; tests/architecture/test_make.py covers the targets",
    "docker compose": "there may be no Docker; tests/integration/compose runs the commands",
    "tensorboard --logdir": "it serves until Ctrl-C; a test of the export reads its files",
}
LONGEST_S = 100


REL, ABS = 0.5, 0.02
"""Processors round differently, and 60 epochs amplify it; the conclusions stay the same."""
_BLOCK = re.compile(
    r"^```(?P<language>sh|python)\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```)?",
    re.DOTALL | re.MULTILINE,
)
_NUMBER = re.compile(r"-?\d+\.?\d*")


class Block(NamedTuple):
    """A program on a page, and lines of its expected output."""

    language: str
    code: str
    printed: str


def blocks(page: Path) -> Iterator[Block]:
    """The `sh` and `python` blocks of a page."""
    for match in _BLOCK.finditer(page.read_text()):
        yield Block(match["language"], match["code"], match["printed"] or "")


def runnable(page: Path) -> list[Block]:
    return [block for block in blocks(page) if not any(word in block.code for word in ELSEWHERE)]


@pytest.mark.servers
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if runnable(page)],
    ids=lambda page: str(page.relative_to(CHECKOUT)),
)
@pytest.mark.timeout(300)
def test_every_example_on_the_page_runs(page: Path, service_url: str, tmp_path: Path) -> None:
    for number, block in enumerate(runnable(page), 1):
        code = block.code.replace(DEFAULT_URL, service_url)
        command = ["/bin/bash", "-euo", "pipefail", "-c", code]
        if block.language == "python":
            command = [sys.executable, "-c", code]
        done = subprocess.run(
            command,
            check=False,
            cwd=tmp_path,
            env=environment(service_url),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
        )
        context = f"block {number}:\n{block.code}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, context
        for line in block.printed.splitlines():
            assert any(alike(line, other) for other in done.stdout.splitlines()), (
                f"{line}\n{context}"
            )


def alike(expected: str, actual: str) -> bool:
    """Whether two lines have the same words and about the same numbers."""
    words, other_words = (_NUMBER.sub("#", line).split() for line in (expected, actual))
    numbers, others = (list(map(float, _NUMBER.findall(line))) for line in (expected, actual))
    return words == other_words and numbers == pytest.approx(others, rel=REL, abs=ABS)


def environment(service_url: str) -> dict[str, str]:
    """The environment of a user who installed Ridgeline and uses this service."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("RIDGELINE_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    installed = f"{Path(sys.executable).parent}:{kept.get('PATH', '')}"
    return kept | {"PATH": installed, "PYTHONPATH": str(CHECKOUT), "RIDGELINE_URL": service_url}


def test_every_exclusion_matches_an_example() -> None:
    """Keeps the list of exclusions from becoming stale."""
    everything = "\n".join(block.code for page in PAGES for block in blocks(page))
    assert [word for word in ELSEWHERE if word not in everything] == []


def test_every_command_block_is_marked_sh() -> None:
    """A block that begins with a known command must be marked `sh`."""
    for page in PAGES:
        text = page.read_text()
        if page.parent.name == "reference":
            continue  # usage lines as typer prints them
        for language, code in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            commands = re.match(r"\s*(ridgeline|curl|make|docker|python) ", code)
            assert language == "sh" or not commands, f"{page.name}: {code}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_resolve(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!http)([^)#\s]*)(#[^)\s]+)?\)", page.read_text()):
        path = page.parent / target if target else page
        assert path.exists(), target
        if anchor:
            assert anchor[1:] in anchors(path), f"{target}{anchor}"


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub generates for the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def test_make_targets_in_the_readme_exist() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", PAGES[0].read_text(), re.MULTILINE))
    assert {"demo", "test", "run"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
