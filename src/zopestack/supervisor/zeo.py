"""The ZEO server, which tells every client of the commits in their order.

ZEO uses uvloop where it is installed. With it, the answer to a client's own commit may overtake the
news of an earlier one (docs/explanation/measured.rst, "Read your own writes"): the client then
takes for current what is not. Python's own event loop runs what is due in the order in which it was
asked for.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run ZEO until it is told to stop; ``run-zeo -C zeo.conf``, as ZEO's own ``runzeo``."""
    # A module that is None cannot be imported (Python's reference, "The module cache").
    sys.modules["uvloop"] = None  # type: ignore[assignment]
    from ZEO.runzeo import main as run

    run()


if __name__ == "__main__":
    main()
