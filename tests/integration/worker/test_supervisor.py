"""An attempt from the claim to the end, with real processes, a real store and a stub engine."""

import errno
import hashlib
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ridgeline.api.job import EndCode, JobStatus
from ridgeline.api.report import Report, Verdict
from ridgeline.storage import (
    Claim,
    DatabaseUnavailable,
    HeartbeatAnswer,
    LeaseStore,
    LocalArtifacts,
    StoredFile,
)
from tests.integration.worker import stub_engine
from tests.integration.worker.conftest import CPU, House, alive, eventually
from tests.rig.stored import stored_epochs


def test_success_publishes_the_model_and_its_report(house: House) -> None:
    job = house.run("succeed", epochs=5)
    assert (job.status, job.reason_code) == (JobStatus.SUCCEEDED, EndCode.COMPLETED)
    assert json.loads(job.metrics) == {"accuracy": 0.5}
    assert [row.epoch for row in stored_epochs(house.jobs, job.id)] == [1, 2, 3, 4, 5]
    assert (job.progress_epoch, job.eta_s) == (5, None)
    (file,) = job.artifacts
    assert (file.name, file.media_type) == ("model.keras", "application/vnd.keras")
    published = (house.folder / file.key).read_bytes()
    assert published == stub_engine.MODEL
    assert file.sha256 == hashlib.sha256(published).hexdigest()
    assert house.files() == ["model.keras"]  # no staged file is left
    expected = stub_engine.report(Verdict.GOOD)
    assert Report.model_validate_json(house.jobs.report(job.id) or "") == expected


def test_early_stopping_is_the_reason(house: House) -> None:
    job = house.run("stop_early", epochs=5)
    assert (job.status, job.reason_code) == (JobStatus.SUCCEEDED, EndCode.COMPLETED)
    assert job.reason_detail == "Early stopping ended the training after epoch 1."
    assert house.run("succeed", epochs=5).reason_detail == "All epochs ran."


def test_refused_output_is_in_the_advice_of_a_success(house: House) -> None:
    job = house.run("refuse_an_output", outputs=["keras", "onnx"])
    assert job.status is JobStatus.SUCCEEDED
    assert [file.name for file in job.artifacts] == ["model.keras"]
    remark = json.loads(job.advice)[-1]
    assert (remark["id"], remark["severity"]) == ("output-refused", "warning")
    assert remark["pointer"] == "/outputs/1"
    assert "onnx was not published: it predicts 2" in remark["message"]


def test_attempt_cleans_up_after_a_killed_one(house: House) -> None:
    claimed = []

    class Leases(LeaseStore):
        def claim(self, job_id: str, owner: str, lease_s: float = 30.0) -> Claim | None:
            claimed.append(job_id)
            for name in ("staged", "published"):
                (house.supervisor.artifacts.staging(job_id, 0) / name).write_bytes(b"half")
            house.supervisor.artifacts.publish(
                house.supervisor.artifacts.staging(job_id, 0) / "published", f"{job_id}/0/published"
            )
            return super().claim(job_id, owner, lease_s)

    house.change(leases=Leases(house.database))
    job = house.run("succeed")
    assert (claimed, job.status) == ([job.id], JobStatus.SUCCEEDED)
    assert house.files() == ["model.keras"]


def test_progress_is_stored_during_training(house: House) -> None:
    with house.running("obedient", epochs=1000) as job_id:
        eventually(lambda: house.record(job_id).progress_epoch > 1, "progress")
        eta_s = house.record(job_id).eta_s
        assert eta_s is not None
        assert 0 < eta_s < 1000
        house.jobs.request_cancel(job_id)


def test_trainer_has_its_device_and_its_own_process_group(house: House) -> None:
    job = house.run("tell_environment")
    assert json.loads(job.metrics) == {"visible": -1.0, "own_group": 1.0}


def test_cancel_ends_the_job_and_its_trainer(house: House) -> None:
    with house.running("obedient") as job_id:
        house.jobs.request_cancel(job_id)
    job = house.record(job_id)
    assert (job.status, job.reason_code) == (JobStatus.CANCELLED, EndCode.CANCELLED_BY_USER)
    assert house.files() == []
    assert not any(alive(pid) for pid in house.pids)


def test_cancel_kills_the_process_group_of_a_trainer_that_does_not_stop(house: House) -> None:
    house.with_settings(cancel_grace_s=0.2)
    with house.running("deaf") as job_id:
        assert len(house.pids) == 2
        house.jobs.request_cancel(job_id)
    assert house.record(job_id).status is JobStatus.CANCELLED
    eventually(lambda: not any(alive(pid) for pid in house.pids), "the group's end")


