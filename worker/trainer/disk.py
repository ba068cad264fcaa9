"""A full disk, as whoever meets it tells the user; and one too full to begin with."""

import errno
import shutil
from pathlib import Path

from pydantic import ValidationError

from ridgeline.api.job import EndCode, EndReason
from ridgeline.planning.disk import disk_need
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import JobSpec

DISK_FULL = EndReason(
    code=EndCode.NO_SPACE,
    detail="The disk for artifacts is full; free some space and post the job again.",
)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_disk_full(error: BaseException) -> bool:
    """Whether `error` says that the disk or a quota on it is full.

    TensorFlow has no errno to say it with.
    """
    return getattr(error, "errno", None) in _FULL or "No space left on device" in str(error)


def lack_of_space(resolved: str, staging: Path, checkpoints: Path) -> EndReason | None:
    """Why training would fill the disk of these folders; None if it would not, or none can tell.

    `resolved` is a resolved JobSpec as JSON. Checkpoints that are there already are not counted
    twice.
    """
    try:
        need = disk_need(JobSpec.model_validate_json(resolved))
    except (ValidationError, SpecError):  # the trainer says what is wrong with it
        return None
    there = sum(path.stat().st_size for path in checkpoints.iterdir() if path.is_file())
    wanted = {staging: need.files, checkpoints: max(0, need.checkpoints - there)}
    if staging.stat().st_dev == checkpoints.stat().st_dev:
        wanted = {staging: sum(wanted.values())}
    for folder, size in wanted.items():
        free = shutil.disk_usage(folder).free
        if free < size:
            return EndReason(code=EndCode.NO_SPACE, detail=_story(size, free))
    return None


def _story(needed: int, free: int) -> str:
    return (
        f"The job needs about {_mebibytes(needed)} on the disk for artifacts, for its files and"
        f" checkpoints, and {_mebibytes(free)} are free; free some space, or ask for fewer outputs,"
        " and post the job again."
    )


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
