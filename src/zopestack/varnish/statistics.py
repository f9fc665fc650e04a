"""What a running Varnish has counted, with its own program for that (varnishstat(1))."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

from zopestack.model import Stack
from zopestack.varnish import program

#: Timeout in seconds; Varnish itself is not asked, its figures are in memory that it shares.
TIMEOUT = 5


@dataclass(frozen=True)
class Statistics:
    """Since its start.

    :param hits: requests that it has answered by itself, those with an older page included.
    :param stale: of these, those with a page beyond its time, because no instance served.
    :param others: requests that it has passed to an instance.
    :param used: bytes of what it keeps.
    """

    hits: int
    stale: int
    others: int
    used: int

    @property
    def requests(self) -> int:
        """How many requests HAProxy has handed to it."""
        return self.hits + self.others

    @property
    def share(self) -> float:
        """The part of the requests that it has answered by itself; 0 without any."""
        return self.hits / self.requests if self.requests else 0.0


def statistics(stack: Stack) -> Statistics:
    """Look once.

    :raises OSError: if Varnish does not run.
    """
    words = (program.beside(stack.varnish.executable, "varnishstat"), "-n", stack.varnish_directory)
    try:
        # -t: seconds that it waits for a Varnish that does not run.
        done = subprocess.run(
            [*words, "-1", "-j", "-t", "1"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"varnishstat does not end within {TIMEOUT} s") from None
    if done.returncode:
        raise OSError(f"Varnish does not run: {done.stderr.strip()}")
    counted = json.loads(done.stdout)["counters"]
    seen = {name: int(counted[name]["value"]) for name in counted}
    return Statistics(
        hits=seen["MAIN.cache_hit"],
        stale=seen["MAIN.cache_hit_grace"],
        others=seen["MAIN.cache_miss"] + seen["MAIN.s_pass"],
        used=seen["SMA.s0.g_bytes"],
    )
