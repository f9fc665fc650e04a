"""What supervisord runs in place of an instance: it asks the loader for a fork and stands for it.

    python -I -S client.py SOCKET PATIENCE WSGI_INI COMMAND [ARGUMENT ...]

It hands its standard streams, environment and directory over, passes signals on, and ends as the
fork ends. When it is killed, the kernel kills the fork. Where there is no fork to be had, it
executes COMMAND, which starts the instance alone.

It runs as long as the instance, so it imports as little as it can, and nothing of zopestack: its
interpreter has no path to it.
"""

import os
import select
import signal
import socket
import sys
import time

#: Changes with what is said over the socket: a loader of another version refuses.
VERSION = b"zopestack-loader-1"

#: What the loader answers with, before the reason of a refusal, or with a pidfd of the fork.
FORKED, REFUSED = b"forked", b"refused "

#: Added to the path of the socket, a file where a loader says why it gives no forks.
REFUSAL = ".refusal"

#: What the loader and the fork say at its end, before its exit status.
ENDED = b"ended "

#: Signals that mean the instance: a stop, a drain, its end, and the reopening of logs.
PASSED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)

#: A word of the loader's command line.
PROGRAM = b"zopestack.loader.main"

#: Seconds until supervisord has executed what it has forked before the instances.
EXECUTED = 2.0

#: Seconds between two looks for the socket.
POLL_INTERVAL = 0.05

#: Seconds that a loader gets to tell how a fork has ended; it waits for nothing else.
TELLING = 5.0

#: Bytes of an answer.
ANSWER = 4096


class NoFork(Exception):
    """The loader gives no fork; the message says why."""


def main(path: str, patience: str, wsgi_ini: str, *command: str) -> None:
    """Be the instance, through a fork or alone.

    :param path: a link to the socket of the loader that gives forks.
    :param patience: seconds that it gets to load Zope.
    :param wsgi_ini: what the fork serves.
    :param command: what starts the instance without a fork.
    """
    # The kernel kills the fork when nobody holds this end any more.
    watched, _held = os.pipe()
    try:
        deadline = time.monotonic() + float(patience)
        loader = connect(path, deadline)
        fork = ask(loader, deadline, wsgi_ini, watched)
    # What cannot be sent is one of them: EMSGSIZE for an environment that is too large.
    except (NoFork, OSError) as why:
        print(f"no fork of the loader ({why}): starting alone", file=sys.stderr, flush=True)
        os.execv(command[0], command)
    os.close(watched)
    for number in PASSED:
        signal.signal(number, lambda number, _: signal.pidfd_send_signal(fork, number))
    ended = select.poll()
    ended.register(fork, select.POLLIN)
    ended.poll()
    status = told(loader)
    if status < 0:
        if -status in PASSED:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def connect(path: str, deadline: float) -> socket.socket:
    """The loader.

    :param deadline: until when to wait for one that has just been started; monotonic seconds.
    :raises NoFork: where it does not run, or belongs to somebody else.
    """
    began = time.monotonic()
    loader = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    while True:
        try:
            loader.connect(path)
            break
        except (FileNotFoundError, ConnectionRefusedError):
            if why := refusal(path):
                raise NoFork(why) from None
            now = time.monotonic()
            if now > deadline or (now > began + EXECUTED and not started()):
                raise NoFork("it does not run") from None
            time.sleep(POLL_INTERVAL)
    if owner(loader) != os.geteuid():
        raise NoFork(f"{path} belongs to another user")
    return loader


def started() -> bool:
    """Whether supervisord runs a loader (proc(5), ``children``)."""
    parent = os.getppid()
    try:
        with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
            return any(map(_is_loader, file.read().split()))
    except OSError:
        return False


def _is_loader(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return PROGRAM in file.read().split(b"\0")
    # It has ended meanwhile.
    except OSError:
        return False


def refusal(path: str) -> str:
    """Why the last loader has refused; empty where it has not."""
    try:
        with open(os.path.realpath(path) + REFUSAL, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def owner(peer: socket.socket) -> int:
    """The user id of the process at the other end (unix(7), ``SO_PEERCRED``)."""
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[4:8], sys.byteorder)


def ask(loader: socket.socket, deadline: float, wsgi_ini: str, watched: int) -> int:
    """A pidfd of a new fork.

    :param deadline: until when to wait for a loader that loads; monotonic seconds.

    :raises NoFork: where the loader refuses, or does not answer in time.
    :raises OSError: where it ends, or cannot be sent the environment.
    """
    variables = [name + b"=" + text for name, text in os.environb.items()]
    # Neither paths nor variables can have a NUL.
    words = b"\0".join((VERSION, os.fsencode(wsgi_ini), os.getcwdb(), *variables))  # noqa: PTH109
    # Not 0, which would not wait at all.
    loader.settimeout(max(POLL_INTERVAL, deadline - time.monotonic()))
    try:
        socket.send_fds(loader, [words], [0, 1, 2, watched])
        answer = ENDED
        # The last word of a fork that ends at once may come first. The loader tells it again.
        while answer.startswith(ENDED):
            answer, descriptors, _, _ = socket.recv_fds(loader, ANSWER, 1)
    except TimeoutError:
        raise NoFork("no answer in time") from None
    if answer == FORKED and descriptors:
        return descriptors[0]
    raise NoFork(os.fsdecode(answer.removeprefix(REFUSED)) or "it has ended; its log says why")


def told(loader: socket.socket) -> int:
    """The exit status of the fork, negative for a signal.

    The loader tells it. Where that has gone, the fork's own last word counts, and without one, as
    after a kill, 1.
    """
    status = 1
    loader.settimeout(TELLING)
    try:
        while word := loader.recv(ANSWER):
            status = int(word.removeprefix(ENDED))
    except OSError:
        pass
    return status


if __name__ == "__main__":
    main(*sys.argv[1:])
