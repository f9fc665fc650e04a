"""What supervisord runs in place of an instance: it asks the loader for a fork.

    python -I -S client.py SOCKET PATIENCE WSGI_INI COMMAND [ARGUMENT ...]

It hands its standard streams, environment and directory over, and becomes a shell that stands for
the fork (:func:`stand_for`): as long as the instance runs, that takes a twentieth of Python's
memory. Where there is no fork to be had, it becomes COMMAND, which starts the instance alone.

It imports nothing of zopestack: its interpreter has no path to it.
"""

import os
import signal
import socket
import sys
import time

#: Changes with what is said over the socket: a loader of another version refuses.
VERSION = b"zopestack-loader-2"

#: What the loader answers with: the pid of the fork, of which it sends a pidfd, too, or the reason
#: of a refusal.
FORKED, REFUSED = b"forked ", b"refused "

#: Added to the path of the socket, a file where a loader says why it gives no forks.
REFUSAL = ".refusal"

#: Signals that mean the instance: a stop, a drain, its end, and the reopening of logs.
PASSED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)

#: A word of the loader's command line.
PROGRAM = b"zopestack.loader.main"

#: Seconds without a loader in supervisord's list of children after which there is none. One that
#: has just been forked is not there yet, and any may be left out while others end (proc(5)).
UNSEEN = 2.0

#: Seconds between two looks for the socket.
POLL_INTERVAL = 0.05

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
    watched, held = os.pipe()
    # How the fork has ended is told here.
    ending, told = os.pipe()
    try:
        deadline = time.monotonic() + float(patience)
        fork, pid = ask(connect(path, deadline), deadline, wsgi_ini, watched, told)
    # What cannot be sent is one of them: EMSGSIZE for an environment that is too large.
    except (NoFork, OSError) as why:
        print(f"no fork of the loader ({why}): starting alone", file=sys.stderr, flush=True)
        os.execv(command[0], command)
    os.dup2(ending, 0)
    # By the pidfd others see which process it stands for (zopestack.supervisor.group).
    for kept in (held, fork):
        os.set_inheritable(kept, True)
    # A shell leaves alone what is ignored when it starts.
    for number in PASSED:
        signal.signal(number, signal.SIG_DFL)
    command = stand_for(pid)
    os.execv(command[0], command)


def stand_for(fork: int) -> tuple[str, ...]:
    """What passes signals on to a fork, and ends as it ends; killed, it takes the fork with it."""
    script = f"{os.path.dirname(__file__)}/stand_for.sh"  # noqa: PTH120
    names = [number.name.removeprefix("SIG") for number in PASSED]
    return "/bin/sh", script, str(fork), *names


def connect(path: str, deadline: float) -> socket.socket:
    """The loader.

    :param deadline: until when to wait for one that has just been started; monotonic seconds.
    :raises NoFork: where it does not run, or belongs to somebody else.
    """
    seen = time.monotonic()
    loader = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    while True:
        try:
            loader.connect(path)
            break
        except (FileNotFoundError, ConnectionRefusedError):
            if why := refusal(path):
                raise NoFork(why) from None
            now = time.monotonic()
            seen = now if started() else seen
            if now > min(deadline, seen + UNSEEN):
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


def ask(
    loader: socket.socket, deadline: float, wsgi_ini: str, watched: int, told: int
) -> tuple[int, int]:
    """A pidfd of a new fork, and its pid.

    :param deadline: until when to wait for a loader that loads; monotonic seconds.
    :param watched: the fork is killed when this ends.
    :param told: where the loader and the fork are to tell how it ends.

    :raises NoFork: where the loader refuses, or does not answer in time.
    :raises OSError: where it ends, or cannot be sent the environment.
    """
    variables = [name + b"=" + text for name, text in os.environb.items()]
    # Neither paths nor variables can have a NUL.
    words = b"\0".join((VERSION, os.fsencode(wsgi_ini), os.getcwdb(), *variables))  # noqa: PTH109
    # Not 0, which would not wait at all.
    loader.settimeout(max(POLL_INTERVAL, deadline - time.monotonic()))
    try:
        socket.send_fds(loader, [words], [0, 1, 2, watched, told])
        answer, descriptors, _, _ = socket.recv_fds(loader, ANSWER, 1)
    except TimeoutError:
        raise NoFork("no answer in time") from None
    if answer.startswith(FORKED) and descriptors:
        return descriptors[0], int(answer.removeprefix(FORKED))
    raise NoFork(os.fsdecode(answer.removeprefix(REFUSED)) or "it has ended; its log says why")


if __name__ == "__main__":
    main(*sys.argv[1:])
