"""Uploads and downloads of one large file, beside nginx with the same file on the same disk.

    python benchmarks/bench_transfer.py [--repeats 3] [--bytes 1000000000]

nginx receives it by PUT (its DAV module) and sends it by sendfile. It neither hashes a file nor
syncs it to the disk; a second row adds the sync. Ridgeline hashes a data set while it arrives,
inspects it in another process, answers when it is durable, and verifies what it sends. Both servers
run at once and serve one request at a time, in turns, over one connection. Without nginx on the
PATH only Ridgeline is measured.
"""

import argparse
import hashlib
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np

from benchmarks import noise
from benchmarks.servers import running_api
from ridgeline.cli.local.address import Address, free_address

START_S = 30.0
ROW_BYTES = 1000
RECEIVED_BYTES = 2**20

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_max_body_size 0;
    client_body_buffer_size 1m;
    client_body_temp_path {folder}/temp;
    server {{
        listen {host}:{port};
        root {folder}/files;
        dav_methods PUT DELETE;
    }}
}}
"""


class Side(NamedTuple):
    """A server and a way to move the file, timed."""

    name: str
    seconds: Callable[[], float]


def main() -> None:
    """Start both servers, move the file in turns, print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bytes", type=int, default=1_000_000_000, help="of the file, about")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        stack.enter_context(noise.reported())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rl-bench-")))
        file = make_file(folder / "data.npy", arguments.bytes)
        other = make_file(folder / "other.npy", arguments.bytes, seed=8)
        size = file.stat().st_size
        api = stack.enter_context(running_api(RIDGELINE_UPLOAD_PART_BYTES=str(size)))
        sides = api_sides(api.address, file, other)
        if shutil.which("nginx") is None:
            print("No nginx on the PATH to compare with. To install it: apt-get install nginx\n")
        else:
            nginx = stack.enter_context(running_nginx(folder / "nginx"))
            sides = nginx_sides(nginx, folder / "nginx" / "files", file, other) + sides
        runs: dict[str, list[float]] = {side.name: [] for side in sides}
        for _ in range(arguments.repeats):
            for side in sides:
                runs[side.name].append(side.seconds())
        print_table(runs, size, api.pid, arguments.repeats)


def make_file(path: Path, size: int, seed: int = 7) -> Path:
    """An NPY pair of about `size` bytes: a data set that is quick to inspect."""
    rows = max(size // (ROW_BYTES + 1), 2)
    random = np.random.default_rng(seed)
    block = random.integers(0, 256, (min(rows, 10_000), ROW_BYTES), dtype=np.uint8)
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (rows, ROW_BYTES)}
        np.lib.format.write_array_header_1_0(file, header)
        for begin in range(0, rows, len(block)):
            file.write(block[: rows - begin].tobytes())
        np.save(file, np.arange(rows, dtype=np.uint8) % 2)
    return path


@contextmanager
def running_nginx(folder: Path) -> Iterator[Address]:
    """Nginx with a single process, like Ridgeline's API."""
    address = free_address(Address("127.0.0.1", 0))
    (folder / "files").mkdir(parents=True)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, host=address.host, port=address.port))
    command = ["nginx", "-e", str(folder / "error.log"), "-c", str(config)]
    with subprocess.Popen(command) as process:
        try:
            _wait_until_answers(address, process)
            yield address
        finally:
            process.terminate()


def nginx_sides(nginx: Address, folder: Path, file: Path, other: Path) -> list[Side]:
    """The transfers of nginx; its files are in `folder`."""
    size = file.stat().st_size
    send(nginx, "PUT", "/download", other)

    def put(*, durable: bool) -> float:
        seconds = send(nginx, "PUT", "/upload", file)
        if durable:
            seconds += sync(folder / "upload")
        httpx.delete(f"http://{nginx.host}:{nginx.port}/upload").raise_for_status()
        return seconds

    return [
        Side("upload, nginx", lambda: put(durable=False)),
        Side("upload, nginx, then synced to the disk", lambda: put(durable=True)),
        Side("download, nginx", lambda: receive(nginx, "/download", size)),
    ]


