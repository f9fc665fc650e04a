"""One client of a storage, as an instance is: it writes, or it reads what others have written.

    python -m tests.system.scale.client zeo|postgresql ADDRESS PLACE reads|writes

It says that it is connected, begins with a line on standard input, and ends with the next. Then it
says how many transactions it has made, and the median of their milliseconds.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from typing import Any

import transaction
from persistent.mapping import PersistentMapping
from ZODB import DB
from ZODB.POSException import ConflictError

from tests.support.postgres import PASSWORD

#: Objects that all clients share; each writes one of its own, of this many bytes.
OBJECTS, SIZE = 32, 2000

#: Seconds between two looks of a client that reads.
PAUSE = 0.1


def storage(kind: str, address: str) -> Any:
    """A connected storage."""
    if kind == "zeo":
        from ZEO.ClientStorage import ClientStorage

        return ClientStorage(address, wait=True)
    from psycopg2.extensions import make_dsn
    from relstorage.adapters.postgresql import PostgreSQLAdapter
    from relstorage.options import Options
    from relstorage.storage import RelStorage

    options = Options(keep_history=False)
    dsn = make_dsn(dbname="main", user="zope", host=address, password=PASSWORD)
    return RelStorage(PostgreSQLAdapter(dsn, options=options), options=options)


def create(kind: str, address: str) -> None:
    """Make the objects."""
    database = DB(storage(kind, address))
    with database.transaction() as connection:
        for number in range(OBJECTS):
            connection.root()[f"object{number}"] = PersistentMapping(text="")
    database.close()


def write(root: Any, number: int) -> None:
    """Change one object, and commit."""
    root[f"object{number}"]["text"] = f"{time.monotonic():{SIZE}}"
    transaction.commit()


def read(root: Any, number: int) -> None:
    """Read every object; those that others have changed come from the server."""
    transaction.begin()
    for each in range(OBJECTS):
        root[f"object{each}"]["text"]
    time.sleep(PAUSE)


def main() -> None:
    """Take part."""
    kind, address, place, what = sys.argv[1:]
    root = DB(storage(kind, address)).open().root()
    run = {"reads": read, "writes": write}[what]
    read(root, 0)
    over = threading.Event()
    print("connected", flush=True)
    sys.stdin.readline()
    threading.Thread(target=lambda: (sys.stdin.readline(), over.set()), daemon=True).start()
    took = []
    while not over.is_set():
        began = time.perf_counter()
        try:
            run(root, int(place) % OBJECTS)
        except ConflictError:
            transaction.abort()
        took.append(time.perf_counter() - began)
    print(len(took), 1000 * statistics.median(took), flush=True)


if __name__ == "__main__":
    main()
