"""How an attempt ends, and what is recorded: the last transition, or a return to the queue."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import assert_never

import structlog

from ridgeline.api.job import EndCode, EndReason, JobStatus
from ridgeline.api.report import Report
from ridgeline.failpoints import failpoint
from ridgeline.storage import (
    ArtifactRecord,
    ArtifactStore,
    ArtifactsUnavailable,
    AttemptExit,
    Claim,
    LeaseStore,
    StorageError,
)
from ridgeline.storage.records.status_changes import CANCELLED_BY_USER
from worker.settings import WorkerSettings
from worker.supervision.outages import IN_DRAIN_S, Patience, Unwanted, beating, in_time
from worker.supervision.publication import publish
from worker.trainer.limits import DISK_FULL, is_disk_full
from worker.trainer.messages import Finished

_ALL_EPOCHS = "All epochs ran."
_OVERDUE = EndReason(
    code=EndCode.DEADLINE_EXCEEDED,
    detail="The deadline passed before the job had ended; raise training.deadline_s or train less.",
)

log = structlog.get_logger()


@dataclass(frozen=True)
class Completed:
    """The model is trained; its files are ready to be published."""

    result: Finished


@dataclass(frozen=True)
class Refused:
    """The job cannot succeed; the trainer reported why."""

    reason: EndReason
    report: Report | None = None


@dataclass(frozen=True)
class Cancelled:
    """A user cancelled the job."""


@dataclass(frozen=True)
class Paused:
    """A user paused the job; its checkpoint is written."""


@dataclass(frozen=True)
class Drained:
    """This worker is shutting down."""


@dataclass(frozen=True)
class Overdue:
    """The job's deadline has passed."""


@dataclass(frozen=True)
class Hung:
    """The trainer made no progress for too long."""

    seconds: float
    phase: str | None


@dataclass(frozen=True)
class Crashed:
    """The process died without a final message."""

    exit: AttemptExit


@dataclass(frozen=True)
class Lost:
    """Another worker holds the job, or may hold it after a long outage of the database."""


Ending = Completed | Refused | Cancelled | Paused | Drained | Overdue | Hung | Crashed | Lost
ENDS_THE_JOB = Completed | Refused | Cancelled | Overdue
"""After these no other attempt resumes from this one's checkpoints."""


