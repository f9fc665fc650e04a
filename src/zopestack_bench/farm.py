"""A real buildout with every instance that any of the layouts needs.

All instances serve one database through one ZEO, as in a stack that scripts/up has made; a layout
is a balancer in front of some of them. So layouts differ in nothing else, and a machine needs
memory for the largest one of each thread count only.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zopestack.features.address import Address
from zopestack.features.instances import Instance
from zopestack.model import Listener, Stack
from zopestack.supervisor import ports
from zopestack.supervisor.client import Supervisor
from zopestack_bench import Broken
from zopestack_bench.deployment import Buildout
from zopestack_bench.probe import fetch

#: Seconds for all instances to start.
PATIENCE = 240

#: Ports are taken from below those that the kernel gives to clients (ip(7),
#: ip_local_port_range), so that no connection takes one first.
FIRST_PORT, LAST_PORT = 10000, 32000

BUILDOUT = """\
[buildout]
extends = {extends}
parts = stack
develop =
"""

#: For a user's own buildout: what is relative to its directory is found there, and nothing is
#: written there.
OWN_DIRECTORY = """\
directory = {theirs}
bin-directory = {here}/bin
parts-directory = {here}/parts
installed = {here}/.installed.cfg
"""

STACK = """\
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
"""

#: What a user's front end has for the outside: load comes from this machine over plain http, and
#: nobody restarts what is being measured.
INSIDE = """\
https-address =
tls-certificate =
acme-challenge =
proxy-protocol = off
callback-instances = 0
memory-limit =
"""

PAGES = """\
[instance]
zcml-additional +=
  <configure xmlns="http://namespaces.zope.org/zope">
    <include package="zopestack_bench" file="pages.zcml" />
  </configure>
"""


@dataclass(frozen=True)
class Source:
    """What the instances serve.

    :param extends: the buildout file they are built from: the pinned versions for the built-in
        pages, or a user's own buildout.cfg.
    :param stack: the user's Stack, whose database is copied; None for the built-in pages.
    """

    extends: Path
    stack: Stack | None = None


class Farm(Buildout):
    """The running instances, ZEO and supervisord.

    :param counts: how many instances by number of threads.
    """

    def __init__(self, directory: Path, source: Source, counts: Mapping[int, int]) -> None:
        self.directory = directory.resolve()
        self.source = source
        self.threads = [threads for threads, count in counts.items() for _ in range(count)]
        if source.stack:
            # The user's file may have sections for as many as it makes.
            self.threads += [1] * (len(source.stack.instances) - len(self.threads))

    def start(self, say: Callable[[str], None]) -> None:
        """Build, start, and wait until every instance serves.

        :raises Broken: where a step fails.
        """
        self._configure()
        say(f"building {len(self.threads)} instances in {self.directory}")
        self.buildout("-q")
        if self.source.stack:
            say(f"copying the database of {self.source.stack.var}")
            _copy(self.source.stack, self.stack)
        say("starting them")
        self.launch(PATIENCE, say)
        # Every layout brings a balancer of its own.
        Supervisor(self.stack.supervisor_socket).rpc.stopProcess("haproxy")
        if not self.source.stack:
            fetch(self.stack.instances[0].address, "/bench-setup")

    def instances(self, count: int, threads: int) -> tuple[Instance, ...]:
        """So many instances of so many threads."""
        found = tuple(x for x in self.stack.instances if x.threads == threads)
        return found[:count]

    def _configure(self) -> None:
        number, theirs, here = len(self.threads), self.source.stack, self.directory
        first = free_ports(3 + 2 * number)
        buildout = BUILDOUT.format(extends=self.source.extends.resolve())
        buildout += OWN_DIRECTORY.format(theirs=theirs.directory, here=here) if theirs else ""
        stack = STACK.format(
            here=here,
            instances=number,
            http=first,
            stats=first + 1,
            zeo=first + 2,
            base=first + 3,
            agents=first + 3 + number,
        )
        own = (f"[instance{i}]\nthreads = {each}" for i, each in enumerate(self.threads, 1))
        self.write(buildout, stack + (INSIDE if theirs else ""), PAGES, *own)


def counters(instance: Instance) -> dict[str, float]:
    """What the built-in pages have counted in one instance."""
    found: dict[str, float] = json.loads(fetch(instance.address, "/bench-counters"))
    return found


def free_ports(number: int = 1) -> int:
    """The first of so many free ports in a row."""
    while True:
        first = random.randrange(FIRST_PORT, LAST_PORT - number)  # noqa: S311
        row = (Listener("", Address("127.0.0.1", first + i), "") for i in range(number))
        if not any(ports.refused(row)):
            return first


def _copy(theirs: Stack, ours: Stack) -> None:
    """Copy a database that may be in use: a transaction half written is cut off when it is opened
    (FileStorage), and blob files never change once they are there."""
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
