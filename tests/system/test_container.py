"""The image recipe of docs/howto/scheduler.rst: its one process, in a process namespace of its own.

No registry is needed: the files of the image are those of a buildout here. A container's process 1
gets signals otherwise than other processes do, and buries orphans; that is what this is about.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support import ledger
from tests.support.discovering import Discovering
from tests.support.elsewhere import Elsewhere
from tests.support.harness import CHECKOUT, Site, until
from tests.support.name_server import DOMAIN, NameServer
from tests.system.test_agent import in_background
from zopestack.features.address import Address
from zopestack.probe import probe

RECIPE = CHECKOUT / "docs/howto/scheduler"

NAME = f"zope.{DOMAIN}"

#: In place of the container's own address.
ADDRESS = "127.0.0.2"

#: A process namespace, as a container has; also for who is not root.
CONTAINER = ("unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")

#: Leaves a process to process 1 that has ended, and that nobody has waited for.
ORPHAN = """
import os
if os.fork() == 0:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    os._exit(0)
os.wait()
print("orphan")
"""

pytestmark = pytest.mark.skipif(
    subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode != 0,
    reason="this machine lets nobody make a process namespace",
)


@dataclass
class World:
    """Everything but the container.

    :param site: the files of its image.
    """

    site: Site
    balancer: Discovering
    names: NameServer


@dataclass
class Container:
    """One that runs.

    :param log: what it prints.
    :param process: of unshare, which ends as process 1 does.
    """

    site: Site
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def first(self) -> psutil.Process:
        """Process 1 of the container."""
        (found,) = psutil.Process(self.process.pid).children()
        return found

    def status(self) -> int:
        """What its agent answers from outside; 0 where nothing does."""
        try:
            return probe(Address(ADDRESS, self.site.ports.base + 20), "/health").status
        except OSError:
            return 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as running:
        home = tmp_path_factory.mktemp("world")
        site = running.enter_context(Site(ledger.SECTIONS, storage="external", instances=1))
        server = Elsewhere(home, site.ports.zeo)
        server.start()
        running.callback(server.kill)
        image(site)
        names = NameServer(home)
        names.address = Address("127.0.0.1", site.ports.spare)
        running.enter_context(names)
        discover = f"{NAME}:{site.ports.base} up-to=3 agent={site.ports.base + 20}"
        balancer = running.enter_context(Discovering(discover, names))
        balancer.start()
        yield World(site, balancer, names)


@pytest.fixture
def container(world: World, tmp_path: Path) -> Iterator[Container]:
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*CONTAINER, *entry_point()],
            cwd=world.site.directory,
            env=world.site.environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        found = Container(world.site, log, process)
        until("the instance to be ready", found.status, lambda status: status == 200)
        yield found
    finally:
        process.kill()
        process.wait()


def image(site: Site) -> None:
    """Do what the recipe does with image.cfg."""
    recipe = (RECIPE / "image.cfg").read_text(encoding="utf-8")
    # The test's HAProxy is on this machine.
    text, changed = re.subn(r"(?<=\noutside-balancers = ).*", "127.0.0.1", recipe)
    assert changed == 1
    (site.directory / "image.cfg").write_text(text, encoding="utf-8")
    site.buildout("-c", "image.cfg")


def entry_point() -> list[str]:
    """What the recipe starts."""
    recipe = (RECIPE / "Containerfile").read_text(encoding="utf-8")
    (found,) = re.findall(r"^ENTRYPOINT (.*)$", recipe, re.MULTILINE)
    return list(json.loads(found))


def test_a_stop_of_the_container_is_a_drain(world: World, container: Container) -> None:
    balancer, first = world.balancer, container.first
    assert first.name() == "tini"
    (zope,) = first.children()
    ledger.create(world.site, visitors=1)
    world.names.tell({NAME: [ADDRESS]})
    balancer.wait_known([ADDRESS])
    gate = ledger.Gate(world.site)
    with in_background(lambda: balancer.get(gate.page)) as answer, gate:
        until("a busy thread", lambda: balancer.at(ADDRESS).current == 1)
        # As a scheduler does: to process 1, while the name loses the address.
        first.send_signal(signal.SIGTERM)
        world.names.tell({})
        until("a drain", container.status, lambda status: status == 404)
        until("no new requests", lambda: not balancer.known())
        assert zope.is_running()
    assert answer[0].status == 200  # type: ignore[attr-defined]
    assert container.process.wait() == 0
    said = container.log.read_text(encoding="utf-8", errors="replace")
    assert "SIGTERM: draining" in said
    assert "drained after" in said


def test_it_listens_on_every_network_for_its_balancer_only(container: Container) -> None:
    ports = {container.site.ports.base, container.site.ports.base + 20}
    assert container.site.listening() >= {("0.0.0.0", port) for port in ports}
    outside = [
        each.address
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
        if each.family == 2 and not each.address.startswith("127.")
    ]
    # From there to there, so that it is not loopback that asks.
    for address in outside:
        for port in ports:
            with pytest.raises(OSError, match=r"no HTTP answer|reset"):
                probe(Address(address, port), "/health")


def test_orphans_are_buried(container: Container) -> None:
    first = container.first
    inside = ("nsenter", "--user", "--preserve-credentials", "--pid", f"--target={first.pid}")
    made = subprocess.run(
        [*inside, sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, check=True
    ).stdout
    assert made == b"orphan\n"
    until("no zombie", lambda: zombies(first) == [])


def zombies(of: psutil.Process) -> list[psutil.Process]:
    return [each for each in of.children() if each.status() == psutil.STATUS_ZOMBIE]
