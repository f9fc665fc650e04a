"""``scripts/tune``: find the [stack] settings that suit a site and this machine.

:func:`tune` is the whole of it for other commands; it prints what it does as it goes.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from zopestack import cpus, files, store
from zopestack.bench import accesslog, edit, proc, rounds, site, wrk
from zopestack.bench.farm import Broken, Farm, Source, fetch, stop_on_signals
from zopestack.bench.halving import SCORE, Search
from zopestack.bench.layouts import Layout, counts, generated_layout, pinned
from zopestack.bench.measured import Closed
from zopestack.bench.workloads import WORKLOADS, Workload
from zopestack.bootstrap import say
from zopestack.up import STACK_FILE

#: The file that --write changes.
BUILDOUT = Path("buildout.cfg")

#: Bytes an instance is taken to need before it is measured: a Plone with warm caches.
INSTANCE_BYTES = 200 * 1024**2

#: Share of the memory that is free now that tune uses where it is told nothing.
MEMORY_SHARE = 0.5

#: Threads that are tried; more share one interpreter lock and have never won.
THREADS = (1, 2)

#: Share of the time that is kept for the settings of the winner.
REFINEMENT = 0.2

EPILOG = """\
examples:
  scripts/tune --url /Plone --url /Plone/news     two pages of your site
  scripts/tune --log var/log/haproxy.log          what your visitors have asked for
  scripts/tune --memory 2G --minutes 10           how much it may take
  scripts/tune --url /Plone --write               put the result into buildout.cfg
  scripts/tune --workload wait                    one of the built-in pages
"""


@dataclass(frozen=True)
class Task:
    """What to tune for.

    :param clients: of the closed loop.
    :param memory: bytes the instances and ZEO may take.
    :param seconds: the time for measuring.
    :param current: instances and threads in use.
    """

    source: Source
    workload: Workload
    clients: int
    memory: int
    seconds: float
    current: tuple[int, int]


@dataclass(frozen=True)
class Advice:
    """What came out.

    :param evidence: lines for a person.
    :param changes: options of [stack]; empty where there is nothing to gain.
    """

    evidence: list[str]
    changes: dict[str, str]


def main() -> None:
    """Run ``scripts/tune``; exits with 1 and one message where something is wrong."""
    arguments = _arguments()
    stop_on_signals()
    try:
        if arguments.write:
            # What keeps the file from being changed is found before minutes of measuring.
            edit.set_options(_text(BUILDOUT), {"instances": "1", "threads": "1"})
        advice = tune(_task(arguments), say)
        print("\n".join(advice.evidence))
        if arguments.write and advice.changes:
            write(BUILDOUT, advice.changes)
    except edit.CannotEdit as why:
        sys.exit(f"{BUILDOUT} cannot be changed: {why}")
    except (Broken, wrk.Failed) as why:
        sys.exit(f"{why}")
    except KeyboardInterrupt:
        sys.exit("stopped; nothing was changed")


def tune(task: Task, say: Callable[[str], None]) -> Advice:
    """Try layouts within the time and memory of the task.

    :param say: called with each line of progress.
    :raises Broken: where the instances do not come up or the page does not answer.
    """
    layouts = candidates(task)
    with tempfile.TemporaryDirectory(prefix="zopestack-tune-") as directory, ExitStack() as lasting:
        farm = Farm(Path(directory), task.source, counts(layouts))
        lasting.callback(farm.stop)
        farm.start(say)
        for path in dict.fromkeys(task.workload.paths[:20]):
            for instance in farm.stack.instances:
                fetch(instance.address, path)
        memory = {name: _memory(farm, layout) for name, layout in layouts.items()}
        current = _name(*task.current)
        within = tuple(x for x in layouts if memory[x] <= task.memory or x == current)
        track = rounds.Track(farm, layouts, lasting)
        search = Search(
            names=within,
            current=current,
            memory=memory,
            measure=lambda x: rounds.run(track, x, task.workload, say),
            workload=task.workload.name,
            load=Closed(task.clients),
        )
        best = search.run(task.seconds * (1 - REFINEMENT), say)
        left_out = len(layouts) - len(within)
        evidence = _evidence(search, best, left_out)
        evidence += _refine(track, search, layouts[best], task, say)
    return Advice(evidence + _lines(layouts[best], best == current), _changes(best, task))


def candidates(task: Task) -> dict[str, Layout]:
    """What is tried: up to two instances a core, as far as memory is likely to go."""
    cores = cpus.usable()
    affordable = max(1, int(task.memory / INSTANCE_BYTES))
    numbers = sorted({1, max(1, cores // 2), cores, cores + (cores + 1) // 2, 2 * cores})
    pairs = [(n, t) for t in THREADS for n in numbers if n <= affordable]
    pairs += [task.current] if task.current not in pairs else []
    return {_name(*pair): generated_layout(*pair) for pair in pairs}


def write(path: Path, changes: dict[str, str]) -> None:
    """Put options into a buildout file in one step.

    :raises CannotEdit: where the file has no place for them.
    """
    text = edit.set_options(_text(path), changes)
    files.write(path, text, path.stat().st_mode & 0o777)
    say(f"{path} is changed; bin/buildout && bin/supervisorctl update applies it")


def _text(path: Path) -> str:
    try:
        # Line ends stay as they are.
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except OSError as why:
        raise edit.CannotEdit(f"{path}: {why.strerror}") from None


def _name(instances: int, threads: int) -> str:
    return f"{instances}x{threads}"


def _memory(farm: Farm, layout: Layout) -> int:
    programs = ["zeo", *(x.name for x in farm.instances(layout.instances, layout.threads))]
    return sum(proc.pss(farm.pid(name)) for name in programs)


def _evidence(search: Search, best: str, left_out: int) -> list[str]:
    lines = [
        "",
        f"{'layout':10} {'requests/s':>10} {'p99 ms':>8} {'memory':>8}  over {search.current}",
    ]
    for name in search.names:
        found = search.outcome((name,))
        mark = " <- recommended" if name == best else ""
        against = (
            "in use" if name == search.current else search.against(name, search.current).verdict
        )
        lines.append(
            f"{name:10} {found.median(name, SCORE):10.1f} {found.median(name, 'p99 ms'):8.0f} "
            f"{search.memory[name] / 1e6:5.0f} MB  {against}{mark}"
        )
    if left_out:
        lines.append(f"{left_out} layouts would take more than the memory given and were not tried")
    return lines


def _refine(
    track: rounds.Track, search: Search, best: Layout, task: Task, say: Callable[[str], None]
) -> list[str]:
    """Whether other settings serve the winner better: HAProxy's threads, and cores."""
    if cpus.usable() < 2:
        return []
    nbthread = generated_layout(best.instances, best.threads, nbthread=2)
    cores = replace(best, name=f"{best.name} pinned", serve=pinned)
    track.layouts = {**track.layouts, nbthread.name: nbthread, cores.name: cores}
    names = (best.name, nbthread.name, cores.name)
    again = replace(
        search, names=names, current=best.name, memory=dict.fromkeys(names, 0), samples=[]
    )
    again.run(task.seconds * REFINEMENT, say)
    return [
        "",
        f"HAProxy with nbthread 2 over 1: {again.against(nbthread.name, best.name).verdict}",
        "instances kept on a core each over any core: "
        f"{again.against(cores.name, best.name).verdict}",
    ]


