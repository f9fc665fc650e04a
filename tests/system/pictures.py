"""Make the pictures of a running stack for the documentation: its terminal, and a graph of Munin.

    .venv/bin/python -m tests.system.pictures [MINUTES]

A stack of four instances serves visitors of different speed for some minutes. What
``supervisorctl stack --watch`` shows in a terminal meanwhile becomes ``docs/pictures/watch.svg``.
Debian's munin-node, munin-update and munin-graph make ``docs/pictures/munin.png``, with a value
every ten seconds instead of every five minutes. This takes root and Debian's package ``munin``.
"""

from __future__ import annotations

import io
import random
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.text import Text

from scripts.bootstrap import say
from tests.support import ledger
from tests.support.fetch import fetch
from tests.support.harness import CHECKOUT, Site, until
from tests.support.munin import Munin
from tests.support.terminal import Terminal
from zopestack.supervisor.watch import BUSY

PICTURES = CHECKOUT / "docs" / "pictures"

INSTANCES, VISITORS = 4, 5

#: Seconds between two looks of Munin's.
INTERVAL = 10

COMMAND = "bin/supervisorctl stack --watch"


def main() -> None:
    """Make both."""
    minutes = float((*sys.argv[1:], 10)[0])
    with Site(ledger.SECTIONS, instances=INSTANCES, requests_per_address="off") as site:
        site.start()
        ledger.create(site, visitors=VISITORS)
        with (
            visitors(site),
            TemporaryDirectory() as directory,
            Munin(Path(directory), site) as munin,
        ):
            say(f"{VISITORS} visitors for {minutes:g} minutes")
            began = time.time()
            (PICTURES / "watch.svg").write_text(watched(site), encoding="utf-8")
            while time.time() < began + 60 * minutes:
                munin.update()
                time.sleep(INTERVAL)
            picture = munin.graph("busy", int(began), int(time.time()))
            (PICTURES / "munin.png").write_bytes(picture)


@contextmanager
def visitors(site: Site) -> Iterator[None]:
    """Visitors who ask for light and slow pages, one after the other, and pause now and then."""
    over = threading.Event()
    threads = [threading.Thread(target=_visit, args=(site, over, n)) for n in range(VISITORS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _visit(site: Site, over: threading.Event, number: int) -> None:
    chosen = random.Random(number)
    door = site.stack.balancer.local_address
    while not over.wait(chosen.expovariate(2)):
        # A minute of haste, a minute of rest.
        hasty = int(time.time() / 60 + number / VISITORS) % 2
        path = f"/ledger/slow?seconds={chosen.uniform(0, 2):.1f}" if hasty else "/ledger/light"
        fetch(door, path)


def watched(site: Site) -> str:
    """What a real terminal shows while every instance serves and some work, as a picture."""
    program, *arguments = COMMAND.split()
    number = len(site.stack.instances)
    with Terminal([site.stack.directory / program, *arguments], site.environment) as terminal:
        until(
            "busy instances",
            terminal.lines,
            lambda lines: (
                bool(lines)
                and f"{number} of {number} serve" in lines[-1]
                and BUSY in "".join(lines)
            ),
        )
        console = Console(record=True, width=terminal.screen.columns, file=io.StringIO())
        console.print(Text(f"$ {COMMAND}", style="dim"))
        for line in terminal.colored():
            console.print(line)
        terminal.interrupt()
    return described(console.export_svg(title="supervisorctl stack --watch"))


def described(svg: str) -> str:
    """A picture with a title for those who hear it, and with fonts of the machine that shows it."""
    head, _, rest = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).partition(">")
    lines = f'{head} role="img"><title>{COMMAND} in a terminal</title>{rest}'.splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip()) + "\n"


if __name__ == "__main__":
    main()
