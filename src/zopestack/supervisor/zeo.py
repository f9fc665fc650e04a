"""The ZEO server, which tells every client of the commits in their order.

ZEO uses uvloop where it is installed. With it, the answer to a client's own commit may overtake the
news of an earlier one (docs/explanation/measured.rst, "Read your own writes"): the client then
takes for current what is not. Python's own event loop runs what is due in the order in which it was
asked for.
"""

from __future__ import annotations

import sys
from asyncio import Protocol
from typing import Any

from zopestack.peers import Peers

#: The option for who may connect, with addresses; the others are ZEO's own.
ONLY = "--only"


def main() -> None:
    """Run ZEO until it is told to stop; ``run-zeo [--only ADDRESS,ADDRESS] -C zeo.conf``, as ZEO's
    own ``runzeo``.
    """
    # A module that is None cannot be imported (Python's reference, "The module cache").
    sys.modules["uvloop"] = None  # type: ignore[assignment]
    from ZEO.runzeo import main as run

    if sys.argv[1:2] == [ONLY]:
        answer_only(Peers(sys.argv[2].split(",")))
        del sys.argv[1:3]
    run()


def answer_only(peers: Peers) -> None:
    """Have ZEO close every other connection before it reads anything from it.

    ZEO has no passwords, and a client may send it any pickle. On a network with others than the
    stack's hosts, use TLS (option ``zeo-certificate``), too.
    """
    from ZEO.asyncio.server import ServerProtocol

    made = ServerProtocol.connection_made

    def connection_made(self: Any, transport: Any) -> None:
        address = transport.get_extra_info("peername")
        # A unix socket has none.
        if isinstance(address, tuple) and not peers.may(address[0]):
            # Whatever it has sent goes to a protocol that ignores everything.
            transport.set_protocol(Protocol())
            transport.abort()
            return
        made(self, transport)

    ServerProtocol.connection_made = connection_made


if __name__ == "__main__":
    main()
