"""Kombu's Redis transport, made to outlive what is no message."""

from typing import Any

import structlog
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import Channel, Transport
from kombu.transport.virtual import Empty

log = structlog.get_logger()


class CarefulChannel(Channel):
    """Drops what cannot be read; Kombu's own lets the error through, and Celery then ends."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # not in the stubs
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # It has left the queue already, and dropping a hint is harmless in every case.
            log.warning("hint_dropped", because="no message", error=type(error).__name__)
            raise Empty from error


class CarefulTransport(Transport):
    """Redis through careful channels."""

    Channel = CarefulChannel


def install() -> None:
    """Make `redis://`, `rediss://` and `redis+socket://` mean this transport in this process."""
    here = f"{CarefulTransport.__module__}:{CarefulTransport.__name__}"
    TRANSPORT_ALIASES.update(redis=here, rediss=here)
