"""Long curves and large pages delay no other request."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from ridgeline.storage import JobStore
from service.jobs import rules as jobs
from service.jobs.routes import PAGE_BYTES
from service.services import Services


def test_the_event_loop_never_waits_for_a_connection_of_a_thread(
    services: Services, submit: Callable[..., str]
) -> None:
    """As if forty readers of long curves held every connection."""
    job_id = submit()
    taken, release = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        with services.database.read():
            taken.release()
            release.wait(20)

    holders = [threading.Thread(target=hold) for _ in range(20)]
    for holder in holders:
        holder.start()
    for _ in holders:
        assert taken.acquire(timeout=10)
    began = time.perf_counter()
    try:
        assert asyncio.run(jobs.find(services, job_id)).id == job_id
    finally:
        release.set()
        for holder in holders:
            holder.join()
    assert time.perf_counter() - began < 5


def test_few_curves_are_gathered_at_once(
    client: TestClient,
    services: Services,
    submit: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job_id = submit()
    lock, running, most = threading.Lock(), [0], [0]

    def slow(*_: Any) -> Iterator[list[str]]:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.05)
        with lock:
            running[0] -= 1
        yield from ()

    monkeypatch.setattr(JobStore, "epoch_pages", slow)
    readers = [
        threading.Thread(target=client.get, args=(f"/jobs/{job_id}/curves",)) for _ in range(8)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert most[0] == 2


def test_a_page_of_large_specs_is_short(
    client: TestClient, services: Services, submit: Callable[..., str]
) -> None:
    created = [submit() for _ in range(6)]
    with services.database.write() as connection:
        large = '{"x":"' + "y" * (PAGE_BYTES // 2 - 5000) + '"}'
        connection.exec_driver_sql("UPDATE jobs SET spec = ?", (large,))
    seen: list[str] = []
    path = "/jobs"
    while path:
        page = client.get(path)
        assert len(page.content) < PAGE_BYTES * 1.1
        seen += [each["id"] for each in page.json()["items"]]
        path = f"/jobs?after={page.json()['next']}" if page.json()["next"] else ""
        assert ("Link" in page.headers) == bool(path)
    assert seen == created[::-1]
