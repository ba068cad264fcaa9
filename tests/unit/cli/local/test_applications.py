"""Finding `service` and `worker`."""

import sys
from pathlib import Path

import pytest

from ridgeline.cli.errors import StartError
from ridgeline.cli.local import applications


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working folder, and names that no installed package has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(applications, "APPLICATIONS", ("service_of_test", "worker_of_test"))
    return tmp_path


def _package(folder: Path, *files: str) -> None:
    folder.mkdir()
    for file in files:
        (folder / file).write_text("raise AssertionError('it must not be imported')")


def test_found_in_the_working_folder_without_importing_them(elsewhere: Path) -> None:
    _package(elsewhere / "service_of_test", "__init__.py", "__main__.py")
    _package(elsewhere / "worker_of_test", "__init__.py", "__main__.py")
    assert applications.application_roots() == [str(elsewhere)]
    assert "service_of_test" not in sys.modules


def test_found_where_python_imports_from(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "a").mkdir()
    (elsewhere / "b").mkdir()
    _package(elsewhere / "a" / "service_of_test", "__init__.py", "__main__.py")
    _package(elsewhere / "b" / "worker_of_test", "__init__.py", "__main__.py")
    monkeypatch.syspath_prepend(elsewhere / "a")
    monkeypatch.syspath_prepend(elsewhere / "b")
    assert applications.application_roots() == [str(elsewhere / "a"), str(elsewhere / "b")]


@pytest.mark.parametrize("files", [(), ("__init__.py",), ("__main__.py",)])
def test_another_project_of_the_name_is_not_taken(elsewhere: Path, files: tuple[str, ...]) -> None:
    _package(elsewhere / "service_of_test", *files)
    with pytest.raises(StartError, match=r"'service_of_test' was not found.*checkout"):
        applications.application_roots()
