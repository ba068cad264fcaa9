"""The Celery task with valid and invalid messages, and Celery's settings."""

import ssl

import pytest
from celery import Celery

from ridgeline.storage.records.outbox import TRAIN_QUEUE, TRAIN_TASK
from worker.broker.app import add_train_task, create_app
from worker.broker.consumer import SlotPoolApp, WakingPool
from worker.drain import Drain
from worker.slots.dispatcher import Dispatcher
from worker.slots.slots import Slot, SlotPool

JOB_ID = "job_" + "0123456789abcdef" * 2
SLOT = Slot("cpu:0", "-1")


class Recorder:
    """Stands in for the supervisor and records its calls."""

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
    app = create_app("redis://127.0.0.1:1", recorder.slots)
    add_train_task(app, Dispatcher(recorder, recorder.slots, recorder.drain, 10.0))
    return app


def test_hint_starts_an_attempt(app: Celery, recorder: Recorder) -> None:
    app.tasks[TRAIN_TASK](JOB_ID)
    assert recorder.supervised == [(JOB_ID, SLOT)]
    assert recorder.slots.acquire() is SLOT


def test_hint_is_dropped_without_a_free_slot(app: Celery, recorder: Recorder) -> None:
    recorder.slots.acquire()
    app.tasks[TRAIN_TASK](JOB_ID)
    assert recorder.supervised == []


def test_messages_are_received_only_while_a_slot_is_free(
    app: SlotPoolApp, recorder: Recorder
) -> None:
    pool = WakingPool(1, app=app)
    assert pool.num_processes == 1
    recorder.slots.acquire(polled=True)
    assert pool.num_processes == 0


@pytest.mark.parametrize(
    "arguments",
    [(), (None,), (1,), ("",), ("job_1",), (JOB_ID + "\n",), (JOB_ID.upper(),), ([JOB_ID],)],
)
def test_message_without_a_job_id_is_dropped(
    app: Celery, recorder: Recorder, arguments: tuple[object, ...]
) -> None:
    app.tasks[TRAIN_TASK](*arguments)
    app.tasks[TRAIN_TASK](unknown=1)
    assert recorder.supervised == []


def test_no_attempt_starts_during_a_shutdown(app: Celery, recorder: Recorder) -> None:
    recorder.drain.start()
    app.tasks[TRAIN_TASK](JOB_ID)
    assert recorder.supervised == []


def test_celery_accepts_only_json_hints(app: Celery) -> None:
    conf = app.conf
    assert conf.accept_content == ["json"]
    assert conf.task_ignore_result
    assert not conf.task_acks_late
    assert conf.worker_disable_prefetch
    assert not conf.worker_enable_remote_control
    assert conf.task_default_queue == TRAIN_QUEUE


def test_tls_certificates_are_verified() -> None:
    app = create_app("rediss://:pw@host:6379/0", SlotPool([SLOT]))
    assert app.conf.broker_use_ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    assert app.connection_for_read().ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
