"""Blocks of TCP ports that no other test on this machine uses."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass

#: Below the ports the kernel hands out itself (ip(7), ip_local_port_range: 32768 and up),
#: so no client's connection lands on one between the look and its use.
FIRST, LAST = 20000, 32000

#: Ports of one block.
SIZE = 50


@dataclass(frozen=True)
class Ports:
    """A block of ports, held until :meth:`release`.

    :param base: the first of 40 consecutive ports, for the instances and what they open.
    :param spare: the first of 5 more, for whatever a test itself listens with.
    :param varnish: one for Varnish.
    :param lock: the port whose listener owns the block.
    """

    lock: int

    http: int
    stats: int
    zeo: int
    spare: int
    varnish: int
    base: int
    _held: socket.socket

    def release(self) -> None:
        """Let another test have the block."""
        self._held.close()


def reserve() -> Ports:
    """A block that is free now and stays reserved.

    Blocks are aligned and the first port of each is its lock: whoever listens there owns
    the block, and the kernel lets go of it however the owner ends.

    :raises RuntimeError: where every block is in use.
    """
    starts = list(range(FIRST, LAST, SIZE))
    random.shuffle(starts)
    for start in starts:
        try:
            lock = _bound(start)
            lock.listen()
        except OSError:
            continue
        if all(_free(port) for port in range(start + 1, start + SIZE)):
            return Ports(
                start, start + 1, start + 2, start + 3, start + 4, start + 9, start + 10, lock
            )
        lock.close()
    raise RuntimeError(f"no block of {SIZE} ports is free between {FIRST} and {LAST}")


def _bound(port: int) -> socket.socket:
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A port that only waits out TIME_WAIT is free for a server.
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind(("", port))
    except OSError:
        held.close()
        raise
    return held


def _free(port: int) -> bool:
    try:
        _bound(port).close()
    except OSError:
        return False
    return True
