"""What is done with a database of a stack, whatever keeps it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

Say = Callable[[str], None]


class Database(ABC):
    """A database as it is backed up, packed and restored.

    :ivar name: unique in the stack.
    :ivar kind: what a copy of it can be restored into; the name of a directory, too.
    :ivar blobs: the directory of its blobs; None where they are in the database.
    """

    name: str
    kind: str
    blobs: Path | None

    @abstractmethod
    def check(self) -> None:
        """Check that it can be backed up.

        :raises Failed: where there is nothing to back up.
        :raises Problem: where a program or a server cannot do its part.
        """

    @abstractmethod
    def watch(self) -> Callable[[], bool]:
        """What tells whether it has been packed since now, in a way that its blobs may show."""

    @abstractmethod
    def copy(self, target: Path, previous: Path | None, say: Say) -> None:
        """Copy what was committed until now, without the blobs; others may write meanwhile.

        :param target: a directory, which is there.
        :param previous: that of the backup before, if there is one; never changed.
        :raises OSError, Problem: where that cannot be done.
        """

    @abstractmethod
    def pack(self, days: int, say: Say, called: str) -> None:
        """Remove old revisions, and objects that nothing refers to any more.

        :param days: of history that are kept.
        :param called: the name that its server has for it.
        :raises Failed: where that cannot be done.
        """

    @abstractmethod
    def exchange(self, copy: Path, stamp: str, say: Say) -> Exchange:
        """What puts a copy in its place.

        :param stamp: for the name of what was there before.
        """


class Exchange(ABC):
    """A copy that takes the place of a database of a stack that is stopped."""

    @abstractmethod
    def prepare(self, held: ExitStack) -> None:
        """Do everything that takes time or may fail, and change nothing.

        :param held: closed when all is over, such as a lock.
        :raises Failed, OSError, Problem: where it cannot be restored.
        """

    @abstractmethod
    def undo(self) -> None:
        """Remove what was prepared."""

    @abstractmethod
    def put(self) -> Iterator[Path | str]:
        """Put it in place in one step; yield where what was there before is.

        :raises OSError, Problem: where that fails; then what was there before still is.
        """
