"""HAProxy of a machine without instances, which finds them through DNS (option ``discover``)."""

from __future__ import annotations

from collections.abc import Iterable

from tests.support.fetch import Response, fetch
from tests.support.name_server import NameServer
from tests.support.polling import until
from tests.support.supervised import Supervised
from zopestack.features.address import Address
from zopestack.haproxy.runtime import Runtime, Server
from zopestack.supervisor.readiness import listens


class Discovering(Supervised):
    """The stack of that machine.

    :param discover: the option.
    :param names: who is asked.
    :param options: of [stack], with ``_`` for ``-``.
    """

    def __init__(self, discover: str, names: NameServer, **options: object) -> None:
        given = {"instances": 0, "storage": "external", "resolvers": names.address, **options}
        super().__init__(discover=discover, **given)

    def start(self) -> None:
        """Start it, and wait until HAProxy listens."""
        super().start()
        until("HAProxy", lambda: listens(self.site))

    @property
    def site(self) -> Address:
        """Where visitors come."""
        return self.stack.balancer.local_address

    @property
    def runtime(self) -> Runtime:
        """Of HAProxy."""
        return Runtime(self.stack.haproxy_socket)

    def get(self, path: str = "/", **options: object) -> Response:
        """What a visitor gets."""
        return fetch(self.site, path, **options)  # type: ignore[arg-type]

    def known(self) -> dict[str, str]:
        """The address of each server that HAProxy gives requests, by its name."""
        servers = self.runtime.servers()
        return {
            name: place.host for name, place in self.runtime.places().items() if servers[name].up
        }

    def wait_known(self, addresses: Iterable[str]) -> None:
        """Wait until HAProxy gives requests to the instances at these addresses, and no others."""
        expected = {*addresses}
        until("HAProxy to know", lambda: {*self.known().values()}, lambda now: now == expected)

    def at(self, address: str) -> Server:
        """The server at an address."""
        (name,) = (name for name, each in self.runtime.places().items() if each.host == address)
        return self.runtime.servers()[name]

    def unanswered(self) -> int:
        """Questions to DNS without an answer, so far (Management Guide, ``show resolvers``)."""
        lines = self.runtime.command("show resolvers names").splitlines()
        counted = {name.strip(): value for name, _, value in (x.partition(":") for x in lines)}
        return int(counted["sent"]) - int(counted["valid"]) - int(counted["nx"])
