"""kill -9 at every failpoint: a new process continues, and every guarantee holds."""

import pytest

from ridgeline.api.job import JobStatus
from tests.integration.failpoints.conftest import Rig
from tests.integration.failpoints.processes import EPOCHS, attempt
from tests.integration.failpoints.scenarios import (
    SCENARIOS,
    WITH_BROKER,
    Scenario,
    assert_succeeded,
    attempted,
    deleted,
    posted,
    reaped,
)

pytestmark = pytest.mark.servers

CASES = [(name, scenario) for name, scenarios in SCENARIOS.items() for scenario in scenarios]
#: Open transactions that only the server can roll back.
UNCOMMITTED: list[tuple[str, Scenario]] = [
    ("submit.before_commit", posted),
    ("claim.before_commit", attempted),
    ("epochs.before_commit", attempted),
    ("finish.before_commit", attempted),
    ("move.before_commit", reaped),
    ("delete.before_commit", deleted),
]


@pytest.mark.parametrize(
    ("name", "scenario"), CASES, ids=[f"{name}-{scenario.__name__}" for name, scenario in CASES]
)
def test_guarantees_hold_after_a_kill_at_any_failpoint(
    request: pytest.FixtureRequest, name: str, scenario: Scenario
) -> None:
    rig = request.getfixturevalue("rig_with_broker" if scenario in WITH_BROKER else "rig")
    scenario(rig, name)


@pytest.mark.parametrize(
    ("name", "scenario"),
    UNCOMMITTED,
    ids=[f"{name}-{scenario.__name__}" for name, scenario in UNCOMMITTED],
)
def test_guarantees_hold_after_a_kill_within_a_postgresql_transaction(
    rig_on_postgresql: Rig, name: str, scenario: Scenario
) -> None:
    """The server must detect the death and release the locks."""
    scenario(rig_on_postgresql, name)


@pytest.mark.parametrize("name", ["attempt.prepared", "publish.renamed", "attempt.published"])
def test_unexpected_error_in_the_worker_releases_the_job(rig: Rig, name: str) -> None:
    """The worker keeps running and cleans up at once."""
    job_id = rig.add(epochs=EPOCHS)
    rig.run(attempt, rig.home, job_id, failpoint=f"{name}:raise")
    record = rig.record(job_id)
    assert (record.status, record.crash_count) == (JobStatus.QUEUED, 1)
    assert [path for path in rig.files() if path.parts[0] != ".checkpoints"] == []
    assert_succeeded(rig, rig.end(job_id))
