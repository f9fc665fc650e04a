"""``bin/munin-plugin``, which munin-node runs, and by which a person installs it."""

from __future__ import annotations

import argparse
import os
import pwd
import sys
from pathlib import Path

from zopestack import files, stack_file
from zopestack.model import Stack
from zopestack.supervisor import job
from zopestack.supervisor.figures import Figures
from zopestack.supervisor.gather import gathered
from zopestack.supervisor.munin import plugin
from zopestack.supervisor.munin.graphs import field

DESCRIPTION = """\
Tell Munin the figures of this stack: requests, statuses, time and wait of a request, busy threads,
queue, conflicts, memory, wait for the interpreter lock, and the machine's rescheduling interrupts.
munin-node runs this with `config` and without a word.
"""

EPILOG = """\
examples:
  sudo bin/munin-plugin install   have munin-node run it; then restart munin-node
  bin/munin-plugin                show the values of now
"""

ASKED = ("config", "autoconf", "suggest", "install")

#: Where munin-node of Debian and others looks for plugins, and for whom to run each as.
PLUGINS, CONFIGURATION = Path("/etc/munin/plugins"), Path("/etc/munin/plugin-conf.d")


def main(file: str) -> None:
    """Answer munin-node, or install the plugin.

    :param file: the Stack's.
    """
    parser = job.parser("munin-plugin", DESCRIPTION, EPILOG)
    parser.add_argument("asked", nargs="?", choices=ASKED, help="what munin-node asks, or install")
    parser.add_argument("--plugins", type=Path, default=PLUGINS, metavar="DIRECTORY")
    parser.add_argument("--configuration", type=Path, default=CONFIGURATION, metavar="DIRECTORY")
    given = parser.parse_args()
    try:
        stack = stack_file.load(Path(file))
    except OSError as why:
        if given.asked == "autoconf":
            print(f"no ({why})")
            return
        sys.exit(f"munin-plugin: {why}")
    if given.asked == "install":
        _install(stack, given)
    elif given.asked == "autoconf":
        print("yes")
    elif given.asked != "suggest":
        figures = Figures(gathered(stack))
        answer = plugin.config if given.asked else plugin.values
        print(*answer(stack, figures, prefix(stack)), sep="\n")


def prefix(stack: Stack) -> str:
    """What the names of the stack's graphs begin with: another stack has another directory."""
    return f"zope_{field(stack.directory.name)}"


def _install(stack: Stack, given: argparse.Namespace) -> None:
    """Have munin-node run it, as the user whose sockets it asks."""
    name = prefix(stack)
    user = pwd.getpwuid(stack.stack_file.stat().st_uid).pw_name
    link, section = given.plugins / name, given.configuration / name
    try:
        if link.is_symlink():
            link.unlink()
        link.symlink_to(stack.bin / "munin-plugin")
        files.write(section, f"[{name}]\nuser {user}\n", mode=0o644)
    except OSError as why:
        hint = "" if os.geteuid() == 0 else "; run it with sudo"
        sys.exit(f"munin-plugin: cannot install: {why}{hint}")
    print(f"munin-plugin: {link} and {section} are there; restart munin-node")


if __name__ == "__main__":
    main(sys.argv.pop(1))
