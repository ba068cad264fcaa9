"""A redis-server of the test's own."""

from pathlib import Path

from redis import Redis as Client
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from ridgeline.cli.local.redis_server import find_redis_server
from tests.rig.process import Process, free_port

_ANSWER_S = 1.0


class Redis(Process):
    """A broker on a loopback port, which keeps nothing on disk."""

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
        """Where it listens."""
        return self.url_at(self.port)

    @staticmethod
    def url_at(port: int) -> str:
        """The URL by which it is reached through another port, a proxy's."""
        return f"redis://127.0.0.1:{port}/0"

    def answers(self) -> bool:
        """Whether it answers PING."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except RedisError:
            return False

    def flush(self) -> None:
        """Let it forget everything."""
        with self.client() as client:
            client.flushall()

    def client(self) -> Client:
        """A connection past all proxies; the caller closes it."""
        return Client(
            port=self.port,
            socket_timeout=_ANSWER_S,
            socket_connect_timeout=_ANSWER_S,
            retry=Retry(NoBackoff(), retries=0),
        )
