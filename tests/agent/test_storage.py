from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import transaction
from persistent.mapping import PersistentMapping
from ZEO.ClientStorage import ClientStorage
from ZODB import DB

from tests.stack.harness import until
from zopestack.agent.storage import forget_oids


@pytest.fixture
def address() -> tuple[str, int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return "127.0.0.1", free.getsockname()[1]


@contextmanager
def zeo(address: tuple[str, int], database: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real ZEO server of a database, killed at the end."""
    command = [sys.executable, "-m", "ZEO.runzeo", "-a", "{}:{}".format(*address), "-f"]
    server = subprocess.Popen([*command, str(database)], stderr=subprocess.DEVNULL)
    try:
        until("ZEO to listen", lambda: socket.create_connection(address).close() is None)
        yield server
    finally:
        os.kill(server.pid, signal.SIGKILL)
        server.wait()


def oids(storage: ClientStorage) -> set[bytes]:
    return {storage.new_oid() for _ in range(50)}


@pytest.mark.parametrize("mended", [True, False], ids=["mended", "as ZEO is"])
def test_no_object_id_is_given_twice_after_zeo_died(
    address: tuple[str, int], tmp_path: Path, mended: bool
) -> None:
    """Without the mending ZEO gives ids twice; once it does not, this test says so."""
    with zeo(address, tmp_path / "Data.fs"):
        one = ClientStorage(address, name="one", wait_timeout=30)
        if mended:
            forget_oids(one)
        database = DB(one)
        with database.transaction() as connection:
            connection.root()["x"] = PersistentMapping()
    until("the client to notice", lambda: not one.is_connected())
    with zeo(address, tmp_path / "Data.fs"):
        until("the client to be back", one.is_connected)
        other = ClientStorage(address, name="other", wait_timeout=30)
        assert bool(oids(one) & oids(other)) is not mended
        other.close()
        transaction.abort()
        database.close()
