"""The dashboard's files: caching, compression and content security policy."""

import gzip
import hashlib
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.dashboard.routes import FOLDER, PAGES, asset_names, shell, version

PATHS = sorted(path.replace("{job_id}", "job_1").replace("{dataset_id}", "ds_1") for path in PAGES)
SCRIPT = "js/main.js"
FIRST_PAGE_BYTES = 1_500_000


def address(name: str) -> str:
    return f"/ui/assets/{version()}/{name}"


@pytest.mark.parametrize("path", [*PATHS, address(SCRIPT), address("vendor/vega.min.js")])
def test_policy_allows_only_the_services_own_content(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    policy = dict(
        directive.strip().split(" ", 1)
        for directive in response.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", PATHS)
def test_page_runs_only_files_of_the_service(client: TestClient, path: str) -> None:
    """Every address in it is the service's own, and it has no inline scripts or styles."""
    html = client.get(path).text
    linked = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert linked
    assert [target for target in linked if not target.startswith(("/", "#"))] == []
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", html) == []
    for target in linked:
        if target.startswith("/ui/assets/"):
            assert client.get(target).status_code == 200, target


def test_page_preloads_the_modules_it_imports(client: TestClient) -> None:
    """Otherwise the browser discovers every module only after loading its importer."""
    html = client.get("/").text
    preloaded = re.findall(r'rel="modulepreload" href="([^"]*)"', html)
    assert address("js/main.js") in preloaded
    assert address("js/pages/jobs.js") in preloaded
    assert address("js/jobs/row.js") in preloaded
    assert not [path for path in preloaded if "vendor" in path or "charts" in path]
    assert len(set(preloaded)) == len(preloaded)


def test_first_page_stays_below_its_size_limit(client: TestClient) -> None:
    html = client.get("/").text
    files = re.findall(r'(?:src|href)="(/ui/assets/[^"]*)"', html)
    assert len(html) + sum(len(client.get(path).content) for path in set(files)) < FIRST_PAGE_BYTES


def test_files_are_immutable_and_pages_revalidated(client: TestClient) -> None:
    assert client.get("/").headers["cache-control"] == "no-cache"
    assert "immutable" in client.get(address(SCRIPT)).headers["cache-control"]
    other_release = client.get(f"/ui/assets/0123456789abcdef/{SCRIPT}")
    assert other_release.status_code == 200
    assert other_release.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/", address(SCRIPT)])
def test_strong_etag_identifies_every_encoding(client: TestClient, path: str) -> None:
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["etag"] == f'"{hashlib.sha256(plain.content).hexdigest()}"'
    zipped = client.get(path, headers={"Accept-Encoding": "br, gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.content == plain.content
    assert int(zipped.headers["content-length"]) < len(plain.content)
    assert zipped.headers["etag"] not in (plain.headers["etag"], "")
    assert zipped.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    for cached, coding in ((plain, "identity"), (zipped, "gzip")):
        headers = {"Accept-Encoding": coding, "If-None-Match": cached.headers["etag"]}
        again = client.get(path, headers=headers)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == cached.headers["etag"]
    assert client.head(path).content == b""


@pytest.mark.parametrize("coding", ["gzip;q=0", "identity", "br, gzip; q=0.000", ""])
def test_clients_without_gzip_get_plain_bytes(client: TestClient, coding: str) -> None:
    response = client.get(address(SCRIPT), headers={"Accept-Encoding": coding})
    assert "content-encoding" not in response.headers


@pytest.mark.parametrize(
    "name",
    ["", "index.html", "../main.py", "%2e%2e/main.py", "js", "js/", "vendor/README.md", "js/x.js"],
)
def test_unknown_and_unlisted_files_are_not_found(client: TestClient, name: str) -> None:
    response = client.get(f"/ui/assets/{version()}/{name}")
    assert response.status_code == 404
    assert response.json()["code"] == "not-found"


def test_pages_accept_any_query_but_only_get(client: TestClient) -> None:
    assert client.get("/?status=running&from=a-link").status_code == 200
    rejected = client.post("/")
    assert (rejected.status_code, rejected.headers["allow"]) == (405, "GET, HEAD")
    assert client.get("/ui").status_code == 404
    assert client.get("/ui/elsewhere").status_code == 404


def test_pages_are_not_in_the_openapi_description(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert not [path for path in paths if path == "/" or path.startswith("/ui")]


def test_every_imported_module_exists() -> None:
    """Without a build step, only this test catches a misspelled import before a user does."""
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


def test_version_is_a_digest_and_gzip_keeps_the_bytes() -> None:
    assert re.fullmatch("[0-9a-f]{16}", version())
    assert gzip.decompress(shell("js/pages/jobs.js").gzipped) == shell("js/pages/jobs.js").content


def test_vendored_code_has_its_licenses() -> None:
    vendor = FOLDER / "vendor"
    readme = (vendor / "README.md").read_text()
    for path in vendor.glob("*.js"):
        assert path.name in readme
    for name in re.findall(r"`(LICENSE\.[\w-]+)`", readme):
        assert (vendor / name).stat().st_size > 0


def test_no_module_inserts_html() -> None:
    """API content is inserted as text; the content security policy enforces it too."""
    writers = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(")
    offenders = [
        path.name for path in Path(FOLDER, "js").rglob("*.js") if writers.search(path.read_text())
    ]
    assert offenders == []


def test_imports_have_no_cycles() -> None:
    imports = {
        script: [
            (script.parent / target).resolve()
            for target in re.findall(r'from\s*"(\.[^"]+)"', script.read_text())
        ]
        for script in FOLDER.resolve().rglob("js/**/*.js")
    }
    TopologicalSorter(imports).prepare()  # raises CycleError
