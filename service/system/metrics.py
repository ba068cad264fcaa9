"""/metrics: figures of the whole service for Prometheus; every API process reports the same.

Counters are kept in the database and incremented in the same transaction as what they count, so
they survive any process and a job's deletion. Only `process_…` metrics describe this process.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics

from ridgeline.api.job import EndCode
from ridgeline.api.worker import WorkerState
from ridgeline.storage import (
    AttemptReason,
    DatabaseUnavailable,
    Figures,
    FigureStore,
    Tally,
    WorkerRecord,
    WorkerStore,
)
from ridgeline.storage.records.account import EPOCH_BUCKETS_S
from ridgeline.version import VERSION
from service.http.problems import responses
from service.http.requests import negotiate
from service.janitor import stall
from service.services import Services, ServicesDep

router = APIRouter(tags=["operations"])
TEXT = "text/plain"
OPENMETRICS = "application/openmetrics-text"


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "The metrics; `ridgeline_up` is 0 while the database is down",
            "content": {kind: {"schema": {"type": "string"}} for kind in (TEXT, OPENMETRICS)},
        },
        **responses(),
    },
)
def read_metrics(
    services: ServicesDep,
    accept: Annotated[list[str] | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Read the metrics, in Prometheus's text format or as OpenMetrics."""
    format_ = negotiate(accept or (), (TEXT, OPENMETRICS)) or TEXT
    content, media_type = exposition(services, format_)
    return Response(content, headers={"Content-Type": media_type, "Vary": "Accept"})


def exposition(services: Services, media_type: str) -> tuple[bytes, str]:
    """The metrics as TEXT or OPENMETRICS, and their full media type."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    stores = FigureStore(services.database), WorkerStore(services.database)
    registry.register(ServiceCollector(*stores, services.settings.lease_s))
    if media_type == OPENMETRICS:
        return openmetrics.generate_latest(registry), openmetrics.CONTENT_TYPE_LATEST  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


class ServiceCollector:
    """Reads the database at every scrape."""

    def __init__(self, figures: FigureStore, workers: WorkerStore, lease_s: float) -> None:
        self._figures = figures
        self._workers = workers
        self._lease_s = lease_s

    def describe(self) -> list[Metric]:
        """Nothing, so that registering reads no figures."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics now."""
        yield InfoMetricFamily("ridgeline", "The release.", {"version": VERSION})
        try:
            figures, workers = self._figures.read(), self._workers.list(self._lease_s)
        except DatabaseUnavailable:
            yield _gauge("up", "Whether the database answers.", 0)
            return
        yield _gauge("up", "Whether the database answers.", 1)
        yield from _standing(figures, workers)
        yield from _counted(figures.counts)


def _standing(figures: Figures, workers: list[WorkerRecord]) -> Iterator[Metric]:
    """The present state."""
    yield _by("jobs", "Jobs that have not ended.", "status", figures.jobs)
    waited = figures.oldest_wait_s
    yield _gauge("oldest_wait_seconds", "How long the oldest claimable job has waited.", waited)
    yield _gauge("outbox_hints", "Hints not yet sent to the broker.", figures.outbox)
    states = Counter(worker.state for worker in workers)
    yield _by("workers", "Workers.", "state", {state: states[state] for state in WorkerState})
    stalled = stall(waited, figures.since_claim_s, workers) is not None
    yield _gauge(
        "stalled", "Whether jobs wait although a worker should have claimed them.", int(stalled)
    )


def _counted(counts: Mapping[Tally, Mapping[str, float]]) -> Iterator[Metric]:
    """Totals since the first start."""
    started = counts[Tally.ATTEMPTS_STARTED].get("", 0)
    yield _total("attempts_started", "Attempts started.", started)
    ended = {reason.value: 0.0 for reason in (*AttemptReason, *EndCode)}
    ended |= counts[Tally.ATTEMPTS_ENDED]
    yield _totals("attempts_ended", "Attempts ended, by outcome.", "how", ended)
    lost = ended[AttemptReason.LEASE_EXPIRED]
    yield _total("lost_leases", "Attempts whose worker stopped sending heartbeats.", lost)
    jobs = {code.value: 0.0 for code in EndCode} | dict(counts[Tally.JOBS_ENDED])
    yield _totals("jobs_ended", "Jobs ended, by reason.", "reason", jobs)
    failures = counts[Tally.PUBLISH_FAILURES].get("", 0)
    yield _total("publish_failures", "Attempts whose files could not be published.", failures)
    yield _epochs(counts)


def _epochs(counts: Mapping[Tally, Mapping[str, float]]) -> Metric:
    labels = [*map(str, EPOCH_BUCKETS_S), "+Inf"]
    by_bucket = counts[Tally.EPOCH_SECONDS]
    cumulated = accumulate(by_bucket.get(label, 0.0) for label in labels)
    return HistogramMetricFamily(
        "ridgeline_epoch_seconds",
        "How long epochs took.",
        buckets=list(zip(labels, cumulated, strict=True)),
        sum_value=counts[Tally.EPOCH_SECONDS_SUM].get("", 0.0),
    )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"ridgeline_{name}", text, value=value)


def _by(name: str, text: str, label: str, values: Mapping[Any, int]) -> Metric:
    family = GaugeMetricFamily(f"ridgeline_{name}", text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([str(key)], value)
    return family


def _total(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"ridgeline_{name}", text, value=value)


def _totals(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(f"ridgeline_{name}", text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family
