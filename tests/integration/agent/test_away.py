"""What becomes of a request whose database goes: with Zope's publisher and RelStorage on SQLite.

tests/system/test_relstorage.py has the whole, with a PostgreSQL that is killed.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import Zope2
from App.ZApplication import ZApplicationWrapper
from OFS.Application import Application
from relstorage.adapters.sqlite.adapter import Sqlite3Adapter
from relstorage.options import Options
from relstorage.storage import RelStorage
from ZODB import DB
from ZODB.Connection import Connection
from ZPublisher import WSGIPublisher
from ZPublisher.HTTPRequest import HTTPRequest, WSGIRequest

from tests.support.polling import PATIENCE
from zopestack.agent import away, reach

#: What is patched for good in an instance.
PATCHED = (
    (WSGIPublisher, "load_app"),
    (WSGIPublisher, "upgradeException"),
    (HTTPRequest, "delay_retry"),
    (Connection, "tpc_finish"),
    (Connection, "afterCompletion"),
)

#: What the driver raises for a lost connection.
LOST = sqlite3.OperationalError("lost on purpose")

#: A page of the application.
Page = Callable[[Any], str]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Page], str]]:
    """Asks an instance for a page; the status."""
    for place, name in PATCHED:
        monkeypatch.setattr(place, name, getattr(place, name))
    for name in ("answered", "asked"):
        monkeypatch.setattr(reach, name, {})
    monkeypatch.setattr(reach, "failed", set())
    monkeypatch.setattr(away, "PATIENCE", PATIENCE)
    monkeypatch.setattr(WSGIRequest, "retry_max_count", 3)
    options = Options(keep_history=False, blob_dir=str(tmp_path / "blobs"), shared_blob_dir=True)
    storage = RelStorage(Sqlite3Adapter(str(tmp_path), {}, options=options), options=options)
    database = DB(storage, database_name="main")
    monkeypatch.setattr(Zope2, "opened", [database])
    opens = ZApplicationWrapper(database, "Application", Application)
    monkeypatch.setattr(WSGIPublisher, "get_module_info", lambda _: (opens, "Zope", False))
    away.install()

    def status(page: Page) -> str:
        said = []

        def publish(request: Any, module_info: Any) -> Any:
            request.response.setBody(page(module_info[0]))
            return request.response

        def application(environ: Any, start_response: Any) -> Any:
            return WSGIPublisher.publish_module(environ, start_response, _publish=publish)

        environ = {
            **{"SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1"},
            **{"REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": io.BytesIO()},
        }
        away.WhileAway(application)(environ, lambda status, _: said.append(status))
        return said[0]

    yield status
    database.close()


def test_a_page_that_loses_its_connection_is_run_again(ask: Callable[[Page], str]) -> None:
    seen = []

    def page(application: Any) -> str:
        application.number = getattr(application, "number", 0) + 1
        seen.append(application.number)
        if len(seen) < 3:
            raise LOST
        return "done"

    assert ask(page) == "200 OK"
    assert seen == [1, 1, 1]
    assert ask(lambda application: str(seen.append(application.number))) == "200 OK"
    assert seen[3:] == [1]


def test_one_that_was_told_to_commit_is_not(
    ask: Callable[[Page], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = RelStorage.tpc_finish

    def lost(storage: Any, *given: Any) -> None:
        monkeypatch.setattr(RelStorage, "tpc_finish", finish)
        finish(storage, *given)
        raise LOST

    def page(application: Any) -> str:
        application.number = getattr(application, "number", 0) + 1
        return "done"

    monkeypatch.setattr(RelStorage, "tpc_finish", lost)
    with pytest.raises(sqlite3.OperationalError):
        ask(page)
    found: list[int] = []
    assert ask(lambda application: str(found.append(application.number))) == "200 OK"
    assert found == [1]


def test_one_that_is_made_is_answered(
    ask: Callable[[Page], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the database goes before ZODB asks for what is new, for the next page."""
    poll = RelStorage.poll_invalidations
    seen = []

    def lost(storage: Any) -> Any:
        monkeypatch.setattr(RelStorage, "poll_invalidations", poll)
        raise LOST

    def page(application: Any) -> str:
        seen.append(application.getId())
        monkeypatch.setattr(RelStorage, "poll_invalidations", lost)
        return "done"

    assert ask(page) == "200 OK"
    assert len(seen) == 1


def test_a_database_that_does_not_come_back_is_503(
    ask: Callable[[Page], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(away, "PATIENCE", 0.1)
    monkeypatch.setitem(reach.answered, "gone", float("-inf"))
    reach.failed.add("gone")
    assert ask(lambda _: "done") == "503 Service Unavailable"
