"""Have Varnish take up its rules when they have changed, and keep every page.

supervisord runs this as ``varnish-reload``, whose environment holds a digest of the rules, so
``supervisorctl update`` restarts it when they have changed. Then it becomes ``cat``, as the reload
of HAProxy does, and for the same reason.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from zopestack import stack_file
from zopestack.model import Stack
from zopestack.supervisor.client import ANSWER, IDLE, Supervisor
from zopestack.varnish.admin import Admin, Refused
from zopestack.wait import until

#: Seconds that Varnish gets to start.
TIMEOUT = 30


def main() -> None:
    """Reload if Varnish runs with other rules, then become ``cat``; ``reload-varnish STACK_FILE``.

    Exits with a message where Varnish refuses them; it keeps those that it has.
    """
    try:
        take_up(stack_file.load(Path(sys.argv[1])))
    except OSError as why:
        sys.exit(f"Nothing was reloaded: {why}")
    except Refused as why:
        sys.exit(f"Reload refused; Varnish keeps its current rules: {why}")
    os.execvp("cat", ["cat"])


def take_up(stack: Stack) -> None:
    """Reload if Varnish runs with other rules.

    :raises OSError: if supervisord or Varnish does not answer.
    :raises Refused: if Varnish does not accept the rules.
    """
    varnish = Admin(stack.varnish.executable, stack.varnish_directory)
    supervisor = Supervisor(stack.supervisor_socket, ANSWER)

    def runs() -> bool:
        return supervisor.processes()["varnish"].state not in IDLE

    until(lambda: varnish.answers() or not runs(), TIMEOUT)
    if not runs():
        print("Varnish does not run; it will start with the current rules", flush=True)
    elif varnish.take_up(stack.varnish_vcl):
        print("Varnish runs with the new rules", flush=True)
    else:
        print("Varnish already runs with the current rules", flush=True)


if __name__ == "__main__":
    main()
