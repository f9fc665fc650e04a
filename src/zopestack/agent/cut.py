"""Answer the requests that an instance cuts when it leaves before they are done.

A client who has sent a POST, and gets no answer, may send it again. So it gets 502, which says that
the outcome is unknown: HAProxy sends its page instead, other clients get the text. A request with a
safe method is not answered: HAProxy sends it to another instance, and it changes nothing.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from zopestack.agent.meter import SAFE, Meter
from zopestack.agent.refusal import MARK

if TYPE_CHECKING:
    from zopestack.agent.channel import Channel

BODY = (
    b"This instance has stopped before it had answered. What you have sent may have been saved or "
    b"not: look before you send it again.\n"
)

ANSWER = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n%s: 1\r\n\r\n%s" % (len(BODY), MARK.encode(), BODY)
)


def answer(meter: Meter) -> None:
    """Answer every running request that may have changed something. The process must end now:
    whoever works on one of them would answer it again.
    """
    for thread, (_, environ) in list(meter.running.items()):
        channel = meter.threads.inside.get(thread)
        if channel and environ["REQUEST_METHOD"] not in SAFE:
            _answer(channel)


def _answer(channel: Channel) -> None:
    # Kept for good, so that its thread cannot begin a response meanwhile.
    if channel.outbuf_lock.acquire(blocking=False) and not channel.begun:
        with suppress(OSError):
            channel.socket.send(ANSWER)
