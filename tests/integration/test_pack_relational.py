"""A pack of RelStorage loses nothing that is written while it looks for what it may remove."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from BTrees.IOBTree import IOBTree
from persistent.mapping import PersistentMapping
from relstorage.adapters.packundo import HistoryFreePackUndo
from ZODB.blob import Blob
from ZODB.DB import DB
from ZODB.POSException import POSKeyError

from tests.support import describe
from tests.support.database_server import DatabaseServer
from tests.support.mariadb import MariaDB
from tests.support.postgres import Postgres
from zopestack import files
from zopestack.backups.databases import relational
from zopestack.backups.relational import Relational
from zopestack.render.files import database as confs

KINDS = {"postgresql": Postgres, "mysql": MariaDB, "sqlite3": None}

#: What one bucket of the tree holds.
FULL = IOBTree.max_leaf_size

#: Of databases, so that each test has its own.
NUMBERS = count()


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, DatabaseServer | None]]:
    kind = KINDS[request.param]
    made = kind() if kind else None
    yield request.param, made
    if made:
        made.stop()


@pytest.fixture(params=["false", "true"], ids=["without history", "with history"])
def kept(
    request: pytest.FixtureRequest, home: Path, server: tuple[str, DatabaseServer | None]
) -> Relational:
    """A database whose tree has one bucket, which is full, and something that nobody refers to."""
    kind, running = server
    if (kind, request.param) == ("mysql", "true"):
        pytest.skip("RelStorage 4.3 cannot set MariaDB up with history (error 1005, foreign key)")
    name = f"main{next(NUMBERS)}"
    if running:
        running.create(name)
    section = running.section(name) if running else {"type": kind}
    stack = describe.read(
        home,
        {"instances": "1", "storage": "relstorage"},
        {"relstorage": {**section, "keep-history": request.param}},
    )
    for directory in stack.relstorages[0].directories:
        Path(directory).mkdir(parents=True, exist_ok=True)
    for path, text in confs(stack).items():
        files.write(path, text, mode=0o600)
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
