"""Backups of a real database with blobs, without a stack that serves it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import ZODB.blob
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage
from ZODB.scripts import repozo

from tests.support import describe
from tests.support.backing_up import back_up, command, put_back, run
from tests.support.harness import CHECKOUT
from tests.support.killer import killer
from tests.support.started import Started
from zopestack import stack_file
from zopestack.backups import catalog, jobs
from zopestack.backups.failed import Failed
from zopestack.model import Stack
from zopestack.supervisor import job


def read(home: Path, **options: str) -> Stack:
    stack = describe.read(home, {"instances": "1", **options})
    for directory in (stack.database.parent, stack.configuration):
        directory.mkdir(parents=True, exist_ok=True)
    stack.stack_file.write_text(stack_file.dumps(stack))
    return stack


@pytest.fixture
def stack(home: Path) -> Stack:
    return read(home, backup="daily keep 3")


@contextmanager
def database(stack: Stack, number: int = 0) -> Iterator[DB]:
    """The main database, or another one."""
    files = stack.filestorages[number]
    opened = DB(FileStorage(str(files.path), blob_dir=str(files.blobs)))
    try:
        yield opened
    finally:
        opened.close()


def write(stack: Stack, name: str, number: int = 0) -> None:
    """A record with a blob of the same text."""
    with database(stack, number) as opened, opened.transaction() as connection:
        connection.root()[name] = ZODB.blob.Blob(name.encode())


def records(stack: Stack, number: int = 0) -> set[str]:
    """Every record, whose blob is read."""
    with database(stack, number) as opened, opened.transaction() as connection:
        root = connection.root()
        for name, blob in root.items():
            with blob.open() as file:
                assert file.read() == name.encode()
        return set(root)


def below(directory: Path) -> dict[Path, bytes]:
    """Every file, but what a lock has written into it."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path: path.read_bytes() for path in files}


def test_each_backup_stands_for_itself(stack: Stack) -> None:
    made = []
    for name in ("one", "two", "three"):
        write(stack, name)
        made.append(back_up(stack))
    kinds = [
        sorted(f.suffix for f in each.copy_of("main", "filestorage").glob("*fs")) for each in made
    ]
    assert kinds == [[".fs"], [".deltafs", ".fs"], [".deltafs", ".deltafs", ".fs"]]
    for each in made[:2]:
        shutil.rmtree(each.directory)
    put_back(stack, made[2])
    assert records(stack) == {"one", "two", "three"}


def test_every_database_is_in_a_backup(stack: Stack, home: Path) -> None:
    write(stack, "one")
    alone = back_up(stack)
    two = read(home, databases="intranet = /intranet")
    write(two, "another", 1)
    both = back_up(two)
    write(two, "two")
    write(two, "yet another", 1)
    put_back(two, both)
    assert (records(two), records(two, 1)) == ({"one"}, {"another"})
    with pytest.raises(Failed, match="has no database intranet"):
        put_back(two, alone)
    assert (records(two), records(two, 1)) == ({"one"}, {"another"})


def test_what_has_not_changed_takes_no_room(stack: Stack) -> None:
    write(stack, "one")
    back_up(stack)
    second = back_up(stack)
    files = [path for path in second.directory.rglob("*") if path.is_file()]
    alone = {path.name for path in files if path.stat().st_nlink == 1}
    assert alone == {catalog.MANIFEST, *(path.name for path in files if path.suffix == ".dat")}
    assert len(files) > len(alone)


def test_a_damaged_blob_is_not_taken_over(stack: Stack) -> None:
    write(stack, "one")
    first = back_up(stack)
    (blob,) = first.blobs_of("main").glob("*.blob")
    blob.chmod(0o600)
    blob.write_bytes(b"")
    put_back(stack, back_up(stack))
    assert records(stack) == {"one"}


def test_damage_is_mended_and_kept(stack: Stack) -> None:
    write(stack, "one")
    made = back_up(stack)
    (blob,) = stack.blobs.rglob("*.blob")
    blob.chmod(0o600)
    blob.write_bytes(b"damaged")
    stack.database.write_bytes(b"damaged")
    for aside in put_back(stack, made):
        found = [aside] if aside.is_file() else [*aside.rglob("*.blob")]
        assert [each.read_bytes() for each in found] == [b"damaged"]
    assert records(stack) == {"one"}
    assert not [*stack.var.rglob("*.restoring*")]


def test_as_many_rest_on_one_full_copy_as_are_kept(stack: Stack) -> None:
    fulls = []
    for number in range(5):
        write(stack, f"record {number}")
        (full,) = back_up(stack).copy_of("main", "filestorage").glob("*.fs")
        fulls.append(full.name)
    assert fulls[0] == fulls[1] == fulls[2] != fulls[3] == fulls[4]


def test_an_earlier_backup_is_put_back_and_what_was_there_is_kept(stack: Stack) -> None:
    write(stack, "one")
    first = back_up(stack)
    write(stack, "two")
    aside, blobs_aside = put_back(stack, first)
    assert records(stack) == {"one"}
    # Back again, as docs/howto/backup.rst says.
    shutil.copytree(blobs_aside, stack.blobs, dirs_exist_ok=True)
    aside.replace(stack.database)
    stack.database.with_name("Data.fs.index").unlink()
    assert records(stack) == {"one", "two"}


@pytest.mark.parametrize(
    ("killed_in", "left"),
    [
        ("os.sync", {"one", "two"}),
        ("pathlib.Path.replace", {"one", "two"}),
        ("zopestack.backups.blob_exchange.BlobExchange._take_aside", {"one"}),
    ],
)
def test_a_restore_that_is_killed_leaves_a_whole_database_and_can_be_run_again(
    stack: Stack, killed_in: str, left: set[str]
) -> None:
    write(stack, "one")
    back_up(stack)
    write(stack, "two")
    assert run(command("restore", stack, killer(killed_in))).returncode == -signal.SIGKILL
    assert records(stack) == left
    done = run(command("restore", stack))
    assert done.returncode == 0, done.stdout
    assert records(stack) == {"one"}
    assert len([*stack.blobs.rglob("*.blob")]) == 1
    assert not [*stack.var.rglob("*.restoring*")]


def test_a_database_that_is_open_is_not_replaced(stack: Stack) -> None:
    write(stack, "one")
    made = back_up(stack)
    with database(stack), pytest.raises(Failed, match=r"another program has .*/Data\.fs open"):
        put_back(stack, made)


@pytest.mark.parametrize("what", ["*.fs", "*.blob"])
def test_a_damaged_backup_changes_nothing(stack: Stack, what: str) -> None:
    write(stack, "one")
    made = back_up(stack)
    write(stack, "two")
    records(stack)
    damaged = next(made.directory.rglob(what))
    if what == "*.fs":
        text = bytearray(damaged.read_bytes())
        text[len(text) // 2] ^= 1
        damaged.write_bytes(text)
    else:
        damaged.unlink()
    before = below(stack.var)
    with pytest.raises(Failed):
        put_back(stack, made)
    assert below(stack.var) == before
    assert records(stack) == {"one", "two"}


def test_a_pack_meanwhile_is_noticed(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody runs bin/zeopack after the database is copied and before its blobs are."""
    write(stack, "one")
    first = back_up(stack)
    write(stack, "two")
    copy = repozo.do_backup

    def copy_and_pack(options: object) -> None:
        copy(options)
        with database(stack) as opened:
            with opened.transaction() as connection:
                del connection.root()["two"]
            opened.pack()

    monkeypatch.setattr(repozo, "do_backup", copy_and_pack)
    with pytest.raises(Failed, match="main was packed meanwhile"):
        back_up(stack)
    assert [each.directory for each in catalog.own(stack)] == [first.directory]
    assert [*stack.backups.backup_directory.iterdir()] == [first.directory]


FULL = """
mount -t tmpfs -o size=2m none "$1"
"$2" -c "$3" || exit 3
dd if=/dev/urandom bs=1M count=3 2>/dev/null >>"$4"
"$2" -c "$3" && exit 4
ls -A "$1"
df "$1" | tail -1
"""


def test_a_full_disk_leaves_what_there_was(stack: Stack) -> None:
    write(stack, "one")
    root = stack.backups.backup_directory
    root.mkdir()
    # A blob, as far as the backup is concerned.
    blob = stack.blobs / "large.blob"
    words = command("backup", stack)
    done = run(
        [
            *("unshare", "--map-root-user", "--mount", "sh", "-c", FULL),
            *("sh", str(root), sys.executable, words[2], str(blob)),
        ]
    )
    assert "No space left on device; earlier backups are as they were" in done.stdout
    *_, left, usage = done.stdout.splitlines()
    assert catalog.NAMED.fullmatch(left), done.stdout
    assert int(usage.split()[2]) < 1024, "the half is gone"
    (line,) = (line for line in jobs.told(stack, datetime.now()) if line.startswith("backup"))
    assert "FAILED" in line
    assert "; last " in line


def test_a_stop_removes_the_half(stack: Stack) -> None:
    write(stack, "one")
    interrupted = (
        "import os, signal\n"
        "from ZODB.scripts import repozo\n"
        "copy = repozo.do_backup\n"
        "def stopped(options):\n"
        "    copy(options)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "repozo.do_backup = stopped\n"
    )
    done = run(command("backup", stack, interrupted))
    assert done.returncode == 1
    assert "backup: interrupted" in done.stdout
    assert [*stack.backups.backup_directory.iterdir()] == []
    assert "FAILED" in next(jobs.told(stack, datetime.now()))


def test_what_was_killed_is_cleared_by_the_next(stack: Stack) -> None:
    write(stack, "one")
    assert run(command("backup", stack, killer("os.sync"))).returncode == -signal.SIGKILL
    assert catalog.own(stack) == []
    (half,) = stack.backups.backup_directory.iterdir()
    made = back_up(stack)
    assert not half.exists()
    assert [*stack.backups.backup_directory.iterdir()] == [made.directory]


def test_after_the_clock_was_set_back_it_begins_anew(stack: Stack) -> None:
    write(stack, "one")
    first = back_up(stack)
    write(stack, "two")
    later = "2100-01-01-00-00-00"
    for file in first.copy_of("main", "filestorage").iterdir():
        file.rename(file.with_name(f"{later}{file.suffix}"))
    first.directory.rename(first.directory.with_name(later))
    made = back_up(stack)
    assert [file.suffix for file in made.copy_of("main", "filestorage").glob("*fs")] == [".fs"]
    put_back(stack, made)
    assert records(stack) == {"one", "two"}


def test_it_runs_as_the_user_who_runs_the_stack(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(stack, "one")
    monkeypatch.setattr("os.geteuid", lambda: 1 + stack.var.stat().st_uid)
    with pytest.raises(SystemExit, match="run this as that user"):
        job.run("backup", str(stack.stack_file), lambda stack, say: None)


def test_one_at_a_time(stack: Stack) -> None:
    write(stack, "one")
    slow = (
        "from ZODB.scripts import repozo\n"
        "copy = repozo.do_backup\n"
        "def slow(options):\n"
        "    print('copying', flush=True)\n"
        "    input()\n"
        "    copy(options)\n"
        "repozo.do_backup = slow\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": CHECKOUT}
    with Started(command("backup", stack, slow), **pipes) as first:
        lines = iter(first.stdout.readline, "")
        assert any("copying" in line for line in lines)
        with Started(command("backup", stack), **pipes) as second:
            assert f"waiting for pid {first.pid}" in second.stdout.readline()
            assert catalog.own(stack) == []
            first.communicate("\n")
            second.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert len(catalog.own(stack)) == 2


def test_another_stacks_backup_has_to_be_asked_for(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    write(stack, "one")
    back_up(stack)
    own = str(stack.backups.backup_directory)
    other = read(tmp_path_factory.mktemp("other"), **{"backup-directory": own})
    done = run(command("restore", other))
    assert done.returncode == 1
    assert f"{own} has backups of another stack, the one in {stack.directory}" in done.stdout
    assert not other.database.exists()
    done = run(command("restore", other, "", "--from", own))
    assert done.returncode == 0, done.stdout
    assert records(other) == {"one"}
    # Neither is taken for the other's.
    made = back_up(other)
    assert [each.directory for each in catalog.own(other)] == [made.directory]
    assert len(catalog.found(Path(own))) == 2


def test_the_list_names_every_backup(stack: Stack) -> None:
    assert "0 backups in" in run(command("restore", stack, "", "--list")).stdout
    write(stack, "one")
    made = back_up(stack)
    said = run(command("restore", stack, "", "--list")).stdout
    assert made.directory.name in said
    assert str(stack.directory) in said


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("backup", (), "there is no database at"),
        ("restore", (), "there is no backup in"),
        ("restore", ("--at", "yesterday"), "expected a time such as '2026-11-27 02:30'"),
        ("pack", ("--days", "-1"), "expected a number of days"),
        ("pack", (), "zeo does not answer at"),
    ],
)
def test_what_cannot_be_done_is_one_message(
    stack: Stack, name: str, arguments: tuple[str, ...], says: str
) -> None:
    if name == "pack":
        write(stack, "one")
    hurry = "import zopestack.backups.filestorage as f; f.CONNECT = 0.1" if name == "pack" else ""
    done = run(command(name, stack, hurry, *arguments))
    assert done.returncode in (1, 2)
    assert says in done.stdout.splitlines()[-1]
