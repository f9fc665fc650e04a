"""What the first transaction of a database holds: all that Zope needs, or nothing at all."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ZODB import DB
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.utils import z64

from zopestack.initial.tables import incomplete

#: Makes a FileStorage in a process of its own, since Zope starts once in a process.
CREATE = "zopestack.supervisor.database"


def seed(storage: Any, user: str | None, password_file: str) -> None:
    """Set an empty storage up, in one transaction.

    :param user: the initial administrator; without one, there will be ZODB's root only.
    :raises transaction.interfaces.TransientError: where somebody else has set it up meanwhile.
    :raises RuntimeError: where there is no password, for one, or tables are incomplete.
    """
    if incomplete(storage):
        raise RuntimeError(
            "the tables of this empty database are incomplete: another process makes them now, or"
            " was killed. If this message returns, drop the database, create it again, and start"
        )
    with tempfile.TemporaryDirectory(prefix="zopestack-") as directory:
        file = Path(directory) / "Data.fs"
        if user:
            _create(file, user, password_file)
        else:
            DB(FileStorage(str(file))).close()
        _store(storage, file)
    # RelStorage makes SQLite's table of object ids when the first one is asked for, and of two
    # processes that do so at once, one dies (4.3, ``adapters/sqlite/oidallocator.py``).
    storage.new_oid()


def _create(file: Path, user: str, password_file: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", CREATE, user, password_file, file, "--"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise RuntimeError(f"an empty database cannot be set up: {lines[-1]}")


def _store(storage: Any, file: Path) -> None:
    transaction = TransactionMetaData(description="zopestack: the initial database")
    storage.tpc_begin(transaction)
    try:
        for oid, data in _records(file):
            storage.store(oid, z64, data, "", transaction)
        storage.tpc_vote(transaction)
        storage.tpc_finish(transaction)
    except BaseException:
        storage.tpc_abort(transaction)
        raise


def _records(file: Path) -> Iterator[tuple[bytes, bytes]]:
    """The objects of a FileStorage, as they are last."""
    source = FileStorage(str(file), read_only=True)
    try:
        following = None
        while True:
            oid, _, data, following = source.record_iternext(following)
            yield oid, data
            if following is None:
                return
    finally:
        source.close()