def test_cancel_of_a_trainer_that_floods_the_pipe(house: House) -> None:
    house.with_settings(cancel_grace_s=0.2)
    with house.running("flood") as job_id:
        began = time.monotonic()
        house.jobs.request_cancel(job_id)
    assert time.monotonic() - began < 8
    assert house.record(job_id).status is JobStatus.CANCELLED


def test_result_after_a_cancel_is_discarded(house: House) -> None:
    with house.running("too_late") as job_id:
        house.jobs.request_cancel(job_id)
    job = house.record(job_id)
    assert (job.status, job.artifacts) == (JobStatus.CANCELLED, ())
    assert house.files() == []


def test_cancel_during_publication_wins(house: House) -> None:
    class Store(LocalArtifacts):
        def publish(self, staged_file: Path, key: str) -> StoredFile:
            stored = super().publish(staged_file, key)
            house.jobs.request_cancel(key.partition("/")[0])
            return stored

    house.change(artifacts=Store(house.folder))
    job = house.run("succeed")
    assert (job.status, job.artifacts) == (JobStatus.CANCELLED, ())
    assert house.files() == []


def test_failure_is_recorded_with_reason_and_report(house: House) -> None:
    job = house.run("diverge")
    assert (job.status, job.reason_code) == (JobStatus.FAILED, EndCode.DIVERGED)
    assert "train more slowly" in str(job.reason_detail)
    assert len(stored_epochs(house.jobs, job.id)) == 1  # the epoch that explains it is kept
    expected = stub_engine.report(Verdict.DIVERGED)
    assert Report.model_validate_json(house.jobs.report(job.id) or "") == expected
    assert house.files() == []


def test_unexpected_exception_is_recorded_without_its_message(house: House) -> None:
    job = house.run("stumble")
    assert (job.status, job.reason_code) == (JobStatus.FAILED, EndCode.INTERNAL_ERROR)
    assert "KeyError" in str(job.reason_detail)
    assert house.jobs.report(job.id) is None
    assert "secret" not in str(job.reason_detail)


@pytest.mark.parametrize("broken", ["", "{}", '{"model": 1}', '{"training": {"epochs": 1}}'])
def test_job_whose_spec_this_worker_cannot_read_fails(house: House, broken: str) -> None:
    """At once and without a trainer, as another attempt would fail too."""
    job_id = house.add("succeed")
    with house.database.write() as connection:
        connection.execute(text("UPDATE jobs SET resolved = :spec"), {"spec": broken})
    house.supervisor.supervise(job_id, CPU)
    job = house.record(job_id)
    assert (job.status, job.reason_code) == (JobStatus.FAILED, EndCode.INVALID_SPEC)
    assert (job.attempt, job.crash_count) == (1, 0)
    assert str(job.reason_detail).startswith("This worker cannot train the spec: ")
    assert house.files() == []


@pytest.mark.parametrize(
    ("behaviour", "code", "number"),
    [("segfault", None, signal.SIGSEGV), ("be_killed", None, signal.SIGKILL), ("leave", 7, None)],
)
def test_job_is_queued_again_after_a_crash(
    house: House, behaviour: str, code: int | None, number: int | None
) -> None:
    job = house.run(behaviour)
    assert (job.status, job.crash_count, job.drain_count) == (JobStatus.QUEUED, 1, 0)
    (attempt,) = house.jobs.attempts(job.id)
    assert (attempt.exit_code, attempt.exit_signal) == (code, number)
    assert attempt.outcome == "crashed"


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("segfault", EndCode.CRASH_LOOP), ("be_killed", EndCode.OUT_OF_MEMORY)],
)
def test_last_crash_fails_the_job(house: House, behaviour: str, reason: EndCode) -> None:
    house.with_settings(crash_cap=1)
    house.change(leases=LeaseStore(house.database, crash_cap=1))
    job = house.run(behaviour)
    assert (job.status, job.reason_code, job.crash_count) == (JobStatus.FAILED, reason, 1)


def test_trainer_killed_from_outside_is_detected(house: House) -> None:
    with house.running("silent") as job_id:
        os.kill(house.pids_of(job_id)[0], signal.SIGKILL)
    assert house.record(job_id).status is JobStatus.QUEUED


def test_trainer_of_a_lost_job_is_killed(house: House) -> None:
    """The reaper has requeued the job: the next write is rejected."""
    with house.running("obedient") as job_id:
        with house.database.write() as connection:
            connection.execute(text("UPDATE jobs SET lease_expires_at = 1"))
        (reaped,) = house.leases.reap()
        assert reaped.status is JobStatus.QUEUED
    job = house.record(job_id)
    assert (job.status, job.fence, job.artifacts) == (JobStatus.QUEUED, 1, ())
    assert house.files() == []
    assert not any(alive(pid) for pid in house.pids)


