"""One run: a cluster, its clients and the nemesis, and the evidence collected afterwards."""

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

#: Short enough to detect a hung trainer within the run.
SETTINGS = {"RIDGELINE_HANG_TIMEOUT_S": "3"}


def run(options: Options, history_file: Path, say: Callable[[str], None]) -> Evidence:
    """Strike while clients post jobs, heal, wait for the jobs to end and gather the evidence."""
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
        say(f"seed {options.seed}; servers are up; history: {history_file}")
        clients = Clients([api.url for api in cluster.apis], history, options.clients)
        _storm(options, cluster, clients, history)
        say("faults are over; waiting for the jobs to end")
        clients.run(calm_scripts(options), _PATIENCE_S)
        jobs = cluster.jobs()
        took = _wait_for_the_end(jobs, clients, options.bound_s)
        say(f"{len(clients.acknowledged)} jobs acknowledged; ended {took:.1f} s later")
        return gather(jobs, cluster.apis[0].url, history.entries, timing())


def timing() -> Timing:
    """The time limits of the run."""
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
            reading = pool.submit(clients.read_at_random, options.seed, done)
            Nemesis(cluster, history).run(strikes(options), options.minutes * _SECONDS)
            posting.result()
        except BaseException:
            clients.stop()  # so that Ctrl-C does not wait for them
            raise
        finally:
            done.set()
        reading.result()


def _wait_for_the_end(jobs: JobStore, clients: Clients, bound_s: float) -> float:
    """Wait until every job has ended, at most `bound_s`; return the seconds it took."""
    started = time.monotonic()
    while unfinished(jobs) and time.monotonic() - started < bound_s:
        for job_id in paused(jobs):
            clients.resume(job_id)
        time.sleep(_POLL_S)
    return time.monotonic() - started
