"""The rules of CONTRIBUTING.md that no linter knows."""

import ast
from pathlib import Path

MAX_FILE_LINES = 400
MAX_TEST_FILE_LINES = 600
MAX_FUNCTION_LINES = 60
#: A list reads best in one piece.
LISTS = {"ridgeline/storage/tables.py"}


def test_no_test_folder_is_a_package(root: Path) -> None:
    """`tests/service/__init__.py` would silently stand in for the `service` package."""
    assert list((root / "tests").rglob("__init__.py")) == []


def test_files_stay_readable(root: Path, sources: list[Path], all_python: list[Path]) -> None:
    limits = dict.fromkeys(all_python, MAX_TEST_FILE_LINES)
    limits |= dict.fromkeys(sources, MAX_FILE_LINES)
    long = {
        name: lines
        for path, limit in limits.items()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > limit
        and (name := path.relative_to(root).as_posix()) not in LISTS
    }
    assert long == {}


def test_functions_fit_on_one_screen(root: Path, all_python: list[Path]) -> None:
    long = {
        f"{path.relative_to(root)}:{function.lineno} {function.name}": lines
        for path in all_python
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := function_lines(function)) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_no_catch_all_modules(sources: list[Path]) -> None:
    """A module is named after what is in it."""
    vague = {"common.py", "helpers.py", "misc.py", "util.py", "utils.py"}
    assert [path for path in sources if path.name in vague] == []


def test_documents_exist(root: Path) -> None:
    documents = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", ".env.example")
    assert [name for name in documents if not (root / name).is_file()] == []


def function_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, less the docstring: explaining is not what makes it long."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines
