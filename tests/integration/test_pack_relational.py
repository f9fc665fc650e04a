"""A pack of RelStorage loses nothing that is written while it looks for what it may remove."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from BTrees.IOBTree import IOBTree
from persistent.mapping import PersistentMapping
from relstorage.adapters.packundo import HistoryFreePackUndo
from ZODB.blob import Blob
from ZODB.DB import DB
from ZODB.POSException import POSKeyError

from tests.support.relational import KINDS, NUMBERS, Kept, Servers
from zopestack.backups.databases import relational
from zopestack.backups.relational import Relational

#: What one bucket of the tree holds.
FULL = IOBTree.max_leaf_size


@pytest.fixture(params=["false", "true"], ids=["without history", "with history"])
def history(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=KINDS)
def kept(request: pytest.FixtureRequest, history: str, home: Path, servers: Servers) -> Relational:
    """A database whose tree has one bucket, which is full, and something that nobody refers to."""
    kind = request.param
    if (kind, history) == ("mysql", "true"):
        pytest.skip("RelStorage 4.3 cannot set MariaDB up with history (error 1005, foreign key)")
    name = f"main{next(NUMBERS)}"
    stack = Kept(home, kind, servers[kind], name).read(name, **{"keep-history": history})
    (made,) = relational(stack)
    with opened(made) as root:
        root["tree"] = IOBTree()
        root["lost"] = PersistentMapping()
        for number in range(FULL):
            add(root, number)
    with opened(made) as root:
        root["oid"] = root.pop("lost")._p_oid
    return made


@contextmanager
def opened(kept: Relational) -> Iterator[Any]:
    """The root of the database in a transaction."""
    database = DB(kept.open())
    try:
        with database.transaction() as connection:
            yield connection.root()
    finally:
        database.close()


def add(root: Any, number: int) -> None:
    """One more entry: an object that refers to another one."""
    root["tree"][number] = PersistentMapping(blob=Blob(str(number).encode()))


def read(root: Any) -> set[int]:
    """Every entry, whose objects are there."""
    for number, entry in root["tree"].items():
        with entry["blob"].open() as file:
            assert file.read() == str(number).encode()
    return set(root["tree"])


def test_what_moves_meanwhile_is_kept(kept: Relational, monkeypatch: pytest.MonkeyPatch) -> None:
    fill = HistoryFreePackUndo.fill_object_refs
    writes = []

    def write(*given: Any) -> None:
        # RelStorage has noted the objects.
        with opened(kept) as root:
            add(root, FULL)
        writes.append(FULL)
        fill(*given)

    monkeypatch.setattr(HistoryFreePackUndo, "fill_object_refs", write)
    kept.pack(0, print, kept.name)
    with opened(kept) as root:
        assert read(root) == {*range(FULL), *writes}
        # It was packed all the same.
        with pytest.raises(POSKeyError):
            root._p_jar.get(root["oid"])
