"""A database in Oracle, which is packed here, and backed up with Oracle's own tools."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from zopestack.backups.database import Exchange, Say
from zopestack.backups.failed import Failed
from zopestack.backups.relational import Relational


class Oracle(Relational):
    """A database of RelStorage in Oracle."""

    def check(self) -> NoReturn:
        """Refuse."""
        raise Failed(f"{self.name} is in Oracle: back it up and restore it with Oracle's own tools")

    def check_programs(self) -> NoReturn:
        """Refuse."""
        self.check()

    def copy(self, target: Path, previous: Path | None, say: Say) -> NoReturn:
        """Refuse."""
        self.check()

    def exchange(self, copy: Path, stamp: str, say: Say) -> Exchange:
        """Refuse."""
        self.check()
