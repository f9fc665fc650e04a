"""Backups of databases of RelStorage: PostgreSQL, MariaDB and SQLite, without a stack around."""

from __future__ import annotations

import re
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import transaction
import ZODB.blob
from zc.buildout import UserError
from ZODB.DB import DB

from tests.support import copying, describe
from tests.support.backing_up import back_up, command, put_back, run
from tests.support.killer import killer
from tests.support.postgres import PASSWORD
from tests.support.relational import KINDS, NUMBERS, Kept, Servers
from zopestack.backups import catalog, postgresql_server, programs
from zopestack.backups.databases import relational
from zopestack.backups.failed import Failed, Problem
from zopestack.buildout.relational import check as check_at_buildout
from zopestack.model import Stack


@pytest.fixture(params=KINDS)
def kept(request: pytest.FixtureRequest, home: Path, servers: Servers) -> Kept:
    return Kept(home, request.param, servers[request.param], f"main{next(NUMBERS)}")


@pytest.fixture
def postgres(home: Path, servers: Servers) -> Kept:
    return Kept(home, "postgresql", servers["postgresql"], f"main{next(NUMBERS)}")


@pytest.fixture
def lite(home: Path) -> Kept:
    return Kept(home, "sqlite3", None, "main")


@contextmanager
def database(stack: Stack) -> Iterator[DB]:
    opened = DB(relational(stack)[0].open())
    try:
        yield opened
    finally:
        opened.close()


def write(stack: Stack, name: str) -> None:
    """A record with a blob of the same text."""
    with database(stack) as opened, opened.transaction() as connection:
        connection.root()[name] = ZODB.blob.Blob(name.encode())


def records(stack: Stack) -> set[str]:
    """Every record, whose blob is read, and from the database where that has it."""
    shutil.rmtree(stack.blob_cache, ignore_errors=True)
    with database(stack) as opened, opened.transaction() as connection:
        root = connection.root()
        for name, blob in root.items():
            with blob.open() as file:
                assert file.read() == name.encode()
        return set(root)


def refused(stack: Stack) -> str:
    """What a restore of the last backup says that is refused."""
    with pytest.raises(Failed) as caught:
        put_back(stack, catalog.found(stack.backups.backup_directory)[-1])
    assert "ecret" not in str(caught.value)
    return str(caught.value)


def test_an_earlier_backup_is_put_back_and_what_was_there_is_kept(kept: Kept) -> None:
    write(kept.stack, "one")
    first = back_up(kept.stack)
    write(kept.stack, "two")
    aside, *others = put_back(kept.stack, first)
    assert records(kept.stack) == {"one"}
    # Numbers of objects go on where the backup ended.
    write(kept.stack, "three")
    assert records(kept.stack) == {"one", "three"}
    # What was there before, as docs/howto/backup.rst says.
    if kept.server:
        name = str(aside).removeprefix("the database ")
        assert kept.before == {name}
        assert records(kept.read(name)) == {"one", "two"}
    else:
        (blobs_aside,) = others
        shutil.copytree(blobs_aside, kept.stack.blobs, dirs_exist_ok=True)
        Path(aside).replace(kept.stack.var / "relstorage/main.sqlite3")
        assert records(kept.stack) == {"one", "two"}


def test_what_is_lost_is_restored(kept: Kept) -> None:
    for name in ("one", "two"):
        write(kept.stack, name)
    made = back_up(kept.stack)
    if kept.server:
        kept.server.drop(kept.name)
    shutil.rmtree(kept.stack.var)
    kept.read(kept.name).var.mkdir(exist_ok=True)
    assert put_back(kept.stack, made) == []
    write(kept.stack, "three")
    assert records(kept.stack) == {"one", "two", "three"}
    assert not kept.before


def test_a_restore_that_is_killed_leaves_the_old_one_and_can_be_run_again(kept: Kept) -> None:
    write(kept.stack, "one")
    back_up(kept.stack)
    write(kept.stack, "two")
    assert run(command("restore", kept.stack, killer("os.sync"))).returncode == -signal.SIGKILL
    assert records(kept.stack) == {"one", "two"}
    done = run(command("restore", kept.stack))
    assert done.returncode == 0, done.stdout
    assert "what was there before is in " in done.stdout
    assert records(kept.stack) == {"one"}
    assert not [*kept.stack.var.rglob("*.restoring*")]
    assert not [name for name in kept.before if "_before_restore_" not in name]


