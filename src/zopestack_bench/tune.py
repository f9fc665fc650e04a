"""``scripts/tune``: which [stack] settings suit a site and this machine?"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import psutil

from zopestack.features import cpus
from zopestack.features.instances import VISITORS
from zopestack.model import Stack
from zopestack_bench import Broken, edit, visitors
from zopestack_bench.advise import Task, advise
from zopestack_bench.site import own_stack
from zopestack_bench.terminal import Progress, exits, minutes
from zopestack_bench.workloads import WORKLOADS, Workload

#: The file that --write changes.
BUILDOUT = Path("buildout.cfg")

#: What it may put there.
OPTIONS = ("instances", "threads", "switch-interval", "nbthread", "affinity")

#: Share of the memory that is free now that tune uses where it is told nothing.
MEMORY_SHARE = 0.5

EPILOG = """\
examples:
  scripts/tune --url /Plone --url /Plone/news     two pages of your site
  scripts/tune --log var/log/access.log           what your visitors have asked for
  scripts/tune --memory 2G --minutes 10           how much it may take
  scripts/tune --url /Plone --write               put the result into buildout.cfg
  scripts/tune --workload wait                    one of the built-in pages
  scripts/tune --workload cpu --check             and how good the answer was, as long again
"""


def main() -> None:
    """Run ``scripts/tune``; exits with 1 and one message where something is wrong."""
    arguments = _arguments()
    with exits("stopped; nothing was changed"):
        if arguments.write:
            # What keeps the file from being changed is found before minutes of measuring.
            edit.changed(BUILDOUT, dict.fromkeys(OPTIONS, "1"))
        with Progress() as progress:
            evidence, changes = advise(_task(arguments), progress.say)
        print("\n".join(evidence))
        if arguments.write and changes:
            edit.write(BUILDOUT, changes)
            print(f"\n{BUILDOUT} is changed; bin/buildout && bin/supervisorctl update applies it")


def _task(arguments: argparse.Namespace) -> Task:
    stack = own_stack()
    serving = stack.lane(VISITORS) if stack else ()
    replayed = bool(arguments.url or arguments.log)
    return Task(
        stack=stack if replayed else None,
        workload=_replayed(arguments, stack) if replayed else WORKLOADS[arguments.workload],
        clients=arguments.clients,
        memory=arguments.memory or int(psutil.virtual_memory().available * MEMORY_SHARE),
        seconds=arguments.minutes * 60,
        current=(len(serving), serving[0].threads) if serving else (cpus.usable(), 1),
        check=arguments.check,
    )


def _replayed(arguments: argparse.Namespace, stack: Stack | None) -> Workload:
    if stack is None:
        raise Broken("--url and --log are for this buildout's site; run bin/buildout first")
    paths = [visitors.from_url(url, stack) for url in arguments.url]
    if arguments.log:
        paths += visitors.from_log(visitors.logged(arguments.log), stack)
    return Workload("site", tuple(paths), "the user's site")


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MG])i?B?", text, re.IGNORECASE)
    if not found:
        raise argparse.ArgumentTypeError(f"{text} is not an amount of memory such as 800M or 2G")
    return int(float(found[1]) * 1024 ** (2 if found[2].upper() == "M" else 3))


def _number(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 to 9999")
    return int(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/tune",
        description="Try numbers of instances and threads, then other settings, on a copy of "
        "your site, and recommend the [stack] lines that serve it best within a memory and a "
        "time budget.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", action="append", default=[], help="a page; may be repeated")
    parser.add_argument("--log", type=Path, metavar="FILE", help="HAProxy access log to replay")
    parser.add_argument("--workload", choices=WORKLOADS, default="cpu", help="a built-in page")
    parser.add_argument(
        "--clients", type=_number, default=8, metavar="N", help="at once (default 8)"
    )
    parser.add_argument(
        "--memory", type=_bytes, metavar="SIZE", help="such as 2G; default half of what is free"
    )
    parser.add_argument("--minutes", type=minutes, default=5, help="for measuring (default 5)")
    parser.add_argument("--write", action="store_true", help="put the result into buildout.cfg")
    parser.add_argument(
        "--check",
        action="store_true",
        help="then measure every layout as long again and compare the recommended one",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
