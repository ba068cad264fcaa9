"""One meaning a word: class names stand once, and the glossary's nouns have no rivals."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def classes(root: Path, sources: list[Path]) -> dict[str, list[str]]:
    """Where each class of the product is defined, by its name."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sources:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(root)}:{node.lineno}")
    return places


def test_no_class_name_stands_twice(classes: dict[str, list[str]]) -> None:
    twice = {name: places for name, places in classes.items() if len(places) > 1}
    assert twice == {}


def test_class_names_use_the_words_of_the_glossary(
    root: Path, classes: dict[str, list[str]]
) -> None:
    """A word that the glossary replaces by another is in no class name."""
    rivals = {rival: word for word, rivals in glossary(root) for rival in rivals}
    assert rivals
    misnamed = {
        name: f"{places[0]} says {rival!r}, the glossary {rivals[rival]!r}"
        for name, places in classes.items()
        for rival in words_of(name) & set(rivals)
    }
    assert misnamed == {}


def test_the_glossary_is_in_order_and_says_each_word_once(root: Path) -> None:
    words = [word for word, _ in glossary(root)]
    assert len(words) >= 40
    assert words == sorted(set(words))


def glossary(root: Path) -> list[tuple[str, list[str]]]:
    """The words of docs/glossary.md, each with those that are not used in its place."""
    page = (root / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]*) \|$", page, re.MULTILINE)
    return [
        (word.strip(), [rival.strip() for rival in rivals.split(",") if rival.strip()])
        for word, rivals in rows
        if word.strip() not in {"word", "---"}
    ]


def words_of(class_name: str) -> set[str]:
    """`{"stale", "fence"}` for `StaleFence`."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*", class_name)}
