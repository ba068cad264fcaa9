"""A full disk, as whoever meets it tells the user."""

import errno

from ridgeline.contract.job import EndCode, EndReason

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
