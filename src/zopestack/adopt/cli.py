"""``bin/adopt``: show what a buildout becomes, and write it beside it if asked to."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from zopestack import files
from zopestack.adopt.adopted import Adopted
from zopestack.adopt.check import written
from zopestack.adopt.notes import report
from zopestack.adopt.original import Original, Unreadable

DESCRIPTION = """\
Print what a buildout of separate parts (Zope, ZEO, HAProxy, supervisord) becomes as a [stack], and
what becomes of each part and option. The buildout is read as bin/buildout reads it; nothing is
installed, run or changed. What is printed is a buildout: the report stands in its comments.
"""

#: What --write makes unless it is given a name.
WRITTEN = "stack.cfg"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; exits with 1 where the buildout cannot be read or the file be written."""
    parser = argparse.ArgumentParser(
        prog="adopt", description=DESCRIPTION, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("buildout", type=Path, help="a file such as buildout.cfg")
    parser.add_argument(
        "--write",
        metavar="FILE",
        nargs="?",
        const=WRITTEN,
        help=f"write it to a new file beside the buildout, by default {WRITTEN}",
    )
    given = parser.parse_args(arguments)
    try:
        text = adopted(given.buildout)
    except Unreadable as why:
        sys.exit(f"Error: {why}")
    if given.write is None:
        print(text, end="")
        return
    path = given.buildout.absolute().parent / given.write
    try:
        # It says what the buildout says, passwords included.
        files.create(path, text, given.buildout.stat().st_mode & 0o777)
    except FileExistsError:
        sys.exit(f"Error: {path} is there already; name another file: --write FILE")
    except OSError as why:
        sys.exit(f"Error: {path} cannot be written: {why}")
    print(f"{path} is written. Read its comments, then: bin/buildout -c {given.write}")


def adopted(path: Path) -> str:
    """What a buildout becomes, with the report in its comments.

    :raises Unreadable: where buildout would not read it.
    """
    found = Adopted(Original(path))
    said = "\n".join(f"# {line}".rstrip() for line in report(found.notes))
    return f"# What {path.name} becomes as a stack; bin/adopt has made this.\n{said}\n\n" + written(
        found.sections
    )


if __name__ == "__main__":
    main()