class Conclusion:
    """Ends one attempt in the records and in the artifact store."""

    def __init__(
        self,
        claim: Claim,
        leases: LeaseStore,
        artifacts: ArtifactStore,
        settings: WorkerSettings,
        patience: Patience,
    ) -> None:
        self._claim = claim
        self._leases = leases
        self._artifacts = artifacts
        self._settings = settings
        self._patience = patience
        self._keep_files = False
        self._ended = False
        self._publish_failed = False

    def write(self, ending: Ending, workdir: Path) -> None:
        """Record `ending`. Raises DatabaseUnavailable: the reaper then decides."""
        match ending:
            case Completed(result=result):
                self._publish(result, workdir)
            case Refused(reason=reason, report=report):
                self._finish(JobStatus.FAILED, reason, report=report)
            case Overdue():
                self._finish(JobStatus.FAILED, _OVERDUE)
            case Cancelled():
                self._finish(JobStatus.CANCELLED, CANCELLED_BY_USER)
            case Crashed(exit=ended):
                self._crashed(ended)
            case Hung(seconds=seconds, phase=phase):
                where = f" in the phase {phase!r}" if phase else ""
                detail = f"The trainer made no progress for {seconds:.0f} s{where} and was killed."
                self._release(AttemptExit(detail=detail), penalized=True)
            case Paused() | Drained():
                self._release(AttemptExit(), penalized=False)
            case Lost():
                log.warning("job_lost")
            case _:
                assert_never(ending)

    def broken(self) -> None:
        """Release the job after an internal error of this worker, which another may not have."""
        detail = "The worker had an internal error; see its log."
        self._release(AttemptExit(detail=detail), penalized=True)

    def store_away(self) -> None:
        """Release the job at no cost to it: the artifact store did not respond."""
        self._release(AttemptExit(detail="The artifact store did not respond."), penalized=False)

    def unwanted(self) -> None:
        """End the job as cancelled, unless another worker holds it by now."""
        if self._is_cancelling():
            self._finish(JobStatus.CANCELLED, CANCELLED_BY_USER)

    def reject(self, reason: EndReason) -> None:
        """End a job that cannot start."""
        self._finish(JobStatus.FAILED, reason)

    def disk_full(self) -> None:
        """End the job for lack of disk space."""
        self._finish(JobStatus.FAILED, DISK_FULL)

    def clean_up(self) -> None:
        """Delete what the attempt left in the store, except the files of a success.

        A failure is only logged: the next attempt, or the job's deletion, removes the rest.
        """
        failpoint("clean_up.begun")
        try:
            in_time(self._delete, self._patience.drain, IN_DRAIN_S)
        except (OSError, StorageError):
            log.exception("clean_up_failed")

    def _delete(self) -> None:
        delete = self._artifacts.clear_staging if self._keep_files else self._artifacts.discard
        delete(self._claim.job_id, self._claim.fence)
        failpoint("clean_up.staging_cleared")
        if self._ended:  # otherwise the next attempt resumes from them
            self._artifacts.discard_checkpoints(self._claim.job_id)

    def _publish(self, result: Finished, workdir: Path) -> None:
        try:
            failpoint("attempt.trained")
            with beating(self._leases, self._claim, self._settings) as unwanted:
                files = publish(
                    self._artifacts,
                    self._claim,
                    workdir,
                    result,
                    self._patience,
                    unwanted,
                    self._settings.cancel_grace_s,
                )
        except Unwanted:
            self.unwanted()
            return
        except Exception as error:
            self._publish_failed = True
            log.warning("publication_failed", error=type(error).__name__)
            if is_disk_full(error):
                self.disk_full()
            elif isinstance(error, ArtifactsUnavailable) and self._patience.drain.started:
                self.store_away()  # only the shutdown cut the wait short
            else:
                raise
            return
        # From here on the files may be those of a success, unless finish() clearly fails.
        self._keep_files = True
        failpoint("attempt.published")
        reason = EndReason(code=EndCode.COMPLETED, detail=result.detail or _ALL_EPOCHS)
        if not self._finish(JobStatus.SUCCEEDED, reason, result, files):
            self._keep_files = False
            self.unwanted()

    def _finish(
        self,
        status: JobStatus,
        reason: EndReason,
        result: Finished | None = None,
        files: list[ArtifactRecord] | None = None,
        report: Report | None = None,
    ) -> bool:
        """End the job; False if it is lost or may no longer end in `status`."""
        metrics = result.metrics if result else None
        diagnosis = result.report if result else report
        text = diagnosis.model_dump_json() if diagnosis else None
        remarks = [each.model_dump(mode="json") for each in result.refused] if result else []

        def finish() -> bool:
            return self._leases.finish(
                self._claim,
                status,
                reason,
                metrics=metrics,
                artifacts=files or [],
                report=text,
                remarks=remarks,
                attempt_exit=AttemptExit(publish_failed=self._publish_failed),
            )

        ended = self._patience(finish)
        failpoint("finish.committed")
        self._ended = self._ended or ended
        if not ended:
            log.warning("write_refused", status=status.value)
        return ended

    def _is_cancelling(self) -> bool:
        answer = self._patience(lambda: self._leases.heartbeat(self._claim))
        return answer is not None and answer.status is JobStatus.CANCELLING

    def _crashed(self, ended: AttemptExit) -> None:
        log.warning("trainer_died", exit_code=ended.code, signal=ended.signal)
        self._release(ended, penalized=True)

    def _release(self, ended: AttemptExit, *, penalized: bool) -> None:
        ended = replace(ended, publish_failed=self._publish_failed)

        def release() -> JobStatus | None:
            return self._leases.release(self._claim, penalized=penalized, attempt_exit=ended)

        status = self._patience(release)
        failpoint("release.committed")
        if status is not None:  # released, so it has not succeeded, whatever was published
            self._keep_files = False
        self._ended = self._ended or (status is not None and status.terminal)
        if status is None:
            log.warning("job_lost")
