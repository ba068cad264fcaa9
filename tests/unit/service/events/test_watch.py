"""One watcher serves all waiting requests."""

import asyncio
from collections.abc import Callable, Collection

import pytest

from ridgeline.storage import DatabaseUnavailable
from service.events import live as watch
from service.events.live import Watcher


class Versions:
    """Job versions that a test changes, and the reads of them."""

    def __init__(self) -> None:
        self.now = {"a": 1, "b": 1}
        self.asked: list[set[str]] = []
        self.fails = False

    async def read(self, job_ids: Collection[str]) -> dict[str, int]:
        self.asked.append(set(job_ids))
        if self.fails:
            raise DatabaseUnavailable
        return {job_id: self.now[job_id] for job_id in job_ids if job_id in self.now}


@pytest.fixture
def versions() -> Versions:
    return Versions()


def test_a_change_wakes_its_waiting_requests(versions: Versions) -> None:
    async def scenario() -> None:
        watcher = Watcher(versions.read, 0.001)
        first, second = (asyncio.create_task(watcher.changed("a", 1, 10)) for _ in range(2))
        other = asyncio.create_task(watcher.changed("b", 1, 10))
        await until(lambda: watcher.waiting == 3)
        versions.now["a"] = 2
        assert await first
        assert await second
        assert not other.done()
        versions.now["b"] = 2
        assert await other
        assert watcher.waiting == 0

    asyncio.run(scenario())


def test_a_change_before_the_wait_is_seen(versions: Versions) -> None:
    assert asyncio.run(Watcher(versions.read, 0.001).changed("a", 0, 10))


def test_a_deleted_job_has_changed(versions: Versions) -> None:
    del versions.now["a"]
    assert asyncio.run(Watcher(versions.read, 0.001).changed("a", 1, 10))


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.01])
def test_a_wait_ends_after_its_time(versions: Versions, seconds: float) -> None:
    assert not asyncio.run(Watcher(versions.read, 0.001).changed("a", 1, seconds))


def test_many_waiting_requests_share_one_read(versions: Versions) -> None:
    async def scenario() -> None:
        watcher = Watcher(versions.read, 0.001)
        waits = [
            asyncio.create_task(watcher.changed(job, 1, 10)) for job in "ab" for _ in range(20)
        ]
        await until(lambda: {"a", "b"} in versions.asked)
        versions.now = {"a": 2, "b": 2}
        assert all(await asyncio.gather(*waits))
        await until(lambda: len(asyncio.all_tasks()) == 1)  # the watching task has ended
        asked = len(versions.asked)
        await asyncio.sleep(0.01)
        assert len(versions.asked) == asked
        assert await watcher.changed("a", 1, 10)  # and it starts again

    asyncio.run(scenario())


def test_waiting_survives_an_outage_of_the_database(versions: Versions) -> None:
    async def scenario() -> None:
        watcher = Watcher(versions.read, 0.001)
        versions.fails = True
        waiting = asyncio.create_task(watcher.changed("a", 1, 10))
        await until(lambda: len(versions.asked) > 2)
        versions.fails, versions.now["a"] = False, 2
        assert await waiting

    asyncio.run(scenario())


def test_an_outage_of_the_database_is_logged_once(
    versions: Versions, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        watcher = Watcher(versions.read, 0.001)
        for version in (2, 3):
            versions.fails, asked = True, len(versions.asked)
            waiting = asyncio.create_task(watcher.changed("a", version - 1, 10))
            await until(lambda: len(versions.asked) > asked + 5)  # noqa: B023 - awaited at once
            versions.fails, versions.now["a"] = False, version
            assert await waiting

    asyncio.run(scenario())
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2


def test_reads_are_rarer_while_nothing_changes(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frequent again after a change, or when a request waits for another job."""
    monkeypatch.setattr(watch, "LONGEST_INTERVAL_S", 60.0)
    monkeypatch.setattr(watch, "_CALM", 0.01)

    async def scenario() -> None:
        watcher = Watcher(versions.read, 0.001)
        first = asyncio.create_task(watcher.changed("a", 1, 60))
        await until(lambda: len(versions.asked) == 1)
        await asyncio.sleep(0.05)
        assert len(versions.asked) == 1
        versions.now["b"] = 2
        assert await watcher.changed("b", 1, 60)
        versions.now["a"] = 2
        assert await first

    asyncio.run(scenario())


def test_closing_wakes_all_requests(versions: Versions) -> None:
    async def scenario() -> None:
        watcher = Watcher(versions.read, 0.001)
        waiting = asyncio.create_task(watcher.changed("a", 1, 60))
        await until(lambda: watcher.waiting == 1)
        watcher.close()
        assert not await waiting
        assert not await watcher.changed("a", 0, 60)

    asyncio.run(scenario())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0)
