"""A redis-server as a process."""

from pathlib import Path

from redis import Redis as Client
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from ridgeline.cli.local.redis_server import find_redis_server
from tests.rig.process import Process, free_port

_RESPONSE_S = 1.0


class Redis(Process):
    """A broker on a loopback port, without persistence."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(folder),
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
        }
        command = [find_redis_server()]
        for option, value in options.items():
            command += [f"--{option}", value]
        super().__init__("redis", command, folder=folder)

    @property
    def url(self) -> str:
        """Its URL."""
        return self.url_at(self.port)

    @staticmethod
    def url_at(port: int) -> str:
        """Its URL through another port, that of a proxy."""
        return f"redis://127.0.0.1:{port}/0"

    def responds(self) -> bool:
        """Whether it responds to PING."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except RedisError:
            return False

    def flush(self) -> None:
        """Delete all its data."""
        with self.client() as client:
            client.flushall()

    def client(self) -> Client:
        """A connection that bypasses the proxies; the caller closes it."""
        return Client(
            port=self.port,
            socket_timeout=_RESPONSE_S,
            socket_connect_timeout=_RESPONSE_S,
            retry=Retry(NoBackoff(), retries=0),
        )
