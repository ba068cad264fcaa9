"""A whole Ridgeline on one machine: redis-server, API and worker as child processes."""

import contextlib
import http.client
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Self

from ridgeline.cli.errors import StartError
from ridgeline.cli.local.address import Address, free_address
from ridgeline.cli.local.applications import application_roots
from ridgeline.cli.local.children import Child, stop_all
from ridgeline.cli.local.home import Home
from ridgeline.cli.local.redis_server import redis_answers, socket_path, start_redis
from ridgeline.cli.local.signals import StopSignals

REDIS_START_S = 10.0
API_START_S = 30.0
#: How long API and worker may take to end: the worker gives its jobs back to the queue.
STOP_S = 25.0
REDIS_STOP_S = 5.0
ANSWER_S = 5.0
POLL_S = 0.02
#: So many ends of a part within this time are too many to start it again.
TOO_OFTEN = 3
WITHIN_S = 60.0
_REDIS = "redis"
#: The worker's word, in its log, that it takes jobs: if not from the broker, then by asking.
_WORKER_READY = "trainers_warm"


class Embedded:
    """Starts everything when entered, and stops it when left. Enter it in the main thread.

    `environment` is what the parts are started with. A broker that it names in
    RIDGELINE_REDIS_URL is used as it is; otherwise a redis-server is started.
    """

    def __init__(
        self, home: Path, address: Address, environment: Mapping[str, str], signals: StopSignals
    ) -> None:
        self.home = Home(home)
        self.address = address
        self._environment = environment
        self._signals = signals
        self._starts: dict[str, Callable[[], Child]] = {}
        self._children: dict[str, Child] = {}
        self._ends: dict[str, list[float]] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            roots = application_roots()
            undo.enter_context(self.home)
            self.address = free_address(self.address)
            self.home.announce(self.address.url)
            undo.callback(self._stop)
            self._start(roots)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def wait_for_api(self) -> None:
        """Return once the API answers, or somebody asked to stop."""
        self._wait(self._api_answers, API_START_S, "the API")

    def worker_ready(self) -> bool:
        """Whether the worker takes jobs."""
        return _WORKER_READY in self._children["worker"].log_text()

    def check(self) -> None:
        """Raise StartError if a child has ended."""
        for child in self._children.values():
            if child.exit_status is not None:
                raise StartError(
                    f"{child.name} ended with status {child.exit_status}, so all is stopped; the"
                    f" last lines of {child.log}:\n{child.last_words()}"
                )

    def revive(self) -> list[str]:
        """Start again what has ended, and say so; call it when all was ready once.

        Raises StartError for what ends too often.
        """
        said = []
        for name, child in list(self._children.items()):
            if child.exit_status is None:
                continue
            now = time.monotonic()
            recent = [end for end in self._ends.get(name, []) if end > now - WITHIN_S]
            self._ends[name] = [*recent, now]
            if len(self._ends[name]) >= TOO_OFTEN:
                self.check()
            said.append(
                f"{name} ended with status {child.exit_status} and is started again; see"
                f" {child.log}"
            )
            self._children[name] = self._starts[name]()
        return said

    def _start(self, roots: list[str]) -> None:
        environment = dict(self._environment)
        path = [*roots, *filter(None, [environment.get("PYTHONPATH")])]
        environment |= {
            "PYTHONPATH": os.pathsep.join(path),
            "PYTHONUNBUFFERED": "1",
            "RIDGELINE_HOME": str(self.home.path),
            "RIDGELINE_HOST": self.address.host,
            "RIDGELINE_PORT": str(self.address.port),
        }
        if not environment.get("RIDGELINE_REDIS_URL"):
            environment["RIDGELINE_REDIS_URL"] = self._start_redis()
        for name, package in (("API", "service"), ("worker", "worker")):
            # -P: a folder that happens to hold a service.py must not stand in for ours.
            command = [sys.executable, "-P", "-m", package]
            log = self.home.logs / f"{name.lower()}.log"
            self._begin(name, partial(Child, name, command, log=log, environment=environment))

    def _start_redis(self) -> str:
        sockets = self.home.sockets
        log = self.home.logs / "redis.log"
        self._begin(_REDIS, partial(start_redis, sockets, log=log, environment=self._environment))
        self._wait(lambda: redis_answers(sockets), REDIS_START_S, "redis-server")
        return f"redis+socket://{socket_path(sockets)}"

    def _begin(self, name: str, start: Callable[[], Child]) -> None:
        self._starts[name] = start
        self._children[name] = start()

    def _wait(self, ready: Callable[[], bool], seconds: float, name: str) -> None:
        deadline = time.monotonic() + seconds
        while not ready() and not self._signals.stopped:
            self.check()
            if time.monotonic() > deadline:
                logs = self.home.logs
                raise StartError(f"{name} did not answer within {seconds:g} s; see {logs}")
            time.sleep(POLL_S)

    def _api_answers(self) -> bool:
        connection = http.client.HTTPConnection(
            self.address.reached_at, self.address.port, timeout=ANSWER_S
        )
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _stop(self) -> None:
        """Stop API and worker together, and then the broker, which they need to end in order."""
        broker = [child for name, child in self._children.items() if name == _REDIS]
        others = [child for name, child in self._children.items() if name != _REDIS]
        stop_all(others, grace_s=STOP_S, hurried=lambda: self._signals.hurried)
        stop_all(broker, grace_s=REDIS_STOP_S)
