"""A command's talk with the service: the client, the output, and what names stand for."""

import ipaddress
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import httpx

from ridgeline.cli.asking import confirm
from ridgeline.cli.errors import UsageError
from ridgeline.cli.printing import Output
from ridgeline.cli.references import DATASET, JOB, identifier
from ridgeline.cli.specs.source import SpecSource, read_spec
from ridgeline.client import Client, Retries

Connect = Callable[[str], Client]
#: A person waits, and a script can try again itself; what is under way is still waited for.
_RETRIES = Retries(tries=3)


class Session:
    """What a command works with."""

    def __init__(self, client: Client, output: Output) -> None:
        self.client = client
        self.output = output
        self.spec: SpecSource | None = None
        """The spec that was sent: faults are shown with their lines in it."""
        self.following: str | None = None
        """The job that is watched: it goes on when the command is interrupted."""

    def read_spec(self, file: str, settings: Sequence[str]) -> SpecSource:
        """Read the spec to send."""
        self.spec = read_spec(file, settings)
        return self.spec

    def job_id(self, reference: str) -> str:
        """The id of the job that is meant."""
        return identifier(reference, JOB, lambda: (job.id for job in self.client.jobs()))

    def job_ids(self, references: Sequence[str], least: int = 1) -> list[str]:
        """The ids of the jobs that are meant, each once.

        Raises UsageError where they are fewer than `least`.
        """
        ids = list(dict.fromkeys(self.job_id(reference) for reference in references))
        if len(ids) < least:
            raise UsageError(f"expected {least} jobs or more, received {len(ids)}")
        return ids

    def dataset_id(self, reference: str) -> str:
        """The id of the data set that is meant."""
        return identifier(reference, DATASET, lambda: (each.id for each in self.client.datasets()))

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask a person; raises CommandError where the answer is no, UsageError where nobody is."""
        confirm(question, yes=yes)


def connect(url: str) -> Client:
    """Make a client of the service at `url`; what is local is not asked for through a proxy.

    Raises UsageError where that is no address.
    """
    whole = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(whole)
        host, _ = parts.hostname, parts.port
        httpx.URL(whole)
    except (ValueError, httpx.InvalidURL) as error:
        raise UsageError(f"--url: expected an address, received {url!r}: {error}") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise UsageError(f"--url: expected http://HOST:PORT or https://HOST, received {url!r}")
    transport = httpx.HTTPTransport() if _local(host) else None
    return Client(whole, transport=transport, retries=_RETRIES)


def _local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
