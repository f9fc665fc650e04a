"""A real buildout of its own, with every instance that any of the layouts needs.

All instances serve one database through one ZEO, as in a stack that scripts/up has made;
a layout is a balancer in front of some of them. So layouts differ in nothing else, and a
machine needs memory for the largest one of each thread count only.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zopestack import ports, store
from zopestack.address import Address
from zopestack.model import Instance, Listener, Stack
from zopestack.supervision import Supervisor
from zopestack.waiting import NotReady, wait_ready
from zopestack_bench import polling

#: Seconds all instances get to come up.
PATIENCE = 240

BUILDOUT = """\
[buildout]
extends = {extends}
parts = stack
develop =
{buildout}
[stack]
recipe = zopestack
instances = {instances}
threads = 1
http-address = 127.0.0.1:{http}
stats-address = 127.0.0.1:{stats}
zeo-address = 127.0.0.1:{zeo}
base-port = {base}
agent-base-port = {agents}
var = {here}/var
{stack}"""

#: The user's own buildout directory, for what is relative to it; nothing is written there.
OWN_DIRECTORY = """\
directory = {directory}
bin-directory = {here}/bin
parts-directory = {here}/parts
installed = {here}/.installed.cfg
"""

#: What the user's front door has for the outside: load comes from here and speaks plain http,
#: and nobody restarts what is being measured.
INSIDE = """\
https-address =
tls-certificate =
acme-challenge =
proxy-protocol = off
callback-instances = 0
memory-limit =
"""

PAGES = """
[instance]
zcml-additional +=
  <configure xmlns="http://namespaces.zope.org/zope">
    <include package="zopestack_bench" file="pages.zcml" />
  </configure>
"""


class Broken(Exception):
    """The farm does not come up; the message says why."""


@dataclass(frozen=True)
class Source:
    """What the instances serve.

    :param extends: the buildout file they are built from: the pinned versions for the
        built-in pages, or a user's own buildout.cfg.
    :param stack: the user's Stack, whose database is copied; None for the built-in pages.
    """

    extends: Path
    stack: Stack | None = None


class Farm:
    """The running instances, ZEO and supervisord.

    :param counts: how many instances by number of threads.
    """

    stack: Stack

    def __init__(self, directory: Path, source: Source, counts: Mapping[int, int]) -> None:
        self.directory = directory
        self.source = source
        self.threads = [threads for threads, count in counts.items() for _ in range(count)]
        if source.stack:
            # The user's file may have sections for as many as it makes.
            self.threads += [1] * (len(source.stack.instances) - len(self.threads))

    def start(self, say: Callable[[str], None]) -> None:
        """Build, start, and wait until every instance serves.

        :raises Broken: where a step fails.
        """
        self._write()
        say(f"building {len(self.threads)} instances in {self.directory}")
        self._run([str(Path(sys.prefix) / "bin" / "buildout"), "-q"])
        self.stack = store.load(self.directory / "parts/stack-files/stack.json")
        if self.source.stack:
            say(f"copying the database of {self.source.stack.var}")
            _copy(self.source.stack, self.stack)
        say("starting them")
        self._run(["bin/supervisord"])
        try:
            wait_ready(self.stack, PATIENCE, say)
        except NotReady as why:
            raise Broken(str(why)) from None
        # Every layout brings a balancer of its own.
        Supervisor(self.stack.supervisor_socket).rpc.stopProcess("haproxy")
        if not self.source.stack:
            fetch(self.stack.instances[0].address, "/bench-setup")

    def stop(self) -> None:
        """Stop everything; the directory stays."""
        supervisor = Supervisor(self.directory / "var" / "supervisor.sock")
        if supervisor.running():
            supervisor.rpc.shutdown()
            polling.until(lambda: not supervisor.running(), 60)

    def instances(self, count: int, threads: int) -> tuple[Instance, ...]:
        """So many instances of so many threads."""
        found = tuple(x for x in self.stack.instances if x.threads == threads)
        return found[:count]

    def pid(self, program: str) -> int:
        """The process of a program of the Stack."""
        return Supervisor(self.stack.supervisor_socket).processes()[program].pid

    def _write(self) -> None:
        http_port, stats, zeo = free_ports(3)
        here, theirs, number = self.directory.resolve(), self.source.stack, len(self.threads)
        first = free_range(2 * number)
        text = BUILDOUT.format(
            extends=self.source.extends.resolve(),
            buildout=OWN_DIRECTORY.format(directory=theirs.directory, here=here) if theirs else "",
            here=here,
            instances=number,
            http=http_port,
            stats=stats,
            zeo=zeo,
            base=first,
            agents=first + number,
            stack=INSIDE if theirs else "",
        )
        text += PAGES
        for each, threads in enumerate(self.threads, 1):
            text += f"\n[instance{each}]\nthreads = {threads}\n"
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "buildout.cfg").write_text(text, encoding="utf-8")

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command,
            cwd=self.directory,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode:
            said = done.stdout.decode(errors="replace").strip()
            raise Broken(f"{' '.join(command)} in {self.directory} failed:\n{said}")


def stop_on_signals() -> None:
    """Let SIGTERM and SIGHUP end this process as Ctrl-C does: what it has started stops,
    and its directory goes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def fetch(address: Address, path: str) -> bytes:
    """The body of a page.

    :raises Broken: where it does not answer with 200.
    """
    connection = http.client.HTTPConnection(address.host, address.port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except OSError as why:
        raise Broken(f"http://{address}{path} does not answer: {why}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise Broken(f"http://{address}{path} answers {answer.status} {answer.reason}")
    return body


def counters(instance: Instance) -> dict[str, float]:
    """What the built-in pages have counted in one instance."""
    found: dict[str, float] = json.loads(fetch(instance.address, "/bench-counters"))
    return found


def free_ports(number: int) -> list[int]:
    """Ports that nothing listens on now, from the kernel."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    found: list[int] = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return found


def free_range(number: int) -> int:
    """The first of so many free ports in a row."""
    while True:
        first = free_ports(1)[0]
        row = [Address("127.0.0.1", first + i) for i in range(number) if first + i < 65536]
        if len(row) == number and not any(ports.refused(Listener("", x, "") for x in row)):
            return first


def _copy(theirs: Stack, ours: Stack) -> None:
    """Copy a database that may be in use: a transaction half written is cut off when it
    is opened (FileStorage), and blob files never change once they are there."""
    try:
        shutil.copyfile(theirs.database, ours.database)
        shutil.copytree(theirs.blobs, ours.blobs, copy_function=_link, dirs_exist_ok=True)
    except (OSError, shutil.Error) as why:
        raise Broken(f"the database cannot be copied: {why}") from None


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
