"""waitress's server, without the hand-over from its main thread to its only worker thread.

waitress receives and sends in its main thread and gives every request to a worker thread. With
one worker thread, the two fight for the interpreter's lock at every request
(docs/explanation/measured.rst, "Where a light request's time goes"). Here the main thread runs it
itself, if the worker thread is idle and no other bytes need to be moved meanwhile.

While it does, no connection is accepted and no byte received. HAProxy sends an instance no more
requests than it has threads, and those whose bodies or responses are in transfer, which make
requests go to the worker thread. Health checks have a port of their own. What waits until the
request is over: a direct request of an operator, which would wait for the thread in any case, and
a slow upload or download that begins in that time.

All HTTP handling stays waitress's own. It makes the classes that :func:`install` puts in place of
its own, whichever wsgi.ini starts it.
"""

from __future__ import annotations

from typing import Any

from waitress import server
from waitress.task import ThreadedTaskDispatcher

from zopestack.agent.arrival import Arrivals
from zopestack.agent.channel import Channel
from zopestack.agent.room import with_room
from zopestack.agent.threads import Threads
from zopestack.peers import Peers

#: Responses of up to this many bytes are sent in one piece. By default waitress sends headers
#: and body separately; if the instance is killed in between, the client gets half a response,
#: which no balancer can repair. waitress had this default before 1.3.
WHOLE_ANSWER = 18000

#: Maximum number of open connections, instead of waitress's 100. waitress accepts none beyond
#: it, so a request to which HAProxy has given a slot would wait for another one to end. This
#: allows 64 threads, 80 lent slots and HAProxy's idle connections; select(2) allows 1024.
CONNECTIONS = 400

#: The names of waitress's servers in its own module, and the originals.
SERVERS = {name: getattr(server, name) for name in ("TcpWSGIServer", "UnixWSGIServer")}


class Inline:
    """What is added to each of waitress's servers.

    :cvar threads: the instance's threads.
    :cvar peers: who may connect.
    """

    threads: Threads
    peers: Peers
    adj: Any
    task_dispatcher: Any
    socket: Any
    active_channels: dict[int, Channel]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.adj.send_bytes = WHOLE_ANSWER
        self.adj.connection_limit = max(self.adj.connection_limit, CONNECTIONS)
        self.threads.servers.add(self)

    def run(self) -> None:
        """Run the main loop, with room for the frames of the requests that it runs."""
        with_room(super().run)  # type: ignore[misc]

    def accept(self) -> Any:
        """Accept a connection; None where there is none, or none that may be."""
        accepted = super().accept()  # type: ignore[misc]
        if not accepted or not self.peers:
            return accepted
        connection, address = accepted
        if isinstance(address, tuple) and not self.peers.may(address[0]):
            connection.close()
            return None
        self.peers.watch(connection)
        return accepted

    def add_task(self, channel: Channel) -> None:
        """Have a connection's next request run: by the connection, or in a worker thread."""
        if channel.receiving and self._idle() and not self._transfers(channel):
            channel.due = True
        else:
            self.hand_over(channel)

    def hand_over(self, channel: Channel) -> None:
        """Have a connection's next request run in a worker thread."""
        self.task_dispatcher.add_task(channel)

    def pull_trigger(self) -> None:
        """Wake the main loop, unless it runs the request itself and comes back by itself."""
        if not self.threads.inline:
            super().pull_trigger()  # type: ignore[misc]

    def maintenance(self, now: float) -> None:
        """Close the connections on which nothing has happened for long (``channel_timeout``).

        HAProxy closes those that it keeps for its next request. If the instance did, such a request
        might just be on its way, and nobody could tell whether it has been served.
        """
        for channel in self.active_channels.values():
            if channel.kept:
                channel.last_activity = now
        super().maintenance(now)  # type: ignore[misc]

    def _idle(self) -> bool:
        """Return whether there is one worker thread, and no request runs or waits.

        Only the main thread, which asks, gives work to an idle worker thread, so that the answer
        holds. The order matters: the worker thread counts itself as active before it takes a
        request out of the queue.
        """
        workers = self.task_dispatcher
        return len(workers.threads) == 1 and not workers.queue and workers.active_count == 0

    def _transfers(self, channel: Channel) -> bool:
        """Return whether bytes of another connection are on their way."""
        return any(
            other.request is not None or other.total_outbufs_len
            for other in self.threads.channels()
            if other is not channel
        )


class Workers(ThreadedTaskDispatcher):  # type: ignore[misc]
    """waitress's worker threads, with room for the frames of the requests that they run."""

    def handler_thread(self, thread_no: int) -> None:
        """Run requests until the thread is to end."""
        with_room(super().handler_thread, thread_no)


def install(threads: Threads, arrivals: Arrivals, peers: Peers | None = None) -> None:
    """Make waitress use these classes for every new server and its connections."""
    connection = type("Channel", (Channel,), {"threads": threads, "arrivals": arrivals})
    server.ThreadedTaskDispatcher = Workers
    for name, original in SERVERS.items():
        attributes = {"threads": threads, "peers": peers or Peers(), "channel_class": connection}
        setattr(server, name, type(name, (Inline, original), attributes))


def uninstall() -> None:
    """Make waitress use its own classes again."""
    server.ThreadedTaskDispatcher = ThreadedTaskDispatcher
    for name, original in SERVERS.items():
        setattr(server, name, original)
