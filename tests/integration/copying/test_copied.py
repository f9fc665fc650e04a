"""What bin/copy-storage copies between real storages, and how it arrives."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from ZODB.DB import DB

from tests.support.authority import Authority
from tests.support.copying import (
    FILLED,
    SQLITE,
    ZEO,
    below,
    both,
    configured,
    copied,
    database,
    external,
    fill,
    postgres,
    records,
    refused,
    run,
    transactions,
    write,
)
from tests.support.elsewhere import Elsewhere
from tests.support.mariadb import MariaDB
from tests.support.postgres import PASSWORD, Postgres

#: Its progress, without waiting for two seconds.
OFTEN = "from zopestack.backups import progress; progress.INTERVAL = 0.001"


def test_a_file_to_postgresql_with_all_its_history(home: Path, two: Postgres) -> None:
    old = configured(home, ZEO)
    fill(old)
    history, before = transactions(old), below(home / "var")
    stack = configured(home, postgres(two))
    said = copied(stack, before=OFTEN)
    assert said.count("copy-storage: main: ") > 1
    assert f"from main: file {home}/var/filestorage/Data.fs" in said
    assert f"to other: postgresql host={two.home} port=5432 dbname=other" in said
    assert "main: 10 records and 4 blobs, 0.0 MB copied" in said
    assert PASSWORD not in said
    assert transactions(stack) == history
    assert both(stack) == FILLED
    kept = below(home / "var")
    assert {path: kept[path] for path in before} == before


def test_without_history(home: Path, two: Postgres) -> None:
    old = configured(home, ZEO)
    fill(old)
    # The last transaction is not that of the first object.
    with (
        database(old) as opened,
        opened.transaction() as connection,
        connection.root()["b"].open("w") as file,
    ):
        file.write(b"second")
    stack = configured(home, postgres(two, **{"keep-history": "false"}))
    copied(stack)
    assert both(stack) == FILLED
    write(stack, "new", "new")
    assert records(stack) == {**FILLED[0], "new": "new"}
    # And back: each object has its last revision.
    copied(configured(home, ZEO), "--clear")
    assert both(configured(home, ZEO)) == ({**FILLED[0], "new": "new"}, FILLED[1])


def test_blobs_stay_where_both_have_them(home: Path) -> None:
    old = configured(home, ZEO)
    fill(old)
    lite = configured(home, SQLITE)
    copied(lite)
    assert both(lite) == FILLED
    write(lite, "d", "four")
    # Its own file is still there.
    assert "main has a database in" in refused(configured(home, ZEO))
    said = copied(old, "--clear")
    assert "main: 5 blobs stay where they are" in said
    assert both(old) == ({**FILLED[0], "d": "four"}, FILLED[1])
    (aside,) = old.database.parent.glob("Data.fs.before-copy-*")
    assert f"what was there before is in {aside}" in said


def test_to_a_zeo_server_elsewhere_and_back(home: Path, elsewhere: Elsewhere) -> None:
    old = configured(home, ZEO)
    fill(old)
    history = transactions(old)
    there = external(home, elsewhere.address)
    copied(there)
    assert transactions(there) == history
    shutil.rmtree(there.blob_cache)
    assert both(there) == FILLED
    assert "ZEO cannot empty a database; where it runs" in refused(there, "--clear")
    assert not there.copying.exists()
    assert both(there) == FILLED
    authority = Authority(home / "authority")
    tls = authority.issue("good"), authority.certificate
    elsewhere.end()
    elsewhere.configure(*tls)
    elsewhere.start()
    options = dict(zip(("zeo_certificate", "zeo_authenticate"), tls, strict=True))
    write(external(home, elsewhere.address, **options), "d", "four")
    lite = configured(home, SQLITE)
    copied(lite)
    assert records(lite)["d"] == "four"
    shutil.rmtree(old.database.parent)
    for each in old.filestorages:
        shutil.rmtree(each.blobs)
    back = configured(home, ZEO)
    copied(back, "--from", "2")
    assert both(back) == ({**FILLED[0], "d": "four"}, FILLED[1])
    write(back, "e", "five")


def test_to_mariadb_and_back(home: Path) -> None:
    """Its one name and the other are known by the server only."""
    server = MariaDB()
    try:
        for name in ("main1", "main2"):
            server.create(name)
        fill(configured(home, ZEO))
        main, other = server.section("main1"), {"db": "main2"}
        stack = configured(home, {"relstorage": main, "relstorage-other": other})
        copied(stack)
        assert both(stack) == FILLED
        main = {**main, "unix_socket": f"{server.home}/./socket"}
        again = configured(home, {"relstorage": main, "relstorage-other": other})
        assert "the source and the target are the same" in refused(again, "--clear")
        old = configured(home, ZEO)
        copied(old, "--clear")
        assert both(old) == FILLED
    finally:
        server.stop()


def test_new_objects_get_new_ids(home: Path, two: Postgres) -> None:
    old = configured(home, ZEO)
    fill(old)
    with database(old) as opened:
        most = max(oid for each in transactions_of(opened) for oid in each)
    for sections in (postgres(two), SQLITE):
        stack = configured(home, sections)
        copied(stack)
        with database(stack) as opened:
            assert opened.storage.new_oid() > most


def transactions_of(opened: DB) -> list[list[bytes]]:
    return [[record.oid for record in each] for each in opened.storage.iterator()]


def test_a_blob_that_is_missing_is_said(home: Path, two: Postgres) -> None:
    old = configured(home, ZEO)
    fill(old)
    for each in [*old.blobs.rglob("*.blob")][:1]:
        each.unlink()
    said = copied(configured(home, postgres(two)))
    assert "main: 1 blobs are missing in the source, too" in said


def test_a_database_that_is_new_stays_as_it_is(home: Path, two: Postgres) -> None:
    old = configured(home, ZEO, databases="")
    write(old, "a", "one")
    said = copied(configured(home, postgres(two)))
    assert "other: the source does not have it, so it stays as it is" in said


def test_the_list_shows_each_storage_and_no_secret(home: Path, two: Postgres) -> None:
    configured(home, postgres(two))
    said = run(configured(home, ZEO), "--list").stdout
    assert PASSWORD not in said
    rows = [line.split() for line in said.splitlines()]
    assert rows[1] == ["1", "main", "postgresql", f"host={two.home}", "port=5432", "dbname=main"]
    assert rows[-1] == ["2", "other", "file", f"{home}/var/filestorage/other.fs", "now"]


def test_nothing_is_for_other_users(home: Path) -> None:
    fill(configured(home, SQLITE))
    stack = configured(home, ZEO)
    copied(stack)
    made = [path for path in (home / "var/filestorage").rglob("*") if path.is_file()]
    assert made
    assert not [path for path in made if stat.S_IMODE(path.stat().st_mode) & 0o007]
    assert os.access(stack.database, os.W_OK)
