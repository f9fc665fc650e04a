"""A network cable between two interfaces that delays every frame, as the kernel's netem does.

python -m tests.support.slow_link SECONDS ONE OTHER

Not every kernel has netem. It says "ready" once it forwards.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections import deque

#: What Python has no names for (packet(7), linux/if_ether.h).
SOL_PACKET, PACKET_VNET_HDR, ETH_P_ALL = 263, 15, 0x0003

#: Bytes of the longest frame, which the kernel would cut into pieces later, and of what it notes
#: about that in front.
LONGEST = 65550 + 10


def end(interface: str) -> socket.socket:
    """Where the frames of an interface come from, and go to."""
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    # Have checksums and pieces that the kernel has put off noted, and not left out.
    found.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    found.bind((interface, ETH_P_ALL))
    return found


def forward(seconds: float, one: socket.socket, other: socket.socket) -> None:
    """Copy the frames of each end to the other one, each after so many seconds."""
    opposite = {one: other, other: one}
    late: deque[tuple[float, socket.socket, bytes]] = deque()
    while True:
        wait = max(0, late[0][0] - time.monotonic()) if late else None
        for each in select.select([*opposite], [], [], wait)[0]:
            frame, (_, _, kind, *_) = each.recvfrom(LONGEST)
            if kind != socket.PACKET_OUTGOING:
                late.append((time.monotonic() + seconds, opposite[each], frame))
        while late and late[0][0] <= time.monotonic():
            _, there, frame = late.popleft()
            there.send(frame)


def main(seconds: str, *interfaces: str) -> None:
    """Forward until somebody ends the process."""
    one, other = map(end, interfaces)
    print("ready", flush=True)
    forward(float(seconds), one, other)


if __name__ == "__main__":
    main(*sys.argv[1:])
