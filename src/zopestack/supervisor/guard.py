"""Restarts an instance that hangs, does not answer, or uses too much memory.

supervisord runs one ``guard`` for all instances as an event listener (its manual, "Events")
and wakes it once a minute. It restarts with ``supervisorctl roll``, one instance at a time,
as an operator does: a restart is a drain, waits for what others are at, and ends when the instance
serves again. One that serves is not restarted while no other does, unless there is no other.

superlance's httpok and memmon do this too, but httpok watches one instance a process, which costs
14 to 19 MB each. Here one process of 12 MB asks all instances. It imports little, since it always
runs: ``supervisor.childutils`` alone would add 6 MB, psutil 5 MB.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TextIO

from zopestack import mail
from zopestack.supervisor import group
from zopestack.supervisor.client import Supervisor

#: Seconds an agent gets to answer; a thread of its own does so in milliseconds. Instances that do
#: not answer are asked one after the other: 12 of them fit between two events.
TIMEOUT = 5.0

#: Where supervisord tells a program how to reach it (its manual, "Subprocess Environment").
SERVER_URL = "SUPERVISOR_SERVER_URL"

#: Bytes of the units of ``memory-limit``; the same as supervisord's (its ``datatypes.byte_size``).
UNITS = {"MB": 1 << 20, "GB": 1 << 30}


@dataclass
class Watch:
    """What the guard knows of one instance.

    :param agent: host and port of its agent.
    :param pid: the process that was seen last.
    :param answered: when that process last answered, or was first seen; seconds of the monotonic
        clock.
    """

    name: str
    agent: str
    pid: int = 0
    answered: float = 0.0

    def fault(self, pid: int, patience: float) -> str:
        """Ask the agent; why the instance must be restarted, empty where it need not.

        :param pid: its process now.
        :param patience: seconds without an answer, such as those of a start, to put up with.
        """
        alive = answer(self.agent)
        now = time.monotonic()
        if alive or pid != self.pid:
            self.pid, self.answered = pid, now
        if alive is False:
            return "hangs, every thread is stuck in its request"
        silent = now - self.answered
        return f"has not answered for {silent:.0f} s" if silent > patience else ""


@dataclass
class Guard:
    """Watches the instances of one stack.

    :param supervisorctl: the program that restarts an instance.
    :param patience: seconds an instance may stay without an answer.
    :param memory_limit: bytes of resident memory an instance may use; 0 for no limit.
    :param mail: whom to tell of a restart.
    :param restarting: the restart that runs.
    """

    supervisor: Supervisor
    supervisorctl: Path
    watches: tuple[Watch, ...]
    patience: float
    memory_limit: int
    mail: tuple[str, ...] = ()
    restarting: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Look at every running instance once, and restart those that are due.

        :raises OSError: where supervisord does not answer.
        :raises xmlrpc.client.Error: where it refuses to, as it does while it shuts down.
        """
        if self.restarting and self.restarting.poll() is None:
            return
        self.restarting = None
        processes = self.supervisor.processes()
        running = {
            watch.name: processes[watch.name].pid
            for watch in self.watches
            if watch.name in processes and processes[watch.name].state == "RUNNING"
        }
        due = {
            watch.name: why
            for watch in self.watches
            if watch.name in running and (why := watch.fault(running[watch.name], self.patience))
        }
        if due:
            self.log_threads(due)
        # The largest only: instances with the same load reach the limit together.
        if self.memory_limit and running and not due:
            size, name = max((group.resident(pid), name) for name, pid in running.items())
            if size > self.memory_limit:
                limit = self.memory_limit >> 20
                due[name] = f"uses {size >> 20} MB of memory, the limit is {limit} MB"
        if due:
            self.restart(due)

    def restart(self, due: Mapping[str, str]) -> None:
        """Start the restart of instances, one after the other, and do not wait for it.

        :param due: by instance, the reason.
        """
        for name, why in due.items():
            print(f"{name} {why}: restarting it", file=sys.stderr, flush=True)
        command = "roll" if len(self.watches) > 1 else "restart"
        self.restarting = subprocess.Popen(
            [self.supervisorctl, command, *due], stdin=subprocess.DEVNULL, stdout=sys.stderr
        )
        if self.mail:
            self.tell(due)

    def log_threads(self, names: Iterable[str]) -> None:
        """Have it logged what instances do that are about to be stopped for it."""
        try:
            subprocess.run(
                [self.supervisorctl, "threads", *names],
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                check=False,
                timeout=2 * TIMEOUT * (1 + len(self.watches)),
            )
        except subprocess.TimeoutExpired as why:
            print(why, file=sys.stderr, flush=True)

    def tell(self, due: Mapping[str, str]) -> None:
        """Write a mail about restarts; one that cannot be sent is logged."""
        what = f"{', '.join(due)} restarted on {os.uname().nodename}"
        lines = [f"{name} {why}: restarting it." for name, why in due.items()]
        lines += [
            "",
            f"The stack: {Path.cwd()}",
            "What comes of it: supervisorctl tail guard stderr",
        ]
        if why := mail.send(self.mail, what, "\n".join(lines)):
            print(f"no mail to {', '.join(self.mail)}: {why}", file=sys.stderr, flush=True)


def main() -> None:
    """Run the event listener until supervisord ends; ``guard-instances --help`` has its options."""
    parser = argparse.ArgumentParser(prog="guard-instances", description=__doc__)
    parser.add_argument("--patience", type=float, required=True, metavar="SECONDS")
    parser.add_argument("--memory-limit", type=memory, default=0, metavar="500MB")
    parser.add_argument("--mail", action="append", default=[], metavar="ADDRESS")
    parser.add_argument("supervisorctl", type=Path)
    parser.add_argument("instances", nargs="+", metavar="NAME=HOST:PORT")
    given = parser.parse_args()
    url = os.environ.get(SERVER_URL, "")
    if not url:
        parser.error(
            "expected to be started by supervisord as an event listener, "
            f"but {SERVER_URL} is not set"
        )
    guard = Guard(
        Supervisor(Path(url.removeprefix("unix://"))),
        given.supervisorctl,
        tuple(Watch(*instance.split("=", 1)) for instance in given.instances),
        given.patience,
        given.memory_limit,
        tuple(given.mail),
    )
    for _ in events(sys.stdin, sys.stdout):
        try:
            guard.look()
        except (OSError, HTTPException, xmlrpc.client.Error) as why:
            print(f"cannot look at the instances now: {why}", file=sys.stderr, flush=True)


def events(given: TextIO, answers: TextIO) -> Iterator[None]:
    """Every event that supervisord sends, acknowledged when the next one is asked for
    (supervisor's manual, "Event Listener Notification Protocol"). Ends with supervisord.
    """
    while True:
        print("READY", file=answers, flush=True)
        header = dict(word.split(":", 1) for word in given.readline().split())
        if not header:
            return
        given.read(int(header["len"]))
        yield
        print("RESULT 2\nOK", end="", file=answers, flush=True)


def answer(agent: str) -> bool | None:
    """Whether an instance does not hang, or None where its agent does not answer."""
    connection = HTTPConnection(agent, timeout=TIMEOUT)
    try:
        connection.request("GET", "/alive")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def memory(text: str) -> int:
    """Bytes of a size such as ``500MB`` or ``2GB``; the option's parser has checked it."""
    return int(text[:-2]) * UNITS[text[-2:]]


if __name__ == "__main__":
    main()
