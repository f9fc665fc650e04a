"""A real buildout with every instance that any of the layouts needs.

All instances serve one database through one ZEO, as in a stack that scripts/up has made; a layout
is a balancer in front of some of them. So layouts differ in nothing else, and a machine needs
memory for the largest one of each thread count only.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

import jinja2

from zopestack.addresses import Listener
from zopestack.backups.links import link_or_copy
from zopestack.config.listeners import MAX_SOCKET_PATH
from zopestack.features.address import Address
from zopestack.features.instances import Instance
from zopestack.model import Stack
from zopestack.supervisor import ports
from zopestack.supervisor.client import Supervisor
from zopestack_bench import Broken
from zopestack_bench.deployment import Buildout
from zopestack_bench.layouts import TEMPLATES, Layout
from zopestack_bench.probe import fetch

#: Seconds for all instances to start.
PATIENCE = 240

#: Ports are taken from below those that the kernel gives to clients (ip(7),
#: ip_local_port_range), so that no connection takes one first; and below those of the tests.
FIRST_PORT, LAST_PORT = 10000, 20000

#: How much of a unix socket's path the directories of a farm take.
OWN_PATH = 46


class Farm(Buildout):
    """The running instances, ZEO and supervisord; with it, in a directory of its own, all of it
    ends with the body of ``with``.

    :param layouts: that run on it: there are instances for the largest one of each number of
        threads, and the programs of all.
    :param say: called with each line of progress.
    :param theirs: the Stack of the user's own buildout, a copy of whose database is served; the
        built-in pages without one.
    :param hosts: whether the front end tells the hosts of the user's ``sites`` apart, or takes
        every path as one in Zope.
    :param settings: further options of [stack].
    :ivar threads: of each instance.
    :ivar addresses: of the programs that are none of the stack, by name.
    """

    def __init__(
        self,
        layouts: Iterable[Layout],
        say: Callable[[str], None] = print,
        theirs: Stack | None = None,
        hosts: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.say, self.settings = say, settings or {}
        self.theirs, self.hosts = theirs, hosts
        most: dict[int, int] = {}
        self.peers = {}
        for layout in layouts:
            most[layout.threads] = max(most.get(layout.threads, 0), layout.instances)
            if layout.command:
                self.peers[layout.program] = layout
        self.threads = [threads for threads in sorted(most) for _ in range(most[threads])]
        if theirs:
            # The user's file may have sections for as many as it makes.
            self.threads += [1] * (len(theirs.instances) - len(self.threads))

    def __enter__(self) -> Farm:
        """Build, start, and wait until every instance serves.

        The copy of a user's site goes beside its own data, whose blobs can be linked there and
        which has room for it, unless a socket's path would be too long.

        :raises Broken: where a step fails.
        """
        var = self.theirs.var if self.theirs else None
        if var and len(str(var).encode()) + OWN_PATH > MAX_SOCKET_PATH:
            var = None
        with ExitStack() as held:
            directory = tempfile.TemporaryDirectory(prefix="bench-", dir=var)
            self.directory = Path(held.enter_context(directory)).resolve()
            held.callback(self.stop)
            self._build()
            self._start()
            self._held = held.pop_all()
        return self

    def __exit__(self, *why: object) -> None:
        self._held.close()

    def _build(self) -> None:
        first = free_ports(3 + 2 * len(self.threads) + len(self.peers))
        row = range(first, first + len(self.peers))
        self.addresses = {
            name: Address("127.0.0.1", port) for name, port in zip(self.peers, row, strict=True)
        }
        text = rendered(
            "buildout.cfg.j2",
            extends=Path("buildout.cfg" if self.theirs else "versions.cfg").resolve(),
            theirs=self.theirs,
            hosts=self.hosts,
            here=self.directory,
            threads=self.threads,
            settings=self.settings,
            port=row.stop,
            peers={name: self._command(layout) for name, layout in self.peers.items()},
        )
        self.write(text)
        self.say(f"building {len(self.threads)} instances in {self.directory}")
        self.buildout("-q")

    def _start(self) -> None:
        if self.theirs:
            self.say(f"copying the database of {self.theirs.var}")
            _copy(self.theirs, self.stack)
        self.say("starting them")
        self.launch(PATIENCE, self.say)
        # Every layout brings a balancer of its own.
        Supervisor(self.stack.supervisor_socket).rpc.stopProcess("haproxy")
        if not self.theirs:
            fetch(self.stack.instances[0].address, "/bench-setup")

    def _command(self, layout: Layout) -> tuple[str, str]:
        """A peer's program, and its arguments."""
        program, _, arguments = layout.command.format(
            instances=layout.instances,
            address=self.addresses[layout.program],
            directory=self.directory,
            interpreter=self.directory / "parts/instance1/bin/interpreter",
        ).partition(" ")
        return program, arguments

    def instances(self, count: int, threads: int) -> tuple[Instance, ...]:
        """So many instances of so many threads."""
        return tuple(x for x in self.stack.instances if x.threads == threads)[:count]


def rendered(name: str, **values: object) -> str:
    """The text of one of the benchmark's own templates."""
    template = jinja2.Template(
        (TEMPLATES / name).read_text(encoding="utf-8"),
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    text: str = template.render(values)
    return text


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
    link_or_copy(Path(source), Path(source), Path(target))
