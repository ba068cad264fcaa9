"""Fixtures with the sources and metadata of the checkout."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ridgeline", "service", "worker")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout's folder."""
    return ROOT


@pytest.fixture(scope="session")
def sources() -> list[Path]:
    """Every Python file of the three packages."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.fixture(scope="session")
def all_python(sources: list[Path]) -> list[Path]:
    """Every Python file of the project."""
    others = (ROOT / folder for folder in ("tests", "benchmarks", "deploy"))
    return sources + sorted(path for folder in others for path in folder.rglob("*.py"))


@pytest.fixture(scope="session")
def extras() -> dict[str, list[Requirement]]:
    """The requirements in pyproject.toml by extra; "" holds those of every installation."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    requirements = {"": project["dependencies"], **project["optional-dependencies"]}
    return {
        extra: [Requirement(text) for text in texts if not text.startswith("ridgeline[")]
        for extra, texts in requirements.items()
    }