def test_job_lost_during_publication_publishes_nothing(house: House) -> None:
    class Store(LocalArtifacts):
        def publish(self, staged_file: Path, key: str) -> StoredFile:
            stored = super().publish(staged_file, key)
            with house.database.write() as connection:
                connection.execute(text("UPDATE jobs SET lease_expires_at = 1"))
            house.leases.reap()
            return stored

    house.change(artifacts=Store(house.folder))
    job = house.run("succeed")
    assert (job.status, job.artifacts) == (JobStatus.QUEUED, ())
    assert house.files() == []


def test_lease_is_renewed_during_publication(house: House) -> None:
    beats = threading.Semaphore(0)

    class Leases(LeaseStore):
        def heartbeat(self, claim: Claim, lease_s: float = 30.0) -> HeartbeatAnswer | None:
            beats.release()
            return super().heartbeat(claim, lease_s)

    class Store(LocalArtifacts):
        def publish(self, staged_file: Path, key: str) -> StoredFile:
            while beats.acquire(blocking=False):
                pass
            assert beats.acquire(timeout=20)
            return super().publish(staged_file, key)

    house.change(artifacts=Store(house.folder), leases=Leases(house.database))
    assert house.run("succeed").status is JobStatus.SUCCEEDED


def test_passed_deadline_fails_the_job(house: House) -> None:
    with house.running("obedient", deadline_s=0.5) as job_id:
        pass
    job = house.record(job_id)
    assert (job.status, job.reason_code) == (JobStatus.FAILED, EndCode.DEADLINE_EXCEEDED)
    assert not any(alive(pid) for pid in house.pids)


def test_hung_trainer_is_killed_and_the_job_queued_again(house: House) -> None:
    house.with_settings(hang_timeout_s=0.5)
    with house.running("silent") as job_id:
        pass
    job = house.record(job_id)
    assert (job.status, job.crash_count) == (JobStatus.QUEUED, 1)
    assert "made no progress" in str(house.jobs.attempts(job_id)[0].reason)
    assert not any(alive(pid) for pid in house.pids)


def test_shutdown_requeues_the_job_without_penalty(house: House) -> None:
    with house.running("obedient") as job_id:
        house.supervisor.drain.start()
    job = house.record(job_id)
    assert (job.status, job.drain_count, job.crash_count) == (JobStatus.QUEUED, 1, 0)
    assert not any(alive(pid) for pid in house.pids)


def test_result_during_the_shutdown_counts(house: House) -> None:
    with house.running("too_late") as job_id:
        house.supervisor.drain.start()
    job = house.record(job_id)
    assert (job.status, len(job.artifacts)) == (JobStatus.SUCCEEDED, 1)


def test_full_disk_fails_the_job(house: House) -> None:
    class Store(LocalArtifacts):
        def publish(self, staged_file: Path, key: str) -> StoredFile:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    house.change(artifacts=Store(house.folder))
    job = house.run("succeed")
    assert (job.status, job.reason_code) == (JobStatus.FAILED, EndCode.NO_SPACE)


def test_internal_error_of_the_worker_requeues_the_job(house: House) -> None:
    class Store(LocalArtifacts):
        def staging(self, job_id: str, fence: int) -> Path:
            raise PermissionError("another user's folder")

    house.change(artifacts=Store(house.folder))
    job = house.run("succeed")
    assert (job.status, job.crash_count) == (JobStatus.QUEUED, 1)


def test_missing_result_file_is_no_success(house: House) -> None:
    job = house.run("promise")
    assert (job.status, job.artifacts) == (JobStatus.QUEUED, ())


def test_hint_for_a_job_that_cannot_be_claimed_is_dropped(house: House) -> None:
    job_id = house.run("succeed").id
    before = house.jobs.versions([job_id])
    house.supervisor.supervise(job_id, CPU)
    house.supervisor.supervise("job_" + "0" * 32, CPU)
    assert house.jobs.versions([job_id]) == before


class FlakyLeases(LeaseStore):
    """A database that is away for the first few writes of each kind."""

    away: dict[str, int]

    def record_epochs(self, *args: Any, **kwargs: Any) -> HeartbeatAnswer | None:
        self._fail("record_epochs")
        return super().record_epochs(*args, **kwargs)

    def resume(self, claim: Claim, rows: Any, until: int) -> HeartbeatAnswer | None:
        self._fail("resume")
        return super().resume(claim, rows, until)

    def heartbeat(self, claim: Claim, lease_s: float = 30.0) -> HeartbeatAnswer | None:
        self._fail("heartbeat")
        return super().heartbeat(claim, lease_s)

    def finish(self, *args: Any, **kwargs: Any) -> bool:
        done = super().finish(*args, **kwargs)
        self._fail("finish")  # the reply is lost, not the write
        return done

    def _fail(self, call: str) -> None:
        if self.away.get(call, 0) > 0:
            self.away[call] -= 1
            raise DatabaseUnavailable(call)