def _changes(best: str, task: Task) -> dict[str, str]:
    instances, threads = best.split("x")
    found = {"instances": instances, "threads": threads}
    return {} if best == _name(*task.current) else found


def _lines(best: Layout, kept: bool) -> list[str]:
    if kept:
        return ["", "no difference: nothing is better than what is in use; keep it."]
    return ["", "[stack]", f"instances = {best.instances}", f"threads = {best.threads}"]


def _task(arguments: argparse.Namespace) -> Task:
    source, workload = _what(arguments)
    return Task(
        source=source,
        workload=workload,
        clients=arguments.clients,
        memory=arguments.memory or int(_free_memory() * MEMORY_SHARE),
        seconds=arguments.minutes * 60,
        current=_current(),
    )


def _what(arguments: argparse.Namespace) -> tuple[Source, Workload]:
    urls = list(arguments.url)
    paths = accesslog.paths(arguments.log) if arguments.log else ()
    if not urls and not paths:
        return Source(Path("versions.cfg")), WORKLOADS[arguments.workload]
    sites = [site.find(url) for url in (urls or ["/"])]
    for url, found in zip(urls, sites, strict=False):
        if found.target:
            raise Broken(
                f"--url {url}: not a page of this buildout's site, whose layouts I could try"
            )
    own = tuple(path for found in sites if found.workload for path in found.workload.paths)
    return sites[0].source, Workload("site", (*(own if urls else ()), *paths), "the user's site")


def _current() -> tuple[int, int]:
    try:
        stack = store.load(STACK_FILE)
    except OSError:
        return cpus.usable(), 1
    return len(stack.instances), stack.instances[0].threads


def _free_memory() -> int:
    found = re.search(r"MemAvailable:\s+(\d+) kB", (proc.PROC / "meminfo").read_text())
    return int(found[1]) * 1024 if found else 4 * 1024**3


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MG])i?B?", text, re.IGNORECASE)
    if not found:
        raise argparse.ArgumentTypeError(f"{text} is no amount of memory such as 800M or 2G")
    return int(float(found[1]) * 1024 ** (2 if found[2].upper() == "M" else 3))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/tune",
        description="Try numbers of instances and threads on a copy of your site and recommend "
        "the [stack] lines that serve it best within a memory and a time budget.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", action="append", default=[], help="a page; may be repeated")
    parser.add_argument("--log", type=Path, metavar="FILE", help="HAProxy access log to replay")
    parser.add_argument("--workload", choices=WORKLOADS, default="cpu", help="a built-in page")
    parser.add_argument("--clients", type=int, default=8, metavar="N", help="at once (default 8)")
    parser.add_argument(
        "--memory", type=_bytes, metavar="SIZE", help="such as 2G; default half of what is free"
    )
    parser.add_argument("--minutes", type=float, default=3, help="for measuring (default 3)")
    parser.add_argument("--write", action="store_true", help="put the result into buildout.cfg")
    return parser.parse_args()


if __name__ == "__main__":
    main()
