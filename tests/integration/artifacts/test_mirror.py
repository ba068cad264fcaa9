"""Data set files from a mirror: complete and verified, or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ridgeline.spec.job_spec import JobSpec
from ridgeline.storage.files.bucket import Bucket
from tests.integration.artifacts.link import Link
from tests.integration.artifacts.seaweed import Seaweed
from tests.integration.worker.conftest import spec_json
from worker.inputs import fetch as module
from worker.inputs.fetch import Mirror
from worker.inputs.keras_files import DATASET_FILES, KERAS_FILES

FASHION = [KERAS_FILES[name].path for name in DATASET_FILES["fashion_mnist"]]
CONTENT = os.urandom(5 * 2**20)


def spec(name: str, source: str = "keras") -> JobSpec:
    return JobSpec.model_validate_json(spec_json(dataset={"source": source, "name": name}))


@pytest.fixture
def put(seaweed: Seaweed, url: str) -> Callable[[str, bytes], None]:
    """Put a file into the mirror."""
    prefix = url.partition("artifacts/")[2]

    def put(path: str, content: bytes) -> None:
        seaweed.bare().put(f"{prefix}/{path}", content)

    return put


@pytest.fixture
def mirror(url: str, tmp_path: Path) -> Mirror:
    return Mirror(Bucket(url), tmp_path / "datasets")


def found(mirror: Mirror) -> list[str]:
    files = (path for path in mirror.folder.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(mirror.folder)) for path in files)


def test_missing_file_is_downloaded(mirror: Mirror, put: Callable[[str, bytes], None]) -> None:
    for path in FASHION:
        put(path, CONTENT)
    here = mirror.folder / FASHION[0]
    here.parent.mkdir(parents=True)
    here.write_bytes(b"ours")
    mirror.fetch(spec("fashion_mnist"))
    assert found(mirror) == sorted(FASHION)
    assert here.read_bytes() == b"ours"
    other = mirror.folder / FASHION[1]
    assert (other.read_bytes(), other.stat().st_mode & 0o777) == (CONTENT, 0o644)


def test_file_with_wrong_digest_is_rejected(
    mirror: Mirror, put: Callable[[str, bytes], None]
) -> None:
    put("mnist.npz", b"not Keras's")
    mirror.fetch(spec("mnist"))
    assert found(mirror) == []


def test_too_large_file_is_rejected(
    mirror: Mirror, put: Callable[[str, bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", len(CONTENT) - 1)
    put(FASHION[0], CONTENT)
    mirror.fetch(spec("fashion_mnist"))
    assert found(mirror) == []


@pytest.mark.parametrize("missing", [spec("mnist"), spec("iris", "builtin")])
def test_data_set_without_files_in_the_mirror_is_no_error(mirror: Mirror, missing: JobSpec) -> None:
    mirror.fetch(missing)
    assert found(mirror) == []


def test_unreachable_mirror(link: Link, url: str, tmp_path: Path) -> None:
    link.cut()
    Mirror(Bucket(url), tmp_path).fetch(spec("mnist"))
    assert list(tmp_path.iterdir()) == []


def test_folder_as_a_mirror(tmp_path: Path) -> None:
    file = tmp_path / "copy" / FASHION[0]
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    mirror = Mirror(Bucket(f"file://{tmp_path}/copy"), tmp_path / "datasets")
    mirror.fetch(spec("fashion_mnist"))
    assert found(mirror) == [FASHION[0]]
