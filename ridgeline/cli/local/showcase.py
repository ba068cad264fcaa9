"""The steps of the demo, on servers that are running."""

import json
import math
import os
import shutil
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
from ridgeline.cli.local.embedded import WITHOUT_REDIS, Embedded
from ridgeline.cli.local.signals import StopSignals
from ridgeline.cli.views.losses import LossView
from ridgeline.cli.watching import EventReader
from ridgeline.client import Client, RidgelineError

NAME = "ridgeline"
JOB_DEADLINE_S = 300.0
#: How often the servers are checked while the job runs.
SLICE_S = 1.0
#: Print a row every so many epochs.
ROW_EVERY = 5
CHECK_MODEL = Path(__file__).with_name("scripts") / "check_model.py"
CHECK_DEADLINE_S = 120.0
#: Both sides compute in 32-bit floats, with different batch sizes.
TOLERANCES = {"test_accuracy": 1e-6, "test_data_loss": 1e-4}


def showcase(servers: Embedded, signals: StopSignals, *, as_json: bool = False) -> bool:
    """Train the demo's network and return whether plain Keras confirms the job's metrics.

    With `as_json` the steps go to standard error, and the result is one JSON document.
    """
    console = Console(highlight=False, soft_wrap=True, stderr=as_json)
    # With its own transport the client ignores proxies named in the environment.
    with Client(servers.address.url, transport=httpx.HTTPTransport()) as client:
        try:
            steps = Showcase(servers, signals, client, console)
            agreed = steps.run()
        except RidgelineError as error:
            servers.check()  # A crashed server is the better explanation.
            raise StartError(str(error)) from error
    if as_json and steps.result is not None:
        typer.echo(json.dumps({**steps.result, "agrees": agreed}, indent=2))
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
        """The job, its model file and what plain Keras measured; None until then."""

    def run(self) -> bool:
        """Run every step in order; a signal stops between two of them."""
        self._print("service", self._servers.address.url)
        if self._servers.without_redis:
            self._print("broker", WITHOUT_REDIS)
        submitted = time.monotonic()
        spec = json.loads(files("ridgeline.cli").joinpath("demo.json").read_text("utf-8"))
        job = self._client.submit(spec)
        self._print("job", f"{job.id} submitted; the worker is loading TensorFlow")
        job = self._follow(job)
        if self._signals.stopped:
            return False
        if job.status is not JobStatus.SUCCEEDED:
            why = job.reason.detail if job.reason else "no reason given"
            raise StartError(f"the job is {job.status}: {why}; see {self._servers.home.logs}")
        self._print("job", f"succeeded {time.monotonic() - submitted:.1f} s after it was submitted")
        model = self._download(job)
        measured = self._measure(model)
        if not measured:
            return False
        self.result = {"job": job.id, "model": str(model), "in_keras": measured}
        agreed = self.agrees(job, measured)
        if agreed:
            self._print_next_steps(job)
        return agreed

    def _follow(self, job: Job) -> Job:
        deadline = time.monotonic() + JOB_DEADLINE_S
        view = LossView(self._console, job.progress.epochs, every=ROW_EVERY)
        with EventReader(self._client, job.id) as reader, view:
            while time.monotonic() < deadline and not self._signals.stopped:
                self._servers.check()
                event = reader.next_event(SLICE_S)
                if event is not None:
                    view.show(event)
                elif reader.ended:
                    return self._client.job(job.id)
        if self._signals.stopped:
            return job
        raise StartError(
            f"the job did not end within {JOB_DEADLINE_S:g} s; see {self._servers.home.logs}"
        )

    def _download(self, job: Job) -> Path:
        home = self._servers.home.path
        model = self._client.download(job.id, "model.keras", home / "model.keras")
        self._client.download(job.id, "split.npz", home / "split.npz")
        published = {artifact.name: artifact for artifact in job.artifacts}["model.keras"]
        self._print("model", f"{model}  ({published.bytes:,} bytes)")
        self._print("sha256", f"{published.sha256}  matches the file")
        return model

    def _measure(self, model: Path) -> dict[str, float]:
        """Load the model in a process that imports nothing of Ridgeline."""
        command = [sys.executable, "-P", str(CHECK_MODEL), str(model)]
        result = subprocess.run(
            [*command, str(model.with_name("split.npz"))],
            capture_output=True,
            text=True,
            timeout=CHECK_DEADLINE_S,
            check=False,
        )
        if self._signals.stopped:  # Ctrl-C reached that process too.
            return {}
        if result.returncode != 0:
            raise StartError(f"plain Keras could not load {model}:\n{result.stderr.strip()}")
        measured: dict[str, float] = json.loads(result.stdout)
        return measured

    def agrees(self, job: Job, measured: dict[str, float]) -> bool:
        """Print and return whether plain Keras measured what the job reports."""
        agree = True
        for name, tolerance in TOLERANCES.items():
            own, plain = job.metrics.get(name), measured[name]
            same = own is not None and math.isclose(own, plain, rel_tol=0, abs_tol=tolerance)
            agree = agree and same
            own_text = "no value" if own is None else f"{own:.6f}"
            verdict = "they agree" if same else "THEY DIFFER"
            self._print(name, f"{plain:.6f} in plain Keras, {own_text} in the job: {verdict}")
        return agree

    def _print_next_steps(self, job: Job) -> None:
        program = _program()
        home = os.path.relpath(self._servers.home.path)
        self._print("next", f"{program} up --home {home}  (then open the address it prints)")
        self._print("", f"{program} report {job.id}  (in another terminal)")

    def _print(self, what: str, text: str) -> None:
        self._console.print(f"  [bold]{what:<14}[/bold]  {text}")


def _program() -> str:
    """Return how the user calls `ridgeline`: make runs it in .venv, which is not on PATH."""
    program = Path(sys.argv[0])
    if program.name != NAME or shutil.which(NAME) is not None:
        return NAME
    return os.path.relpath(program)
