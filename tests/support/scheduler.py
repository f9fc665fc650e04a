"""What Kubernetes or Nomad does: instances on addresses of their own, as many as are asked for.

    with Scheduler(names, "zope.example.internal") as scheduler:
        scheduler.scale(3)

Each is ``tests.support.bare_instance``, told what an instance with ``outside-balancers`` is told.
An address of 127.0.0.0/8 stands for a container's own.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.support import describe
from tests.support.deployment import Deployment
from tests.support.name_server import NameServer
from tests.support.polling import until
from zopestack.buildout.parts import agent
from zopestack.features.address import Address
from zopestack.probe import probe

CHECKOUT = Path(__file__).parents[2]


class Scheduler(Deployment):
    """Starts and stops instances, and tells DNS of those that are ready.

    :param name: that DNS has for them.
    :ivar running: the process at each address.
    """

    def __init__(self, names: NameServer, name: str) -> None:
        super().__init__()
        self.names = names
        self.name = name
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        # As in a container, of which there may be several on one machine.
        del self.options["zeo-address"]
        self.set(instances=1, outside_balancers="127.0.0.1")
        self.set(storage="external", zeo_address="zeo.example.internal:8400")

    @property
    def port(self) -> int:
        """Of every instance."""
        return self.ports.base

    @property
    def agent(self) -> int:
        """The port of every agent."""
        return self.ports.base + 20

    def scale(self, number: int) -> None:
        """Have as many instances as this, as a scheduler does: what starts gets into DNS once it is
        ready, and what is to stop leaves it as it gets SIGTERM.
        """
        while len(self.running) < number:
            self.wait_ready(self.start())
            self.tell()
        leaving = list(self.running)[number:]
        processes = [self.running.pop(each) for each in leaving]
        self.tell()
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()

    def start(self, port: int | None = None) -> str:
        """Start one more; its address, of which DNS is not told yet.

        :param port: another one than the others have.
        """
        address = f"127.0.0.{2 + len(self.running)}"
        home = self.directory / address
        home.mkdir(exist_ok=True)
        texts = {name: str(value) for name, value in self.options.items()}
        stack = describe.read(home, texts)
        told = replace(
            agent(stack, stack.instances[0]),
            host=address,
            http_host=address,
            http_port=port or self.port,
        )
        stack.logs.mkdir(parents=True, exist_ok=True)
        with open(stack.logs / "instance1.out.log", "ab") as log:
            self.running[address] = subprocess.Popen(
                [sys.executable, "-m", "tests.support.bare_instance"],
                cwd=CHECKOUT,
                env={**self.environment, **told.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return address

    def tell(self) -> None:
        """Tell DNS of all that run."""
        self.names.tell({self.name: self.running})

    def wait_ready(self, address: str) -> None:
        """Wait until an instance serves, as a readiness probe does."""
        until(f"{address} to be ready", lambda: self._status(address), lambda status: status == 200)

    def _status(self, address: str) -> int:
        try:
            return probe(Address(address, self.agent), "/health").status
        except OSError:
            return 0
