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
from ridgeline.cli.local.redis_server import NoRedisServer, redis_answers, socket_path, start_redis
from ridgeline.cli.local.signals import StopSignals

REDIS_START_S = 10.0
API_START_S = 30.0
#: How long API and worker may take to stop: the worker requeues its jobs.
STOP_S = 25.0
REDIS_STOP_S = 5.0
ANSWER_S = 5.0
POLL_S = 0.02
#: A process that exits this often within this time is not restarted again.
TOO_OFTEN = 3
WITHIN_S = 60.0
WITHOUT_REDIS = "none: found no redis-server, so the worker polls the database for jobs"
_REDIS = "redis"
_NO_BROKER = "none"
#: The event in the worker's log from which on it runs jobs, with or without a broker.
_WORKER_READY = "trainers_warm"


class Embedded:
    """Starts all servers on entry and stops them on exit. Enter it in the main thread.

    `environment` is passed on to the servers. If it sets RIDGELINE_REDIS_URL, that broker is used;
    otherwise a redis-server is started. Where none is installed, there is no broker.
    """

    def __init__(
        self, home: Path, address: Address, environment: Mapping[str, str], signals: StopSignals
    ) -> None:
        self.home = Home(home)
        self.address = address
        self._environment = environment
        self._signals = signals
        self.without_redis = False
        """Whether no redis-server was found to start."""
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
        """Return once the API responds, or once a stop signal arrives. Raises StartError."""
        self._wait(self._api_answers, API_START_S, "the API")

    def worker_ready(self) -> bool:
        """Return whether the worker runs jobs."""
        return _WORKER_READY in self._children["worker"].log_text()

    def check(self) -> None:
        """Raise StartError if a process has exited."""
        for child in self._children.values():
            if child.exit_status is not None:
                raise StartError(
                    f"{child.name} exited with status {child.exit_status}, so everything is"
                    f" stopped. The last lines of {child.log}:\n{child.last_words()}"
                )

    def revive(self) -> list[str]:
        """Restart every process that has exited, and return a message for each.

        Call it once everything was ready. Raises StartError for a process that exits too often.
        """
        messages = []
        for name, child in list(self._children.items()):
            if child.exit_status is None:
                continue
            now = time.monotonic()
            recent = [end for end in self._ends.get(name, []) if end > now - WITHIN_S]
            self._ends[name] = [*recent, now]
            if len(self._ends[name]) >= TOO_OFTEN:
                self.check()
            messages.append(
                f"{name} exited with status {child.exit_status}; restarting it. Log: {child.log}"
            )
            self._children[name] = self._starts[name]()
        return messages

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
            try:
                environment["RIDGELINE_REDIS_URL"] = self._start_redis()
            except NoRedisServer:
                self.without_redis = True
                environment["RIDGELINE_REDIS_URL"] = _NO_BROKER
        for name, package in (("API", "service"), ("worker", "worker")):
            # -P: a service.py in the working folder must not shadow our package.
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
                raise StartError(f"{name} did not respond within {seconds:g} s; see {logs}")
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
        """Stop API and worker together, then the broker, which they need for an orderly exit."""
        broker = [child for name, child in self._children.items() if name == _REDIS]
        others = [child for name, child in self._children.items() if name != _REDIS]
        stop_all(others, grace_s=STOP_S, hurried=lambda: self._signals.hurried)
        stop_all(broker, grace_s=REDIS_STOP_S)
