"""Jobs and their attempts as they are printed."""

import io
import json
from datetime import UTC, datetime, timedelta

from rich.console import Console

from ridgeline.api.attempts import Attempt, AttemptOutcome
from ridgeline.api.job import EndCode, EndReason, Job, JobStatus, Progress
from ridgeline.cli.views.jobs import attempts_table, job_page
from ridgeline.planning.resolve import resolve
from ridgeline.spec.job_spec import JobSpec

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TABLE = """\
attempt  worker     started  duration  epochs  outcome  exit     reason
      1  w1         2 h ago    20 min       7  crashed  SIGKILL  Out of memory.
      2  w2      10 min ago     2 min       0  crashed  code 1
      3  w2       7 min ago     3 min       4  drained
      4  w1       3 min ago     3 min      12  running
"""


def attempt(
    number: int, worker: str, started_min: int, ran_min: int | None, epochs: int
) -> Attempt:
    started_at = NOW - timedelta(minutes=started_min)
    return Attempt(
        number=number,
        worker=worker,
        started_at=started_at,
        ended_at=None if ran_min is None else started_at + timedelta(minutes=ran_min),
        outcome=AttemptOutcome.RUNNING,
        exit_code=None,
        signal=None,
        reason=None,
        epochs=epochs,
    )


def test_attempts_table_shows_how_each_ended() -> None:
    crashed = {"outcome": AttemptOutcome.CRASHED}
    attempts = [
        attempt(1, "w1", 120, 20, 7).model_copy(
            update={**crashed, "signal": "SIGKILL", "reason": "Out of memory."}
        ),
        attempt(2, "w2", 10, 2, 0).model_copy(update={**crashed, "exit_code": 1}),
        attempt(3, "w2", 7, 3, 4).model_copy(update={"outcome": AttemptOutcome.DRAINED}),
        attempt(4, "w1", 3, None, 12),
    ]
    output = io.StringIO()
    Console(file=output, width=100).print(attempts_table(attempts, NOW))
    assert "".join(f"{line.rstrip()}\n" for line in output.getvalue().splitlines()) == TABLE


def job(*, epoch: int, restores: bool, detail: str = "All epochs ran.") -> Job:
    spec = JobSpec.model_validate_json(
        json.dumps(
            {
                "dataset": {"name": "iris"},
                "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
                "training": {
                    "loss": "sparse_categorical_crossentropy",
                    "epochs": 40,
                    "early_stopping": {"patience": 3, "restore_best_weights": restores},
                },
            }
        )
    )
    return Job(
        id="job_" + "0" * 32,
        name=None,
        status=JobStatus.SUCCEEDED,
        reason=EndReason(code=EndCode.COMPLETED, detail=detail),
        spec=spec,
        resolved=resolve(spec).spec,
        penalties=(),
        advice=(),
        progress=Progress(epoch=epoch, epochs=40, fraction=epoch / 40, eta_s=None),
        attempt=1,
        metrics={"val_data_loss": 0.25},
        artifacts=(),
        created_at=NOW,
        started_at=NOW,
        finished_at=NOW,
        tags=(),
    )


def page(shown: Job, kept_epoch: int | None = None) -> list[str]:
    output = io.StringIO()
    Console(file=output, width=120).print(*job_page(shown, kept_epoch), sep="\n")
    return [line.rstrip() for line in output.getvalue().splitlines()]


def test_page_says_which_epoch_the_values_are_of() -> None:
    assert "Last epoch (40)" in page(job(epoch=40, restores=False))
    assert "Last epoch (40)" in page(job(epoch=40, restores=True), kept_epoch=40)
    assert "Epoch whose weights were kept (1)" in page(job(epoch=4, restores=True), kept_epoch=1)
    assert "Epoch whose weights were kept" in page(job(epoch=4, restores=True))


def test_page_says_why_a_job_ended_before_its_last_epoch() -> None:
    lines = page(job(epoch=4, restores=False, detail="Early stopping ended the training."))
    assert any(
        "succeeded, epoch 4 of 40: Early stopping ended the training." in line for line in lines
    )
    assert not any("All epochs ran" in line for line in page(job(epoch=40, restores=False)))
