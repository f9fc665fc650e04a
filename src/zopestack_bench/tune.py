"""``scripts/tune``: which [stack] settings suit a site and this machine?"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from zopestack.features import cpus
from zopestack.features.instances import VISITORS
from zopestack.supervisor import group
from zopestack.supervisor.health import ask
from zopestack_bench import Broken, edit, visitors
from zopestack_bench.farm import Farm
from zopestack_bench.layouts import Layout, generated
from zopestack_bench.record import Closed, Experiment
from zopestack_bench.rounds import Track, answered
from zopestack_bench.search import Search
from zopestack_bench.terminal import Progress, exits, minutes
from zopestack_bench.workloads import WORKLOADS, Workload

#: The file that --write changes.
BUILDOUT = Path("buildout.cfg")

#: What it may put there.
OPTIONS = ("instances", "threads", "switch-interval", "nbthread", "affinity")

#: Share of the memory that is free now that tune uses where it is told nothing.
MEMORY_SHARE = 0.5

#: Bytes an instance is taken to need before it is measured: a Plone with warm caches.
INSTANCE_BYTES = 200 * 1024**2

#: Threads that are tried; more share one interpreter lock and have never won.
THREADS = (1, 2)

#: Switch intervals that are tried: a tenth of Python's own, Python's own, and four and ten times
#: that.
INTERVALS = ("0.5ms", "5ms", "20ms", "50ms")

#: Seconds of load in one measurement.
SECONDS = 1.0

EPILOG = """\
examples:
  scripts/tune --url /Plone --url /Plone/news     two pages of your site
  scripts/tune --log var/log/access.log           what your visitors have asked for
  scripts/tune --memory 2G --minutes 10           how much it may take
  scripts/tune --url /Plone --write               put the result into buildout.cfg
  scripts/tune --workload wait                    one of the built-in pages
"""


def main() -> None:
    """Run ``scripts/tune``; exits with 1 and one message where something is wrong."""
    arguments = _arguments()
    with exits("stopped; nothing was changed"):
        if arguments.write:
            # What keeps the file from being changed is found before minutes of measuring.
            edit.changed(BUILDOUT, dict.fromkeys(OPTIONS, "1"))
        found = advise(arguments, Progress().say)
        print(*found.report(), sep="\n")
        if arguments.write and found.changes():
            edit.write(BUILDOUT, found.changes())
            print(f"\n{BUILDOUT} is changed; bin/buildout && bin/supervisorctl update applies it")


def advise(arguments: argparse.Namespace, say: Callable[[str], None]) -> Search:
    """Try layouts and settings within the time and memory that are given.

    :param say: called with each line of progress.
    :raises Broken: where the instances do not come up or no page answers.
    """
    stack, workload = visitors.own_stack(), WORKLOADS[arguments.workload]
    replays = bool(arguments.url or arguments.log)
    if replays:
        if stack is None:
            raise Broken("--url and --log are for this buildout's site; run bin/buildout first")
        paths = visitors.paths(arguments.url, arguments.log, stack)
        workload = Workload("site", paths, "the user's site")
    serving = stack.lane(VISITORS) if stack else ()
    current = (len(serving), serving[0].threads) if serving else (cpus.usable(), 1)
    budget = arguments.memory or int(psutil.virtual_memory().available * MEMORY_SHARE)
    plain = candidates(current, budget)
    used = next(each for each in plain if (each.instances, each.threads) == current)
    with Farm(plain, say, stack if replays else None) as farm:
        tried = plain + alternatives(used, _in_use(farm), workload.paths, cpus.usable())
        largest = max(plain, key=lambda layout: layout.instances)
        workload = answered(farm, largest, workload, say)
        track = Track(farm, {layout.name: layout for layout in tried}, say, workload)
        memory = {layout.name: float(_memory(farm, layout)) for layout in plain}
        experiment = Experiment(workload.name, Closed(arguments.clients), (), SECONDS)
        search = Search(track.add, experiment, tried, used, memory, budget, say)
        search.run(arguments.minutes * 60)
    return search


def candidates(current: tuple[int, int], memory: float) -> list[Layout]:
    """What is tried: up to two instances a core, as far as memory is likely to go.

    :param current: instances and threads in use.
    :param memory: bytes that Zope, ZEO and HAProxy may take.
    """
    cores = cpus.usable()
    affordable = max(1, int(memory / INSTANCE_BYTES))
    numbers = sorted({1, max(1, cores // 2), cores, cores + (cores + 1) // 2, 2 * cores})
    pairs = [(n, t) for t in THREADS for n in numbers if n <= affordable]
    return [generated(*pair) for pair in dict.fromkeys([*pairs, current])]


def alternatives(
    layout: Layout, in_use: Mapping[str, str], paths: Sequence[str], cores: int
) -> list[Layout]:
    """A layout with each of the settings that may serve it better, alone.

    Of affinity, ``path`` only: replayed requests have no cookie and no login.

    :param in_use: the options and values of the layout as it is.
    """
    values = {"switch-interval": INTERVALS, "nbthread": ("1", "2")[:cores], "affinity": ()}
    if layout.instances > 1 and len(set(paths)) > 1 and in_use["affinity"] in ("none", "path"):
        values["affinity"] = ("none", "path")
    return [
        generated(layout.instances, layout.threads, {option: value})
        for option, found in values.items()
        for value in found
        if value != in_use[option]
    ]


def _in_use(farm: Farm) -> dict[str, str]:
    """The options that may be set otherwise, as the farm has them."""
    stack = farm.stack
    report = ask(stack.instances[0])
    if report is None:
        raise Broken(f"{stack.instances[0].name} does not answer any more")
    return {
        "switch-interval": f"{1000 * report.switch_interval:g}ms",
        "nbthread": str(stack.balancer.nbthread),
        "affinity": stack.affinity.affinity,
    }


def _memory(farm: Farm, layout: Layout) -> int:
    programs = ["zeo", *(x.name for x in farm.instances(layout.instances, layout.threads))]
    return sum(group.share(farm.pid(name)) for name in programs)


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
        description="Try numbers of instances and threads, and other settings, on a copy of your "
        "site, and recommend the [stack] lines that serve it best within a memory and a time "
        "budget.",
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
    return parser.parse_args()


if __name__ == "__main__":
    main()