def test_a_damaged_backup_changes_nothing(kept: Kept) -> None:
    write(kept.stack, "one")
    made = back_up(kept.stack)
    write(kept.stack, "two")
    files = made.directory.rglob("*.*")
    (copy,) = (each for each in files if each.name.startswith(("main.", "database.")))
    for text in (copy.read_bytes()[: copy.stat().st_size // 2], b""):
        copy.write_bytes(text)
        assert "nothing was changed" in refused(kept.stack)
    assert records(kept.stack) == {"one", "two"}
    assert not [*kept.stack.var.rglob("*.restoring*")]
    assert not kept.before


def test_no_secret_is_on_a_command_line_or_in_an_error(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(kept.stack, "one")
    seen: list[str] = []
    real = programs.subprocess.Popen

    def watched(words: list[str], **options: object) -> object:
        # An option file may hold it, for its owner only.
        for file in re.findall(r"=(/tmp/\S+\.cnf)", " ".join(words)):
            assert Path(file).stat().st_mode & 0o777 == 0o600
        seen.extend(words)
        return real(words, **options)

    monkeypatch.setattr(programs.subprocess, "Popen", watched)
    put_back(kept.stack, back_up(kept.stack))
    assert bool(seen) == bool(kept.server)
    assert not [word for word in seen if "ecret" in word or PASSWORD in word]


@pytest.mark.parametrize("name", ["postgres", "mysql"])
def test_a_server_that_does_not_answer_is_one_message(
    home: Path, servers: Servers, name: str
) -> None:
    kind = {"postgres": "postgresql"}.get(name, name)
    kept = Kept(home, kind, servers[kind], f"main{next(NUMBERS)}")
    write(kept.stack, "one")
    place = str(kept.server.home)
    elsewhere = kept.stack.stack_file.read_text().replace(place, "/nowhere")
    kept.stack.stack_file.write_text(elsewhere)
    done = run(command("backup", kept.stack))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("backup: ")
    assert "; earlier backups are as they were" in done.stdout
    assert "/nowhere" in done.stdout
    assert "Traceback" not in done.stdout
    assert "ecret" not in done.stdout
    assert not [*kept.stack.backups.backup_directory.glob("*")]


def test_an_empty_database_is_not_backed_up(kept: Kept) -> None:
    with pytest.raises(Failed, match="scripts/up"):
        back_up(kept.stack)


def test_a_backup_of_another_storage_is_refused_by_name(postgres: Kept) -> None:
    write(postgres.stack, "one")
    made = back_up(postgres.stack)
    free = postgres.read(postgres.name, **{"keep-history": "false"})
    assert (
        f"{made.directory} has main as postgresql, and this stack keeps it as "
        "postgresql-history-free" in refused(free)
    )
    shared = postgres.read(postgres.name, **{"shared-blob-dir": "true"})
    assert "has the blobs of main in the database, and this stack has not" in refused(shared)
    zeo = describe.read(postgres.home, {"instances": "1"})
    assert "as postgresql, and this stack keeps it as filestorage" in refused(zeo)


def test_a_database_that_is_open_is_not_replaced(kept: Kept) -> None:
    write(kept.stack, "one")
    back_up(kept.stack)
    with database(kept.stack):
        said = refused(kept.stack)
    if kept.server:
        assert re.search(r"\d connections to the database main\d+ are open", said)
    else:
        assert re.search(r"another program has .*/main\.sqlite3 open", said)


def test_what_a_role_may_not_do_is_said_with_the_remedy(postgres: Kept) -> None:
    server, name = postgres.server, postgres.name
    write(postgres.stack, "one")
    made = back_up(postgres.stack)
    server.done(f"CREATE ROLE editor LOGIN PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
    section = server.section(name)["dsn"].replace("user='zope'", "user='editor'")
    poor = postgres.read(name, dsn=section)
    assert "the role editor may not create a database to restore into" in refused(poor)
    assert 'ALTER ROLE "editor" CREATEDB;' in refused(poor)
    server.done("ALTER ROLE editor CREATEDB")
    assert f'ALTER DATABASE "{name}" OWNER TO "editor"' in refused(poor)
    server.done(f"ALTER DATABASE {name} OWNER TO editor")
    put_back(poor, made)
    assert records(poor) == {"one"}


def test_programs_that_are_missing_or_older_than_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_server, "PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match=r"pg_dump of PostgreSQL 15 or later .* there is none"):
        postgresql_server.program("pg_dump", 15)
    old = describe.program(tmp_path / "pg_dump", "pg_dump (PostgreSQL) 13.4 (Debian 13.4-1)")
    with pytest.raises(Problem, match="the newest one here is of 13: install"):
        postgresql_server.program("pg_dump", 15)
    assert postgresql_server.program("pg_dump", 13) == str(old)


@pytest.mark.parametrize("history", ["true", "false"])
def test_what_a_pack_leaves_of_the_past(postgres: Kept, history: str) -> None:
    stack = postgres.read(postgres.name, **{"keep-history": history})
    write(stack, "one")
    with database(stack) as opened, opened.transaction() as connection:
        del connection.root()["one"]
    assert states(postgres) == (4 if history == "true" else 2)
    undo(stack, allowed=history == "true")
    assert records(stack) == ({"one"} if history == "true" else set())
    done = run(command("pack", stack, "", "--days", "0"))
    assert done.returncode == 0, done.stdout
    assert "main is packed" in done.stdout
    # The root, and the blob that is there again.
    assert states(postgres) == (2 if history == "true" else 1)
    undo(stack, allowed=False)
    assert records(stack) == ({"one"} if history == "true" else set())


def states(kept: Kept) -> int:
    """How many revisions of objects there are."""
    return int(kept.server.psql("SELECT count(*) FROM object_state", kept.name).stdout)


def undo(stack: Stack, allowed: bool) -> None:
    """Undo the last transaction."""
    with database(stack) as opened:
        log = opened.undoInfo(0, 1) if opened.supportsUndo() else []
        assert bool(log) == allowed
        if log:
            opened.undo(log[0]["id"])
            transaction.commit()


def test_a_pack_meanwhile_is_noticed(lite: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody packs in Zope after the database is copied and before its blobs are."""
    write(lite.stack, "one")
    first = back_up(lite.stack)
    write(lite.stack, "two")
    main = relational(lite.stack)[0]
    copy = type(main).copy

    def copy_and_pack(self: object, *arguments: object) -> None:
        copy(self, *arguments)
        with database(lite.stack) as opened:
            with opened.transaction() as connection:
                del connection.root()["two"]
            opened.pack()

    monkeypatch.setattr(type(main), "copy", copy_and_pack)
    with pytest.raises(Failed, match="main was packed meanwhile"):
        back_up(lite.stack)
    assert [each.directory for each in catalog.own(lite.stack)] == [first.directory]


def test_a_transaction_that_has_no_number_yet_is_no_part_of_it(
    lite: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RelStorage has its blob beside others until then, and the backup ends after it."""
    write(lite.stack, "one")
    (blob,) = lite.stack.blobs.rglob("*.blob")
    flying = blob.with_name("0x00.tmp-")
    flying.write_bytes(b"half")
    main = relational(lite.stack)[0]
    copy = type(main).copy

    def copy_and_end(self: object, *arguments: object) -> None:
        copy(self, *arguments)
        flying.unlink()

    monkeypatch.setattr(type(main), "copy", copy_and_end)
    assert back_up(lite.stack).counts == {"main": 2}
    flying.write_bytes(b"half")
    monkeypatch.undo()
    made = back_up(lite.stack)
    assert {file.suffix or file.name for file in made.blobs_of("main").iterdir()} == {
        ".blob",
        ".layout",
    }


def test_what_is_remembered_of_the_old_one_goes(postgres: Kept) -> None:
    stack = postgres.read(postgres.name, **{"cache-local-dir": "var/cache"})
    write(stack, "one")
    made = back_up(stack)
    # As RelStorage names it (its ``cache/persistence.py``).
    remembered = stack.var / "cache/relstorage-cache2-main.sqlite3"
    other = stack.var / "cache/mine"
    for file in (remembered, other):
        file.write_text("")
    put_back(stack, made)
    assert [*other.parent.iterdir()] == [other]


def test_a_schedule_without_its_programs_is_refused_at_buildout_time(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"storage": "relstorage", "backup": "daily keep 3"}
    given = {"type": "mysql", "unix_socket": "/nowhere", "db": "main", "passwd": PASSWORD}
    stack = describe.read(home, options, {"relstorage": given})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"^\[stack\] backup\n  cannot be done: mariadb or"):
        check_at_buildout(stack, sys.path)
    for name in ("mysql", "mysqldump"):
        describe.program(tmp_path / name, "")
    # One that does not answer may do so when the time has come.
    check_at_buildout(stack, sys.path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_dump_that_is_stopped_half_way_is_no_backup(postgres: Kept, number: int) -> None:
    write(postgres.stack, "one")
    stop = (
        "import os\n"
        "from zopestack.backups import programs\n"
        "feed = programs._feed\n"
        "def stopped(process, *streams):\n"
        "    if '--format=custom' in process.args:\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "    return feed(process, *streams)\n"
        "programs._feed = stopped\n"
    )
    done = run(command("backup", postgres.stack, stop))
    assert done.returncode == (1 if number == signal.SIGTERM else -number)
    assert catalog.found(postgres.stack.backups.backup_directory) == []
    if number == signal.SIGTERM:
        assert "backup: interrupted" in done.stdout
        assert not [*postgres.stack.backups.backup_directory.iterdir()]
    # The next one clears what is left.
    made = back_up(postgres.stack)
    assert [*postgres.stack.backups.backup_directory.iterdir()] == [made.directory]


def test_every_database_is_in_a_backup_and_is_packed(home: Path) -> None:
    stack = copying.configured(home, copying.SQLITE, backup="daily keep 3")
    copying.fill(stack)
    made = back_up(stack)
    assert {*made.counts} == {"main", "other"}
    copying.write(stack, "c", "later", "other")
    put_back(stack, made)
    assert copying.both(stack) == copying.FILLED
    said = run(command("pack", stack, "", "-D", "0")).stdout
    assert "main is packed" in said
    assert "other is packed" in said
    assert copying.both(stack) == copying.FILLED
