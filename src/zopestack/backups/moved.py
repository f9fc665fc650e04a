"""What RelStorage must not remove in a pack: objects that have moved while it looked.

Without history it notes the objects that there are, and then reads in a later view of the database
what these refer to (RelStorage 4.3, ``HistoryFreePackUndo._pre_pack_main``). If a bucket of a BTree
splits in between, a new bucket, which was not noted, refers to half of its objects. Nothing seems
to refer to them any more, and they are removed, however old they are. With history, the revision of
before still refers to them.
"""

from __future__ import annotations

from typing import Any


def newest(storage: Any) -> int:
    """The transaction that was committed last, before RelStorage looks."""

    def read(_: Any, cursor: Any) -> int:
        cursor.execute("SELECT MAX(tid) FROM object_state")
        return int(cursor.fetchone()[0] or 0)

    return int(storage._adapter.connmanager.open_and_call(read))


def keep(storage: Any, since: int) -> None:
    """Have a pack that RelStorage has prepared keep what later transactions refer to.

    :param since: the last transaction before it was prepared.
    """
    from ZODB.serialize import referencesf
    from ZODB.utils import u64

    adapter = storage._adapter
    as_state, run = adapter.driver.binary_column_as_state_type, adapter.packundo.runner

    def mark(_: Any, cursor: Any) -> None:
        cursor.execute(f"SELECT state FROM object_state WHERE tid > {since:d}")  # noqa: S608
        states = [as_state(state) for (state,) in cursor.fetchall()]
        found = {u64(oid) for state in states if state for oid in referencesf(bytes(state))}
        while found:
            one = found.pop()
            run.run_script_stmt(
                cursor,
                f"UPDATE pack_object SET keep = %(TRUE)s WHERE zoid = {one:d} AND keep = %(FALSE)s",  # noqa: S608
            )
            if cursor.rowcount:
                cursor.execute(f"SELECT to_zoid FROM object_ref WHERE zoid = {one:d}")  # noqa: S608
                found.update(int(to) for (to,) in cursor.fetchall())

    adapter.connmanager.open_and_call(mark)
