"""Whether the programs are here that the backups of a stack need.

``python -m zopestack.backups.needed`` reads the Stack from standard input, since it may hold a
password. It needs the instances' eggs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from zopestack import stack_file
from zopestack.backups.failed import Failed


def main() -> None:
    """End with a message where something is missing."""
    # bin/buildout imports this module for its name, and has none of the instances' eggs.
    from zopestack.backups.databases import relational

    try:
        for each in relational(stack_file.load(Path("/dev/stdin"))):
            each.check_programs()
    except Failed as why:
        sys.exit(str(why))


if __name__ == "__main__":
    main()
