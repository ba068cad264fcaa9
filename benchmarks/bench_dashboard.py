"""The dashboard's first page in Chromium: what it weighs, and when it can be used.

    python benchmarks/bench_dashboard.py [--repeats 5] [--jobs 25]

Each visit has an empty cache, over the loopback address, with a page of jobs to be listed. There is
no worker: nothing is trained meanwhile. `interactive` is when every control on the page listens,
`listed` when the jobs are there, both from the beginning of the navigation. A job's page is
measured beside it, whose charts need Vega.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, sync_playwright

from benchmarks.bench_api import DEMO, running_api
from ridgeline.api.curves import EpochRow
from ridgeline.storage import Database, LeaseStore

EPOCHS = 200
START = "() => performance.getEntriesByName('interactive')[0]?.startTime"

Figures = dict[str, float]


def main() -> None:
    """Start the service, visit its pages, print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=25)
    arguments = parser.parse_args()
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="rl-bench-")))
        api = parts.enter_context(running_api(folder))
        job_id = submit(api.url, arguments.jobs)
        train(folder, job_id)
        browser = parts.enter_context(chromium())
        pages: dict[str, Callable[[], Figures]] = {
            "/": lambda: visit(browser, f"{api.url}/", "tbody tr"),
            "/ui/jobs/…": lambda: visit(browser, f"{api.url}/ui/jobs/{job_id}", "figure svg"),
        }
        found = {path: [look() for _ in range(arguments.repeats)] for path, look in pages.items()}
    print_table(found)


def submit(url: str, count: int) -> str:
    """Post jobs, and return the id of the first."""
    spec = json.loads(DEMO.read_text())
    with httpx.Client(base_url=url, trust_env=False) as client:
        answers = [client.post("/jobs", json=spec).raise_for_status() for _ in range(count)]
    job_id: str = answers[0].json()["id"]
    return job_id


def train(folder: Path, job_id: str) -> None:
    """Give a job the curves that a worker would, so that there is something to draw."""
    database = Database(f"sqlite:///{folder}/home/ridgeline.db")
    leases = LeaseStore(database)
    claim = leases.claim(job_id, "bench")
    assert claim is not None
    rows = [epoch_row(number) for number in range(1, EPOCHS + 1)]
    assert leases.record_epochs(claim, rows, 1.5) is not None
    database.close()


def epoch_row(epoch: int) -> EpochRow:
    """An epoch with the series of a real one."""
    losses = {"data_loss": 1 / epoch, "train_data_loss": 1 / epoch, "val_data_loss": 2 / epoch}
    values: dict[str, float | None] = {
        **losses,
        "loss": 1.5 / epoch,
        "penalty": 0.5 / epoch,
        "val_loss": 2.5 / epoch,
    }
    return EpochRow(
        epoch=epoch, values=values, penalty_by_layer={"dense/kernel/l2": 0.5 / epoch}, seconds=0.1
    )


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's browser, without a window."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path is not None, "expected chromium on the PATH: apt-get install chromium"
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def visit(browser: Browser, url: str, shown: str) -> Figures:
    """Open a page with an empty cache, and wait until `shown` is there."""
    context = browser.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    sent: list[float] = []
    session.on("Network.loadingFinished", lambda event: sent.append(event["encodedDataLength"]))
    plain: list[int] = []
    session.on("Network.dataReceived", lambda event: plain.append(event["dataLength"]))
    page.goto(url)
    page.locator(shown).first.wait_for()
    listed = page.evaluate("() => performance.now()")
    figures = {
        "requests": len(sent),
        "kB sent": sum(sent) / 1e3,
        "kB in all": sum(plain) / 1e3,
        "interactive, ms": page.evaluate(START),
        "shown, ms": listed,
    }
    context.close()
    return figures


def print_table(found: Mapping[str, Sequence[Figures]]) -> None:
    """A line for each page."""
    names = list(next(iter(found.values()))[0])
    rows: list[list[Any]] = [["page", *names]]
    for path, visits in found.items():
        medians = [statistics.median(visit[name] for visit in visits) for name in names]
        rows.append([path, *(f"{median:,.0f}" for median in medians)])
    for row in rows:
        print("".join(f"{cell:>18}" for cell in row))


if __name__ == "__main__":
    main()
