"""The agent's half of reading one's own writes; tests/integration/frontend has the whole."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import Zope2
from ZEO.ClientStorage import ClientStorage
from ZODB import DB
from ZODB.DemoStorage import DemoStorage
from ZODB.FileStorage import FileStorage

from tests.integration.agent.test_storage import address as address
from tests.integration.agent.test_storage import zeo
from tests.support.harness import until
from zopestack.agent.own_writes import OwnWrites
from zopestack.agent.refusal import MARK
from zopestack.agent.storage import mend_zeo_clients, unreachable

READER = {"HTTP_ZOPESTACK_READER": "1"}


def answer(environ: dict[str, Any], page: Callable[[], object]) -> tuple[str, list[str]]:
    """Status, and names of the headers, of a page behind the filter."""
    said: list[tuple[str, list[str]]] = []

    def start(status: str, headers: list[tuple[str, str]]) -> None:
        said.append((status, [name for name, _ in headers]))

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        page()
        start_response("200 OK", [])
        return [b""]

    own_writes = OwnWrites(application)
    own_writes.note_commits()
    own_writes(environ, start)
    return said[0]


def write(database: DB) -> None:
    with database.transaction() as connection:
        connection.root()["x"] = os.urandom(4)


def test_without_its_database_server_who_has_written_gets_503(
    address: tuple[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zeo(address, tmp_path / "Data.fs") as server:
        storage = ClientStorage(address, wait=False, wait_timeout=1)
        until("the client to connect", storage.is_connected)
        database = DB(storage)
        monkeypatch.setattr(Zope2, "opened", [database])
        assert answer({}, lambda: None) == ("200 OK", [])
        assert answer(READER, lambda: write(database)) == ("200 OK", ["Zopestack-Committed"])
        assert answer(READER, lambda: None) == ("200 OK", [])
        os.kill(server.pid, signal.SIGKILL)
        until("the client to notice", lambda: not database.storage.is_connected())
        assert answer(READER, lambda: None)[0] == "200 OK"
        status, headers = answer({}, lambda: None)
        assert (status, headers[-1]) == ("503 Service Unavailable", MARK)
        database.close()


def test_storages_without_a_server_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    databases: dict[str, DB] = {}
    file = FileStorage(str(tmp_path / "Data.fs"))
    root = DB(file, database_name="main", databases=databases)
    DB(DemoStorage(), database_name="mounted", databases=databases)
    monkeypatch.setattr(Zope2, "opened", [root])
    mend_zeo_clients()
    assert unreachable() == []
    assert answer({}, lambda: write(root)) == ("200 OK", [])
    for database in databases.values():
        database.close()


def test_a_mounted_database_that_is_gone_is_told(
    address: tuple[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    databases: dict[str, DB] = {}
    root = DB(None, database_name="main", databases=databases)
    monkeypatch.setattr(Zope2, "opened", [root])
    with zeo(address, tmp_path / "Data.fs"):
        mounted = DB(ClientStorage(address), database_name="mounted", databases=databases)
        assert unreachable() == []
    until("the client to notice", unreachable, lambda gone: gone == ["mounted"])
    mounted.close()
    root.close()
