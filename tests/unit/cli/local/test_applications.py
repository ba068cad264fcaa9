"""Where `service` and `worker` are found."""

import sys
from pathlib import Path

import pytest

from ridgeline.cli.errors import StartError
from ridgeline.cli.local import applications


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working folder, and package names that are not installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(applications, "APPLICATIONS", ("service_of_test", "worker_of_test"))
    return tmp_path


def _package(folder: Path, *files: str) -> None:
    folder.mkdir()
    for file in files:
        (folder / file).write_text("raise AssertionError('must not be imported')")


def test_packages_in_the_working_folder_are_found_without_an_import(elsewhere: Path) -> None:
    _package(elsewhere / "service_of_test", "__init__.py", "__main__.py")
    _package(elsewhere / "worker_of_test", "__init__.py", "__main__.py")
    assert applications.application_roots() == [str(elsewhere)]
    assert "service_of_test" not in sys.modules


def test_packages_in_the_import_path_are_found(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "a").mkdir()
    (elsewhere / "b").mkdir()
    _package(elsewhere / "a" / "service_of_test", "__init__.py", "__main__.py")
    _package(elsewhere / "b" / "worker_of_test", "__init__.py", "__main__.py")
    monkeypatch.syspath_prepend(elsewhere / "a")
    monkeypatch.syspath_prepend(elsewhere / "b")
    assert applications.application_roots() == [str(elsewhere / "a"), str(elsewhere / "b")]


@pytest.mark.parametrize("files", [(), ("__init__.py",), ("__main__.py",)])
def test_package_that_cannot_be_run_is_rejected_with_ways_to_install(
    elsewhere: Path, files: tuple[str, ...]
) -> None:
    _package(elsewhere / "service_of_test", *files)
    with pytest.raises(StartError) as caught:
        applications.application_roots()
    assert "expected the package 'service_of_test'" in str(caught.value)
    assert "make run" in str(caught.value)
    assert "pip install --editable '.[service,worker,embedded]'" in str(caught.value)


def test_missing_dependencies_are_reported_by_their_extra(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `pip install .[service]`, which lacks what the worker needs."""
    for name in applications.APPLICATIONS:
        _package(elsewhere / name, "__init__.py", "__main__.py")
    monkeypatch.setattr(
        applications, "EXTRAS", {"service": "fastapi", "worker": "not_installed_at_all"}
    )
    with pytest.raises(StartError, match=r"dependencies of ridgeline\[worker\], .*make run"):
        applications.application_roots()
