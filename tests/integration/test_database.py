"""Zope's configuration is of the whole process, so each look at a database has its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ZODB.FileStorage import FileStorage

from zopestack import files

#: Asked of a database in a process of its own: what is in it, and who may come in.
LOOK = """
import json, sys, tempfile
from pathlib import Path
import Zope2
from Zope2.Startup.run import configure_wsgi
from zopestack.supervisor.database import CONFIGURATION

database, *passwords = sys.argv[1:]
home = Path(tempfile.mkdtemp())
(home / "zope.conf").write_text(CONFIGURATION.format(home=home, database=database))
configure_wsgi(str(home / "zope.conf"))
app = Zope2.app()
users = app.acl_users
admin = users.getUserById("root")
print(json.dumps({
    "objects": app.objectIds(),
    "users": users.getUserNames(),
    "roles": admin.getRoles(),
    "admitted": [bool(admin.authenticate(password, None)) for password in passwords],
}))
"""

#: Creates a database and ends while it does, just before it is complete.
INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from zopestack.supervisor import database

def interrupt(unfinished, final):
    assert unfinished.stat().st_size > 1000 and not final.exists()
    {how}

os.replace = interrupt
database.create(Path(sys.argv[1]), "root", Path(sys.argv[2]))
"""

COMMAND = "import sys; print('became', sys.argv[1:], open('/proc/self/cmdline').read())"


def python(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120)


def create(database: Path, password_file: Path, *others: Path) -> subprocess.CompletedProcess[str]:
    """As ZEO's start command does it, with another command in place of ZEO's."""
    command = (sys.executable, "-c", COMMAND, "-C", "zeo.conf")
    module = "zopestack.supervisor.database"
    return python("-m", module, "root", password_file, database, *others, "--", *command)


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a password and the database that was created with it."""
    directory = tmp_path_factory.mktemp("var")
    files.create_password(directory / "admin-password")
    done = create(directory / "filestorage" / "Data.fs", directory / "admin-password")
    assert done.returncode == 0, done.stderr
    (directory / "said").write_text(done.stdout + done.stderr)
    return directory


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "admin-password"
    files.create_password(path)
    return path


def test_it_has_zopes_root_objects_and_one_manager(var: Path, tmp_path: Path) -> None:
    password = (var / "admin-password").read_text().strip()
    shutil.copy(var / "filestorage/Data.fs", tmp_path)
    done = python("-c", LOOK, tmp_path / "Data.fs", password, password + "x", "", "admin")
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert {"acl_users", "index_html", "virtual_hosting"} <= set(seen["objects"])
    assert seen["users"] == ["root"]
    assert "Manager" in seen["roles"]
    assert seen["admitted"] == [True, False, False, False]


def test_only_the_database_is_left(var: Path) -> None:
    assert [path.name for path in (var / "filestorage").iterdir()] == ["Data.fs"]


def test_then_it_becomes_the_command(var: Path) -> None:
    said = (var / "said").read_text()
    assert "There is no database at" in said
    assert "became ['-C', 'zeo.conf']" in said


def test_the_password_is_readable_nowhere_else(var: Path) -> None:
    secret = var / "admin-password"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    password = secret.read_bytes().strip()
    assert password not in (var / "filestorage/Data.fs").read_bytes()
    assert password not in (var / "said").read_bytes()


def test_a_database_that_is_there_is_left_alone(tmp_path: Path, var: Path) -> None:
    database = tmp_path / "Data.fs"
    database.write_bytes((var / "filestorage/Data.fs").read_bytes())
    os.utime(database, (1, 1))
    before = hashlib.sha256(database.read_bytes()).digest()
    # Not even the password is looked at.
    done = create(database, tmp_path / "no-password")
    assert (done.returncode, done.stderr) == (0, "")
    assert "became" in done.stdout
    assert hashlib.sha256(database.read_bytes()).digest() == before
    assert database.stat().st_mtime == 1


def test_the_others_are_made_without_what_the_main_one_has(
    tmp_path: Path, password_file: Path
) -> None:
    main, others = tmp_path / "Data.fs", (tmp_path / "one.fs", tmp_path / "two.fs")
    others[1].write_bytes(b"FS30")
    assert create(main, password_file, *others).returncode == 0
    before = others[0].read_bytes()
    for other in others:
        storage = FileStorage(str(other), read_only=True)
        assert len(storage) == 1
        storage.close()
    # Not even the main one is looked at, where it is there.
    assert create(main, tmp_path / "no-password", *others).returncode == 0
    assert others[0].read_bytes() == before


def test_a_storage_without_a_transaction_is_no_database(
    tmp_path: Path, password_file: Path
) -> None:
    """As ZEO leaves it when it was started first."""
    database = tmp_path / "Data.fs"
    database.write_bytes(b"FS30")
    assert create(database, password_file).returncode == 0
    assert database.stat().st_size > 1000


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("raise OSError('No space left on device')", 1),
    ],
    ids=["killed", "failed"],
)
def test_a_crash_leaves_nothing_that_looks_like_a_database(
    tmp_path: Path, password_file: Path, how: str, code: int
) -> None:
    database = tmp_path / "filestorage" / "Data.fs"
    done = python("-c", INTERRUPTED.format(how=how), database, password_file)
    assert done.returncode == code
    assert not database.exists()
    assert create(database, password_file).returncode == 0
    assert database.stat().st_size > 1000


@pytest.mark.parametrize("password", ["", "\n"])
def test_an_empty_password_creates_nothing(tmp_path: Path, password: str) -> None:
    (tmp_path / "admin-password").write_text(password)
    done = create(tmp_path / "filestorage/Data.fs", tmp_path / "admin-password")
    assert done.returncode == 1
    assert (
        "admin-password is empty: write the initial administrator's password into it."
        in done.stderr
    )
    assert "became" not in done.stdout
    assert not (tmp_path / "filestorage").exists()
