"""Whether every process of a Stack can listen where it is to: ports and unix sockets."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from zc.buildout import UserError

from zopestack import values
from zopestack.complaints import error
from zopestack.model import Stack
from zopestack.options import OPTIONS

#: The longest path of a unix socket is 107 bytes (unix(7)); HAProxy first binds it
#: under a temporary name some 20 longer (its manual, "bind").
MAX_SOCKET_PATH = 87


def check_last_port(name: str, option: str, first: int, count: int, above: int) -> None:
    """Whether so many ports from the first on exist.

    :param above: how far above these the agents' ports are; 0 where those are elsewhere.
    :raises UserError: where they do not.
    """
    highest = values.MAX_PORT - count + 1 - above
    if first > highest:
        agents = f", with their agents {above} above" if above else ""
        raise error(
            name,
            option,
            str(first),
            f"at most {highest} with {count} instances{agents}, "
            f"since the last port is {values.MAX_PORT}",
        )


def check(name: str, section: Mapping[str, str], stack: Stack) -> None:
    """Whether no two processes would share an address, and each path is short enough.

    :raises UserError: where they would, or one is not.
    """
    _check_listeners(name, section, stack)
    _check_paths(name, section, stack)


def _check_listeners(name: str, section: Mapping[str, str], stack: Stack) -> None:
    def setting(option: str) -> str:
        return f"{option} = {section.get(option, OPTIONS[option].default).strip()}"

    for one, other in combinations(stack.listeners(), 2):
        if one.address.collides(other.address):
            raise UserError(
                f"[{name}] {setting(one.option)} and {setting(other.option)} collide:\n"
                f"  {one.process} and {other.process} would both listen on port "
                f"{one.address.port}. Move one of them."
            )


def _check_paths(name: str, section: Mapping[str, str], stack: Stack) -> None:
    for socket in stack.sockets:
        if len(str(socket).encode()) > MAX_SOCKET_PATH:
            raise error(
                name,
                "var",
                section.get("var", OPTIONS["var"].default),
                f"a shorter path: the unix socket {socket} is longer than the "
                f"{MAX_SOCKET_PATH} bytes the system allows",
            )
