"""Lack of disk space is reported with numbers before the training, and recognized during it."""

import errno
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from ridgeline.api.job import EndCode
from ridgeline.planning.disk import disk_need
from ridgeline.planning.resolve import resolve
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import JobSpec
from tests.integration.worker.conftest import spec_json
from worker.trainer.limits import is_disk_full, lack_of_space

RESOLVED = resolve(JobSpec.model_validate_json(spec_json())).spec
NEED = disk_need(RESOLVED)


class Usage(NamedTuple):
    free: int


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    staging, checkpoints = tmp_path / "staging", tmp_path / "checkpoints"
    staging.mkdir()
    checkpoints.mkdir()
    return staging, checkpoints


def leave_free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free))


def test_lack_is_reported_from_the_first_missing_byte(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_free(monkeypatch, sum(NEED))
    assert lack_of_space(RESOLVED, *folders) is None
    leave_free(monkeypatch, sum(NEED) - 1)
    lack = lack_of_space(RESOLVED, *folders)
    assert lack is not None
    assert lack.code is EndCode.NO_SPACE
    assert f"about {sum(NEED) / 2**20:.1f} MiB" in lack.detail
    assert f"{(sum(NEED) - 1) / 2**20:.1f} MiB are free" in lack.detail


def test_existing_checkpoints_count_once(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_free(monkeypatch, NEED.files)
    assert lack_of_space(RESOLVED, *folders) is not None
    (folders[1] / "000001-000000001.checkpoint").write_bytes(bytes(NEED.checkpoints + 1))
    assert lack_of_space(RESOLVED, *folders) is None


def test_no_lack_is_reported_for_a_spec_without_an_estimate(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trainer reports what is wrong with it."""
    leave_free(monkeypatch, 0)
    reshape = {"type": "Reshape", "target_shape": [7], "name": "reshape", "inputs": ["input"]}
    spec = JobSpec.model_validate_json(spec_json(model={"layers": [reshape]}))
    with pytest.raises(SpecError):
        disk_need(spec)
    assert lack_of_space(spec, *folders) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_recognized_by_errno(number: int) -> None:
    assert is_disk_full(OSError(number, ""))
    assert not is_disk_full(OSError(errno.EACCES, ""))
