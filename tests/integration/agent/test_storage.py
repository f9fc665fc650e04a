from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
import transaction
from persistent.mapping import PersistentMapping
from transaction.interfaces import TransientError
from ZEO.ClientStorage import ClientStorage
from ZODB import DB
from ZODB.POSException import StorageError

from tests.support.harness import until
from tests.support.relay import Relay
from tests.support.zeo_server import zeo
from zopestack.agent.storage import OutcomeUnknown, finish_once, forget_oids


@pytest.fixture
def address() -> tuple[str, int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return "127.0.0.1", free.getsockname()[1]


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


@pytest.mark.parametrize("mended", [True, False], ids=["mended", "as ZEO is"])
def test_what_may_have_been_finished_is_not_done_again(
    address: tuple[str, int], tmp_path: Path, mended: bool
) -> None:
    """Without the mending Zope would do it again; once ZEO says so, this test does."""
    with zeo(address, tmp_path / "Data.fs"):
        other = DB(ClientStorage(address, name="other", wait_timeout=30))
        with other.transaction() as connection:
            connection.root()["done"] = False
        relay = Relay(address)
        storage = ClientStorage(relay.address, name="one", wait_timeout=5)
        relay.mute_after(storage, "tpc_vote")
        if mended:
            finish_once(storage)
        database = DB(storage)
        cut = threading.Thread(target=relay.close_once, args=(lambda: is_done(other),))
        cut.start()
        with pytest.raises(StorageError) as told, database.transaction() as connection:
            connection.root()["done"] = True
        cut.join()
        assert is_done(other)
        assert isinstance(told.value, OutcomeUnknown) is mended
        # What Zope's publisher tries again (ZPublisher.WSGIPublisher).
        assert isinstance(told.value, TransientError) is not mended
        other.close()
        database.close()


def is_done(database: DB) -> bool:
    with database.transaction() as connection:
        return connection.root()["done"]
