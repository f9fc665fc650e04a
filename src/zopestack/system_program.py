"""Where the system has a program that is not this project's."""

from __future__ import annotations

import shutil
from pathlib import Path

#: Where packages put programs; a user's PATH often lacks some of these.
PLACES = "/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/usr/local/bin"


def find(name: str) -> Path | None:
    """Return a program by its name: that of PATH, else the system's; None where there is none."""
    found = shutil.which(name) or shutil.which(name, path=PLACES)
    return Path(found) if found else None
