"""Data sets: uploading, viewing, training, deleting."""

import random
import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.e2e.dashboard.conftest import set_epochs, wait_until_valid

if TYPE_CHECKING:
    from tests.e2e.dashboard.conftest import Visit

pytestmark = pytest.mark.servers


def table(path: Path, seed: int) -> Path:
    """Write a CSV file with two classes, three features and noise."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    rows = ["length,color,kind"]
    for _ in range(120):
        kind = chance.choice(["large", "small", "small"])
        size = (2 if kind == "large" else 1) + chance.gauss(0, 0.2)
        rows.append(f"{size:.3f},{chance.choice(['red', 'blue'])},{kind}")
    path.write_text("\n".join(rows) + "\n")
    return path


def test_uploaded_file_can_be_viewed_and_trained_on(visit: "Visit", tmp_path: Path) -> None:
    page = visit.open("/ui/datasets")
    page.get_by_label("Upload a data set").set_input_files(table(tmp_path / "things.csv", 1))
    expect(page.get_by_role("heading", level=1)).to_have_text("things.csv")
    contents = page.get_by_role("region", name="Columns")
    expect(contents.get_by_role("row", name="length")).to_contain_text("number")
    expect(contents.get_by_role("row", name="kind")).to_contain_text("large")
    expect(page.get_by_label("Target to predict")).to_have_value("kind")
    page.get_by_role("link", name="Train on this data set").click()
    expect(page.get_by_label("Data set")).to_have_value(re.compile("^upload ds_"))
    set_epochs(page, 5)
    wait_until_valid(page)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".progress-line .status")).to_have_text("succeeded")
    expect(page.get_by_role("link", name="features.json")).to_be_visible()
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.get_by_role("cell", name="things.csv").first).to_be_visible()


def test_split_file_keeps_its_own_test_rows(visit: "Visit", tmp_path: Path) -> None:
    """The page shows the file's test rows, and the starter spec holds out none."""
    path = tmp_path / "mnist.npz"
    x, y = np.arange(60 * 16, dtype=np.uint8).reshape(60, 4, 4), np.arange(60, dtype=np.uint8) % 3
    np.savez(path, x_test=x[:15], x_train=x, y_train=y, y_test=y[:15])
    page = visit.open("/ui/datasets")
    page.get_by_label("Upload a data set").set_input_files(path)
    expect(page.get_by_role("heading", level=1)).to_have_text("mnist.npz")
    expect(page.locator(".subline")).to_contain_text("75 rows (60 training, 15 test)")
    arrays = page.get_by_role("region", name="Arrays")
    expect(arrays.get_by_role("row", name="x_test")).to_contain_text("15×4×4")
    expect(arrays.get_by_role("row", name="y_test")).to_contain_text("5, 33")
    target = page.get_by_label("Target to predict")
    expect(target).to_have_value("y")
    expect(target.get_by_role("option")).to_have_text(["x", "y"])
    page.get_by_role("link", name="Train on this data set").click()
    expect(page.get_by_label("Test share")).to_have_value("")
    set_epochs(page, 2)
    wait_until_valid(page)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".progress-line .status")).to_have_text("succeeded")


def test_interrupted_part_is_retried(
    visit: "Visit", context: BrowserContext, tmp_path: Path
) -> None:
    visit.offline_expected = True
    failures = iter([True, True])

    def interrupt_twice(route: Route) -> None:
        if next(failures, False):
            route.abort("connectionreset")
        else:
            route.continue_()

    context.route("**/uploads/*/parts/*", interrupt_twice)
    page = visit.open("/ui/datasets")
    page.get_by_label("Upload a data set").set_input_files(table(tmp_path / "broken.csv", 2))
    expect(page.locator(".upload-state")).to_contain_text("Retrying")
    expect(page.get_by_role("heading", level=1)).to_have_text("broken.csv")


def test_paused_upload_resumes_after_a_reload(
    visit: "Visit", context: BrowserContext, api: httpx.Client, tmp_path: Path
) -> None:
    requests: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    context.route("**/uploads/*/complete", lambda route: None)
    path = table(tmp_path / "later.csv", 3)
    page = visit.open("/ui/datasets")
    page.get_by_label("Upload a data set").set_input_files(path)
    expect(page.locator(".upload-state")).to_contain_text("Sent")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".upload-state")).to_contain_text("Paused")
    context.unroute("**/uploads/*/complete")
    page.reload()
    page.get_by_label("Upload a data set").set_input_files(path)
    expect(page.get_by_role("heading", level=1)).to_have_text("later.csv")
    assert len([url for url in requests if url.endswith("/parts/1")]) == 1
    assert len([url for url in requests if url.endswith("/uploads")]) == 1


def test_rejected_file_shows_its_faults_and_can_be_dismissed(
    visit: "Visit", tmp_path: Path
) -> None:
    visit.expect_error(422, "/complete")
    path = tmp_path / "ragged.csv"
    path.write_text("a,b\n1,2\n3\n")
    page = visit.open("/ui/datasets")
    page.get_by_label("Upload a data set").set_input_files(path)
    expect(page.locator(".upload .faults li")).to_have_count(1)
    expect(page.get_by_role("button", name="Resume")).to_have_count(0)
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator(".upload")).to_have_count(0)


def test_rejected_file_stays_listed_when_another_is_stored(visit: "Visit", tmp_path: Path) -> None:
    """Opening the stored data set would hide the faults of the other file."""
    visit.expect_error(422, "/complete")
    bad, good = tmp_path / "ragged.csv", table(tmp_path / "beside.csv", 13)
    bad.write_text("a,b\n1,2\n3,4,5\n")
    page = visit.open("/ui/datasets")
    page.get_by_label("Upload a data set").set_input_files([bad, good])
    stored_link = page.locator(".upload").get_by_role("link", name="beside.csv")
    expect(page.locator(".upload .faults li")).to_contain_text("row 2 has 3 cells")
    expect(stored_link).to_be_visible()
    expect(page.locator("table.datasets")).to_contain_text("beside.csv")
    stored_link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("beside.csv")


def test_bars_fit_a_phone_screen(visit: "Visit", tmp_path: Path) -> None:
    page = visit.open("/ui/datasets")
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_label("Upload a data set").set_input_files(table(tmp_path / "narrow.csv", 14))
    contents = page.get_by_role("region", name="Columns")
    bars = contents.locator(".balance .track")
    expect(bars.first).to_be_visible()
    edge = contents.bounding_box()
    assert edge is not None
    for bar in bars.all():
        box = bar.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= edge["x"] + edge["width"]


def test_data_set_can_be_deleted(visit: "Visit", api: httpx.Client, tmp_path: Path) -> None:
    content = table(tmp_path / "gone.csv", 4).read_bytes()
    stored = api.post("/datasets?name=gone.csv&format=csv", content=content).json()
    page = visit.open(f"/ui/datasets/{stored['id']}")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete permanently").click()
    expect(page).to_have_url(f"{visit.url}/ui/datasets")
    expect(page.get_by_role("link", name="gone.csv")).to_have_count(0)
    assert api.get(f"/datasets/{stored['id']}").status_code == 404
