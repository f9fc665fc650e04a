"""Create empty databases once, before any instance can open them.

Several instances that open an empty database at the same time race to create its root objects,
and all but one die (docs/explanation/measured.rst, "Starting and stopping Zope"). So the zeo
program runs this first, and ZEO listens only when every database is complete.

    python -m zopestack.supervisor.database USER PASSWORD_FILE Data.fs OTHER.fs ... -- COMMAND ...
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Size of a FileStorage without transactions: its magic bytes (ZODB, FileStorage/format).
EMPTY_BYTES = 4

CONFIGURATION = """\
instancehome {home}
<zodb_db main>
  mount-point /
  <filestorage>
    path {database}
  </filestorage>
</zodb_db>
"""


def main(user: str, password_file: str, *arguments: str) -> None:
    """Create the databases that are missing, then replace this process by the command.

    :param arguments: the files of the databases, the main one first; ``--``; the command, if any.
    """
    # A shutdown of the machine sends it to every process. Instances still need the database then,
    # and supervisord ends ZEO in its turn, with SIGINT. A blocked signal stays blocked in ZEO.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    end = arguments.index("--")
    databases, command = map(Path, arguments[:end]), arguments[end + 1 :]
    create(next(databases), user, Path(password_file))
    for each in databases:
        create_empty(each)
    if command:
        os.execv(command[0], command)


def create(database: Path, user: str, password_file: Path) -> bool:
    """Create ``database`` with Zope's root objects and the initial administrator.

    It is created under another name and renamed when it is complete, so that a crash never
    leaves an incomplete database.

    :returns: whether the database was missing.
    :raises OSError: if the directory cannot be written or the password file not be read.
    :raises ValueError: if the password is empty, because that would let everyone in.
    """
    if _complete(database):
        return False
    password = password_file.read_text(encoding="utf-8").strip()
    if not password:
        raise ValueError(
            f"{password_file} is empty: write the initial administrator's password into it."
        )
    with _unfinished(database) as file:
        _initialize(file.parent, file, user, password)
    return True


def create_empty(database: Path) -> None:
    """Create ``database`` with ZODB's root, unless it is there. An instance makes what it mounts.

    :raises OSError: if the directory cannot be written.
    """
    if not _complete(database):
        from ZODB import DB
        from ZODB.FileStorage import FileStorage

        with _unfinished(database) as file:
            DB(FileStorage(str(file))).close()


def _complete(database: Path) -> bool:
    return database.exists() and database.stat().st_size > EMPTY_BYTES


@contextmanager
def _unfinished(database: Path) -> Iterator[Path]:
    """Where to create a database, which is renamed when the block is over."""
    print(f"There is no database at {database}; creating it.", flush=True)
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    with tempfile.TemporaryDirectory(prefix=".creating-", dir=database.parent) as directory:
        file = Path(directory) / database.name
        yield file
        # Move no index: ZODB would rebuild one that was made under another name.
        os.replace(file, database)


def _initialize(home: Path, database: Path, user: str, password: str) -> None:
    import transaction
    import Zope2
    from Zope2.Startup.run import configure_wsgi

    configuration = home / "zope.conf"
    configuration.write_text(CONFIGURATION.format(home=home, database=database), encoding="utf-8")
    configure_wsgi(str(configuration))
    app = Zope2.app()
    app.acl_users._doAddUser(user, password, ["Manager"], [])
    transaction.commit()
    app._p_jar.close()
    Zope2.DB.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
