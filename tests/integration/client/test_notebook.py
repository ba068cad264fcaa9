"""A job in a notebook: a real kernel against a running service."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import nbformat
import pytest
import vl_convert
from nbclient import NotebookClient

from ridgeline import Client
from ridgeline.storage import Claim
from service.http.documentation import IRIS
from tests.integration.client.conftest import Worker
from tests.rig.process import base_environment

pytestmark = pytest.mark.servers

VEGA_LITE = "application/vnd.vegalite.v5+json"
CONNECT = """
import httpx
from ridgeline import Client
from ridgeline.storage import Claim
client = Client({url!r}, transport=httpx.HTTPTransport())
job = client.job({job_id!r})
"""
#: Waits for the last picture: a notebook receives one only while a cell runs.
UNTIL_DRAWN = """
import threading
for thread in threading.enumerate():
    if thread.name.startswith("view of"):
        thread.join(30)
"""

Run = Callable[[str], list[Any]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Runs a cell in a kernel; returns its outputs, which later cells may update."""
    notebook: Any = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    client = NotebookClient(notebook, timeout=60, kernel_name="python3")
    environment = base_environment() | {
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }

    def run(source: str) -> list[Any]:
        cell: Any = nbformat.v4.new_code_cell(source)  # type: ignore[no-untyped-call]
        notebook.cells.append(cell)
        client.execute_cell(cell, len(notebook.cells) - 1)
        outputs: list[Any] = cell.outputs
        return outputs

    with client.setup_kernel(env=environment):
        yield run


def test_job_is_shown_as_a_live_chart(ridgeline: Client, worker: Worker, run: Run) -> None:
    """It is updated while other cells run, until the job has ended."""
    job = ridgeline.submit(IRIS)
    claim = worker.claim(job.id)
    worker.epochs(claim, 1)
    run(CONNECT.format(url=ridgeline.base_url, job_id=job.id))
    (shown,) = run("job")
    assert "running  epoch 1/" in shown["data"]["text/plain"]
    assert epochs(shown) == {1}

    with training(worker, claim):
        run(UNTIL_DRAWN)
    assert "succeeded  epoch 10/10" in shown["data"]["text/plain"]
    assert epochs(shown) == set(range(1, 11))
    assert shown["data"]["image/svg+xml"].startswith("<svg")
    # JupyterLab's Vega-Lite is an older one than the service's.
    assert vl_convert.vegalite_to_vega(shown["data"][VEGA_LITE], vl_version="5.20")["marks"]

    (ended,) = run("client.watch(job.id, chart='penalty', theme='dark')")
    assert ended["data"][VEGA_LITE]["title"]["text"].startswith("Penalty")
    assert ended["data"]["text/plain"] == shown["data"]["text/plain"]
    (unknown,) = run("client.watch(job.id, chart='colours')")
    assert "404 Not found" in unknown["data"]["text/plain"]


def test_cell_can_wait_for_a_view(ridgeline: Client, worker: Worker, run: Run) -> None:
    job = ridgeline.submit(IRIS)
    claim = worker.claim(job.id)
    run(CONNECT.format(url=ridgeline.base_url, job_id=job.id))
    with training(worker, claim):
        shown, value = run("client.watch(job.id).wait().status.value")
    assert value["data"]["text/plain"] == "'succeeded'"
    assert "succeeded" in shown["data"]["text/plain"]
    assert epochs(shown) == set(range(2, 11))


@contextmanager
def training(worker: Worker, claim: Claim) -> Iterator[None]:
    """Epochs 2 to 10 and the end, while the block runs."""

    def train() -> None:
        worker.epochs(claim, *range(2, 11))
        worker.finish(claim)

    thread = Thread(target=train)
    thread.start()
    yield
    thread.join()


def epochs(shown: Any) -> set[int]:
    """The epochs that the chart has points for."""
    return {row["epoch"] for row in shown["data"][VEGA_LITE]["datasets"]["epochs"]}
