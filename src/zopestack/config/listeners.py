"""Whether every process of a Stack can listen where it is to: ports and unix sockets."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

from zc.buildout import UserError

from zopestack.addresses import Listener
from zopestack.features.option import Refused
from zopestack.model import Stack

#: The longest path of a unix socket is 107 bytes (unix(7)); HAProxy first binds it
#: under a temporary name some 20 longer (its manual, "bind").
MAX_SOCKET_PATH = 87


def check(written: Callable[[Listener], tuple[str, str]], stack: Stack) -> None:
    """Check that no two processes share an address, and that each path is short enough.

    :param written: section and text of the option that moves a listener.
    :raises UserError: where two would share one.
    :raises Refused: where a path is too long.
    """
    for one, other in combinations(stack.listeners(), 2):
        # Addresses of one process have been checked by the parser of their option.
        if one.process != other.process and one.address.collides(other.address):
            (section, text), (elsewhere, given) = written(one), written(other)
            where = "" if elsewhere == section else f"[{elsewhere}] "
            raise UserError(
                f"[{section}] {one.option} = {text} and {where}{other.option} = {given} collide:\n"
                f"  {one.process} and {other.process} would both listen on port "
                f"{one.address.port}. Move one of them."
            )
    # Another machine may have a server on any port.
    servers = (each.address for each in stack.volto.volto_address)
    for address in filter(lambda each: each.loopback, servers):
        for listener in stack.listeners():
            if listener.address.collides(address):
                what = f"another address than that of {listener.process}"
                raise Refused("volto-address", f"{what}, which listens on {listener.address}")
    for socket in stack.sockets:
        if len(str(socket).encode()) > MAX_SOCKET_PATH:
            raise Refused(
                "var",
                f"a shorter path: the unix socket {socket} is longer than the "
                f"{MAX_SOCKET_PATH} bytes that the system allows",
            )
