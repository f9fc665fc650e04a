"""What a test module must not leave behind: a current directory, processes, servers, files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.deployment import MARK, Deployment
from tests.support.polling import until

#: Every process that this one starts inherits it, daemons included.
OURS = "ZOPESTACK_TEST_PROCESS"

#: Seconds a process that is about to end gets.
PATIENCE = 20.0

os.environ[OURS] = str(os.getpid())


@dataclass(frozen=True)
class Traces:
    """What is there at one moment, deployments that are still in use left out.

    :ivar directory: the current one.
    :ivar processes: the command of each process that the tests started, by pid.
    :ivar ports: those on which this process itself listens.
    :ivar deployments: directories of those that were stopped.
    """

    directory: Path
    processes: dict[int, str]
    ports: frozenset[int]
    deployments: frozenset[Path]

    def beyond(self, before: Traces) -> list[str]:
        """What is new since another moment, in words."""
        found = [
            f"process {pid}: {command}"
            for pid, command in self.processes.items()
            if pid not in before.processes
        ]
        found += [f"a server on port {port}" for port in sorted(self.ports - before.ports)]
        found += [f"the files of {path}" for path in self.deployments - before.deployments]
        if self.directory != before.directory:
            found.append(f"the current directory is {self.directory}")
        return found


def look() -> Traces:
    """The traces of now."""
    processes = {p.pid: _command(p) for p in psutil.process_iter() if _started_here(p)}
    reserved = {deployment.ports.lock for deployment in Deployment.live}
    ports = {
        connection.laddr.port
        for connection in psutil.Process().net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    used = {deployment.directory for deployment in Deployment.live}
    stopped = {path for path in Deployment.made if path not in used and path.exists()}
    return Traces(Path.cwd(), processes, frozenset(ports - reserved), frozenset(stopped))


def check(before: Traces) -> None:
    """Wait until nothing is there that was not there before.

    :raises AssertionError: where something stays.
    """
    until("nothing to be left", lambda: look().beyond(before), lambda left: not left, PATIENCE)


def _started_here(process: psutil.Process) -> bool:
    try:
        environment = process.environ()
        used = {str(deployment.directory) for deployment in Deployment.live}
        return (
            process.pid != os.getpid()
            and environment.get(OURS) == str(os.getpid())
            and environment.get(MARK) not in used
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.Error:
        return False


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return "one that has just ended"
