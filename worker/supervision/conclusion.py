"""Writes down how an attempt ended: the job's last transition, or its way back into the queue."""

from dataclasses import replace
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
from ridgeline.storage.records.transitions import CANCELLED_BY_USER
from worker.settings import WorkerSettings
from worker.supervision.endings import (
    Cancelled,
    Completed,
    Crashed,
    Drained,
    Ending,
    Hung,
    Lost,
    Overdue,
    Paused,
    Refused,
)
from worker.supervision.patience import IN_DRAIN_S, Patience, in_time
from worker.supervision.publication import Unwanted, beating, publish
from worker.trainer.disk import DISK_FULL, is_disk_full
from worker.trainer.messages import Finished

_COMPLETED = EndReason(code=EndCode.COMPLETED, detail="All epochs ran.")
_OVERDUE = EndReason(
    code=EndCode.DEADLINE_EXCEEDED,
    detail="The deadline passed before the last epoch; raise training.deadline_s or train less.",
)

log = structlog.get_logger()


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
        self._patiently = patience
        self._keep_files = False
        self._ended = False
        self._publish_failed = False

    def write(self, ending: Ending, workdir: Path) -> None:
        """Write what `ending` means. Raises DatabaseUnavailable: the reaper then decides."""
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
                self._release(AttemptExit(detail=detail), penalised=True)
            case Paused() | Drained():
                self._release(AttemptExit(), penalised=False)
            case Lost():
                log.warning("job_lost")
            case _:
                assert_never(ending)

    def broken(self) -> None:
        """Give the job back after a fault of this worker's own, which another may not have."""
        detail = "The worker could not go on; the log has the details."
        self._release(AttemptExit(detail=detail), penalised=True)

    def store_away(self) -> None:
        """Give the job back, at no cost to it: the artifact store did not answer."""
        self._release(AttemptExit(detail="The artifact store did not answer."), penalised=False)

    def unwanted(self) -> None:
        """End the job as cancelled, if it is not another's by now."""
        if self._cancel_came_first():
            self._finish(JobStatus.CANCELLED, CANCELLED_BY_USER)

    def refuse(self, reason: EndReason) -> None:
        """End the job, which cannot begin."""
        self._finish(JobStatus.FAILED, reason)

    def disk_full(self) -> None:
        """End the job for want of space."""
        self._finish(JobStatus.FAILED, DISK_FULL)

    def clean_up(self) -> None:
        """Delete what the attempt has left in the store, but for the files of a success.

        A failure is logged and no more: the next attempt, or the job's deletion, takes the rest.
        """
        failpoint("clean_up.begun")
        try:
            in_time(self._delete, self._patiently.drain, IN_DRAIN_S)
        except (OSError, StorageError):
            log.exception("clean_up_failed")

    def _delete(self) -> None:
        delete = self._artifacts.clear_staging if self._keep_files else self._artifacts.discard
        delete(self._claim.job_id, self._claim.fence)
        failpoint("clean_up.staging_cleared")
        if self._ended:  # otherwise the next attempt goes on from them
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
                    self._patiently,
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
            elif isinstance(error, ArtifactsUnavailable) and self._patiently.drain.started:
                self.store_away()  # it could have been waited for
            else:
                raise
            return
        # From here on, unless the answer is a clear no, the files may be those of a success.
        self._keep_files = True
        failpoint("attempt.published")
        if not self._finish(JobStatus.SUCCEEDED, _COMPLETED, result, files):
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
        """End the job; False if it is lost, or does not end so any more."""
        metrics = result.metrics if result else None
        diagnosis = result.report if result else report
        text = diagnosis.model_dump_json() if diagnosis else None

        def finish() -> bool:
            return self._leases.finish(
                self._claim,
                status,
                reason,
                metrics=metrics,
                artifacts=files or [],
                report=text,
                attempt_exit=AttemptExit(publish_failed=self._publish_failed),
            )

        ended = self._patiently(finish)
        failpoint("finish.committed")
        self._ended = self._ended or ended
        if not ended:
            log.warning("write_refused", status=status.value)
        return ended

    def _cancel_came_first(self) -> bool:
        answer = self._patiently(lambda: self._leases.heartbeat(self._claim))
        return answer is not None and answer.status is JobStatus.CANCELLING

    def _crashed(self, ended: AttemptExit) -> None:
        log.warning("trainer_died", exit_code=ended.code, signal=ended.signal)
        self._release(ended, penalised=True)

    def _release(self, ended: AttemptExit, *, penalised: bool) -> None:
        ended = replace(ended, publish_failed=self._publish_failed)

        def release() -> JobStatus | None:
            return self._leases.release(self._claim, penalised=penalised, attempt_exit=ended)

        status = self._patiently(release)
        failpoint("release.committed")
        if status is not None:  # it has not succeeded, whatever was published
            self._keep_files = False
        self._ended = self._ended or (status is not None and status.terminal)
        if status is None:
            log.warning("job_lost")
