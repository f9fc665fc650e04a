"""A database server of a test's own: on a unix socket, with a password, in a directory."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.polling import until

#: Whom it runs as where root runs the tests, because it refuses to run as root.
ACCOUNT = "nobody"

PASSWORD = "it's $ecret \\ 1"


class DatabaseServer:
    """A server with a user, zope, and any number of databases; :meth:`stop` ends and removes it."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="zs-db-", dir="/tmp"))
        # However the tests end.
        atexit.register(self.stop)
        self._identity: Mapping[str, Any] = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam(ACCOUNT)
            os.chown(self.home, account.pw_uid, account.pw_gid)
            self._identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self.prepare()
        self.start()

    def prepare(self) -> None:
        """Make its directory of data."""
        raise NotImplementedError

    def command(self) -> list[str | Path]:
        """What runs it."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it lets the user in."""
        raise NotImplementedError

    def create(self, database: str) -> None:
        """Make a database."""
        raise NotImplementedError

    def drop(self, database: str) -> None:
        """Destroy a database."""
        raise NotImplementedError

    def names(self) -> set[str]:
        """Every database."""
        raise NotImplementedError

    def section(self, database: str, **other: str) -> dict[str, str]:
        """Options of ``[relstorage]`` for a database, and others."""
        raise NotImplementedError

    def make(self, *words: str | Path) -> None:
        """Run one of its programs as the server's user."""
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd="/", **self._identity)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **self._identity,
            )
        until(type(self).__name__, self.answers)

    def kill(self) -> None:
        """End it as a crash does, with everything that it has started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """End it as an operator does, without waiting for its clients."""
        self.process.send_signal(self.ends)
        self.process.wait()

    def stop(self) -> None:
        """End it and remove its directory; twice does no harm."""
        if hasattr(self, "process") and self.process.poll() is None:
            self.end()
        shutil.rmtree(self.home, ignore_errors=True)

    #: What ends it.
    ends = signal.SIGTERM
