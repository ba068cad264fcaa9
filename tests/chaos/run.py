"""One run: a cluster, its clients, the nemesis, and what is left of it all."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from ridgeline.storage import JobStore
from tests.chaos.clients import Clients
from tests.chaos.evidence import Evidence, Timing, gather, paused, unfinished
from tests.chaos.history import History
from tests.chaos.nemesis import Nemesis
from tests.chaos.plan import Options, calm_scripts, scripts, strikes
from tests.rig.cluster import SHORT, Cluster

_SECONDS = 60
_POLL_S = 0.25
_PATIENCE_S = 60.0

#: A trainer that hangs is to be found within the run, too.
SETTINGS = {"RIDGELINE_HANG_TIMEOUT_S": "3"}


def run(options: Options, history_file: Path, say: Callable[[str], None]) -> Evidence:
    """Let the nemesis rage while clients post jobs, heal, wait for the end, gather the evidence."""
    with ExitStack() as stack:
        history = stack.enter_context(History(history_file))
        cluster = stack.enter_context(
            Cluster(
                options.apis,
                options.workers,
                options.database,
                settings=SETTINGS,
                slots=options.slots,
            )
        )
        say(f"seed {options.seed}; the servers are up; history: {history_file}")
        clients = Clients([api.url for api in cluster.apis], history, options.clients)
        _storm(options, cluster, clients, history)
        say("all is well again; waiting for the jobs to end")
        clients.run(calm_scripts(options), _PATIENCE_S)
        jobs = cluster.jobs()
        took = _wait_for_the_end(jobs, clients, options.bound_s)
        say(f"{len(clients.acknowledged)} jobs acknowledged; ended {took:.1f} s later")
        return gather(jobs, cluster.apis[0].url, history.entries, timing())


def timing() -> Timing:
    """The settings of the run in seconds."""
    settings = SHORT | SETTINGS
    return Timing(
        lease_s=float(settings["RIDGELINE_LEASE_S"]),
        heartbeat_s=float(settings["RIDGELINE_HEARTBEAT_S"]),
        reap_s=float(settings["RIDGELINE_REAP_INTERVAL_S"]),
        grace_s=float(settings["RIDGELINE_CANCEL_GRACE_S"]),
    )


def _storm(options: Options, cluster: Cluster, clients: Clients, history: History) -> None:
    done = threading.Event()
    with ThreadPoolExecutor(2, "storm") as pool:
        try:
            posting = pool.submit(clients.run, scripts(options), _PATIENCE_S)
            reading = pool.submit(clients.read_along, options.seed, done)
            Nemesis(cluster, history).rage(strikes(options), options.minutes * _SECONDS)
            posting.result()
        except BaseException:
            clients.stop()  # a Ctrl-C need not wait for them
            raise
        finally:
            done.set()
        reading.result()


def _wait_for_the_end(jobs: JobStore, clients: Clients, bound_s: float) -> float:
    """Seconds until every job had ended, or the bound: the checker tells of those that have not."""
    started = time.monotonic()
    while unfinished(jobs) and time.monotonic() - started < bound_s:
        for job_id in paused(jobs):
            clients.resume(job_id)
        time.sleep(_POLL_S)
    return time.monotonic() - started
