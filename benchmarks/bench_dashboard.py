"""The dashboard's first page and a job's page in Chromium: bytes, and time until it is usable.

    python benchmarks/bench_dashboard.py [--repeats 5] [--jobs 25]

Each visit starts with an empty cache, over the loopback address. There is no worker, so nothing
trains meanwhile. `interactive` is when every control of the page reacts, `shown` when the jobs or
the charts are visible; both count from the start of the navigation. A job's page also loads Vega.
"""

import argparse
import os
import shutil
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from playwright.sync_api import Browser, sync_playwright

from benchmarks import noise
from benchmarks.servers import Service, post_demo, running_api
from ridgeline.api.curves import EpochRow
from ridgeline.storage import Database, LeaseStore

EPOCHS = 200
INTERACTIVE = "() => performance.getEntriesByName('interactive')[0]?.startTime"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

Figures = dict[str, float]


def main() -> None:
    """Start the service, visit its pages, print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=25)
    arguments = parser.parse_args()
    if CHROMIUM is None:
        print("Skipped: no chromium on the PATH. To install it: apt-get install chromium")
        return
    with ExitStack() as stack:
        stack.enter_context(noise.reported())
        api = stack.enter_context(running_api())
        job_id = post_demo(api)
        for _ in range(arguments.jobs - 1):
            post_demo(api)
        train(api, job_id)
        browser = stack.enter_context(chromium(CHROMIUM))
        pages: dict[str, Callable[[], Figures]] = {
            "/": lambda: visit(browser, f"{api.url}/", "tbody tr"),
            "/ui/jobs/…": lambda: visit(browser, f"{api.url}/ui/jobs/{job_id}", "figure svg"),
        }
        visits = {
            path: [open_page() for _ in range(arguments.repeats)]
            for path, open_page in pages.items()
        }
        print_table(visits, arguments.repeats)


def train(api: Service, job_id: str) -> None:
    """Store curves for a job as a worker would, for the charts to draw."""
    database = Database(api.database_url)
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
def chromium(path: str) -> Iterator[Browser]:
    """The system's browser, headless."""
    # Its sandbox needs user namespaces, which root in a container does not have.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def visit(browser: Browser, url: str, selector: str) -> Figures:
    """Open a page with an empty cache, and wait until the selector matches."""
    context = browser.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    encoded: list[float] = []
    session.on("Network.loadingFinished", lambda event: encoded.append(event["encodedDataLength"]))
    decoded: list[int] = []
    session.on("Network.dataReceived", lambda event: decoded.append(event["dataLength"]))
    page.goto(url)
    page.locator(selector).first.wait_for()
    shown = page.evaluate("() => performance.now()")
    figures = {
        "requests": len(encoded),
        "kB sent": sum(encoded) / 1e3,
        "kB decoded": sum(decoded) / 1e3,
        "interactive, ms": page.evaluate(INTERACTIVE),
        "shown, ms": shown,
    }
    context.close()
    return figures


def print_table(visits: Mapping[str, Sequence[Figures]], repeats: int) -> None:
    """Print the medians as a Markdown table, a line for each page."""
    names = list(next(iter(visits.values()))[0])
    print(f"| page, medians of {repeats} | " + " | ".join(names) + " |")
    print("|---|" + "---|" * len(names))
    for path, figures in visits.items():
        medians = [statistics.median(visit[name] for visit in figures) for name in names]
        print(f"| {path} | " + " | ".join(f"{median:,.0f}" for median in medians) + " |")


if __name__ == "__main__":
    main()
