"""The wheel contains all of `ridgeline`, nothing else, and has few requirements."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel of this checkout, built with the locked tools and no network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=root,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_wheel_contains_only_ridgeline(wheel: zipfile.ZipFile) -> None:
    (info,) = {name.split("/")[0] for name in wheel.namelist()} - {"ridgeline"}
    assert info.endswith(".dist-info")


def test_wheel_contains_every_file_of_ridgeline(wheel: zipfile.ZipFile, root: Path) -> None:
    """Including files that are not Python: type marker, presets, migrations."""
    files = {
        path.relative_to(root).as_posix()
        for path in (root / "ridgeline").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files - set(wheel.namelist()) == set()
    assert "ridgeline/py.typed" in files
    assert any(name.startswith("ridgeline/storage/migrations/versions/") for name in files)


def test_install_without_extras_has_few_requirements(wheel: zipfile.ZipFile) -> None:
    required = (Requirement(text) for text in metadata(wheel).get_all("Requires-Dist", []))
    plain = {
        item.name for item in required if item.marker is None or "extra" not in str(item.marker)
    }
    assert plain == {"httpx", "plotext", "pydantic", "rich", "typer", "typing-extensions"}


def test_wheel_installs_the_command(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    assert "ridgeline = ridgeline.cli.main:main" in wheel.read(name).decode()


def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return BytesParser().parsebytes(wheel.read(name))
