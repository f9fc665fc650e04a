"""A ZEO server of one database, with nothing else of a stack."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.polling import until
from tests.support.started import Started


@contextmanager
def zeo(address: tuple[str, int], database: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real ZEO server of a database, killed at the end."""
    command = [sys.executable, "-m", "ZEO.runzeo", "-a", "{}:{}".format(*address), "-f"]
    with Started([*command, str(database)], stderr=subprocess.DEVNULL) as server:
        until("ZEO to listen", lambda: socket.create_connection(address).close() is None)
        yield server
        server.kill()
