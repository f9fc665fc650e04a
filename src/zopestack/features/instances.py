"""How many Zope processes share the work, how many threads each has, and where they listen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from zopestack.features import cpus
from zopestack.features.address import Address
from zopestack.features.option import Feature, Refused, feature, option
from zopestack.features.parsers import MAX_PORT, optional_port, port, whole_number

#: More instances than any machine has cores for, few enough for one range of ports.
MAX_INSTANCES = 256

#: More threads of one process spend their time on the interpreter lock
#: (docs/explanation/measured.rst, "The claim the project starts from").
RECOMMENDED_THREADS = 2

#: Far more threads than help: they all wait for one interpreter lock.
MAX_THREADS = 64

#: The agents' ports above the instances', unless ``agent-base-port`` is set: far enough for any
#: number of instances.
AGENT_PORT_OFFSET = 1000

#: Backends of HAProxy: for ordinary requests, and for those that instances send themselves.
VISITORS = "zope"
CALLBACKS = "callback"

#: Of an instance to which HAProxy sends nothing.
OUTSIDE = "outside"

#: A name that can be a section of buildout, a program of supervisord and a file in bin.
NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")

#: Names that instances behind HAProxy have, and the section of what all have in common.
NUMBERED = re.compile(r"instance\d*")
COMMON = "instance"

#: A name that buildout takes for a section in ``${section:option}``.
SECTION = re.compile(r"[-\w.][-\w. ]*", re.ASCII)

#: How a line of ``extra-instances`` ends for an instance that only a person starts.
MANUAL = "manual"


@dataclass(frozen=True)
class Extra:
    """An instance outside the balancer, as ``extra-instances`` names it.

    :param manual: whether it is made and not started.
    """

    name: str
    manual: bool


@dataclass(frozen=True)
class Instance:
    """One Zope process.

    :param agent: where its agent answers ``GET /health``.
    :param lane: the backend of HAProxy that it belongs to, or :data:`OUTSIDE`.
    :param switch_interval: seconds a thread may keep the interpreter lock while another
        waits for it; None for Python's own.
    :param alone: why it cannot share memory with the others; empty where it can.
    :param autostart: whether it starts with the stack.
    :param host: where it runs; empty without ``hosts``.
    :param discovered: whether DNS tells where it is (``discover``); its addresses have the name.
    """

    name: str
    address: Address
    agent: Address
    lane: str
    threads: int
    switch_interval: float | None
    alone: str = ""
    autostart: bool = True
    host: str = ""
    discovered: bool = False

    @property
    def server(self) -> str:
        """What HAProxy calls it, where those of several hosts have one name."""
        return f"{self.host}.{self.name}" if self.host else self.name

    @property
    def balanced(self) -> bool:
        """Whether HAProxy sends it requests."""
        return self.lane != OUTSIDE

    @property
    def maxconn(self) -> int:
        """Requests that HAProxy sends at once: one a thread.

        More would queue inside one instance while another has an idle thread
        (docs/explanation/measured.rst, "HAProxy in front of waitress").
        """
        return self.threads


def _instances(text: str) -> int | None:
    """The number of instances; None stands for ``auto``."""
    if text == "auto":
        return None
    try:
        # Whether there may be none, other options say.
        return 0 if text == "0" else whole_number(text, 1, MAX_INSTANCES)
    except ValueError as accepted:
        raise ValueError(f"{accepted}, or auto for one per CPU core") from None


def _threads(text: str) -> int:
    return whole_number(text, 1, MAX_THREADS)


def group_size(text: str) -> int:
    """The number of a group's instances."""
    return whole_number(text, 1, MAX_INSTANCES)


def _callbacks(text: str) -> int:
    return whole_number(text, 0, MAX_INSTANCES)


def _extras(text: str) -> tuple[Extra, ...]:
    """One a line: a name, and ``manual`` for one that is not started."""
    found: dict[str, Extra] = {}
    for line in text.splitlines():
        name, *words = line.split() or [""]
        if not name:
            continue
        if not NAME.fullmatch(name) or words not in ([], [MANUAL]):
            raise ValueError("a name such as worker a line, or debug manual; not " + line.strip())
        if NUMBERED.fullmatch(name):
            raise ValueError(f"a name that nothing else has, not {name}")
        if name in found:
            raise ValueError(f"each name once, not {name} again")
        found[name] = Extra(name, bool(words))
    if len(found) > MAX_INSTANCES:
        raise ValueError(f"at most {MAX_INSTANCES} names")
    return tuple(found.values())


def _section(text: str) -> str:
    """A section of the user's own."""
    if not SECTION.fullmatch(text) or (NUMBERED.fullmatch(text) and text != COMMON):
        raise ValueError(f"the name of a section of your own, such as {COMMON}")
    return text


