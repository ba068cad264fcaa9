"""The diagram in docs/architecture.md shows exactly the imports of the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

Arrow = tuple[str, str]
#: Small modules that everything may import; not drawn.
FLOOR = {"ridgeline.default_url", "ridgeline.failpoints", "ridgeline.logs", "ridgeline.version"}
#: Not layers: the package itself and the import path of an earlier release.
NOT_DRAWN = {"ridgeline", "ridgeline.contract"}


@pytest.fixture(scope="module")
def drawn(root: Path) -> set[Arrow]:
    """The arrows of the diagram."""
    page = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    (picture,) = re.findall(r"```mermaid\n(.*?)```", page, re.DOTALL)
    arrows = {(above, below) for above, below in re.findall(r"(\S+) --> (\S+)", picture)}
    assert arrows
    return arrows


@pytest.fixture(scope="module")
def imported(root: Path, sources: list[Path]) -> set[Arrow]:
    """The imports between packages, read from the code."""
    arrows = {
        (package_of(importer), package_of(name))
        for path in sources
        if (importer := module_name(path.relative_to(root))) != "ridgeline"
        for name in imported_modules(path)
    }
    return {
        (above, below)
        for above, below in arrows
        if above != below and not {above, below} & (FLOOR | NOT_DRAWN)
    }


def test_every_import_follows_an_arrow(drawn: set[Arrow], imported: set[Arrow]) -> None:
    assert imported - closure(drawn) == set()


def test_every_arrow_is_an_import(drawn: set[Arrow], imported: set[Arrow]) -> None:
    assert drawn - imported == set()


def test_arrows_form_no_cycle(drawn: set[Arrow]) -> None:
    assert [box for box, other in closure(drawn) if box == other] == []


def test_every_package_is_in_the_picture(root: Path, drawn: set[Arrow]) -> None:
    packages = {
        f"ridgeline.{folder.parent.name}" for folder in (root / "ridgeline").glob("*/__init__.py")
    }
    boxes = {box for arrow in drawn for box in arrow}
    assert packages - boxes - NOT_DRAWN == set()


def package_of(module: str) -> str:
    """`ridgeline.spec` for its modules; `service` and `worker` are not subdivided."""
    first, *rest = module.split(".")
    return f"{first}.{rest[0]}" if first == "ridgeline" and rest else first


def module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imported_modules(path: Path) -> Iterator[str]:
    """The modules of the three packages that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "ridgeline":
                names = [f"ridgeline.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (
            name for name in names if name.split(".")[0] in {"ridgeline", "service", "worker"}
        )


def closure(arrows: set[Arrow]) -> set[Arrow]:
    """The transitive closure of the arrows."""
    paths = set(arrows)
    while True:
        longer = {(a, d) for a, b in paths for c, d in arrows if b == c} - paths
        if not longer:
            return paths
        paths |= longer
