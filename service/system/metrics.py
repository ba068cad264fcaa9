"""/metrics: for Prometheus.

The figures of the whole service for Prometheus; whichever API process is asked says the same.

Counts come from the database, where they are raised with what they count: they survive any process,
and a job's deletion. Only the `process_…` metrics are of the process that answers.
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
from service.http.headers import negotiate
from service.http.problems import responses
from service.services import Parts, PartsDep
from service.system.workers import stall

router = APIRouter(tags=["operations"])


TEXT = "text/plain"


OPENMETRICS = "application/openmetrics-text"


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "The metrics; `ridgeline_up` is 0 while the database is away",
            "content": {kind: {"schema": {"type": "string"}} for kind in (TEXT, OPENMETRICS)},
        },
        **responses(),
    },
)
def read_metrics(
    parts: PartsDep,
    accept: Annotated[list[str] | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Read the metrics, in Prometheus's text format or as OpenMetrics."""
    wanted = negotiate(accept or (), (TEXT, OPENMETRICS)) or TEXT
    content, media_type = exposition(parts, wanted)
    return Response(content, headers={"Content-Type": media_type, "Vary": "Accept"})


def exposition(parts: Parts, media_type: str) -> tuple[bytes, str]:
    """The metrics as TEXT or OPENMETRICS, and the full media type of that.

    While the database is away they say so.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    stores = FigureStore(parts.database), WorkerStore(parts.database)
    registry.register(ServiceCollector(*stores, parts.settings.lease_s))
    if media_type == OPENMETRICS:
        return openmetrics.generate_latest(registry), openmetrics.CONTENT_TYPE_LATEST  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


class ServiceCollector:
    """What the database tells at the moment of a scrape."""

    def __init__(self, figures: FigureStore, workers: WorkerStore, lease_s: float) -> None:
        self._figures = figures
        self._workers = workers
        self._lease_s = lease_s

    def describe(self) -> list[Metric]:
        """Nothing, so that registering asks for no figures."""
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
    """How things stand."""
    yield _by("jobs", "Jobs that have not ended.", "status", figures.jobs)
    waited = figures.oldest_wait_s
    yield _gauge("oldest_wait_seconds", "How long a job could have been claimed at most.", waited)
    yield _gauge("outbox_hints", "Hints that have not gone to the broker.", figures.outbox)
    states = Counter(worker.state for worker in workers)
    yield _by("workers", "Workers.", "state", {state: states[state] for state in WorkerState})
    stalled = stall(waited, figures.since_claim_s, workers) is not None
    yield _gauge("stalled", "Whether jobs wait that a worker should have taken.", int(stalled))


def _counted(counts: Mapping[Tally, Mapping[str, float]]) -> Iterator[Metric]:
    """What has happened since the first start."""
    started = counts[Tally.ATTEMPTS_STARTED].get("", 0)
    yield _total("attempts_started", "Attempts that were begun.", started)
    ended = {reason.value: 0.0 for reason in (*AttemptReason, *EndCode)}
    ended |= counts[Tally.ATTEMPTS_ENDED]
    yield _totals("attempts_ended", "Attempts that have ended, by how.", "how", ended)
    lost = ended[AttemptReason.LEASE_EXPIRED]
    yield _total("lost_leases", "Attempts whose worker was not heard of any more.", lost)
    jobs = {code.value: 0.0 for code in EndCode} | dict(counts[Tally.JOBS_ENDED])
    yield _totals("jobs_ended", "Jobs that have ended, by why.", "reason", jobs)
    failures = counts[Tally.PUBLISH_FAILURES].get("", 0)
    yield _total("publish_failures", "Attempts whose files could not be published.", failures)
    yield _epochs(counts)


def _epochs(counts: Mapping[Tally, Mapping[str, float]]) -> Metric:
    labels = [*map(str, EPOCH_BUCKETS_S), "+Inf"]
    found = counts[Tally.EPOCH_SECONDS]
    cumulated = accumulate(found.get(label, 0.0) for label in labels)
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
    for each, value in sorted(values.items()):
        family.add_metric([str(each)], value)
    return family


def _total(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"ridgeline_{name}", text, value=value)


def _totals(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(f"ridgeline_{name}", text, labels=[label])
    for each, value in sorted(values.items()):
        family.add_metric([each], value)
    return family
