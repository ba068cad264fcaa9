"""The client: its parts put together."""

from typing import Self

import httpx

from ridgeline.client.catalog import Catalog
from ridgeline.client.datasets import Datasets
from ridgeline.client.models import Models
from ridgeline.client.results import Results
from ridgeline.client.retries import Retries
from ridgeline.client.transport import Transport
from ridgeline.client.watching import Watching
from ridgeline.default_url import default_url


class Client(Models, Watching, Results, Datasets, Catalog):
    """Talks to one Ridgeline service. Use it as a context manager, or close it.

    >>> with Client() as client:
    ...     job = client.wait(client.submit(spec).id)
    ...     print(client.report(job.id).verdict)

    Several threads may use one client at the same time, as it keeps nothing but its connections;
    an iterator that it returns belongs to one thread at a time.

    Args:
        base_url: the address of the service; default `RIDGELINE_URL` in the environment, or else
            `http://127.0.0.1:8000`. ValueError if it is not an address.
        timeout: seconds to wait for a connection and for each answer.
        transport: how requests travel; tests give `httpx.MockTransport` or the app itself.
            With a transport of your own, proxies named in the environment are not used.
        retries: how often and for how long a request is tried that did not get through.
    """

    def __init__(
        self,
        base_url: str | None = None,
        timeout: float = 10.0,
        transport: httpx.BaseTransport | None = None,
        retries: Retries | None = None,
    ) -> None:
        address = default_url() if base_url is None else base_url
        super().__init__(Transport(address, timeout, retries or Retries(), transport))

    def __repr__(self) -> str:
        return f"Client({self.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """Where the service is, without a slash at its end."""
        return self._service.base_url

    def close(self) -> None:
        """Close the connections; the client is of no use afterwards."""
        self._service.close()
