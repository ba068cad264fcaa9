"""A disk that is too full is told with numbers, before the training and in it."""

import errno
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from ridgeline.api.job import EndCode
from ridgeline.planning.disk import disk_need
from ridgeline.planning.resolve import resolve
from ridgeline.spec.job_spec import JobSpec
from tests.integration.worker.conftest import spec_json
from worker.trainer.disk import is_disk_full, lack_of_space

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


def leave(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free))


def test_what_just_fits(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    leave(monkeypatch, sum(NEED))
    assert lack_of_space(RESOLVED.model_dump_json(), *folders) is None
    leave(monkeypatch, sum(NEED) - 1)
    lack = lack_of_space(RESOLVED.model_dump_json(), *folders)
    assert lack is not None
    assert lack.code is EndCode.NO_SPACE
    assert f"about {sum(NEED) / 2**20:.1f} MiB" in lack.detail
    assert f"{(sum(NEED) - 1) / 2**20:.1f} MiB are free" in lack.detail


def test_checkpoints_that_are_there_count_once(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(monkeypatch, NEED.files)
    assert lack_of_space(RESOLVED.model_dump_json(), *folders) is not None
    (folders[1] / "000001-000000001.checkpoint").write_bytes(bytes(NEED.checkpoints + 1))
    assert lack_of_space(RESOLVED.model_dump_json(), *folders) is None


@pytest.mark.parametrize("spec", ["", "{}", '{"model": 1}'])
def test_a_spec_nobody_can_read_is_the_trainers_to_refuse(
    folders: tuple[Path, Path], spec: str
) -> None:
    assert lack_of_space(spec, *folders) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_known_by_its_number(number: int) -> None:
    assert is_disk_full(OSError(number, ""))
    assert not is_disk_full(OSError(errno.EACCES, ""))
