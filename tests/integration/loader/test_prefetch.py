"""Which objects a fork asks for at once, of real databases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import Zope2
from persistent.mapping import PersistentMapping
from relstorage.adapters.sqlite.adapter import Sqlite3Adapter
from relstorage.options import Options
from relstorage.storage import RelStorage
from ZEO.ClientStorage import ClientStorage
from ZODB import DB
from ZODB.MappingStorage import MappingStorage
from ZODB.serialize import referencesf

from tests.support import freeports
from tests.support.polling import until
from tests.support.zeo_server import zeo
from zopestack.loader import prefetch

#: Objects of a page; the cache of a connection keeps 400.
PAGE = 300

Open = Callable[[], DB]


@contextmanager
def of_zeo(home: Path) -> Iterator[Open]:
    with ExitStack() as stack:
        ports = freeports.reserve()
        stack.callback(ports.release)
        address = "127.0.0.1", ports.zeo
        stack.enter_context(zeo(address, home / "Data.fs"))
        yield lambda: DB(ClientStorage(address, wait_timeout=30))


@contextmanager
def relational(home: Path) -> Iterator[Open]:
    options = Options(keep_history=False)
    yield lambda: DB(RelStorage(Sqlite3Adapter(str(home), {}, options=options), options=options))


@contextmanager
def opened(monkeypatch: pytest.MonkeyPatch, database: DB) -> Iterator[DB]:
    """A process of Zope with this database."""
    monkeypatch.setattr(Zope2, "opened", [database], raising=False)
    yield database
    database.close()


@pytest.mark.parametrize("kind", [of_zeo, relational])
def test_a_fork_has_what_the_loader_s_page_has_loaded(
    kind: Callable[[Path], Iterator[Open]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with kind(tmp_path) as database:
        with opened(monkeypatch, database()) as first, first.transaction() as connection:
            for number in range(PAGE):
                connection.root()[number] = PersistentMapping(number=number)
        with opened(monkeypatch, database()) as loader:
            with loader.transaction() as connection:
                page = [each["number"] for each in connection.root().values()]
            objects = prefetch.loaded()
            with loader.transaction() as connection:
                del connection.root()[0]
            loader.storage.pack(time.time() + 1, referencesf)
        assert page == list(range(PAGE))
        assert set(objects) == {loader.database_name}
        with opened(monkeypatch, database()) as fork:
            cache = fork.storage._cache
            assert len(cache) < PAGE
            prefetch.fetch({**objects, "of another instance": [b"12345678"]})
            until("the objects", lambda: len(cache) >= PAGE)
            with fork.transaction() as connection:
                page = [connection.root()[number]["number"] for number in range(1, PAGE)]
        assert page == list(range(1, PAGE))
    # The object that is gone is asked for, and nobody needs it.
    assert "POSKeyError" not in caplog.text


def test_a_storage_that_cannot_be_asked_for_many_is_asked_for_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with opened(monkeypatch, DB(MappingStorage())) as database:
        with database.transaction() as connection:
            connection.root()["one"] = PersistentMapping()
        prefetch.fetch(prefetch.loaded())
