"""Supervises attempts: claims a job, has a trainer train it, and records how it ended.

Nothing here imports TensorFlow. The database's row is the truth: only the holder of the newest
fence may write, and everything else this process knows may be out of date.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import NamedTuple

import structlog
from pydantic import ValidationError

from ridgeline.failpoints import failpoint
from ridgeline.spec.faults import SpecError
from ridgeline.spec.job_spec import JobSpec
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
from worker.inputs.fetch import Mirror, NoDataset, StoredDatasets
from worker.settings import WorkerSettings
from worker.slots.slots import Slot
from worker.supervision.conclusion import ENDS_THE_JOB, Conclusion, Lost, Refused
from worker.supervision.journal import Journal, Redaction
from worker.supervision.outages import (
    PATIENCE_S,
    Patience,
    Unwanted,
    beating,
    if_wanted,
    in_time,
)
from worker.supervision.publication import CheckpointMirror
from worker.supervision.watch import Watch
from worker.trainer.child import Assignment, Engine, explain, keras_engine
from worker.trainer.limits import is_disk_full, lack_of_space
from worker.trainer.process import TrainerProcess

log = structlog.get_logger()


class _Attempt(NamedTuple):
    """One attempt, and how it is recorded."""

    claim: Claim
    slot: Slot
    conclusion: Conclusion
    patience: Patience
    journal: Journal


class _Inputs(NamedTuple):
    """What an attempt starts with."""

    checkpoints: AttemptCheckpoints
    dataset: HeldFile | None
    """The file of the stored data set it trains on, if any."""


@dataclass(frozen=True, kw_only=True)
class Supervisor:
    """Runs all attempts of this worker; thread-safe."""

    leases: LeaseStore
    artifacts: ArtifactStore
    settings: WorkerSettings
    drain: Drain
    context: ForkServerContext
    owner: str
    """This worker's id in the records."""
    mirror: Mirror | None = None
    """Where this machine fetches missing files of Keras's data sets from."""
    stored_datasets: StoredDatasets | None = None
    """Where stored data sets are fetched from."""
    engine: Engine = keras_engine
    patience_s: float = PATIENCE_S
    """How long an attempt continues without the database."""

    @cached_property
    def claims(self) -> "Claims":
        """The claims of the attempts that run here."""
        return Claims(self.leases, self.owner, self.settings.lease_s)

    def supervise(self, job_id: str, slot: Slot) -> None:
        """Run one attempt of the job in `slot`, if it can be claimed; raises nothing.

        Returns when the trainer is gone. The reaper repairs whatever could not be written.
        """
        try:
            with self.claims.claim(job_id) as claim:
                if claim is None:
                    log.info("hint_dropped", job=job_id, because="the job cannot be claimed")
                    return
                self._supervise(claim, slot)
        except DatabaseUnavailable as error:
            log.warning("hint_dropped", job=job_id, because=str(error))

    def supervise_next(self, slot: Slot) -> bool:
        """Run one attempt of the job that has waited longest in `slot`; False: there is none.

        Raises nothing, like supervise().
        """
        try:
            with self.claims.claim_next() as claim:
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
            patience = Patience(self.drain, self.patience_s)
            conclusion = Conclusion(claim, self.leases, self.artifacts, self.settings, patience)
            self._run(_Attempt(claim, slot, conclusion, patience, journal))

    def _run(self, attempt: _Attempt) -> None:
        log.info("attempt_started", slot=attempt.slot.name)
        try:
            self._train(attempt)
        except DatabaseUnavailable as error:
            log.error("attempt_abandoned", because=str(error))  # noqa: TRY400 - expected, no trace
        except Exception as error:  # one job's error must not affect the others
            log.exception("attempt_broke")
            self._give_up(attempt.conclusion, error)
        finally:
            attempt.conclusion.clean_up()
            self._write_last_lines(attempt)

    def _train(self, attempt: _Attempt) -> None:
        try:
            spec = JobSpec.model_validate_json(attempt.claim.resolved)
        except (SpecError, ValidationError) as error:  # written by another release, say
            attempt.conclusion.reject(explain(error))
            return
        inputs = self._prepare(attempt, spec)
        if inputs is None:
            return
        with inputs.dataset or nullcontext():
            self._train_on(inputs, attempt, spec)

    def _train_on(self, inputs: _Inputs, attempt: _Attempt, spec: JobSpec) -> None:
        claim, conclusion = attempt.claim, attempt.conclusion
        workdir = self.artifacts.staging(claim.job_id, claim.fence)
        lack = lack_of_space(spec, workdir, inputs.checkpoints.folder)
        if lack is not None:
            conclusion.write(Refused(lack), workdir)
            return
        assignment = self._assignment(attempt, workdir, inputs)
        failpoint("attempt.prepared")
        with (
            TrainerProcess(self.context, assignment, self.engine) as trainer,
            CheckpointMirror(
                inputs.checkpoints, partial(self.leases.checkpointed, claim)
            ) as mirror,
        ):
            patience, journal, epochs = attempt.patience, attempt.journal, spec.training.epochs
            watch = Watch(claim, epochs, trainer, self.leases, self.settings, patience, journal)
            ending = watch.until_end()
            if not isinstance(ending, ENDS_THE_JOB | Lost):
                with beating(self.leases, claim, self.settings) as unwanted:
                    grace_s = self.settings.cancel_grace_s
                    mirror.finish(self.drain, self.patience_s, grace_s, unwanted)
            conclusion.write(ending, workdir)

    def _prepare(self, attempt: _Attempt, spec: JobSpec) -> _Inputs | None:
        """Fetch what the attempt needs; None if it cannot start, which is recorded then."""
        claim, conclusion = attempt.claim, attempt.conclusion
        try:
            with beating(self.leases, claim, self.settings) as unwanted:
                fetch = partial(self._fetch, claim, spec)
                fetch = partial(in_time, fetch, self.drain, self.settings.cancel_grace_s)
                return attempt.patience(partial(if_wanted, unwanted, fetch))
        except ArtifactsUnavailable:
            conclusion.store_away()
        except NoDataset as error:
            conclusion.reject(error.reason)
        except Unwanted:
            conclusion.unwanted()
        return None

    def _fetch(self, claim: Claim, spec: JobSpec) -> _Inputs:
        """Fetch the newest checkpoint and the data."""
        # The remains of an attempt that was killed before it could clean up.
        self.artifacts.discard_before(claim.job_id, claim.fence)
        checkpoints = self.artifacts.attempt_checkpoints(claim.job_id, claim.fence)
        checkpoints.fetch()
        if self.mirror is not None:
            self.mirror.fetch(spec)
        dataset = None if self.stored_datasets is None else self.stored_datasets.fetch(spec)
        return _Inputs(checkpoints, dataset)

    def _assignment(self, attempt: _Attempt, workdir: Path, inputs: _Inputs) -> Assignment:
        return Assignment(
            spec=attempt.claim.resolved,
            workdir=workdir,
            environment=attempt.slot.environment,
            tags=_tags(attempt.claim),
            checkpoints=inputs.checkpoints.folder,
            checkpoint_interval_s=self.settings.checkpoint_interval_s,
            memory_bytes=self.settings.trainer_memory_bytes,
            dataset_file=None if inputs.dataset is None else inputs.dataset.path,
        )

    def _write_last_lines(self, attempt: _Attempt) -> None:
        """Store the last log lines if that is possible now; they are not worth waiting for."""
        journal = attempt.journal
        try:
            while journal and self.leases.write_log(attempt.claim, journal.batch()):
                journal.settled()
        except Exception as error:  # noqa: BLE001 - better to lose a line than the worker
            log.warning("log_lines_lost", because=type(error).__name__)

    def _give_up(self, conclusion: Conclusion, error: Exception) -> None:
        try:
            conclusion.disk_full() if is_disk_full(error) else conclusion.broken()
        except Exception:  # the reaper will requeue the job
            log.exception("attempt_abandoned")


