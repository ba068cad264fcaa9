"""What the demo shows, on servers that have been started."""

import json
import math
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import typer
from rich.console import Console

from ridgeline.api.job import Job, JobStatus
from ridgeline.cli.errors import StartError
from ridgeline.cli.feed import Feed
from ridgeline.cli.local.embedded import Embedded
from ridgeline.cli.local.signals import StopSignals
from ridgeline.cli.views.losses import LossView
from ridgeline.client import Client, RidgelineError

JOB_DEADLINE_S = 300.0
#: How long a wait for the job lasts before the servers are looked after.
SLICE_S = 1.0
#: Every so many epochs become a row.
ROW_EVERY = 5
CHECK_MODEL = Path(__file__).with_name("scripts") / "check_model.py"
CHECK_DEADLINE_S = 120.0
#: Both sides compute in 32-bit floats, in batches of other sizes.
TOLERANCES = {"test_accuracy": 1e-6, "test_data_loss": 1e-4}


def showcase(servers: Embedded, signals: StopSignals, *, as_json: bool = False) -> bool:
    """Train the demo's network, and return whether plain Keras measures what the job says.

    With `as_json` the steps are told on standard error, and what came of them is one JSON document.
    """
    console = Console(highlight=False, soft_wrap=True, stderr=as_json)
    # With a transport of our own, no proxy named in the environment gets what is local.
    with Client(servers.address.url, transport=httpx.HTTPTransport()) as client:
        try:
            shown = Showcase(servers, signals, client, console)
            agreed = shown.run()
        except RidgelineError as error:
            servers.check()  # A server that died is the better explanation.
            raise StartError(str(error)) from error
    if as_json and shown.result is not None:
        typer.echo(json.dumps({**shown.result, "agrees": agreed}, indent=2))
    return agreed


class Showcase:
    """The steps of the demo."""

    def __init__(
        self, servers: Embedded, signals: StopSignals, client: Client, console: Console
    ) -> None:
        self._servers = servers
        self._signals = signals
        self._client = client
        self._console = console
        self.result: dict[str, Any] | None = None
        """What was trained, where it is and what plain Keras measured; None before that."""

    def run(self) -> bool:
        """Each step, in order; a signal ends it between two of them."""
        self._say("service", self._servers.address.url)
        posted = time.monotonic()
        spec = json.loads(files("ridgeline.cli").joinpath("demo.json").read_text("utf-8"))
        job = self._client.submit(spec)
        self._say("job", f"{job.id} posted; the worker is loading TensorFlow")
        job = self._follow(job)
        if self._signals.stopped:
            return False
        if job.status is not JobStatus.SUCCEEDED:
            why = job.reason.detail if job.reason else "no reason given"
            raise StartError(f"the job {job.status}: {why}; see {self._servers.home.logs}")
        self._say("job", f"succeeded, {time.monotonic() - posted:.1f} s after it was posted")
        model = self._download(job)
        measured = self._measure(model)
        if not measured:
            return False
        self.result = {"job": job.id, "model": str(model), "in_keras": measured}
        return self.agrees(job, measured)

    def _follow(self, job: Job) -> Job:
        deadline = time.monotonic() + JOB_DEADLINE_S
        view = LossView(self._console, job.progress.epochs, every=ROW_EVERY)
        with Feed(self._client, job.id) as feed, view:
            while time.monotonic() < deadline and not self._signals.stopped:
                self._servers.check()
                event = feed.take(SLICE_S)
                if event is not None:
                    view.tell(event)
                elif feed.ended:
                    return self._client.job(job.id)
        if self._signals.stopped:
            return job
        raise StartError(
            f"the job had not ended after {JOB_DEADLINE_S:g} s; see {self._servers.home.logs}"
        )

    def _download(self, job: Job) -> Path:
        home = self._servers.home.path
        model = self._client.download(job.id, "model.keras", home / "model.keras")
        self._client.download(job.id, "split.npz", home / "split.npz")
        published = {artifact.name: artifact for artifact in job.artifacts}["model.keras"]
        self._say("model", f"{model}  ({published.bytes:,} bytes)")
        self._say("sha256", f"{published.sha256}  is that of the file")
        return model

    def _measure(self, model: Path) -> dict[str, float]:
        """Load the model in a process that has nothing of Ridgeline."""
        command = [sys.executable, "-P", str(CHECK_MODEL), str(model)]
        result = subprocess.run(
            [*command, str(model.with_name("split.npz"))],
            capture_output=True,
            text=True,
            timeout=CHECK_DEADLINE_S,
            check=False,
        )
        if self._signals.stopped:  # Ctrl-C reached the other process too.
            return {}
        if result.returncode != 0:
            raise StartError(f"plain Keras could not load {model}:\n{result.stderr.strip()}")
        measured: dict[str, float] = json.loads(result.stdout)
        return measured

    def agrees(self, job: Job, measured: dict[str, float]) -> bool:
        """Say, and return, whether plain Keras measured what the job says."""
        agree = True
        for name, tolerance in TOLERANCES.items():
            own, plain = job.metrics.get(name), measured[name]
            same = own is not None and math.isclose(own, plain, rel_tol=0, abs_tol=tolerance)
            agree = agree and same
            own_text = "nothing" if own is None else f"{own:.6f}"
            verdict = "they agree" if same else "THEY DIFFER"
            self._say(name, f"{plain:.6f} in plain Keras, {own_text} in the job: {verdict}")
        return agree

    def _say(self, what: str, text: str) -> None:
        self._console.print(f"  [bold]{what:<14}[/bold]  {text}")
