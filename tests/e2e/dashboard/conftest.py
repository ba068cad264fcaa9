"""A browser in front of a running service; whatever it complains of fails the test."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
PATIENCE_MS = 30_000
AUDIT = (Path(__file__).parent / "audit.js").read_text().rstrip().rstrip(";")

#: What the browser writes to its console for every answer from 400 on; `answers` knows which.
_FAILED = re.compile(r"^Failed to load resource: the server responded with a status of \d+")
_OFFLINE = re.compile(r"net::ERR_")


class Visit:
    """A page, and everything that went wrong in it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.refused: list[tuple[int, str]] = []
        self.expected: set[tuple[int, str]] = set()
        self.offline_expected = False
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("response", self._answered)
        page.on("request", lambda request: self._asked(request.url))

    def open(self, path: str) -> Page:
        """Go to a path of the dashboard, as a link from elsewhere does."""
        self.page.goto(f"{self.url}{path}")
        expect(self.page.locator("main h1")).to_be_visible()
        return self.page

    def expect_refusal(self, status: int, path: str) -> None:
        """Let an answer of this status, to a path that ends so, be no fault."""
        self.expected.add((status, path))

    def check(self) -> None:
        """Raise AssertionError unless all was well."""
        assert self.complaints == []
        unexpected = [
            (status, path)
            for status, path in self.refused
            if not any(status == s and path.endswith(end) for s, end in self.expected)
        ]
        assert unexpected == []

    def _heard(self, kind: str, text: str) -> None:
        if kind not in ("error", "warning") or _FAILED.match(text):
            return
        if self.offline_expected and _OFFLINE.search(text):
            return
        self.complaints.append(f"{kind}: {text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.refused.append((response.status, response.url.partition("?")[0]))

    def _asked(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:")):
            self.complaints.append(f"asked for {url}, which is not the service's")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window.

    Not for the whole session: while Playwright is there, this thread has an event loop that runs,
    and no other test could start one.
    """
    if CHROMIUM is None:
        pytest.skip("no chromium is installed")
    # Chromium's own sandbox needs user namespaces, which root in a container does not have.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(
        viewport={"width": 1280, "height": 900},
        color_scheme="light",
        reduced_motion="reduce",
        accept_downloads=True,
    )
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def visit(context: BrowserContext, service_url: str) -> Iterator[Visit]:
    """A page of the service; its complaints are looked at when the test has ended."""
    visit = Visit(context.new_page(), service_url)
    yield visit
    visit.check()


@pytest.fixture(scope="session")
def api(service_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service_url, timeout=60, trust_env=False) as client:
        yield client


def spec(name: str, epochs: int = 12, **changes: Any) -> dict[str, Any]:
    """A small network on iris, which trains within a second."""
    return {
        "name": name,
        "dataset": {"source": "builtin", "name": "iris"},
        "split": {"validation": 0.3},
        "model": {
            "layers": [
                {"type": "Dense", "units": 16, "activation": "relu"},
                {"type": "Dense", "units": 3, "activation": "softmax"},
            ]
        },
        "regularization": {"weights": {"l2": 0.001}, "dropout": {"rate": 0.3}},
        "training": {
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy"],
            "epochs": epochs,
        },
    } | changes


def trained(api: httpx.Client, name: str, **changes: Any) -> dict[str, Any]:
    """A job that has ended well."""
    answer = api.post("/jobs", json=spec(name, **changes), headers={"Prefer": "wait=50"})
    job: dict[str, Any] = answer.json()
    assert job["status"] == "succeeded", job
    return job


@pytest.fixture(scope="session")
def job(api: httpx.Client) -> dict[str, Any]:
    """A job that has ended well, which nobody deletes."""
    return trained(api, "a job that is looked at", tags=["seen"])


def set_epochs(page: Page, epochs: int) -> None:
    page.get_by_label("Epochs", exact=True).fill(str(epochs))


def ready(page: Page) -> None:
    """Wait until the service has found the spec good."""
    expect(page.locator(".validity")).to_contain_text("Ready:")