def _tags(claim: Claim) -> dict[str, str | int]:
    """The fields of all log lines about an attempt."""
    return {"job": claim.job_id, "attempt": claim.attempt, "fence": claim.fence}


class Claims:
    """Claims jobs for `owner`, and releases claims whose confirmation was lost.

    A claim may be committed although the database's reply is lost. Nobody would run that job, and
    the reaper would count its silence as a crash, so it is released before the next claim.
    """

    def __init__(self, leases: LeaseStore, owner: str, lease_s: float) -> None:
        self._leases = leases
        self._owner = owner
        self._lease_s = lease_s
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._in_doubt = False

    @contextmanager
    def claim(self, job_id: str) -> Iterator[Claim | None]:
        """A claim of the job for the duration of the block; None if it cannot be claimed.

        Raises DatabaseUnavailable.
        """
        with self._held(lambda: self._leases.claim(job_id, self._owner, self._lease_s)) as claim:
            yield claim

    @contextmanager
    def claim_next(self) -> Iterator[Claim | None]:
        """The same for the job that has waited longest; None: there is none."""
        with self._held(lambda: self._leases.claim_next(self._owner, self._lease_s)) as claim:
            yield claim

    @contextmanager
    def _held(self, make: Callable[[], Claim | None]) -> Iterator[Claim | None]:
        claim = self._make(make)
        try:
            yield claim
        finally:
            if claim is not None:
                with self._lock:
                    self._running.discard(claim.job_id)

    def _make(self, make: Callable[[], Claim | None]) -> Claim | None:
        with self._lock:
            if self._in_doubt:
                for job_id in self._leases.hand_back(self._owner, besides=self._running):
                    log.warning("job_handed_back", job=job_id, because="its claim was unconfirmed")
                self._in_doubt = False
            try:
                claim = make()
            except DatabaseUnavailable:
                self._in_doubt = True
                raise
            if claim is not None:
                self._running.add(claim.job_id)
            return claim