def _switch_interval(text: str) -> float | None:
    """Seconds of a time in milliseconds; None, for nothing, leaves Python's own."""
    if not text:
        return None
    found = re.fullmatch(r"([0-9]{1,4}(?:\.[0-9]{1,2})?)ms", text)
    milliseconds = float(found[1]) if found else 0
    if not 0.1 <= milliseconds <= 1000:
        raise ValueError("a time like 0.5ms, 5ms or 50ms, from 0.1ms to 1000ms, or nothing")
    return milliseconds / 1000


@feature
class Instances(Feature):
    """The numbers that the instances are derived from."""

    instances: int | None = option(
        _instances,
        "auto",
        "How many Zope processes share the work; ``auto`` is one per usable CPU core.",
    )
    threads: int = option(
        _threads,
        "1",
        "Threads of each instance. More than 2 compete for one interpreter lock.",
        per_instance=True,
    )
    switch_interval: float | None = option(
        _switch_interval,
        "",
        "How long a thread may keep the interpreter lock while another waits for it, such as "
        "``0.5ms``; by default Python's own, 5 ms.",
        per_instance=True,
    )
    base_port: int = option(
        port, "8081", "Instance *i* listens on loopback, port ``base-port + i - 1``."
    )
    agent_base_port: int | None = option(
        optional_port,
        "",
        "Instance *i* answers ``GET /health`` on loopback, port ``agent-base-port + i - 1``; "
        "by default 1000 above ``base-port``.",
    )
    callback_instances: int = option(
        _callbacks,
        "0",
        "Additional instances for requests that the others send to the site themselves.",
    )

    extra_instances: tuple[Extra, ...] = option(
        _extras,
        "",
        "Instances outside the balancer, a name a line, such as ``worker``; ``debug manual`` is "
        "made and not started. Each takes ``[instance]``, then the section of its name. See "
        ":doc:`/howto/extra`.",
    )
    instance_section: str = option(
        _section,
        COMMON,
        "The section whose options all instances take, where it has another name.",
    )

    @property
    def ordinary(self) -> int:
        """Instances for clients."""
        given = self.instances
        return min(cpus.usable(), MAX_INSTANCES) if given is None else given

    @property
    def first_agent_port(self) -> int:
        """Where the first agent listens."""
        return self.agent_base_port or self.base_port + AGENT_PORT_OFFSET

    def check(self) -> None:
        """Check that a section has one meaning.

        :raises Refused: where the section of all is that of an extra instance.
        """
        if self.instance_section in {extra.name for extra in self.extra_instances}:
            raise Refused(
                "instance-section", f"another section: [{self.instance_section}] is one instance's"
            )

    def _check_ports(self, balanced: int) -> None:
        self._check_last_port(balanced, "base-port", self.base_port, 0)
        if self.agent_base_port:
            self._check_last_port(balanced, "agent-base-port", self.agent_base_port, 0)
        else:
            self._check_last_port(balanced, "base-port", self.base_port, AGENT_PORT_OFFSET)

    def _check_last_port(self, balanced: int, name: str, first: int, above: int) -> None:
        # Extra instances have ports of their own above all that there may be of the others, so
        # that they stay where they are when the others become more.
        extras = len(self.extra_instances)
        count = MAX_INSTANCES + extras if extras else balanced
        highest = MAX_PORT - count + 1 - above
        if first > highest:
            agents = f", with their agents {above} above" if above else ""
            beside = f" and {extras} more from the {MAX_INSTANCES + 1}th port on" if extras else ""
            raise Refused(
                name,
                f"at most {highest} with {balanced} instances{beside}{agents}, "
                f"since the last port is {MAX_PORT}",
            )

    def derived(self, lanes: Mapping[str, int]) -> tuple[Instance, ...]:
        """The instances: numbered from 1, lane by lane; then the extra ones.

        :param lanes: by name, how many instances each has.
        :raises Refused: where the last one's port would be too high.
        """
        of = [name for name, instances in lanes.items() for _ in range(instances)]
        self._check_ports(len(of))
        numbered = tuple(self._derived(f"instance{i + 1}", i, lane) for i, lane in enumerate(of))
        extras = tuple(
            replace(
                self._derived(extra.name, MAX_INSTANCES + i, OUTSIDE), autostart=not extra.manual
            )
            for i, extra in enumerate(self.extra_instances)
        )
        return numbered + extras

    def _derived(self, name: str, port: int, lane: str) -> Instance:
        return Instance(
            name=name,
            address=Address("127.0.0.1", self.base_port + port),
            agent=Address("127.0.0.1", self.first_agent_port + port),
            lane=lane,
            threads=self.threads,
            switch_interval=self.switch_interval,
        )
