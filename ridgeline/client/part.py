"""The base of the client's parts."""

from ridgeline.client.transport import Transport


class Part:
    """Methods of `Client` on one subject, and their way to the service."""

    def __init__(self, service: Transport) -> None:
        self._service = service
