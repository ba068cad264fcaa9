"""The Celery task takes whatever a message holds, and Celery's settings."""

import ssl

import pytest
from celery import Celery

from ridgeline.storage.records.outbox import TRAIN_QUEUE, TRAIN_TASK
from worker.broker.app import add_train_task, create_app
from worker.broker.pool import SlotPoolApp, WakingPool
from worker.drain import Drain
from worker.settings import WorkerSettings
from worker.slots.dispatcher import Dispatcher
from worker.slots.slots import Slot, SlotPool

JOB_ID = "job_" + "0123456789abcdef" * 2


SLOT = Slot("cpu:0", "-1")


class Recorder:
    """Stands in for the supervisor."""

    def __init__(self) -> None:
        self.drain = Drain()
        self.slots = SlotPool([SLOT])
        self.supervised: list[tuple[str, Slot]] = []

    def supervise(self, job_id: str, slot: Slot) -> None:
        self.supervised.append((job_id, slot))

    def supervise_next(self, slot: Slot) -> bool:
        raise AssertionError("nothing polls here")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def app(recorder: Recorder) -> Celery:
    app = create_app(WorkerSettings(), recorder.slots)
    add_train_task(app, Dispatcher(recorder, recorder.slots, recorder.drain, 10.0))
    return app


def test_hint_becomes_an_attempt(app: Celery, recorder: Recorder) -> None:
    app.tasks[TRAIN_TASK](JOB_ID)
    assert recorder.supervised == [(JOB_ID, SLOT)]
    assert recorder.slots.take() is SLOT


def test_a_hint_without_a_slot_is_dropped(app: Celery, recorder: Recorder) -> None:
    recorder.slots.take()
    app.tasks[TRAIN_TASK](JOB_ID)
    assert recorder.supervised == []


def test_a_message_is_taken_only_where_a_slot_is_left(app: SlotPoolApp, recorder: Recorder) -> None:
    pool = WakingPool(1, app=app)
    assert pool.num_processes == 1
    recorder.slots.take(polled=True)
    assert pool.num_processes == 0


@pytest.mark.parametrize(
    "arguments",
    [(), (None,), (1,), ("",), ("job_1",), (JOB_ID + "\n",), (JOB_ID.upper(),), ([JOB_ID],)],
)
def test_junk_is_dropped(app: Celery, recorder: Recorder, arguments: tuple[object, ...]) -> None:
    app.tasks[TRAIN_TASK](*arguments)
    app.tasks[TRAIN_TASK](unknown=1)
    assert recorder.supervised == []


def test_nothing_is_started_in_a_shutdown(app: Celery, recorder: Recorder) -> None:
    recorder.drain.start()
    app.tasks[TRAIN_TASK](JOB_ID)
    assert recorder.supervised == []


def test_celery_takes_json_hints_and_no_more(app: Celery) -> None:
    conf = app.conf
    assert conf.accept_content == ["json"]
    assert conf.task_ignore_result
    assert not conf.task_acks_late
    assert conf.worker_disable_prefetch
    assert not conf.worker_enable_remote_control
    assert conf.task_default_queue == TRAIN_QUEUE


def test_tls_is_verified() -> None:
    settings = WorkerSettings.model_validate({"redis_url": "rediss://:pw@host:6379/0"})
    app = create_app(settings, SlotPool([SLOT]))
    assert app.conf.broker_use_ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    assert app.connection_for_read().ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
