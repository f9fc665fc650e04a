"""What supervisord is told of one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zopestack.namespec import namespec

#: How often a program is started again that ends at once, until supervisord gives up. An instance
#: that cannot start is not needed as long as others serve, and its log is to stay readable.
TRIES = 3


@dataclass(frozen=True)
class Program:
    """One ``[program:...]`` or ``[eventlistener:...]`` of supervisord (its manual).

    :param comment: what the process is for, in the file.
    :param priority: lower starts first and stops last.
    :param autostart: whether it starts with supervisord.
    :param startsecs: seconds after which it counts as started.
    :param startretries: how often one that has not run so long is started again.
    :param autorestart: whether it is started again when it has ended; ``unexpected``: if it has not
        ended with exit status 0.
    :param stopwaitsecs: seconds from the stop signal to a kill.
    :param stopasgroup: whether the stop signal goes to its children as well.
    :param python: the interpreter with its eggs; that of the first instance unless it has its own.
    :param part: that it is started from, where it has another name.
    :param digest: changes with what the program is started with, so that ``supervisorctl
        update`` restarts it: supervisord sees its own file only.
    :param events: what an event listener is told; empty for a program.
    :param directory: where it runs; empty for the buildout's.
    :param group: that it belongs to, where that has another name.
    :param exitcodes: exit statuses with which it has ended as expected.
    :param further: all other lines of one of the user's own; empty for one of the stack.
    """

    name: str
    comment: str
    command: str
    priority: int
    autostart: bool = True
    startsecs: int = 1
    startretries: int = TRIES
    autorestart: bool | str = True
    stopsignal: str = "TERM"
    stopwaitsecs: float = 10
    stopasgroup: bool = False
    python: str = ""
    part: str = ""
    digest: str = ""
    events: str = ""
    directory: str = ""
    group: str = ""
    exitcodes: tuple[int, ...] = (0,)
    further: Mapping[str, str] = field(default_factory=dict)

    @property
    def namespec(self) -> str:
        """What supervisorctl calls it."""
        return namespec(self.group, self.name)

    @property
    def section(self) -> str:
        """The kind of its section."""
        return "eventlistener" if self.events else "program"
