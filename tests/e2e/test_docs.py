"""Every command and program in README.md and docs/ does what the page says.

The blocks of a page marked `sh` and `python` are run in their order, in one folder and one shell
environment, against a service of the test's own in place of http://127.0.0.1:8000. A block of
`text` right behind one of them is lines of what it prints. JSON is tried by
tests/architecture/test_documentation.py.
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
#: What a block holds that is not run here, and why.
ELSEWHERE = {
    "make ": "it runs these tests; tests/architecture/test_make.py looks at each target",
    "docker compose": "there may be no Docker; tests/integration/compose runs the commands",
    "tensorboard --logdir": "it serves until Ctrl-C; a test of the export reads its files",
}
LONGEST_S = 100


REL, ABS = 0.5, 0.02
"""Other processors round differently, and 60 epochs carry that far; the story stays the same."""
_BLOCK = re.compile(
    r"^```(?P<language>sh|python)\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```)?",
    re.DOTALL | re.MULTILINE,
)
_NUMBER = re.compile(r"-?\d+\.?\d*")


class Block(NamedTuple):
    """A program on a page, and lines of what it prints."""

    language: str
    code: str
    printed: str


def blocks(page: Path) -> Iterator[Block]:
    """The blocks that can be run."""
    for found in _BLOCK.finditer(page.read_text()):
        yield Block(found["language"], found["code"], found["printed"] or "")


def runnable(page: Path) -> list[Block]:
    return [block for block in blocks(page) if not any(word in block.code for word in ELSEWHERE)]


@pytest.mark.servers
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if runnable(page)],
    ids=lambda page: str(page.relative_to(CHECKOUT)),
)
@pytest.mark.timeout(300)
def test_what_is_printed_runs(page: Path, service_url: str, tmp_path: Path) -> None:
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
        said = f"block {number}:\n{block.code}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, said
        for line in block.printed.splitlines():
            assert any(alike(line, other) for other in done.stdout.splitlines()), f"{line}\n{said}"


def alike(printed: str, said: str) -> bool:
    """Whether two lines have the same words and about the same numbers."""
    words, other_words = (_NUMBER.sub("#", line).split() for line in (printed, said))
    numbers, others = (list(map(float, _NUMBER.findall(line))) for line in (printed, said))
    return words == other_words and numbers == pytest.approx(others, rel=REL, abs=ABS)


def environment(service_url: str) -> dict[str, str]:
    """A user's, who has installed Ridgeline and whose service is elsewhere."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("RIDGELINE_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    installed = f"{Path(sys.executable).parent}:{kept.get('PATH', '')}"
    return kept | {"PATH": installed, "PYTHONPATH": str(CHECKOUT), "RIDGELINE_URL": service_url}


def test_nothing_is_left_out_for_no_reason() -> None:
    """What is said to run elsewhere is on a page, so the list cannot grow stale."""
    everything = "\n".join(block.code for page in PAGES for block in blocks(page))
    assert [word for word in ELSEWHERE if word not in everything] == []


def test_no_other_language_hides_a_command() -> None:
    """A block that begins with a command of ours is marked `sh`."""
    for page in PAGES:
        text = page.read_text()
        if page.parent.name == "reference":
            continue  # typer's own way to print usage
        for language, code in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            commands = re.match(r"\s*(ridgeline|curl|make|docker|python) ", code)
            assert language == "sh" or not commands, f"{page.name}: {code}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!http)([^)#\s]*)(#[^)\s]+)?\)", page.read_text()):
        path = page.parent / target if target else page
        assert path.exists(), target
        if anchor:
            assert anchor[1:] in anchors(path), f"{target}{anchor}"


def anchors(page: Path) -> set[str]:
    """What the headings of a page can be linked to by, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def test_make_targets_that_are_named_exist() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", PAGES[0].read_text(), re.MULTILINE))
    assert {"demo", "test", "run"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
