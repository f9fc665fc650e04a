"""A database that no server of the stack sets up: whoever opens it first does, and once."""

from __future__ import annotations

import sqlite3
from io import StringIO
from pathlib import Path

import pytest
import ZConfig
from ZODB import DB
from ZODB.utils import z64

from tests.support.opener import FIRST, opener, said
from zopestack import files
from zopestack.buildout.connection import SCHEMA
from zopestack.initial.sqlite import NUMBERS

CONF = """
%import relstorage
%import zopestack.initial
<set-up-once>
  {user}
  password-file {home}/admin-password
  lock {home}/lock
  <relstorage>
    keep-history true
    <sqlite3>
      data-dir {home}/data
    </sqlite3>
  </relstorage>
</set-up-once>
"""

OPENERS = 4


@pytest.fixture
def home(tmp_path: Path) -> Path:
    files.create_password(tmp_path / "admin-password")
    (tmp_path / "data").mkdir()
    return tmp_path


def conf(home: Path, user: str = "user root") -> Path:
    path = home / "storage.conf"
    path.write_text(CONF.format(home=home, user=user), encoding="utf-8")
    return path


def opened(home: Path, user: str = "user root") -> DB:
    schema = ZConfig.loadSchemaFile(StringIO(SCHEMA))
    section, _ = ZConfig.loadConfig(schema, str(conf(home, user)))
    return DB(section.storage.open())


def at_once(paths: list[Path]) -> list[str]:
    """What openers say that open at the same time."""
    started = [opener(path) for path in paths]
    for each in started:
        assert each.stdout
        assert each.stdout.readline() == "ready\n"
    for each in started:
        assert each.stdin
        each.stdin.write("\n")
        each.stdin.flush()
    return [each.communicate()[0] for each in started]


def test_of_several_one_sets_it_up(home: Path) -> None:
    assert at_once([conf(home)] * OPENERS) == [FIRST] * OPENERS


def test_it_has_what_zope_needs_and_new_objects_are_new(home: Path) -> None:
    database = opened(home)
    known = [oid for oid, _ in records(database)]
    with database.transaction() as connection:
        root = connection.root()
        assert root["Application"].acl_users.getUserNames() == ["root"]
        root["new"] = type(root)()
    assert {oid for oid, _ in records(database)} - {*known} == {max(records(database))[0]}
    database.close()


def records(database: DB) -> list[tuple[bytes, bytes]]:
    """The objects of the database, each with its last record."""
    last = {each.oid: each.data for one in database.storage.iterator() for each in one}
    return sorted(last.items())


def test_without_a_user_there_is_a_root_only(home: Path) -> None:
    database = opened(home, user="")
    assert [oid for oid, _ in records(database)] == [z64]
    database.close()


def test_without_a_password_it_stays_empty(home: Path) -> None:
    (home / "admin-password").write_text("\n")
    failed = opener(conf(home))
    err = failed.communicate("\n")[1]
    assert failed.returncode == 1
    assert "an empty database cannot be set up: ValueError:" in err
    assert "admin-password is empty" in err
    files.write(home / "admin-password", "secret\n", mode=0o600)
    assert said(opener(conf(home))) == "ready\n" + FIRST


def test_of_several_machines_one_sets_it_up(home: Path) -> None:
    """Each has a lock of its own."""
    schema = ZConfig.loadSchemaFile(StringIO(SCHEMA))
    section, _ = ZConfig.loadConfig(schema, str(conf(home)))
    # The schema, which PostgreSQL makes in a transaction, and nothing in it.
    section.storage.config.base.open().close()
    paths = [home / f"storage{number}.conf" for number in range(OPENERS)]
    for path in paths:
        text = CONF.format(home=home, user="user root")
        path.write_text(text.replace(f"{home}/lock", f"{path}.lock"), encoding="utf-8")
    assert at_once(paths) == [FIRST] * OPENERS


def test_sqlite_has_its_table_of_object_ids_before_several_need_it(home: Path) -> None:
    opened(home).close()
    with sqlite3.connect(home / "data" / NUMBERS) as ids:
        assert ids.execute("SELECT count(*) FROM new_oid").fetchone() == (1,)
