"""Create an empty database once, before any instance can open it.

Several instances that open an empty database at the same time race to create its root objects,
and all but one die (docs/explanation/measured.rst, "Starting and stopping Zope"). So the zeo
program runs this first, and ZEO listens only when the database is complete.

    python -m zopestack.supervisor.database Data.fs USER PASSWORD_FILE COMMAND ...
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
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


def main(database: str, user: str, password_file: str, *command: str) -> None:
    """Create the database if there is none, then replace this process by the command."""
    # A shutdown of the machine sends it to every process. Instances still need the database then,
    # and supervisord ends ZEO in its turn, with SIGINT. A blocked signal stays blocked in ZEO.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    create(Path(database), user, Path(password_file))
    os.execv(command[0], command)


def create(database: Path, user: str, password_file: Path) -> bool:
    """Create ``database`` with Zope's root objects and the initial administrator.

    It is created under another name and renamed when it is complete, so that a crash never
    leaves an incomplete database.

    :returns: whether the database was missing.
    :raises OSError: if the directory cannot be written or the password file not be read.
    :raises ValueError: if the password is empty, because that would let everyone in.
    """
    if database.exists() and database.stat().st_size > EMPTY_BYTES:
        return False
    password = password_file.read_text(encoding="utf-8").strip()
    if not password:
        raise ValueError(
            f"{password_file} is empty: write the initial administrator's password into it."
        )
    print(f"There is no database at {database}; creating it.", flush=True)
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    with tempfile.TemporaryDirectory(prefix=".creating-", dir=database.parent) as directory:
        unfinished = Path(directory) / database.name
        _initialize(Path(directory), unfinished, user, password)
        # Move no index: ZODB would rebuild one that was made under another name.
        os.replace(unfinished, database)
    return True


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
