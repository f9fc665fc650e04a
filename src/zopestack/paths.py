"""Where a deployment keeps what changes while it runs: data, logs, locks and sockets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zopestack.features.databases import MAIN, Database, Databases
from zopestack.features.directories import Directories
from zopestack.features.instances import Instance
from zopestack.features.storage import Storage


@dataclass(frozen=True)
class FileStorage:
    """One database as it is on the disk.

    :param name: unique in the stack.
    :param path: its file.
    :param blobs: the directory of its blobs.
    """

    name: str
    path: Path
    blobs: Path


class Paths:
    """The files and directories of a :class:`zopestack.model.Stack` in its ``var``."""

    directories: Directories
    databases: Databases
    storage: Storage

    @property
    def var(self) -> Path:
        """Directory of everything that changes while the stack runs."""
        return self.directories.var

    @property
    def logs(self) -> Path:
        """Directory of every log file."""
        return self.var / "log"

    @property
    def access_log(self) -> Path:
        """Where HAProxy's line for every request goes."""
        return self.logs / "access.log"

    @property
    def access_pipe(self) -> Path:
        """The pipe from HAProxy to what writes its access log."""
        return self.var / "access-log.pipe"

    @property
    def database(self) -> Path:
        """The FileStorage of the main database, which ZEO serves."""
        return self.var / "filestorage" / "Data.fs"

    def database_of(self, mounted: Database) -> Path:
        """The FileStorage of another database."""
        return self.database.with_name(f"{mounted.name}.fs")

    @property
    def blobs(self) -> Path:
        """The blob directory of the main database, which ZEO and the instances share."""
        return self.var / "blobstorage"

    def blobs_of(self, mounted: Database) -> Path:
        """The blob directory of another database."""
        main = self.blobs_or_cache
        return main.with_name(f"{main.name}-{mounted.name}")

    @property
    def blob_cache(self) -> Path:
        """Blobs of a database elsewhere: copies, or the server's own."""
        return self.storage.blob_storage or self.var / "blobcache"

    @property
    def blobs_or_cache(self) -> Path:
        """What instances have of blobs: those of ZEO of this stack, or copies."""
        return self.blobs if self.storage.serves else self.blob_cache

    @property
    def filestorages(self) -> tuple[FileStorage, ...]:
        """Every database that ZEO serves from a file: what is backed up, packed and restored."""
        if not self.storage.serves:
            return ()
        mounted = (
            FileStorage(each.name, self.database_of(each), self.blobs_of(each))
            for each in self.databases.databases
        )
        return (FileStorage(MAIN, self.database, self.blobs), *mounted)

    @property
    def temporary(self) -> Path:
        """Temporary files of every process, such as uploads on their way into the database."""
        return self.var / "tmp"

    @property
    def password_file(self) -> Path:
        """The password of the initial administrator, readable by its owner only."""
        return self.var / "admin-password"

    @property
    def supervisor_socket(self) -> Path:
        """Where supervisorctl reaches supervisord."""
        return self.var / "supervisor.sock"

    @property
    def lock(self) -> Path:
        """Held by whoever starts, stops, rolls, updates or builds the stack; says who that is."""
        return self.var / "stack.lock"

    @property
    def started(self) -> Path:
        """The processes that supervisord has started, for when it has died."""
        return self.var / "started.json"

    @property
    def backup_lock(self) -> Path:
        """Held by a backup, a pack or a restore; says which, and for how long."""
        return self.var / "backup.lock"

    @property
    def jobs_file(self) -> Path:
        """When each backup and pack was, and how it ended."""
        return self.var / "jobs.json"

    @property
    def storages(self) -> Path:
        """Where the databases are, and were before, for ``bin/copy-storage``. Only its owner may
        read it.
        """
        return self.var / "storages"

    @property
    def copying(self) -> Path:
        """A file that is there while a storage is copied."""
        return self.var / "copying"

    @property
    def initial_lock(self) -> Path:
        """Held by the process that sets up a database which ZEO of this stack does not serve."""
        return self.var / "initial.lock"

    @property
    def begun(self) -> Path:
        """What ran before a command that restarts or drains, while that is under way."""
        return self.var / "begun.json"

    @property
    def conflicts_lock(self) -> Path:
        """Held by the instance that runs a request again after a conflict."""
        return self.var / "conflicts.lock"

    def drained(self, instance: Instance) -> Path:
        """A file that is there while an instance is drained by hand."""
        return self.var / instance.name / "drained"

    def stacks(self, instance: Instance) -> Path:
        """Where an instance writes what its threads do, when it is sent the signal for that."""
        return self.var / instance.name / "stacks"

    @property
    def haproxy_socket(self) -> Path:
        """HAProxy's runtime API."""
        return self.var / "haproxy.sock"

    @property
    def peers_socket(self) -> Path:
        """Where HAProxy's worker hands its tables to the next one at a reload."""
        return self.var / "peers.sock"

    @property
    def varnish_directory(self) -> Path:
        """Varnish's working directory, with its compiled rules."""
        return self.var / "varnish"

    @property
    def varnish_secret(self) -> Path:
        """What lets its owner give Varnish commands."""
        return self.varnish_directory / "secret"

    @property
    def varnish_socket(self) -> Path:
        """Where HAProxy hands requests to Varnish."""
        return self.var / "varnish.sock"

    @property
    def fetch_socket(self) -> Path:
        """Where Varnish asks HAProxy for a page that it does not have."""
        return self.var / "fetch.sock"

    @property
    def forks_socket(self) -> Path:
        """Where an instance asks for a fork: a link to the socket of the loader that gives them."""
        return self.var / "forks.sock"

    def loader_socket(self, loader: str) -> Path:
        """The socket of one loader, named as its program."""
        return self.var / f"{loader}.sock"

    @property
    def server_state(self) -> Path:
        """Where the state of the instances is handed from one HAProxy to the next."""
        return self.var / "haproxy.state"

    @property
    def sockets(self) -> tuple[Path, ...]:
        """Every unix socket."""
        return self.supervisor_socket, self.haproxy_socket, self.peers_socket
