"""Uploads and downloads of one large file, beside nginx with the same file on the same disk.

    python benchmarks/bench_transfer.py [--repeats 3] [--bytes 1000000000]

nginx takes it by PUT (its DAV module) and gives it by sendfile; it neither hashes a file nor waits
for the disk, which a second line has it do. Ridgeline hashes data sets as they come, looks through
them in another process, answers an upload when it is durable, and checks what it gives.
Both servers run at once, and one is asked at a time, in turns, over one connection.
"""

import argparse
import hashlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np

from ridgeline.cli.local.address import Address, free_address

ROOT = Path(__file__).parents[1]
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
    """A server, and how long it takes for the file."""

    name: str
    seconds: Callable[[], float]


def main() -> None:
    """Start both servers, move the file in turns, print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bytes", type=int, default=1_000_000_000, help="of the file, about")
    arguments = parser.parse_args()
    if shutil.which("nginx") is None:
        sys.exit("expected nginx on the PATH, to compare with")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rl-bench-")))
        file = make_file(folder / "data.npy", arguments.bytes)
        other = make_file(folder / "other.npy", arguments.bytes, seed=8)
        nginx = stack.enter_context(running_nginx(folder / "nginx"))
        api, pid = stack.enter_context(running_api(folder / "home", file.stat().st_size))
        sides = nginx_sides(nginx, folder / "nginx" / "files", file, other)
        sides += api_sides(api, file, other)
        runs: dict[str, list[float]] = {side.name: [] for side in sides}
        for _ in range(arguments.repeats):
            for side in sides:
                runs[side.name].append(side.seconds())
        print_table(runs, file.stat().st_size, pid, arguments.repeats)


def make_file(path: Path, size: int, seed: int = 7) -> Path:
    """An NPY pair of about `size` bytes: a data set that is quickly looked through."""
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
    """The server, with one process, as Ridgeline's API has one."""
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


@contextmanager
def running_api(folder: Path, size: int) -> Iterator[tuple[Address, int]]:
    """The service without a broker or a worker, and its process id."""
    folder.mkdir()
    address = free_address(Address("127.0.0.1", 0))
    environment = {
        **os.environ,
        "RIDGELINE_HOME": str(folder),
        "RIDGELINE_HOST": address.host,
        "RIDGELINE_PORT": str(address.port),
        "RIDGELINE_REDIS_URL": f"redis+socket://{folder}/no-redis.sock",
        "RIDGELINE_UPLOAD_PART_BYTES": str(size),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "service"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_until_answers(address, process)
            yield address, process.pid
        finally:
            process.terminate()


def nginx_sides(nginx: Address, folder: Path, file: Path, other: Path) -> list[Side]:
    """What nginx does; its files are in `folder`."""
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
    """What Ridgeline does."""
    url = f"http://{api.host}:{api.port}"
    size = file.stat().st_size
    send(api, "POST", "/datasets?name=other", other)
    send(api, "POST", "/datasets", file)
    path, content = f"/datasets/{dataset_id(file)}", f"/datasets/{dataset_id(other)}/content"

    def part() -> float:
        asked = {"name": "part", "bytes": size}
        upload = httpx.post(f"{url}/uploads", json=asked).json()["id"]
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
        Side("upload, Ridgeline: hashed and found to be known", known),
        Side("upload, Ridgeline: hashed, looked through, durable", whole),
        Side("download, Ridgeline: checked on its way", lambda: receive(api, content, size)),
    ]


def sync(path: Path) -> float:
    """Wait until a file is on the disk; the seconds it takes."""
    began = time.perf_counter()
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return time.perf_counter() - began


def dataset_id(file: Path) -> str:
    """The id that the file's bytes get."""
    with file.open("rb") as opened:
        return f"ds_{hashlib.file_digest(opened, 'sha256').hexdigest()[:32]}"


def send(address: Address, method: str, path: str, file: Path) -> float:
    """Send a file as a body; the seconds to the whole answer."""
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
    """Receive a file of `size` bytes, and throw it away; the seconds it takes."""
    request = f"GET {path} HTTP/1.1\r\nHost: {address.host}\r\nConnection: close\r\n\r\n"
    buffer = bytearray(RECEIVED_BYTES)
    with socket.create_connection((address.host, address.port)) as server:
        began = time.perf_counter()
        server.sendall(request.encode())
        received = 0
        while count := server.recv_into(buffer):
            received += count
        seconds = time.perf_counter() - began
    assert received > size, f"received {received} bytes with the head; expected {size} and more"
    return seconds


def print_table(runs: dict[str, list[float]], size: int, pid: int, repeats: int) -> None:
    """Print the medians, and how much memory the API has had at most."""
    medians = {name: statistics.median(seconds) for name, seconds in runs.items()}
    print(f"a file of {size / 1e6:,.0f} MB over loopback, medians of {repeats}:")
    for name, seconds in medians.items():
        best = medians[name.split(",")[0] + ", nginx"]
        rate = size / seconds / 1e6
        print(f"  {name:52} {seconds:6.2f} s {rate:8,.0f} MB/s {best / seconds:7.0%} of nginx")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    peak = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    print(f"  most memory of the API's process: {int(peak) / 1024:,.0f} MiB")


def _wait_until_answers(address: Address, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection((address.host, address.port)).close()
            return
        except ConnectionRefusedError:
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < until, f"no answer within {START_S:g} s"
            time.sleep(0.02)


if __name__ == "__main__":
    main()
