"""A job in a notebook: a real kernel, as a notebook's server runs it, against a running service."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from ridgeline import Client
from service.examples import IRIS
from tests.integration.client.conftest import Worker
from tests.rig.process import base_environment

pytestmark = pytest.mark.servers

VEGA_LITE = "application/vnd.vegalite.v5+json"
CONNECT = """
import httpx
from ridgeline import Client
client = Client({url!r}, transport=httpx.HTTPTransport())
job = client.job({job_id!r})
"""
#: Until the last picture is drawn: a notebook takes note of one only while it waits for a cell.
UNTIL_DRAWN = """
import threading
for thread in threading.enumerate():
    if thread.name.startswith("view of"):
        thread.join(30)
"""

Run = Callable[[str], list[Any]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Runs a cell in a kernel, and gives its outputs, which change as the notebook goes on."""
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


def test_a_job_is_its_live_chart(ridgeline: Client, worker: Worker, run: Run) -> None:
    job = ridgeline.submit(IRIS)
    claim = worker.claim(job.id)
    worker.epochs(claim, 1)
    run(CONNECT.format(url=ridgeline.base_url, job_id=job.id))
    (shown,) = run("job")
    assert "running  epoch 1/" in shown["data"]["text/plain"]

    def train() -> None:
        worker.epochs(claim, 2, 3)
        worker.finish(claim)

    training = Thread(target=train)
    training.start()
    run(UNTIL_DRAWN)
    training.join()
    assert "succeeded  epoch 3/" in shown["data"]["text/plain"]
