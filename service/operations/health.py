"""Whether the API can do its work."""

from collections.abc import Callable
from typing import Literal

from ridgeline.contract.schema import Contract
from ridgeline.storage import DatabaseUnavailable
from service.deps import Parts
from service.dispatch import BrokerUnavailable

State = Literal["up", "down"]


class Readiness(Contract):
    """What works and what does not."""

    status: Literal["ready", "degraded", "unavailable"]
    """`degraded`: jobs are taken and wait in the database until the broker is back."""
    database: State
    broker: State


def readiness(parts: Parts) -> Readiness:
    """Ask database and broker for a sign of life."""
    database = _state(parts.database.ping, DatabaseUnavailable)
    broker = _state(parts.dispatch.ping, BrokerUnavailable)
    status: Literal["ready", "degraded", "unavailable"] = "ready"
    if broker == "down":
        status = "degraded"
    if database == "down":
        status = "unavailable"
    return Readiness(status=status, database=database, broker=broker)


def _state(ping: Callable[[], None], error: type[Exception]) -> State:
    try:
        ping()
    except error:
        return "down"
    return "up"
