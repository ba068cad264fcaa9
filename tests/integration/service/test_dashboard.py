"""The dashboard's files: who may keep them, how they travel, and what a page may do."""

import gzip
import hashlib
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.dashboard.assets import FOLDER, asset_names, shell, version
from service.dashboard.routes import PAGES

PATHS = sorted(path.replace("{job_id}", "job_1").replace("{dataset_id}", "ds_1") for path in PAGES)
SCRIPT = "js/main.js"
FIRST_PAGE_BYTES = 1_500_000


def address(name: str) -> str:
    return f"/ui/assets/{version()}/{name}"


@pytest.mark.parametrize("path", [*PATHS, address(SCRIPT), address("vendor/vega.min.js")])
def test_a_page_may_do_little(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    policy = dict(
        directive.strip().split(" ", 1)
        for directive in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", PATHS)
def test_a_page_brings_its_own_code_and_no_other(client: TestClient, path: str) -> None:
    """Every address in it is one of this service's; nothing in it runs that is not a file."""
    html = client.get(path).text
    linked = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert linked
    assert [target for target in linked if not target.startswith(("/", "#"))] == []
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", html) == []
    for target in linked:
        if target.startswith("/ui/assets/"):
            assert client.get(target).status_code == 200, target


def test_what_is_asked_for_first_is_named_in_the_page(client: TestClient) -> None:
    """Otherwise each module would be found only once the one before it has come."""
    html = client.get("/").text
    preloaded = re.findall(r'rel="modulepreload" href="([^"]*)"', html)
    assert address("js/main.js") in preloaded
    assert address("js/pages/jobs.js") in preloaded
    assert address("js/jobs/row.js") in preloaded
    assert not [path for path in preloaded if "vendor" in path or "charts" in path]
    assert len(set(preloaded)) == len(preloaded)


def test_the_first_page_is_small(client: TestClient) -> None:
    html = client.get("/").text
    files = re.findall(r'(?:src|href)="(/ui/assets/[^"]*)"', html)
    assert len(html) + sum(len(client.get(path).content) for path in set(files)) < FIRST_PAGE_BYTES


def test_files_may_be_kept_for_good_and_pages_may_not(client: TestClient) -> None:
    assert client.get("/").headers["cache-control"] == "no-cache"
    assert "immutable" in client.get(address(SCRIPT)).headers["cache-control"]
    of_another_release = client.get(f"/ui/assets/0123456789abcdef/{SCRIPT}")
    assert of_another_release.status_code == 200
    assert of_another_release.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/", address(SCRIPT)])
def test_a_strong_tag_names_the_bytes(client: TestClient, path: str) -> None:
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["etag"] == f'"{hashlib.sha256(plain.content).hexdigest()}"'
    zipped = client.get(path, headers={"Accept-Encoding": "br, gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.content == plain.content
    assert int(zipped.headers["content-length"]) < len(plain.content)
    assert zipped.headers["etag"] not in (plain.headers["etag"], "")
    assert zipped.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    for tag, coding in ((plain, "identity"), (zipped, "gzip")):
        headers = {"Accept-Encoding": coding, "If-None-Match": tag.headers["etag"]}
        again = client.get(path, headers=headers)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag.headers["etag"]
    assert client.head(path).content == b""


@pytest.mark.parametrize("coding", ["gzip;q=0", "identity", "br, gzip; q=0.000", ""])
def test_gzip_is_not_forced_on_anybody(client: TestClient, coding: str) -> None:
    answer = client.get(address(SCRIPT), headers={"Accept-Encoding": coding})
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "name",
    ["", "index.html", "../main.py", "%2e%2e/main.py", "js", "js/", "vendor/README.md", "js/x.js"],
)
def test_nothing_else_is_a_file(client: TestClient, name: str) -> None:
    answer = client.get(f"/ui/assets/{version()}/{name}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not-found"


def test_pages_take_any_query_and_no_other_method(client: TestClient) -> None:
    assert client.get("/?status=running&from=a-link").status_code == 200
    refused = client.post("/")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    assert client.get("/ui").status_code == 404
    assert client.get("/ui/elsewhere").status_code == 404


def test_pages_are_no_part_of_the_api(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert not [path for path in paths if path == "/" or path.startswith("/ui")]


def test_every_file_that_modules_name_is_there() -> None:
    """Nothing builds the modules: nothing but this finds a misspelt import before a user does."""
    missing = []
    for script in FOLDER.rglob("*.js"):
        if "vendor" in script.parts:
            continue
        text = script.read_text()
        for target in re.findall(r'(?:from|import\()\s*"(\.[^"]+)"', text):
            path = (script.parent / target).resolve()
            if path.relative_to(FOLDER.resolve()).as_posix() not in asset_names():
                missing.append(f"{script.name}: {target}")
    assert missing == []


def test_the_same_files_have_the_same_version() -> None:
    assert re.fullmatch("[0-9a-f]{16}", version())
    assert gzip.decompress(shell("js/pages/jobs.js").gzipped) == shell("js/pages/jobs.js").content


def test_code_of_others_comes_with_its_licence() -> None:
    vendor = FOLDER / "vendor"
    told = (vendor / "README.md").read_text()
    for path in vendor.glob("*.js"):
        assert path.name in told
    for name in re.findall(r"`(LICENSE\.[\w-]+)`", told):
        assert (vendor / name).stat().st_size > 0


def test_no_module_writes_html() -> None:
    """What comes from the API goes into the page as text; the browser holds us to it as well."""
    writers = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(")
    found = [
        path.name for path in Path(FOLDER, "js").rglob("*.js") if writers.search(path.read_text())
    ]
    assert found == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    imports = {
        script: [
            (script.parent / target).resolve()
            for target in re.findall(r'from\s*"(\.[^"]+)"', script.read_text())
        ]
        for script in FOLDER.resolve().rglob("js/**/*.js")
    }
    TopologicalSorter(imports).prepare()  # raises CycleError
