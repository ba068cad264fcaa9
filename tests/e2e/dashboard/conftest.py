"""A browser on a running service; console errors and unexpected error responses fail a test."""

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

#: The browser's console message for every response with status 400 or above; `check` covers those.
_FAILED = re.compile(r"^Failed to load resource: the server responded with a status of \d+")
_OFFLINE = re.compile(r"net::ERR_")


class Visit:
    """A page, with its console errors and error responses."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        self.error_responses: list[tuple[int, str]] = []
        self.expected_responses: set[tuple[int, str]] = set()
        self.offline_expected = False
        page.on("console", lambda message: self._on_console(message.type, message.text))
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        page.on("response", self._on_response)
        page.on("request", lambda request: self._on_request(request.url))

    def open(self, path: str) -> Page:
        """Load a path of the dashboard, as an external link does."""
        self.page.goto(f"{self.url}{path}")
        expect(self.page.locator("main h1")).to_be_visible()
        return self.page

    def expect_error(self, status: int, path: str) -> None:
        """Allow responses with this status from paths with this suffix."""
        self.expected_responses.add((status, path))

    def check(self) -> None:
        """Raise AssertionError on console errors or unexpected error responses."""
        assert self.errors == []
        unexpected = [
            (status, path)
            for status, path in self.error_responses
            if not any(
                status == expected_status and path.endswith(suffix)
                for expected_status, suffix in self.expected_responses
            )
        ]
        assert unexpected == []

    def _on_console(self, kind: str, text: str) -> None:
        if kind not in ("error", "warning") or _FAILED.match(text):
            return
        if self.offline_expected and _OFFLINE.search(text):
            return
        self.errors.append(f"{kind}: {text}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.error_responses.append((response.status, response.url.partition("?")[0]))

    def _on_request(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:")):
            self.errors.append(f"request to a foreign address: {url}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium from the system.

    Scoped to the module: while Playwright runs, this thread has a running event loop, and other
    tests could not start their own.
    """
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    # Chromium's sandbox needs user namespaces, which root in a container lacks.
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
    """A page of the service, checked for errors after the test."""
    visit = Visit(context.new_page(), service_url)
    yield visit
    visit.check()


@pytest.fixture(scope="session")
def api(service_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service_url, timeout=60, trust_env=False) as client:
        yield client


def spec(name: str, epochs: int = 12, **changes: Any) -> dict[str, Any]:
    """A spec of a small network on iris, which trains within a second."""
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
    """Train a job to success and return it."""
    response = api.post("/jobs", json=spec(name, **changes), headers={"Prefer": "wait=50"})
    job: dict[str, Any] = response.json()
    assert job["status"] == "succeeded", job
    return job


@pytest.fixture(scope="session")
def job(api: httpx.Client) -> dict[str, Any]:
    """A succeeded job shared by the session; tests must not delete it."""
    return trained(api, "shared job", tags=["shared"])


def set_epochs(page: Page, epochs: int) -> None:
    page.get_by_label("Epochs", exact=True).fill(str(epochs))


def wait_until_valid(page: Page) -> None:
    """Wait until the service has accepted the spec as valid."""
    expect(page.locator(".validity")).to_contain_text("Ready:")
