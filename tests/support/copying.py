"""Stacks whose databases are copied, as bin/buildout leaves them; nothing serves them.

Each has two databases, the second of them called ``other``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ZODB.blob
from ZODB.DB import DB

from tests.support import describe
from tests.support.polling import PATIENCE
from tests.support.postgres import PASSWORD, Postgres
from zopestack import files, stack_file
from zopestack.buildout.whereabouts import databases
from zopestack.copying import known
from zopestack.copying.storages import read
from zopestack.features.address import Address
from zopestack.model import Stack
from zopestack.render.files import database as confs
from zopestack.render.files import storages

CHECKOUT = Path(__file__).parents[2]

Sections = dict[str, dict[str, str]]

#: What a user has to say of a storage.
ZEO: Sections = {}
SQLITE: Sections = {"relstorage": {"type": "sqlite3"}}


def postgres(server: Postgres, password: str = PASSWORD, **options: str) -> Sections:
    main = {"host": str(server.home), "user": "zope", "password": password, "dbname": "main"}
    return {"relstorage": {**main, **options}, "relstorage-other": {"dbname": "other"}}


def configured(home: Path, sections: Sections, **options: str) -> Stack:
    """What bin/buildout leaves of a stack, as far as it concerns its databases."""
    kind = {"storage": "relstorage"} if sections else {}
    texts = {"databases": "other = /other", **kind, **options}
    stack = describe.read(home, {n.replace("_", "-"): t for n, t in texts.items() if t}, sections)
    made = [stack.configuration, stack.database.parent, stack.blobs]
    made += [Path(path) for each in stack.relstorages for path in each.directories]
    for directory in made:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, text in {**confs(stack), stack.stack_file: stack_file.dumps(stack)}.items():
        files.write(path, text, mode=0o600)
    known.note(stack.storages, storages(stack, databases(stack, {})))
    return stack


def external(home: Path, address: Address, **options: object) -> Stack:
    """The same with a ZEO server elsewhere."""
    given = {name: str(value) for name, value in options.items()}
    return configured(home, ZEO, storage="external", zeo_address=str(address), **given)


@contextmanager
def database(stack: Stack, name: str = "main") -> Iterator[DB]:
    """A database of the storage in use."""
    now = known.found(stack.storages)[-1]
    opened = DB(read(now.text, now.path)[name].open())
    try:
        yield opened
    finally:
        opened.close()


def write(stack: Stack, key: str, text: str, name: str = "main") -> None:
    """A record with a blob of this text."""
    with database(stack, name) as opened, opened.transaction() as connection:
        blob = connection.root().get(key) or ZODB.blob.Blob()
        with blob.open("w") as file:
            file.write(text.encode())
        connection.root()[key] = blob


def fill(stack: Stack) -> None:
    """Two databases with blobs, one of them with two revisions, and an object that is gone."""
    for text in ("one", "first", "second"):
        write(stack, "a" if text == "one" else "b", text)
    write(stack, "gone", "gone")
    with database(stack) as opened, opened.transaction() as connection:
        del connection.root()["gone"]
    write(stack, "c", "three", "other")


#: What is in both databases then.
FILLED = ({"a": "one", "b": "second"}, {"c": "three"})


def records(stack: Stack, name: str = "main") -> dict[str, str]:
    """Every record with the text of its blob."""
    with database(stack, name) as opened, opened.transaction() as connection:
        found = {}
        for key, blob in connection.root().items():
            with blob.open() as file:
                found[key] = file.read().decode()
        return found


def both(stack: Stack) -> tuple[dict[str, str], dict[str, str]]:
    return records(stack), records(stack, "other")


def transactions(stack: Stack, name: str = "main") -> list[tuple[bytes, bytes, set[bytes]]]:
    """The history: each transaction's id, description, and objects."""
    with database(stack, name) as opened:
        return [
            # ZEO writes the record of a blob twice.
            (each.tid, each.description, {record.oid for record in each})
            for each in opened.storage.iterator()
        ]


def run(stack: Stack, *arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """``bin/copy-storage``; ``before`` is Python that is run first."""
    text = (
        f"{before}\nfrom zopestack.supervisor.copy_storage import main\n"
        f"main({str(stack.stack_file)!r})"
    )
    return subprocess.run(
        [sys.executable, "-c", text, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=CHECKOUT,
        timeout=PATIENCE,
    )


def copied(stack: Stack, *arguments: str, before: str = "") -> str:
    """What it says where it succeeds."""
    done = run(stack, *arguments, before=before)
    assert done.returncode == 0, done.stdout
    assert not stack.copying.exists()
    return done.stdout


def refused(stack: Stack, *arguments: str, before: str = "") -> str:
    """Its message where it fails, without a traceback."""
    done = run(stack, *arguments, before=before)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout.splitlines()[-1]


def below(directory: Path) -> dict[Path, bytes]:
    """Every file, but what a lock has written into it."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path: path.read_bytes() for path in files}
