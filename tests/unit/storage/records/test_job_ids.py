"""Job ids sort by time and cannot be guessed."""

import re
import time
from itertools import pairwise

import pytest

from ridgeline.api.job import JOB_ID_PATTERN
from ridgeline.storage.records.creation import new_job_id


def test_id_is_a_uuid_of_version_7() -> None:
    for _ in range(100):
        job_id = new_job_id()
        assert re.fullmatch(JOB_ID_PATTERN, job_id)
        digits = job_id.removeprefix("job_")
        assert digits[12] == "7"
        assert digits[16] in "89ab"


def test_id_starts_with_the_milliseconds() -> None:
    before = time.time_ns() // 1_000_000
    job_id = new_job_id()
    after = time.time_ns() // 1_000_000
    assert before <= int(job_id[4:16], 16) <= after


def test_ids_sort_by_time_within_a_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for nanoseconds in (0, 300, 999_999, 1_000_000, 1_000_000_000_000_000_000):
        monkeypatch.setattr(time, "time_ns", lambda now=nanoseconds: now)
        made.append(new_job_id())
    assert all(earlier < later for earlier, later in pairwise(made))


def test_ids_are_unique(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    assert len({new_job_id() for _ in range(10_000)}) == 10_000
