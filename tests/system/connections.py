"""What it costs HAProxy and Zope to connect: HAProxy's policies of reuse, TCP and unix sockets.

    .venv/bin/python -m tests.system.connections [ROUNDS]

Four instances of one site serve the benchmark's light page to 8 clients, two through TCP and two
through unix sockets, each pair behind HAProxy as generated, with each policy of ``http-reuse`` that
is compared, in turn. Clients keep their connection, or come for one request each. It prints CPU a
request of HAProxy and the instances, kernel time included, over that with ``safe`` and TCP: the
median of the rounds' ratios and their quartiles.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import uvloop

from scripts.bootstrap import say
from tests.support import unix_too
from tests.support.door import Door
from tests.support.harness import CHECKOUT, Site
from zopestack.features.address import Address
from zopestack.features.instances import Instance
from zopestack_bench import proc

ROUNDS, SECONDS, CLIENTS = 30, 0.7, 8

PAGES = f"""
[instance]
extra-paths = {CHECKOUT}
zcml-additional =
  <configure xmlns="http://namespaces.zope.org/zope">
    <include package="zopestack_bench" file="pages.zcml" />
  </configure>
"""

#: What is compared, each over the first.
FRONTS = (
    ("safe", "TCP"),
    ("safe", "unix"),
    ("aggressive", "TCP"),
    ("always", "TCP"),
    ("always", "unix"),
)


class Sockets(Site):
    """Instances of which the third and the fourth listen on unix sockets, too."""

    def path(self, instance: Instance) -> Path:
        return self.directory / "var" / f"{instance.name}.sock"

    def through_unix(self) -> None:
        """Have the last two instances open their sockets."""
        for instance in self.stack.instances[2:]:
            wsgi = self.stack.parts / instance.name / "etc" / "wsgi.ini"
            text = wsgi.read_text()
            start = text.index("paste.server_factory")
            end = text.index("listen = ", start)
            own = f"paste.server_runner = {unix_too.__name__}:main\n"
            own += f"unix_socket = {self.path(instance)}\n"
            wsgi.write_text(text[:start] + own + text[end:])


class Front(Door):
    """HAProxy in front of two of the instances, with a policy.

    :param paths: unix sockets of the instances; none for TCP.
    """

    def __init__(self, site: Sockets, policy: str, unix: bool) -> None:
        first = 3 if unix else 1
        super().__init__(
            site.directory, site.ports.base + first - 1, site.ports.base + 20 + first - 1, {}
        )
        self.paths = [site.path(each) for each in site.stack.instances[2:]] if unix else []
        extra = self.directory / "policy"
        extra.write_text(f"http-reuse {policy}\n")
        self.set(backend_extra=extra)
        self.instances = [site.stack.instances[first - 1 + i].name for i in range(2)]

    def render(self) -> None:
        """Write HAProxy's files, with the unix sockets."""
        super().render()
        conf = self.stack.haproxy_conf
        text = conf.read_text()
        for instance, path in zip(self.stack.instances, self.paths, strict=False):
            server = f"server {instance.name} {instance.address} "
            assert server in text
            text = text.replace(
                server, f"server {instance.name} unix@{path} addr {instance.agent.host} "
            )
        conf.write_text(text)


async def visits(address: Address, seconds: float, kept: bool) -> int:
    """Requests of all clients together.

    :param kept: whether a client keeps its connection.
    """
    close = "" if kept else "Connection: close\r\n"
    request = f"GET /bench-light HTTP/1.1\r\nHost: {address}\r\n{close}\r\n".encode()
    end = time.monotonic() + seconds

    async def client() -> int:
        done, reader, writer = 0, None, None
        while time.monotonic() < end:
            if not writer:
                reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                sys.exit(head.decode())
            await reader.readexactly(len("light\n"))
            done += 1
            if not kept:
                writer.close()
                writer = None
        return done

    return sum(await asyncio.gather(*(client() for _ in range(CLIENTS))))


def cost(front: Front, pids: dict[str, int], kept: bool) -> float:
    """Milliseconds of CPU a request, of HAProxy and the instances."""
    processes = [*proc.family(front.master.pid), *(pids[name] for name in front.instances)]
    before = proc.usage(processes)
    done = uvloop.run(visits(front.stack.balancer.local_address, SECONDS, kept))
    return (proc.usage(processes) - before).cpu * 1000 / done


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with ExitStack() as running:
        site = running.enter_context(Sockets(PAGES, instances=4))
        site.buildout()
        site.through_unix()
        site.launch(site.patience)
        site.supervisorctl("stop", "haproxy", check=True)
        fronts = {
            (policy, kind): running.enter_context(Front(site, policy, kind == "unix"))
            for policy, kind in FRONTS
        }
        pids = site.pids()
        for kept in (True, False):
            compare(fronts, lambda front, kept=kept: cost(front, pids, kept), rounds, kept)


def compare(
    fronts: dict[tuple[str, str], Front],
    measured: Callable[[Front], float],
    rounds: int,
    kept: bool,
) -> None:
    """Measure all in turn, and print each over the first."""
    seen: dict[tuple[str, str], list[float]] = {name: [] for name in fronts}
    for number in range(rounds + 1):
        # Each after another one every time.
        for name, front in random.sample(list(fronts.items()), len(fronts)):
            found = measured(front)
            if number:  # the first round only warms up
                seen[name].append(found)
        say(f"round {number}: " + ", ".join(f"{x[-1]:.3f}" for x in seen.values() if x))
    first = next(iter(seen))
    who = "clients that keep their connection" if kept else "clients of one request each"
    for name, found in seen.items():
        ratios = [one / other for one, other in zip(found, seen[first], strict=True)]
        low, median, high = statistics.quantiles(ratios, n=4)
        print(
            f"{who}: {' '.join(name)} over {' '.join(first)}: {median:.3f} "
            f"({low:.3f} to {high:.3f}), {statistics.median(found):.3f} ms",
            flush=True,
        )


if __name__ == "__main__":
    main()