def test_training_continues_without_the_database(house: House) -> None:
    leases = FlakyLeases(house.database)
    leases.away = {"record_epochs": 1, "finish": 1}
    house.change(leases=leases)
    job = house.run("slowly", epochs=5)
    assert (job.status, len(job.artifacts)) == (JobStatus.SUCCEEDED, 1)
    assert [row.epoch for row in stored_epochs(house.jobs, job.id)] == [1, 2, 3, 4, 5]
    assert house.files() == ["model.keras"]
    assert leases.away == {"record_epochs": 0, "finish": 0}


def test_attempt_is_abandoned_after_a_long_outage_of_the_database(house: House) -> None:
    leases = FlakyLeases(house.database)
    leases.away = {"record_epochs": 1000, "heartbeat": 1000}
    house.change(leases=leases, patience_s=0.5)
    job = house.run("obedient")
    assert job.status is JobStatus.RUNNING  # until the reaper requeues it
    assert house.files() == []


def test_hint_is_dropped_while_the_database_is_away(house: House) -> None:
    class Leases(LeaseStore):
        def claim(self, *args: Any, **kwargs: Any) -> Claim | None:
            raise DatabaseUnavailable("down")

    house.change(leases=Leases(house.database))
    assert house.run("succeed").status is JobStatus.QUEUED


def test_concurrent_hints_run_each_job_once(house: House) -> None:
    job_ids = [house.add("succeed") for _ in range(6)]
    threads = [
        threading.Thread(target=house.supervisor.supervise, args=(job_id, CPU))
        for job_id in job_ids * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for job_id in job_ids:
        job = house.record(job_id)
        assert (job.status, job.attempt) == (JobStatus.SUCCEEDED, 1)


def test_cleanup_error_after_success_changes_nothing(house: House) -> None:
    class Store(LocalArtifacts):
        def clear_staging(self, job_id: str, fence: int) -> None:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))

    house.change(artifacts=Store(house.folder))
    job = house.run("succeed")
    assert job.status is JobStatus.SUCCEEDED
    assert house.files() == ["model.keras"]


def test_success_with_a_lost_reply_keeps_its_files(house: House) -> None:
    leases = FlakyLeases(house.database)
    leases.away = {"finish": 1000}
    house.change(leases=leases, patience_s=0.0)
    job = house.run("succeed")
    assert (job.status, len(job.artifacts)) == (JobStatus.SUCCEEDED, 1)
    assert house.files() == ["model.keras"]


def test_partial_publication_leaves_no_files(house: House) -> None:
    class Store(LocalArtifacts):
        def publish(self, staged_file: Path, key: str) -> StoredFile:
            super().publish(staged_file, key)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    house.change(artifacts=Store(house.folder))
    job = house.run("succeed")
    assert (job.status, job.crash_count) == (JobStatus.QUEUED, 1)
    assert house.files() == []


@pytest.mark.parametrize("hangs_in", ["fetch", "publish"])
def test_drain_does_not_wait_for_a_store_that_hangs(house: House, hangs_in: str) -> None:
    """A request may take a minute to fail, and gigabytes longer to publish."""
    never = threading.Event()

    class Store(LocalArtifacts):
        def discard_before(self, job_id: str, fence: int) -> None:
            if hangs_in == "fetch":
                self.hang()
            super().discard_before(job_id, fence)

        def publish(self, staged_file: Path, key: str) -> StoredFile:
            self.hang()
            return super().publish(staged_file, key)

        def hang(self) -> None:
            house.supervisor.drain.start()
            never.wait(60)

    house.with_settings(cancel_grace_s=0.2)
    house.change(artifacts=Store(house.folder))
    began = time.monotonic()
    job = house.run("succeed")
    never.set()
    assert time.monotonic() - began < 20
    assert (job.status, job.crash_count, job.drain_count) == (JobStatus.QUEUED, 0, 1)


class LosesReplies(LeaseStore):
    """The database commits the first claim, but its reply is lost."""

    lost = False

    def claim_next(self, owner: str, lease_s: float = 30.0) -> Claim | None:
        claim = super().claim_next(owner, lease_s)
        if claim is not None and not self.lost:
            self.lost = True
            raise DatabaseUnavailable("the connection broke")
        return claim


def test_claim_with_a_lost_reply_costs_no_attempt(house: House) -> None:
    house.change(leases=LosesReplies(house.database))
    job_id = house.add("succeed")
    assert not house.supervisor.supervise_next(CPU)
    assert house.record(job_id).status is JobStatus.RUNNING  # and no trainer runs
    assert house.supervisor.supervise_next(CPU)
    job = house.record(job_id)
    assert (job.status, job.crash_count, job.drain_count) == (JobStatus.SUCCEEDED, 0, 1)
