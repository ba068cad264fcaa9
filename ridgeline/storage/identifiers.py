"""Ids that sort by the time they were made."""

import secrets
import time


def new_job_id() -> str:
    """Make a job id: `job_` and the 32 hex digits of a UUIDv7 (RFC 9562).

    Its first 60 bits that are not version marks hold the time to a quarter of a microsecond, so ids
    from one machine sort by creation; 62 random bits keep them apart and hard to guess.
    """
    milliseconds, rest_ns = divmod(time.time_ns(), 1_000_000)
    fraction = rest_ns * 4096 // 1_000_000
    number = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return f"job_{number:032x}"


def dataset_id(sha256: str) -> str:
    """The id of the data set that has these bytes: `ds_` and the first half of their hash."""
    return f"ds_{sha256[:32]}"


def new_upload_id() -> str:
    """Make an upload's id: `up_` and 128 random bits."""
    return f"up_{secrets.token_hex(16)}"


def new_database_id() -> str:
    """Make the identity of a database: `db_` and 128 random bits."""
    return f"db_{secrets.token_hex(16)}"
