"""Whether HAProxy and Varnish run with their files: wait for a reload, and tell why one failed."""

from __future__ import annotations

import re
import xmlrpc.client
from contextlib import suppress
from pathlib import Path

from zopestack.model import Stack
from zopestack.supervisor.client import Process, Supervisor
from zopestack.supervisor.readiness import NotReady
from zopestack.wait import until

#: What supervisord calls the programs that reload HAProxy and Varnish.
RELOAD, VARNISH_RELOAD = "haproxy-reload", "varnish-reload"

#: Seconds for supervisord to start it, on a slow machine, and for the reload itself.
TIMEOUT = 60

#: How they say that they have failed.
FAILURE = re.compile(r"^(Reload (refused|failed); |Nothing was reloaded: )", re.MULTILINE)

#: supervisord's states of a reload that has failed; it is tried again, but its files are the same.
FAILED = ("BACKOFF", "EXITED", "FATAL", "UNKNOWN")


def confirm(stack: Stack) -> None:
    """Return once HAProxy runs with the files that are in place; reload it if it does not.

    :raises NotReady: where the reload has failed; the message has the reason.
    :raises OSError: where supervisord does not answer.
    """
    supervisor = Supervisor(stack.supervisor_socket)
    if _reload(supervisor).state in (*FAILED, "STOPPED"):
        # The files may have been mended since. One that is about to be tried again is stopped
        # first, or supervisord would not start it now.
        with suppress(xmlrpc.client.Fault):
            supervisor.rpc.stopProcess(RELOAD)
        with suppress(xmlrpc.client.Fault):
            supervisor.start(RELOAD)
    wait_reloaded(stack)


def wait_reloaded(stack: Stack, program: str = RELOAD) -> None:
    """Return once the reload that runs is over.

    :param program: that reloads.
    :raises NotReady: where it has failed; the message has the reason.
    :raises OSError: where supervisord does not answer.
    """
    supervisor = Supervisor(stack.supervisor_socket)

    def over() -> bool:
        found = _reload(supervisor, program)
        return found.state in FAILED or _waits(found)

    if not until(over, TIMEOUT):
        raise NotReady(f"{program} has not ended within {TIMEOUT} s; see {_log(stack, program)}.")
    if _reload(supervisor, program).state in FAILED:
        raise NotReady(_reason(stack, program))


def _reload(supervisor: Supervisor, program: str = RELOAD) -> Process:
    try:
        return supervisor.processes()[program]
    except KeyError:
        raise NotReady(f"{program} is unknown to supervisord; run `update`.") from None


def _waits(process: Process) -> bool:
    """Whether it has become ``cat``, as it does when it is done."""
    try:
        return Path(f"/proc/{process.pid}/comm").read_text(encoding="ascii").strip() == "cat"
    except (OSError, UnicodeDecodeError):
        return False


def _reason(stack: Stack, program: str) -> str:
    with suppress(OSError):
        said = _log(stack, program).read_text(encoding="utf-8", errors="replace")
        if found := [each.start() for each in FAILURE.finditer(said)]:
            return said[found[-1] :].strip()
    return f"{program} has failed; see {_log(stack, program)}."


def _log(stack: Stack, program: str) -> Path:
    return stack.logs / f"{program}.out.log"
