"""Workers as a table."""

from collections.abc import Iterable
from datetime import datetime

from rich.table import Table

from ridgeline.api.worker import Worker, WorkerState
from ridgeline.cli.figures import age, short
from ridgeline.cli.printing import add_row, listing, styled

_STYLES = {
    WorkerState.STARTING: "dim",
    WorkerState.READY: "green",
    WorkerState.DRAINING: "yellow",
    WorkerState.GONE: "dim",
    WorkerState.LOST: "red",
}


def workers_table(workers: Iterable[Worker], now: datetime) -> Table:
    """One line a worker."""
    table = listing(
        {
            "worker": "flexible",
            "state": "left",
            "slots": "flexible",
            "jobs": "flexible",
            "version": "left",
            "seen": "right",
        }
    )
    for worker in workers:
        add_row(
            table,
            (
                f"{worker.host}:{worker.pid}",
                styled(worker.state.value, _STYLES[worker.state]),
                ", ".join(worker.slots),
                ", ".join(map(short, worker.jobs)),
                worker.version,
                f"{age(worker.seen_at, now)} ago",
            ),
        )
    return table
