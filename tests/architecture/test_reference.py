"""docs/reference/ equals the output of docs/generate.py."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    path = Path(__file__).parents[2] / "docs" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_pages_are_up_to_date(generator: ModuleType, root: Path) -> None:
    written = {path.name: path.read_text() for path in (root / "docs" / "reference").glob("*.md")}
    expected = generator.pages()
    assert written.keys() == expected.keys(), "run `make reference`"
    for name, text in expected.items():
        assert written[name] == text, f"{name} is outdated; run `make reference`"
