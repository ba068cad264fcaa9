"""The nemesis strikes servers and connections and undoes every strike after a while."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Any

import psutil

from tests.chaos.history import History, Outcome
from tests.chaos.plan import Blow, Strike, Target
from tests.rig.cluster import Cluster
from tests.rig.process import Process
from tests.rig.proxy import Proxy
from tests.rig.workers import Worker

_TICK_S = 0.05
_RESTART_S = 0.5
_LONGEST_DELAY_S = 0.3
_MOST_BYTES = 4000

Undo = Callable[[], None]
Done = tuple[Undo, dict[str, Any]]


@dataclass(frozen=True)
class _ActiveStrike:
    """A strike that has not been undone yet."""

    action: str
    began: float
    detail: dict[str, Any]
    undo: Undo


class Nemesis:
    """Strikes a cluster, and restarts its servers when they exit."""

    def __init__(self, cluster: Cluster, history: History) -> None:
        self._cluster = cluster
        self._history = history
        self._due: list[tuple[float, int, _ActiveStrike]] = []
        self._numbers = count()
        self._down: dict[str, int] = {}
        """The number of strikes that keep a server down, by its name."""
        self._started: dict[str, float] = {}

    def run(self, strikes: Iterable[Strike], seconds: float) -> None:
        """Strike for `seconds`, then undo everything and wait until every server responds."""
        until = time.monotonic() + seconds
        for strike in strikes:
            self._idle(min(strike.pause_s, until - time.monotonic()))
            if time.monotonic() >= until:
                break
            self._strike(strike)
        self._undo_all()

    def _idle(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._undo_due()
            self._restart()
            time.sleep(_TICK_S)

    def _strike(self, strike: Strike) -> None:
        if strike.zombie:
            self._undo_all()
        began = time.time()
        hit = self._aim(strike)
        if hit is None:
            action = f"{strike.blow} {strike.target}"
            self._history.add("nemesis", action, Outcome.NOTHING, began)
            return
        name, (undo, detail) = hit
        struck = _ActiveStrike(
            f"{strike.blow} {name}", began, {**detail, "target": strike.target}, undo
        )
        due = time.monotonic() + strike.hold_s
        heappush(self._due, (due, next(self._numbers), struck))

    def _aim(self, strike: Strike) -> tuple[str, Done] | None:
        """Strike and return the name of the target and how to undo it; None without a target."""
        match strike.target:
            case Target.TRAINER:
                return self._at_trainer(strike)
            case Target.REDIS_LINK | Target.DATABASE_LINK:
                return self._at_link(strike)
            case _:
                return self._at_server(strike)

    def _at_server(self, strike: Strike) -> tuple[str, Done] | None:
        server = self._server(strike)
        if not server.running:
            return None
        detail: dict[str, Any] = {"pid": server.pid}
        if strike.blow is Blow.FREEZE:
            server.freeze()
            return server.name, (server.thaw, detail)
        if strike.blow is Blow.FLUSH:
            with suppress(Exception):  # Redis may be frozen by another strike
                self._cluster.redis.flush()
            return server.name, (_nothing, detail)
        self._down[server.name] = self._down.get(server.name, 0) + 1
        if strike.blow is Blow.KILL:
            server.kill()
        else:
            server.thaw()
            self._end(server, strike.blow)
        return server.name, (lambda: self._up_again(server), detail)

    def _server(self, strike: Strike) -> Process:
        cluster = self._cluster
        if strike.target is Target.REDIS:
            return cluster.redis
        if strike.target is Target.POSTGRESQL and cluster.postgresql is not None:
            return cluster.postgresql
        servers = cluster.workers if strike.target is Target.WORKER else cluster.apis
        return servers[strike.which % len(servers)]

    def _end(self, server: Process, blow: Blow) -> None:
        if blow is Blow.TERMINATE_AT_ONCE and self._cluster.postgresql is not None:
            self._cluster.postgresql.terminate_at_once()
        else:
            server.terminate()

    def _at_trainer(self, strike: Strike) -> tuple[str, Done] | None:
        workers = self._cluster.workers
        worker: Worker = workers[strike.which % len(workers)]
        trainers = worker.trainers()
        if not trainers:
            return None
        trainer = trainers[strike.which % len(trainers)]
        detail = {"pid": worker.pid, "trainer": trainer.pid}
        try:
            if strike.blow is Blow.KILL:
                trainer.kill()
                return f"trainer of {worker.name}", (_nothing, detail)
            trainer.suspend()
        except psutil.NoSuchProcess:
            return None
        return f"trainer of {worker.name}", (lambda: _resume(trainer), detail)

    def _at_link(self, strike: Strike) -> tuple[str, Done] | None:
        ends: list[Process] = [*self._cluster.workers]
        if not strike.zombie:
            ends += self._cluster.apis
        end = ends[strike.which % len(ends)]
        links = self._cluster.links[end.name]
        proxy = links.redis if strike.target is Target.REDIS_LINK else links.database
        if proxy is None or not end.running:
            return None
        _disturb(proxy, strike)
        return f"{strike.target} of {end.name}", (proxy.forward, {"pid": end.pid})

    def _up_again(self, server: Process) -> None:
        self._down[server.name] -= 1

    def _undo_all(self) -> None:
        self._undo_due(all_of_them=True)
        self._cluster.heal()

    def _undo_due(self, *, all_of_them: bool = False) -> None:
        now = time.monotonic()
        while self._due and (all_of_them or self._due[0][0] <= now):
            _, _, struck = heappop(self._due)
            struck.undo()
            self._history.add("nemesis", struck.action, Outcome.OK, struck.began, **struck.detail)

    def _restart(self) -> None:
        """Restart exited servers at a limited rate, as a process supervisor does."""
        now = time.monotonic()
        for server in self._cluster.processes:
            rested = now - self._started.get(server.name, 0.0) >= _RESTART_S
            if rested and not self._down.get(server.name) and not server.running:
                self._started[server.name] = now
                server.launch()


def _disturb(proxy: Proxy, strike: Strike) -> None:
    match strike.blow:
        case Blow.CUT:
            proxy.cut()
        case Blow.STALL:
            proxy.stall()
        case Blow.REFUSE:
            proxy.refuse()
        case Blow.DELAY:
            proxy.delay(strike.amount * _LONGEST_DELAY_S)
        case Blow.CUT_AFTER:
            proxy.cut_after(int(strike.amount * _MOST_BYTES))
        case _:
            raise AssertionError(f"a link cannot be struck by {strike.blow}")


def _resume(trainer: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        trainer.resume()


def _nothing() -> None:
    """Undo nothing: the strike is over."""
