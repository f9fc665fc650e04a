"""The supervisord of a stack: is there one, which process is it, and does it answer?

A supervisord is known by the socket that it has bound, which the kernel tells as long as it lives
(proc(5), ``net/unix``): also when a cleaner of old files has deleted the socket and the pid file,
or when the process is stopped. A pid file alone may name another process by now.
"""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from zopestack.supervisor.client import ANSWER, Supervisor
from zopestack.wait import until

#: Seconds in which a supervisord makes its socket again (``zopestack.supervisor.mend``), twice.
MENDED = 10


class Deaf(Exception):
    """A supervisord that runs but does not answer; the message says what to do."""


class Unreachable(Deaf):
    """One that has lost its socket and does not make it again, as one that was started before this
    package could; or one that cannot write to the directory.

    :ivar pid: the process.
    """

    def __init__(self, running: int, what: str) -> None:
        super().__init__(what)
        self.pid = running


def pid(path: Path) -> int | None:
    """The supervisord that has bound a socket: its pid, None where there is none.

    0 where it is another user's, whose processes cannot be looked into.
    """
    bound = _bound(path)
    if not bound:
        return None
    found = (int(each.name) for each in Path("/proc").glob("[0-9]*") if _has(each, bound))
    return next(found, 0)


def check(path: Path) -> bool:
    """Whether a supervisord runs and answers.

    Waits for one whose socket has been deleted, until it has made it again.

    :raises Deaf: where it runs and does not answer.
    """
    if _answers(path):
        return True
    running = pid(path)
    if running is None:
        return False
    if not path.exists() and not _stopped(running) and until(path.exists, MENDED):
        return True
    who = f"supervisord (pid {running or 'unknown, it is run by another user'})"
    if _stopped(running):
        raise Deaf(f"{who} is stopped. Let it go on: kill -CONT {running}")
    if running and not path.exists():
        raise Unreachable(
            running,
            f"{who} runs, but its socket {path} has been deleted. Stop it, which lets requests "
            f"finish, and start it again: kill {running}, then scripts/up",
        )
    raise Deaf(
        f"{who} does not answer on {path}. The site may serve on. If supervisord stays so: "
        f"kill -9 {running}, then scripts/up, which takes over what it left."
    )


def wait_settled(path: Path, seconds: float, say: Callable[[str], None]) -> None:
    """Wait for the end of a supervisord that shuts down.

    :param say: called with a line where there is one.
    :raises Deaf: where it does not end in time.
    """
    supervisor = Supervisor(path, ANSWER)

    def settled() -> bool:
        return pid(path) is None or supervisor.running()

    if not settled():
        say("waiting for the supervisord that is shutting down")
        if not until(settled, seconds):
            raise Deaf(f"supervisord did not shut down within {seconds:.0f} s.")


def _answers(path: Path) -> bool:
    try:
        Supervisor(path, ANSWER).pid()
    except xmlrpc.client.Fault:
        # An answer as well: it shuts down.
        return True
    except (OSError, HTTPException):
        return False
    return True


def _bound(path: Path) -> set[str]:
    """The sockets that supervisord has bound: it binds ``path.PID`` and links that to ``path``
    (supervisor 4.3, ``http.py``, ``supervisor_af_unix_http_server``).
    """
    found = set()
    for line in Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split(None, 7)
        if len(words) == 8 and words[7].startswith(f"{path}."):
            found.add(f"socket:[{words[6]}]")
    return found


def _has(process: Path, sockets: set[str]) -> bool:
    try:
        for descriptor in (process / "fd").iterdir():
            # It may have been closed since.
            with suppress(FileNotFoundError):
                if str(descriptor.readlink()) in sockets:
                    return True
    except OSError:
        pass
    return False


def _stopped(running: int) -> bool:
    """Whether a process is stopped by a signal (proc(5), ``stat``: the word after the name)."""
    try:
        text = Path(f"/proc/{running}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] in ("T", "t")