def api_sides(api: Address, file: Path, other: Path) -> list[Side]:
    """The transfers of Ridgeline."""
    url = f"http://{api.host}:{api.port}"
    size = file.stat().st_size
    send(api, "POST", "/datasets?name=other", other)
    send(api, "POST", "/datasets", file)
    path, content = f"/datasets/{dataset_id(file)}", f"/datasets/{dataset_id(other)}/content"

    def part() -> float:
        body = {"name": "part", "bytes": size}
        upload = httpx.post(f"{url}/uploads", json=body).json()["id"]
        seconds = send(api, "PUT", f"/uploads/{upload}/parts/1", file)
        httpx.delete(f"{url}/uploads/{upload}").raise_for_status()
        return seconds

    def known() -> float:
        return send(api, "POST", "/datasets", file)

    def whole() -> float:
        httpx.delete(url + path).raise_for_status()
        return send(api, "POST", "/datasets", file)

    return [
        Side("upload, Ridgeline: a part, durable", part),
        Side("upload, Ridgeline: hashed, already stored", known),
        Side("upload, Ridgeline: hashed, inspected, durable", whole),
        Side("download, Ridgeline: verified while sent", lambda: receive(api, content, size)),
    ]


def sync(path: Path) -> float:
    """Sync a file to the disk; returns the seconds."""
    began = time.perf_counter()
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return time.perf_counter() - began


def dataset_id(file: Path) -> str:
    """The id that the service gives to the file's bytes."""
    with file.open("rb") as opened:
        return f"ds_{hashlib.file_digest(opened, 'sha256').hexdigest()[:32]}"


def send(address: Address, method: str, path: str, file: Path) -> float:
    """Send a file as a body; returns the seconds until the answer has ended."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {address.host}\r\nConnection: close\r\n"
        f"Content-Length: {file.stat().st_size}\r\n\r\n"
    )
    with socket.create_connection((address.host, address.port)) as server, file.open("rb") as body:
        began = time.perf_counter()
        server.sendall(head.encode())
        server.sendfile(body)
        answer = b""
        while chunk := server.recv(65_536):
            answer += chunk
        seconds = time.perf_counter() - began
    status = int(answer.split(b" ", 2)[1])
    assert 200 <= status < 300, answer[:2000]
    return seconds


def receive(address: Address, path: str, size: int) -> float:
    """Receive a file of `size` bytes and discard it; returns the seconds."""
    request = f"GET {path} HTTP/1.1\r\nHost: {address.host}\r\nConnection: close\r\n\r\n"
    buffer = bytearray(RECEIVED_BYTES)
    with socket.create_connection((address.host, address.port)) as server:
        began = time.perf_counter()
        server.sendall(request.encode())
        received = 0
        while count := server.recv_into(buffer):
            received += count
        seconds = time.perf_counter() - began
    assert received > size, f"received {received} bytes with the head; expected at least {size}"
    return seconds


def print_table(runs: dict[str, list[float]], size: int, pid: int, repeats: int) -> None:
    """Print the medians as a Markdown table, and the API's peak memory."""
    medians = {name: statistics.median(seconds) for name, seconds in runs.items()}
    print(f"| a file of {size / 1e6:,.0f} MB, medians of {repeats} | seconds | MB/s | of nginx |")
    print("|---|---|---|---|")
    for name, seconds in medians.items():
        nginx = medians.get(name.split(",")[0] + ", nginx")
        share = f"{nginx / seconds:.0%}" if nginx else "not measured"
        cell = noise.with_range(runs[name], ".3g")
        print(f"| {name} | {cell} | {size / seconds / 1e6:,.0f} | {share} |")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    peak = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    print(f"\nThe API's process used {int(peak) / 1024:,.0f} MiB at most.")


def _wait_until_answers(address: Address, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection((address.host, address.port)).close()
            return
        except ConnectionRefusedError:
            assert process.poll() is None, "the server exited"
            assert time.monotonic() < until, f"no answer within {START_S:g} s"
            time.sleep(0.02)


if __name__ == "__main__":
    main()
