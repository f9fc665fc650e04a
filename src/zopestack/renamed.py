"""Whether somebody has renamed or deleted an open file, as logrotate does with a log.

Imports little: this stays in supervisord's memory.
"""

from __future__ import annotations

import os


def renamed(path: str, descriptor: int) -> bool:
    """Whether the path names another file than the open one, or none."""
    try:
        return not os.path.samestat(os.stat(path), os.fstat(descriptor))  # noqa: PTH116
    except FileNotFoundError:
        return True
