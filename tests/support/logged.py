"""What a program of a stack has said until now."""

from __future__ import annotations

from contextlib import suppress

from zopestack.model import Stack
from zopestack.supervisor.client import Supervisor


def logged(stack: Stack, name: str) -> str:
    """A file of var/log, with everything that was said before.

    supervisord writes down what comes from a program's pipe some time after it was said. It has
    done so with all of it when it answers a later question, because it serves both in turn.
    """
    with suppress(OSError):
        Supervisor(stack.supervisor_socket).pid()
    return (stack.logs / name).read_text(encoding="utf-8", errors="replace")
