"""One word per meaning: class names are unique and avoid the words the glossary rejects."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def classes(root: Path, sources: list[Path]) -> dict[str, list[str]]:
    """The places where the classes of the product are defined, by class name."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sources:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(root)}:{node.lineno}")
    return places


def test_class_names_are_unique(classes: dict[str, list[str]]) -> None:
    twice = {name: places for name, places in classes.items() if len(places) > 1}
    assert twice == {}


def test_class_names_use_no_rejected_word(root: Path, classes: dict[str, list[str]]) -> None:
    """No class name contains a word that the glossary replaces."""
    rivals = {rival: word for word, rivals in glossary(root) for rival in rivals}
    assert rivals
    misnamed = {
        name: f"{places[0]} uses {rival!r}; the glossary uses {rivals[rival]!r}"
        for name, places in classes.items()
        for rival in words_of(name) & set(rivals)
    }
    assert misnamed == {}


def test_glossary_is_sorted_and_has_no_duplicates(root: Path) -> None:
    words = [word for word, _ in glossary(root)]
    assert len(words) >= 40
    assert words == sorted(set(words))


def glossary(root: Path) -> list[tuple[str, list[str]]]:
    """The words of docs/glossary.md with the words they replace."""
    page = (root / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]*)\|$", page, re.MULTILINE)
    return [
        (word.strip(), [rival.strip() for rival in rivals.split(",") if rival.strip()])
        for word, rivals in rows
        if word.strip() not in {"word", "---"}
    ]


def words_of(class_name: str) -> set[str]:
    """`{"stale", "fence"}` for `StaleFence`."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*", class_name)}
