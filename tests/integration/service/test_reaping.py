"""The API reclaims jobs of silent workers according to its settings."""

import time

from starlette.testclient import TestClient

from ridgeline.storage import LeaseStore
from service.http.documentation import IRIS
from service.main import create_app
from service.settings import Settings


def test_the_settings_give_lease_and_crash_cap(settings: Settings) -> None:
    """With a cap of 1 the first lost worker fails the job; the default allows three."""
    quick = {"lease_s": 0.2, "crash_cap": 1, "reap_interval_s": 0.05}
    app = create_app(settings.model_copy(update=quick))
    with TestClient(app) as client:
        job_id = client.post("/jobs", json=IRIS).json()["id"]
        claim = LeaseStore(app.state.services.database).claim(job_id, "a worker", lease_s=0.01)
        assert claim is not None
        deadline = time.monotonic() + 30
        while (job := client.get(f"/jobs/{job_id}").json())["status"] == "running":
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert (job["status"], job["reason"]["code"]) == ("failed", "crash_loop")
