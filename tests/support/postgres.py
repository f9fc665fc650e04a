"""A PostgreSQL server of a test's own: on a unix socket, with a password, in a directory."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from tests.support.polling import until

#: Debian keeps the programs of each version in a directory of its own, which is not on the PATH.
DEBIAN = Path("/usr/lib/postgresql")

#: Whom it runs as where root runs the tests, because it refuses to run as root.
ACCOUNT = "nobody"

PASSWORD = "it's $ecret \\ 1"

#: How many connections it accepts; two instances have about ten.
CONNECTIONS = 40

#: Ends the connections of everybody else.
OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> ALL(%s)
"""


def binary(name: str) -> str:
    """The path of a program of the newest version."""
    versions = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(versions[-1]) if versions else shutil.which(name) or name


class Postgres:
    """A server with a user and any number of databases; :meth:`stop` ends and removes it."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="zs-pg-", dir="/tmp"))
        # However the tests end.
        atexit.register(self.stop)
        self._identity: Mapping[str, Any] = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam(ACCOUNT)
            os.chown(self.home, account.pw_uid, account.pw_gid)
            self._identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        secret = self.home / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        secret.chmod(0o644)
        made = ("-D", self.home / "data", "-U", "zope", f"--pwfile={secret}", "-A", "scram-sha-256")
        subprocess.run(
            [binary("initdb"), *made, "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **self._identity,
        )
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {"listen_addresses": "", "unix_socket_directories": self.home, "fsync": "off"}
        options["max_connections"] = CONNECTIONS
        given = [word for name, text in options.items() for word in ("-c", f"{name}={text}")]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [binary("postgres"), "-D", self.home / "data", *given],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **self._identity,
            )
        until("PostgreSQL", lambda: self.psql("SELECT 1").returncode == 0)

    def psql(self, statement: str, database: str = "postgres") -> subprocess.CompletedProcess[str]:
        """What psql says to a statement."""
        return subprocess.run(
            [binary("psql"), "-h", self.home, "-U", "zope", "-d", database, "-Atc", statement],
            env={**os.environ, "PGPASSWORD": PASSWORD},
            capture_output=True,
            text=True,
            check=False,
        )

    def create(self, database: str) -> None:
        """Make a database."""
        done = self.psql(f"CREATE DATABASE {database}")
        assert done.returncode == 0, done.stderr

    def kill(self) -> None:
        """End it as a crash does, with everything that it has started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @contextmanager
    def exhausted(self, database: str) -> Iterator[None]:
        """Others have every connection that there may be, and whoever has one loses it to them."""
        over = threading.Event()
        thread = threading.Thread(target=self._exhaust, args=(database, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _exhaust(self, database: str, over: threading.Event) -> None:
        with ExitStack() as held:
            own: list[Any] = []
            while not over.is_set():
                try:
                    own.append(self._connect(database))
                    own[-1].autocommit = True
                    held.callback(own[-1].close)
                except psycopg2.OperationalError:
                    with own[0].cursor() as cursor:
                        cursor.execute(OTHERS, [[each.info.backend_pid for each in own]])
                    over.wait(0.01)

    def _connect(self, database: str) -> Any:
        return psycopg2.connect(
            host=str(self.home), user="zope", dbname=database, password=PASSWORD
        )

    def end(self) -> None:
        """End it as an operator does, without waiting for its clients."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def stop(self) -> None:
        """End it and remove its directory; twice does no harm."""
        if hasattr(self, "process") and self.process.poll() is None:
            self.end()
        shutil.rmtree(self.home, ignore_errors=True)
