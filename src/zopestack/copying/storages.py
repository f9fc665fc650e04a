"""Storages as ZConfig describes them: which kind each is, and how it is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import ZConfig
from zc.lockfile import LockError, LockFile

from zopestack.backups.failed import Failed
from zopestack.copying import relational
from zopestack.features.databases import MAIN

SCHEMA = """
<schema>
  <import package="ZODB"/>
  <multisection type="ZODB.database" name="+" attribute="databases"/>
</schema>
"""


class Storage:
    """The storage of one database, which is not open.

    :ivar config: its options, by their names in Python.
    """

    def __init__(self, name: str, section: Any) -> None:
        self.name = name
        self.section = section
        self.config = section.config

    @property
    def file(self) -> Path | None:
        """Its file, if it is a FileStorage."""
        path = getattr(self.config, "path", None)
        return Path(os.path.realpath(path)) if path else None

    @property
    def relational(self) -> bool:
        """Whether it is one of RelStorage."""
        return hasattr(self.config, "adapter")

    @property
    def server(self) -> bool:
        """Whether a ZEO server keeps it."""
        return hasattr(self.config, "server")

    @property
    def own_blobs(self) -> Path | None:
        """The directory that has the only copy of its blobs; None where the database has them."""
        shared = self.file or getattr(self.config, "shared_blob_dir", False)
        given = getattr(self.config, "blob_dir", None)
        return Path(os.path.realpath(given)) if shared and given else None

    @property
    def place(self) -> object:
        """Equal where two storages are one. A relational server knows its databases better."""
        if servers := getattr(self.config, "server", None):
            return sorted(str(each.address) for each in servers), self.config.storage
        options = getattr(getattr(self.config, "adapter", None), "config", None)
        data = getattr(options, "data_dir", None)
        return (self.file or (os.path.realpath(data) if data else None)) or object()

    def open_source(self) -> Any:
        """The storage, open to read.

        :raises Failed: where it cannot be opened.
        """
        self.config.read_only = True
        self.config.create = self.config.create_schema = False
        if self.file and not self.file.exists():
            raise Failed(f"{self.name}: there is no {self.file}")
        with self._reporting():
            # RelStorage would take other tables for its own of another kind.
            if self.relational and not relational.used(relational.adapter(self.config)):
                raise Failed(f"{self.name}: there is nothing to copy")
        return self.open()

    def open(self) -> Any:
        """The storage, open.

        :raises Failed: where it cannot be opened.
        """
        with self._reporting():
            return self.section.open()

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except Failed:
            raise
        except Exception as why:
            if not expected(why):
                raise
            raise Failed(f"{self.name}: {self._said(why)}") from why

    def _said(self, why: Exception) -> str:
        if type(why).__name__ == "ClientDisconnected":
            where = (f"{host}:{port}" for host, port in (x.address for x in self.config.server))
            return f"no answer from ZEO at {', '.join(where)}"
        return _said(why)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from its file for as long as the block lasts, as FileStorage does.

        :raises Failed: where it is open elsewhere.
        """
        if not self.file:
            yield
            return
        try:
            lock = LockFile(f"{self.file}.lock")
        except LockError as why:
            raise Failed(f"{self.name}: another program has {self.file} open") from why
        except OSError as why:
            raise Failed(f"{self.name}: {self.file}: {why.strerror}") from why
        try:
            yield
        finally:
            lock.close()


def read(text: str, file: Path) -> dict[str, Storage]:
    """The storages that a file describes, by the names of their databases.

    :param file: for messages.
    :raises Failed: where it is no such file, or an egg is missing.
    """
    try:
        found, _ = ZConfig.loadConfigFile(
            ZConfig.loadSchemaFile(StringIO(SCHEMA)), StringIO(text), str(file)
        )
    except ZConfig.SchemaResourceError as why:
        raise Failed(f"{file}: no egg has {why.package}; name it under eggs") from why
    except (ZConfig.ConfigurationError, ValueError) as why:
        raise Failed(f"{file} describes no storages: {_said(why)}") from why
    if not found.databases:
        raise Failed(f"{file} describes no storages")
    return {
        name: Storage(name, each.config.storage)
        for each in found.databases
        for name in [each.name or MAIN]
    }


def expected(why: BaseException) -> bool:
    """Whether it is no bug: drivers and storages have exceptions of their own."""
    own = type(why).__module__ != "builtins" and isinstance(why, Exception)
    return own or isinstance(why, (OSError, ImportError))


def line(why: object) -> str:
    """What an exception says, as one line without a full stop."""
    return " ".join(str(why).split()).rstrip(".")


def _said(why: Exception) -> str:
    if "DriverNotAvailableError" in {kind.__name__ for kind in type(why).__mro__}:
        return f"no egg has a driver of RelStorage; name one under eggs. {line(why)}"
    if isinstance(why, ImportError):
        return f"no egg has {why.name}; name one under eggs"
    return line(getattr(why, "message", None) or why) or type(why).__name__
