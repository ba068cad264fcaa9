"""Supervises attempts: claim a job, have a trainer train it, write down how it ended.

Nothing here imports TensorFlow. The database's row is the truth: whoever holds the newest fence may
write, and everything else this process knows may be out of date.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import NamedTuple

import structlog

from ridgeline.failpoints import failpoint
from ridgeline.storage import (
    ArtifactStore,
    ArtifactsUnavailable,
    AttemptCheckpoints,
    Claim,
    DatabaseUnavailable,
    LeaseStore,
)
from ridgeline.storage.files.datasets import HeldFile
from worker.drain import Drain
from worker.inputs.mirror import Mirror
from worker.inputs.stored_datasets import NoDataset, Uploads
from worker.settings import WorkerSettings
from worker.slots.slots import Slot
from worker.supervision.checkpoints import Saving
from worker.supervision.claims import Claims
from worker.supervision.conclusion import Conclusion
from worker.supervision.endings import ENDS_THE_JOB, Lost, Refused
from worker.supervision.journal import Journal
from worker.supervision.patience import PATIENCE_S, Patience, in_time
from worker.supervision.publication import Unwanted, beating, if_wanted
from worker.supervision.redaction import Redaction
from worker.supervision.watch import Watch
from worker.trainer.child import Assignment, Engine, keras_engine
from worker.trainer.disk import is_disk_full, lack_of_space
from worker.trainer.process import TrainerProcess

log = structlog.get_logger()


class _Prepared(NamedTuple):
    """What an attempt begins with."""

    checkpoints: AttemptCheckpoints
    dataset: HeldFile | None
    """The uploaded file it trains on, if it does."""


@dataclass(frozen=True, kw_only=True)
class Supervisor:
    """What every attempt of this worker shares; threads may share it."""

    leases: LeaseStore
    artifacts: ArtifactStore
    settings: WorkerSettings
    drain: Drain
    context: ForkServerContext
    owner: str
    """Who this worker is, as it stands in the records."""
    mirror: Mirror | None = None
    """Where files of data sets are fetched from that this machine has not."""
    uploads: Uploads | None = None
    """Where uploaded data sets are fetched from."""
    engine: Engine = keras_engine
    patience_s: float = PATIENCE_S
    """How long an attempt goes on without the database."""

    @cached_property
    def claims(self) -> Claims:
        """What runs here."""
        return Claims(self.leases, self.owner, self.settings.lease_s)

    def supervise(self, job_id: str, slot: Slot) -> None:
        """Run one attempt of the job in `slot`, if it is to be had; raises nothing.

        Returns when the trainer is gone. Whatever could not be written, the reaper puts right.
        """
        try:
            with self.claims.take(job_id) as claim:
                if claim is None:
                    log.info("hint_dropped", job=job_id, because="not to be had")
                    return
                self._supervise(claim, slot)
        except DatabaseUnavailable as error:
            log.warning("hint_dropped", job=job_id, because=str(error))

    def supervise_next(self, slot: Slot) -> bool:
        """Run one attempt of the job that has waited longest in `slot`; False: there is none.

        Raises nothing, as supervise().
        """
        try:
            with self.claims.take_next() as claim:
                if claim is not None:
                    self._supervise(claim, slot)
                return claim is not None
        except DatabaseUnavailable as error:
            log.warning("poll_failed", because=str(error))
            return False

    def _supervise(self, claim: Claim, slot: Slot) -> None:
        failpoint("claim.committed")
        journal = Journal(Redaction(self.settings))
        with structlog.contextvars.bound_contextvars(**_tags(claim)), journal.kept():
            self._attempt(claim, slot, journal)

    def _attempt(self, claim: Claim, slot: Slot, journal: Journal) -> None:
        log.info("attempt_started", slot=slot.name)
        patience = Patience(self.drain, self.patience_s)
        conclusion = Conclusion(claim, self.leases, self.artifacts, self.settings, patience)
        try:
            self._train(claim, slot, conclusion, patience, journal)
        except DatabaseUnavailable as error:
            log.error("attempt_abandoned", because=str(error))  # noqa: TRY400 - expected, no trace
        except Exception as error:  # one job's trouble must not reach the others
            log.exception("attempt_broke")
            self._give_up(conclusion, error)
        finally:
            conclusion.clean_up()
            self._write_last(journal, claim)

    def _train(
        self,
        claim: Claim,
        slot: Slot,
        conclusion: Conclusion,
        patience: Patience,
        journal: Journal,
    ) -> None:
        prepared = self._prepare(claim, conclusion, patience)
        if prepared is None:
            return
        with prepared.dataset or nullcontext():
            self._train_on(prepared, claim, slot, conclusion, patience, journal)

    def _train_on(
        self,
        prepared: _Prepared,
        claim: Claim,
        slot: Slot,
        conclusion: Conclusion,
        patience: Patience,
        journal: Journal,
    ) -> None:
        checkpoints = prepared.checkpoints
        workdir = self.artifacts.staging(claim.job_id, claim.fence)
        lack = lack_of_space(claim.resolved, workdir, checkpoints.folder)
        if lack is not None:
            conclusion.write(Refused(lack), workdir)
            return
        assignment = self._assignment(claim, slot, workdir, prepared)
        failpoint("attempt.prepared")
        with (
            TrainerProcess(self.context, assignment, self.engine) as trainer,
            Saving(checkpoints) as saving,
        ):
            watch = Watch(claim, trainer, self.leases, self.settings, patience, journal)
            ending = watch.until_end()
            if not isinstance(ending, ENDS_THE_JOB | Lost):
                with beating(self.leases, claim, self.settings) as unwanted:
                    grace_s = self.settings.cancel_grace_s
                    saving.finish(self.drain, self.patience_s, grace_s, unwanted)
            conclusion.write(ending, workdir)

    def _prepare(
        self, claim: Claim, conclusion: Conclusion, patience: Patience
    ) -> _Prepared | None:
        """Bring here what the attempt needs; None if it cannot begin: that is written then."""
        try:
            with beating(self.leases, claim, self.settings) as unwanted:
                fetch = partial(self._fetch, claim)
                fetch = partial(in_time, fetch, self.drain, self.settings.cancel_grace_s)
                return patience(partial(if_wanted, unwanted, fetch))
        except ArtifactsUnavailable:
            conclusion.store_away()
        except NoDataset as error:
            conclusion.refuse(error.reason)
        except Unwanted:
            conclusion.unwanted()
        return None

    def _fetch(self, claim: Claim) -> _Prepared:
        """Bring here what the attempt goes on from, and its data."""
        # What an attempt left that was killed, and could not clear up.
        self.artifacts.discard_before(claim.job_id, claim.fence)
        checkpoints = self.artifacts.attempt_checkpoints(claim.job_id, claim.fence)
        checkpoints.fetch()
        if self.mirror is not None:
            self.mirror.fetch(claim.resolved)
        dataset = None if self.uploads is None else self.uploads.fetch(claim.resolved)
        return _Prepared(checkpoints, dataset)

    def _assignment(
        self, claim: Claim, slot: Slot, workdir: Path, prepared: _Prepared
    ) -> Assignment:
        return Assignment(
            spec=claim.resolved,
            workdir=workdir,
            environment=slot.environment,
            tags=_tags(claim),
            checkpoints=prepared.checkpoints.folder,
            checkpoint_interval_s=self.settings.checkpoint_interval_s,
            memory_bytes=self.settings.trainer_memory_bytes,
            dataset_file=None if prepared.dataset is None else prepared.dataset.path,
        )

    def _write_last(self, journal: Journal, claim: Claim) -> None:
        """Store the last lines of the log, if that is possible now: they are not worth waiting."""
        try:
            while journal and self.leases.write_log(claim, journal.batch()):
                journal.settled()
        except Exception as error:  # noqa: BLE001 - a lost line is better than a lost worker
            log.warning("log_lines_lost", because=type(error).__name__)

    def _give_up(self, conclusion: Conclusion, error: Exception) -> None:
        try:
            conclusion.disk_full() if is_disk_full(error) else conclusion.broken()
        except Exception:  # the reaper will find the job
            log.exception("attempt_abandoned")


def _tags(claim: Claim) -> dict[str, str | int]:
    """What log lines about an attempt carry."""
    return {"job": claim.job_id, "attempt": claim.attempt, "fence": claim.fence}
