"""The loader's socket: each request over it is a fork, and the loader tells how that ended.

One thread does all, since only a process of one thread may be forked. It is the parent of its
forks. When it ends they go on, and init is their parent.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zopestack.loader import client

logger = logging.getLogger("zopestack.loader")

#: Bytes of a request: twice what Linux sends in one piece (``net.core.wmem_default``).
REQUEST = 1 << 19

#: Standard input, output and error.
STREAMS = 3

#: Seconds that a client gets to send its request, while no other is served.
ASKING = 2.0

#: Clients that wait while the loader loads: those of every instance.
BACKLOG = 512


@dataclass(frozen=True)
class Request:
    """What an instance is to be made of.

    :param wsgi_ini: what it serves.
    :param streams: its standard input, output and error.
    :param watched: ends with the client that has asked.
    :param told: where that hears how the fork ends.
    """

    wsgi_ini: str
    directory: bytes
    environment: dict[bytes, bytes]
    streams: Sequence[int]
    watched: int
    told: int


class Refused(Exception):
    """A request that is not answered with a fork; the message says why."""


class Forks:
    """The loader's socket and its forks.

    :param path: of the socket.
    :param link: where clients look for the loader that gives forks. The one that became ready last
        does, so that they come of the code of now; the one before it serves whom it has accepted.
    """

    def __init__(self, path: Path, link: Path) -> None:
        self.path = path
        self.link = link
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        #: By the pidfd of a fork, its pid, and where its client hears how it ends.
        self.running: dict[int, tuple[int, int]] = {}
        self._poll = select.poll()

    def bind(self) -> None:
        """Make the socket, for this user only; clients wait there until :meth:`serve`, unless
        another loader gives forks meanwhile.

        :raises OSError: where it cannot be made.
        """
        new = f"{self.path}.{os.getpid()}"
        before = os.umask(0o177)
        try:
            self.socket.bind(new)
        finally:
            os.umask(before)
        self.socket.listen(BACKLOG)
        with suppress(FileNotFoundError):
            os.unlink(f"{self.path}{client.REFUSAL}")
        # One that a loader has left behind is replaced at once.
        Path(new).rename(self.path)
        self._inode = self.path.stat().st_ino
        self._poll.register(self.socket, select.POLLIN)
        if not _lives(self.link):
            self._take_over()

    def serve(self) -> Request:
        """Fork at each request. Returns in the forks only."""
        self._take_over()
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self.running:
                    self._ended(descriptor)
                elif request := self._accept():
                    return request

    def refuse(self, why: str) -> None:
        """Have every instance start alone: those that wait, and those that start later."""
        Path(f"{self.path}{client.REFUSAL}").write_text(why, encoding="utf-8")
        self._unlink()
        self.socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                connection, _ = self.socket.accept()
                with connection, suppress(OSError):
                    # Closed with the request unread, it would be a reset instead of an answer.
                    _hear(connection)
                    connection.send(client.REFUSED + os.fsencode(why))

    def leave(self) -> None:
        """Have no client come here any more."""
        self._unlink()
        with suppress(OSError):
            if self.link.readlink() == Path(self.path.name) and not self.path.exists():
                self.link.unlink()

    def _unlink(self) -> None:
        """Remove the socket, unless another loader has made its own since."""
        with suppress(OSError):
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()

    def _take_over(self) -> None:
        """Have clients come here, those that ask from now on."""
        new = self.link.with_name(f"{self.link.name}.{os.getpid()}")
        # A name only, so that it leads nowhere else where the directory is copied.
        new.symlink_to(self.path.name)
        new.rename(self.link)

    def _accept(self) -> Request | None:
        """Answer a client; what it has asked for, in the fork."""
        connection, _ = self.socket.accept()
        descriptors: list[int] = []
        with connection:
            try:
                words, descriptors = _hear(connection)
                # Without words it is another loader, which has looked whether this one lives.
                request = _request(connection, words, descriptors) if words else None
                forked = request is not None and self._fork(request, connection)
            # One client's end or mistake is not that of the others.
            except (Refused, OSError) as why:
                logger.warning("no fork: %s", why)
                with suppress(OSError):
                    connection.send(client.REFUSED + os.fsencode(str(why)))
            else:
                # Not where an error of the fork's own would make it a loader.
                if forked:
                    self._leave()
                    return request
                if request:
                    # Kept until the fork ends.
                    descriptors.remove(request.told)
        for descriptor in descriptors:
            os.close(descriptor)
        return None

    def _fork(self, request: Request, connection: socket.socket) -> bool:
        """Whether this is the fork."""
        sys.stdout.flush()
        sys.stderr.flush()
        # What has been allocated since the last fork.
        gc.freeze()
        pid = os.fork()
        if not pid:
            return True
        pidfd = os.pidfd_open(pid)
        self.running[pidfd] = pid, request.told
        self._poll.register(pidfd, select.POLLIN)
        logger.info("forked %s as %d", request.wsgi_ini, pid)
        # The client may have been killed. So is the fork then.
        with suppress(OSError):
            socket.send_fds(connection, [client.FORKED + b"%d" % pid], [pidfd])
        return False

    def _leave(self) -> None:
        """Close, in a fork, what is the loader's."""
        self.socket.close()
        for pidfd, (_, told) in self.running.items():
            os.close(pidfd)
            os.close(told)
        self.running.clear()

    def _ended(self, pidfd: int) -> None:
        pid, told = self.running.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        logger.info("%d has ended: %d", pid, status)
        tell(told, "loader", status)
        os.close(told)


def tell(told: int, by: str, status: int) -> None:
    """Tell a client how its fork ends.

    :param by: ``loader``, which has seen its end, or ``fork``, which is about to end.
    :param status: an exit status, negative for a signal.
    """
    # The client may have been killed.
    with suppress(OSError):
        os.write(told, f"{by} {status}\n".encode())


def _lives(link: Path) -> bool:
    """Whether a loader listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked, suppress(OSError):
        asked.connect(str(link))
        return True
    return False


def _hear(connection: socket.socket) -> tuple[bytes, list[int]]:
    """The words of a client, and the descriptors that it hands over."""
    connection.settimeout(ASKING)
    words, descriptors, _, _ = socket.recv_fds(connection, REQUEST, STREAMS + 2)
    for descriptor in descriptors:
        # Python 3.11 leaves them to what is executed; its recv_fds does not pass flags on.
        os.set_inheritable(descriptor, False)
    return words, descriptors


def _request(connection: socket.socket, words: bytes, descriptors: Sequence[int]) -> Request:
    """What a client asks for.

    :raises Refused: where it may not, or has another version.
    """
    if client.owner(connection) != os.geteuid():
        raise Refused("asked by another user")
    version, *rest = words.split(b"\0")
    if version != client.VERSION or len(rest) < 2 or len(descriptors) != STREAMS + 2:
        raise Refused(f"this loader is {os.fsdecode(client.VERSION)}: restart it")
    wsgi_ini, directory, *variables = rest
    pairs = (each.partition(b"=") for each in variables)
    return Request(
        os.fsdecode(wsgi_ini),
        directory,
        {name: text for name, _, text in pairs},
        descriptors[:STREAMS],
        *descriptors[STREAMS:],
    )
