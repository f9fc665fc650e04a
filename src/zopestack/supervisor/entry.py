"""What ``bin/supervisord`` and ``bin/supervisorctl`` do first.

Both take the stack's configuration, and a second supervisord is refused. Imports little: this
stays in supervisord's memory.
"""

from __future__ import annotations

import sys
from pathlib import Path

from zopestack.supervisor import daemon
from zopestack.supervisor.owner import Owner

#: How systemd has supervisord stay in the foreground.
FOREGROUND = ("-n", "--nodaemon")

#: What a supervisord that is about to start holds.
_starting: list[Owner] = []


def prepare(arguments: list[str], configuration: str, socket: str, lock: str, copying: str) -> None:
    """Add ``-c`` to the arguments; one that is typed by hand still wins.

    Exits with a message where the configuration cannot be used, where a second supervisord would
    be started beside one that runs, or where the database has a part of what it shall have.

    :param copying: a file that a copy of the database has left if it was killed.
    """
    by_hand = any(word.startswith("-") and word not in FOREGROUND for word in arguments[1:])
    if not by_hand and (problem := _unusable(Path(configuration))):
        sys.exit(f"{configuration} {problem}: run bin/buildout")
    arguments[1:1] = ["-c", configuration]
    if Path(arguments[0]).name == "supervisord" and not by_hand and Path(lock).parent.is_dir():
        # It becomes a daemon by a fork.
        owner = Owner(Path(lock), "supervisord, which starts", _say, forks=True)
        _starting.append(owner.__enter__())
        running = daemon.pid(Path(socket))
        if running is not None:
            sys.exit(
                f"supervisord of this stack runs already, pid {running or 'of another user'}. "
                "scripts/up applies changes, and mends what is missing."
            )
        if Path(copying).exists():
            sys.exit(
                "bin/copy-storage was killed before it had copied everything. Run it again with "
                f"--clear; or, to start with what the database has, delete {copying}"
            )


def started() -> None:
    """supervisord runs: let others own the stack."""
    while _starting:
        _starting.pop().__exit__()


def _say(line: str) -> None:
    print(line, flush=True)


def _unusable(configuration: Path) -> str:
    try:
        text = configuration.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return "is not UTF-8"
    except OSError as why:
        return f"cannot be read ({why.strerror})"
    return "" if "[supervisord]" in text and "[supervisorctl]" in text else "is not complete"
