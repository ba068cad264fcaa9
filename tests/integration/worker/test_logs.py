"""Lines of trainers and supervisors are stored in the job's log and never stop a job."""

import io
import json
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from ridgeline.api.job import JobStatus
from ridgeline.api.log import LogLevel
from ridgeline.storage import (
    Claim,
    DatabaseUnavailable,
    HeartbeatAnswer,
    LeaseStore,
    LogRecord,
    LogStore,
)
from tests.integration.worker import talking_engine
from tests.integration.worker.conftest import CPU, House, eventually
from worker.supervision.journal import keep_line


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """The worker's own log, configured as in the program."""
    output = io.StringIO()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            keep_line,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(output),
    )
    yield output
    structlog.reset_defaults()


@pytest.fixture
def talking(house: House, output: io.StringIO) -> House:
    password = talking_engine.PASSWORD
    house.with_settings(redis_url=SecretStr(f"redis://:{password}@broker/0"))
    house.change(engine=talking_engine.train)
    return house


def lines_of(house: House, job_id: str) -> list[LogRecord]:
    return list(LogStore(house.database).page(job_id, limit=2000).records)


def events_of(house: House, job_id: str) -> list[str]:
    return [line.event for line in lines_of(house, job_id)]


def test_lines_of_a_trainer_are_stored_without_secrets(talking: House, output: io.StringIO) -> None:
    job = talking.run("talk")
    assert job.status is JobStatus.SUCCEEDED
    lines = lines_of(talking, job.id)
    assert [line.event for line in lines if line.source in ("job", "worker")] == [
        *("transition", "transition", "attempt_started", "trainer_ended", "transition")
    ]
    by_event = {line.event: line for line in lines if line.source == "trainer"}
    odd = by_event["data_is_odd"]
    assert (odd.level, odd.attempt, odd.fence) == ("warning", 1, 1)
    assert json.loads(odd.fields) == {"rows": 3, "level_of": "nan"}
    assert by_event["loading weights"].level == "info"
    assert by_event["from a thread"].level == "error"
    assert any("this will change" in event for event in by_event)
    assert "Traceback" in json.loads(by_event["caught"].fields)["exception"]
    (native,) = [line for line in lines if line.source == "stderr"]
    assert json.loads(native.fields) == {"text": "a native library says ***"}
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    everything = "".join(f"{line.event}{line.fields}" for line in lines)
    assert talking_engine.PASSWORD not in everything
    assert "postgresql://***@db/x" in everything
    # The worker's own log has them too.
    own = [json.loads(line) for line in output.getvalue().splitlines()]
    (line,) = [line for line in own if line["event"] == "data_is_odd"]
    assert (line["job"], line["fence"], line["source"]) == (job.id, 1, "trainer")


def test_flood_of_lines_is_dropped_and_does_not_slow_training(talking: House) -> None:
    job = talking.run("shout")
    assert (job.status, job.progress_epoch) == (JobStatus.SUCCEEDED, 5)
    lines = lines_of(talking, job.id)
    noise = [line for line in lines if json.loads(line.fields).get("logger_name") == "noise"]
    assert 0 < len(noise) < 1000
    assert all(len(line.event) <= 1100 for line in lines)
    assert json.loads(job.metrics)["seconds"] < 10
    assert lines[-1].event == "transition"


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        ("abort", "terminate called after throwing an instance of 'std::bad_alloc'"),
        ("segfault", "Fatal Python error: Segmentation fault"),
    ],
)
def test_crash_is_stored_with_its_standard_error(talking: House, behaviour: str, text: str) -> None:
    job = talking.run(behaviour)
    assert job.crash_count == 1
    (line,) = [line for line in lines_of(talking, job.id) if line.source == "stderr"]
    assert line.level == "error"
    assert text in json.loads(line.fields)["text"]
    assert len(line.fields) < 8 * 2**10
    detail = str(talking.jobs.attempts(job.id)[0].reason)
    assert text in detail
    assert talking.files() == []


def test_log_lines_are_no_progress(talking: House) -> None:
    talking.with_settings(hang_timeout_s=0.5)
    job = talking.run("murmur")
    assert job.crash_count == 1
    assert "made no progress" in str(talking.jobs.attempts(job.id)[0].reason)
    assert "still at it" in events_of(talking, job.id)


def test_reason_of_a_crash_loop_includes_standard_error(talking: House) -> None:
    talking.with_settings(crash_cap=1)
    talking.change(leases=LeaseStore(talking.database, crash_cap=1))
    job = talking.run("abort")
    assert job.status is JobStatus.FAILED
    assert "std::bad_alloc" in str(job.reason_detail)


def test_lines_are_stored_during_training_and_survive_an_outage(
    house: House, output: io.StringIO
) -> None:
    class Away(LeaseStore):
        left = 1

        def write_log(self, claim: Claim, lines: Any) -> HeartbeatAnswer | None:
            if self.left:
                self.left -= 1
                raise DatabaseUnavailable("away")
            return super().write_log(claim, lines)

    house.change(leases=Away(house.database))
    with house.running("silent") as job_id:
        eventually(lambda: "attempt_started" in events_of(house, job_id), "the line")
        house.jobs.request_cancel(job_id)
    assert events_of(house, job_id).count("attempt_started") == 1
    assert "trainer_ended" in events_of(house, job_id)


def test_job_succeeds_if_its_lines_cannot_be_stored(house: House, output: io.StringIO) -> None:
    class Broken(LeaseStore):
        def write_log(self, claim: Claim, lines: Any) -> HeartbeatAnswer | None:
            raise ZeroDivisionError

        def record_epochs(self, *args: Any, **kwargs: Any) -> HeartbeatAnswer | None:
            assert not args[3]
            return super().record_epochs(*args, **kwargs)

    house.change(leases=Broken(house.database))
    died = house.run("segfault")
    assert house.jobs.attempts(died.id)[0].exit_signal == signal.SIGSEGV
    job = house.run("slowly")
    assert (job.status, job.progress_epoch) == (JobStatus.SUCCEEDED, 3)
    (attempt,) = house.jobs.attempts(job.id)
    assert attempt.outcome == "completed"
    assert "log_lines_lost" in output.getvalue()


def test_line_belongs_to_the_attempt_of_its_thread(house: House, output: io.StringIO) -> None:
    job_ids = [house.add("slowly") for _ in range(2)]
    threads = [
        threading.Thread(target=house.supervisor.supervise, args=(job_id, CPU))
        for job_id in job_ids
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for job_id in job_ids:
        assert events_of(house, job_id).count("trainer_ended") == 1
        assert {line.level for line in lines_of(house, job_id)} == {LogLevel.INFO.value}
