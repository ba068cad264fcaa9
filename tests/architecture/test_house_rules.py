"""The rules of CONTRIBUTING.md that no linter checks."""

import ast
from pathlib import Path

MAX_FILE_LINES = 400
MAX_TEST_FILE_LINES = 600
MAX_FUNCTION_LINES = 60
#: Lists that read best in one file.
LISTS = {"ridgeline/storage/tables.py"}


def test_no_test_folder_is_a_package(root: Path) -> None:
    """`tests/service/__init__.py` would silently shadow the `service` package."""
    assert list((root / "tests").rglob("__init__.py")) == []


def test_files_stay_within_the_line_limit(
    root: Path, sources: list[Path], all_python: list[Path]
) -> None:
    limits = dict.fromkeys(all_python, MAX_TEST_FILE_LINES)
    limits |= dict.fromkeys(sources, MAX_FILE_LINES)
    long = {
        name: lines
        for path, limit in limits.items()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > limit
        and (name := path.relative_to(root).as_posix()) not in LISTS
    }
    assert long == {}


def test_functions_stay_within_the_line_limit(root: Path, all_python: list[Path]) -> None:
    long = {
        f"{path.relative_to(root)}:{function.lineno} {function.name}": lines
        for path in all_python
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := function_lines(function)) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_modules_have_no_catch_all_names(sources: list[Path]) -> None:
    """A module is named after its content."""
    vague = {"common.py", "helpers.py", "misc.py", "util.py", "utils.py"}
    assert [path for path in sources if path.name in vague] == []


def test_documents_exist(root: Path) -> None:
    documents = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", ".env.example")
    assert [name for name in documents if not (root / name).is_file()] == []


def function_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines
