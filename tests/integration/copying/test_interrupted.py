"""A bin/copy-storage that does not get to its end."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.copying import (
    FILLED,
    SQLITE,
    ZEO,
    both,
    configured,
    copied,
    fill,
    postgres,
    refused,
    run,
    write,
)
from tests.support.killer import ROWS, TABLES, killer
from tests.support.postgres import Postgres
from tests.support.supervised import Supervised
from zopestack.copying import known
from zopestack.supervisor import daemon

STOPPED = """
import os, signal
from zopestack.copying import copy as module
counted, seen = module._have_counted, []
def stopping(storage, count):
    counted(storage, count)
    restore = storage.restoreBlob
    def stop(*arguments):
        restore(*arguments)
        seen.append(arguments)
        if len(seen) == {after}:
            os.kill(os.getpid(), signal.{signal})
    storage.restoreBlob = stop
module._have_counted = stopping
"""


@pytest.mark.parametrize(
    ("kind", "number"), [("file", "SIGTERM"), ("postgresql", "SIGINT"), ("sqlite", "SIGTERM")]
)
def test_a_stop_empties_the_target_again(home: Path, two: Postgres, kind: str, number: str) -> None:
    """In the fifth blob, which is in the second database."""
    first = configured(home, postgres(two) if kind != "postgresql" else ZEO)
    fill(first)
    before = both(first)
    sections = {"file": ZEO, "postgresql": postgres(two), "sqlite": SQLITE}[kind]
    stack = configured(home, sections)
    done = run(stack, before=STOPPED.format(after=5, signal=number))
    assert done.returncode == 1
    *_, told, last = done.stdout.splitlines()
    assert "the target is empty again, and the source as it was" in told
    assert last == "copy-storage: interrupted"
    assert not stack.copying.exists()
    assert not stack.database.with_name("Data.fs.copying").exists()
    copied(stack)
    assert both(stack) == before == FILLED


@pytest.mark.parametrize("kind", ["file", "postgresql"])
def test_a_copy_that_was_killed_can_be_run_again(home: Path, two: Postgres, kind: str) -> None:
    first = configured(home, SQLITE if kind == "file" else ZEO, var="before")
    fill(first)
    storage = str(known.found(first.storages)[-1].path)
    stack = configured(home, ZEO if kind == "file" else postgres(two))
    script = STOPPED.format(after=3, signal="SIGKILL")
    assert run(stack, "--from", storage, before=script).returncode == -signal.SIGKILL
    assert stack.copying.exists()
    said = refused(stack, "--from", storage)
    assert "the target is not empty, left by a copy that was killed: main has" in said
    copied(stack, "--from", storage, "--clear")
    assert both(stack) == FILLED
    assert not [*stack.database.parent.glob("*before-copy*")]


@pytest.mark.parametrize("moment", [TABLES, ROWS])
def test_tables_that_were_not_completed_are_not_taken_for_empty_ones(
    home: Path, moment: str
) -> None:
    fill(configured(home, ZEO))
    stack = configured(home, SQLITE)
    assert run(stack, before=killer(moment)).returncode == -signal.SIGKILL
    said = refused(stack)
    assert "main has incomplete tables, since the process that made them was killed" in said
    copied(stack, "--clear")
    assert both(stack) == FILLED


#: What goes wrong, and what is said of it.
ERRORS = {
    "No space left on device": """
from relstorage.adapters.postgresql import mover
def fail(*arguments):
    raise OSError(28, "No space left on device")
mover.PostgreSQLObjectMover.upload_blob = fail
""",
    "main: the last transaction is missing": """
from ZODB.FileStorage import FileStorage
iterator = FileStorage.iterator
def shorter(self):
    *_, end, last = [each.tid for each in iterator(self)]
    return iterator(self, None, end)
FileStorage.iterator = shorter
""",
}


@pytest.mark.parametrize("says", ERRORS)
def test_an_error_empties_the_target_again(home: Path, two: Postgres, says: str) -> None:
    fill(configured(home, ZEO))
    stack = configured(home, postgres(two))
    told = refused(stack, before=ERRORS[says])
    assert f"{says}; the target is empty again, and the source as it was" in told
    copied(stack)
    assert both(stack) == FILLED


def test_a_database_beside_a_half_is_kept(home: Path, two: Postgres) -> None:
    """Somebody has started the stack all the same."""
    fill(configured(home, postgres(two)))
    stack = configured(home, ZEO)
    script = STOPPED.format(after=3, signal="SIGKILL")
    assert run(stack, before=script).returncode == -signal.SIGKILL
    write(stack, "mine", "mine")
    copied(stack, "--clear")
    assert both(stack) == FILLED
    (blobs,) = stack.var.glob("blobstorage.before-copy-*")
    assert "mine" in [path.read_text() for path in blobs.rglob("*.blob")]
    assert [*stack.database.parent.glob("Data.fs.before-copy-*")]
    assert not [*stack.database.parent.glob("*.copying*")]


FINISHING = """
from zopestack.copying import target as module
finish = module._File.finish
def failing(self):
    finish(self)
    if self.name == "other":
        raise OSError(28, "No space left on device")
module._File.finish = failing
"""


def test_an_error_at_the_very_end_empties_it_as_well(home: Path, two: Postgres) -> None:
    fill(configured(home, postgres(two)))
    stack = configured(home, ZEO)
    assert "No space left on device; the target is empty again" in refused(stack, before=FINISHING)
    assert not [*stack.var.rglob("*.fs"), *stack.var.rglob("blobstorage*/**/*.blob")]
    copied(stack)
    assert both(stack) == FILLED


def test_no_supervisord_starts_with_a_half() -> None:
    with Supervised(idle=True) as stack:
        stack.stack.copying.touch()
        done = subprocess.run(
            [stack.stack.bin / "supervisord"],
            env=stack.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "bin/copy-storage was killed before it had copied everything" in done.stderr
        assert daemon.pid(stack.stack.supervisor_socket) is None
        stack.stack.copying.unlink()
        stack.start()
