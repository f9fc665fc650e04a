"""A dump that is restored into a database beside the old one, on the same server.

The old one is whole until the new one is, and is kept under another name.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import ExitStack
from pathlib import Path

from zopestack.backups.database import Exchange, Say
from zopestack.backups.failed import Problem
from zopestack.wait import until

#: Bytes of a name: PostgreSQL's (its manual, "Identifiers and Key Words"); MySQL takes one more.
LONGEST = 63

#: Seconds to wait for connections of a stack that has just been stopped.
SETTLED = 5.0


class Beside(Exchange):
    """What restores a dump.

    :param name: of the stack's database, as people know it.
    :param old: what the server calls it.
    :param dump: the file.
    :param stamp: for the name of what was there before.
    """

    def __init__(self, name: str, old: str, dump: Path, stamp: str, say: Say) -> None:
        self.name = name
        self.old = old
        self.new = _longer(old, "_restoring")
        self.aside = _longer(old, f"_before_restore_{stamp.replace('-', '')}")
        self.dump = dump
        self.say = say

    def prepare(self, held: ExitStack) -> None:
        """Check that there is something to restore, and nobody who uses the old one."""
        if not self.dump.exists():
            raise FileNotFoundError(2, f"there is no {self.dump.name}")
        # A server notices a little later that a client has ended.
        if not until(lambda: not self.connections(), SETTLED):
            raise Problem(
                f"{self.connections()} connections to the database {self.old} are open, though "
                "this stack is stopped: stop who else uses it"
            )

    @abstractmethod
    def connections(self) -> int:
        """How many there are to the old one.

        :raises Problem: where the server does not answer.
        """


def _longer(name: str, end: str) -> str:
    """A name with an end, as long as servers take them."""
    kept = name.encode()[: LONGEST - len(end)]
    return kept.decode(errors="ignore") + end
