"""Stands for many instances at once: it answers on the port of each, and of its agent.

    python -m tests.system.scale.stubs FIRST_PORT FIRST_AGENT NUMBER

A thousand instances of Zope need 40 GB. HAProxy cannot tell these apart from real ones that are
idle: it sees one answer on each port. A line on standard input is answered with the number of
health checks so far, and with the bytes that they took in both directions, without the headers of
TCP.
"""

from __future__ import annotations

import asyncio
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"


class Stub(asyncio.Protocol):
    """One connection.

    :param checked: counts what is asked of an agent; None for an instance.
    """

    def __init__(self, checked: list[int] | None) -> None:
        self.checked = checked

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(ANSWER)
        if self.checked is not None:
            self.checked[0] += 1
            self.checked[1] += len(data) + len(ANSWER)
            self.transport.close()


async def serve(first: int, agents: int, number: int) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    checked = [0, 0]
    for each in range(number):
        await loop.create_server(lambda: Stub(None), "127.0.0.1", first + each)
        await loop.create_server(lambda: Stub(checked), "127.0.0.1", agents + each)
    print("serving", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(*checked, flush=True)


if __name__ == "__main__":
    asyncio.run(serve(*map(int, sys.argv[1:])))
