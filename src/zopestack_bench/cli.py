"""``scripts/bench``: measure, and write a report."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from zopestack.features import cpus
from zopestack.model import Stack
from zopestack_bench import (
    Broken,
    claims,
    fronts,
    layouts,
    memory,
    plan,
    proc,
    record,
    report,
    visitors,
)
from zopestack_bench.claims import Claim
from zopestack_bench.farm import Farm
from zopestack_bench.layouts import Layout
from zopestack_bench.probe import fetch
from zopestack_bench.rounds import Track
from zopestack_bench.terminal import Progress, exits, minutes
from zopestack_bench.workloads import Workload

#: The default directory of the report.
OUT = Path("var/bench")

#: Minutes of a quick run, and of any other.
QUICK, FULL = 5, 30

EPILOG = """\
examples:
  scripts/bench --quick                      the built-in pages, within 5 minutes
  scripts/bench                              the same in 30, with rounds enough to be sure
  scripts/bench --claim all                  every promise, in CPU a request where that is
                                             possible, until the ratios are sure
  scripts/bench --claim gunicorn,uwsgi       two of them
  scripts/bench --frontend --minutes 10      in the same way, slow clients beside others, affinity,
                                             and the cost of the front end's parts
  scripts/bench --memory --url /Plone        what 1 to 8 instances take that share memory, and
                                             what those take that do not
  scripts/bench --url /Plone/front-page      a page of your own site: layouts of it serve a
                                             copy of the database of this buildout
  scripts/bench --only 1x4,2x1,gunicorn      some layouts
  scripts/bench --out /somewhere             where report.html goes (default var/bench)
"""


def main() -> None:
    """Run ``scripts/bench``; exits with 1 and one message where something is wrong."""
    arguments = _arguments()
    with exits("stopped"):
        Bench(arguments).run()


class Bench:
    """One run."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments, self.progress = arguments, Progress()
        self.say = self.progress.say
        self.claims = _claims(arguments)
        self.workload: Workload | None = None
        self.stack: Stack | None = None
        if arguments.url:
            self.workload, self.stack = _page(arguments.url)
        missing = layouts.missing()
        if arguments.memory:
            self.layouts: dict[str, Layout] = {}
        elif self.claims:
            self.layouts = _compared(self.claims, missing)
        else:
            self.layouts = _layouts(arguments, missing)
        self.record = record.Run(
            command=shlex.join(["scripts/bench", *sys.argv[1:]]),
            started=datetime.now().astimezone().isoformat(timespec="seconds"),
            machine=proc.machine(),
            layouts={layout.name: layout.help for layout in self.layouts.values()},
            notes=[
                f"{name} is left out: {how}"
                for name, how in missing.items()
                if not self.claims and not arguments.memory
            ],
        )

    def run(self) -> None:
        """Measure everything, write the report, and say what came out."""
        for note in self.record.notes:
            self.say(note)
        if self.arguments.memory:
            paths = self.workload.paths if self.workload else memory.PAGES
            memory.measure(self.record, self.say, paths, self.stack)
            self.report()
            return
        # A page goes by its path in Zope, whatever the layout.
        with Farm(self.layouts.values(), self.say, self.stack, hosts=False) as farm:
            if self.workload:
                # One that does not answer is found before minutes of load.
                fetch(farm.stack.instances[0].address, self.workload.paths[0])
            if self.arguments.frontend:
                fronts.prepare(farm)
            self.measure(Track(farm, self.layouts, self.say, self.workload))
        self.report()

    def measure(self, track: Track) -> None:
        """Measure the claims, or everything that is compared."""
        quick, minutes = self.arguments.quick, self.arguments.minutes
        if minutes is None:
            minutes = QUICK if quick else FULL
        end: float = 60 * minutes - plan.END

        def left() -> float:
            return end - self.progress.passed

        self.say(f"measuring for {left() / 60:.1f} minutes at most")
        if self.claims:
            plan.measure_claims(track, self.record, self.claims, left)
        else:
            seconds = plan.FEW_SECONDS if quick else plan.SECONDS
            every = plan.everything(self.layouts, self.workload, seconds)
            plan.measure(track, self.record, lambda _: every, left)

    def report(self) -> None:
        """Write the report, and say what came out."""
        written = report.write(self.record, self.arguments.out)
        print(report.summary(self.record))
        self.say(f"done; open {written}")


def _claims(arguments: argparse.Namespace) -> tuple[Claim, ...]:
    option = "--frontend" if arguments.frontend else "--claim"
    if arguments.memory and (arguments.only or arguments.minutes):
        raise Broken("--memory takes as long as it takes: leave --only and --minutes out.")
    found = claims.FRONTEND if arguments.frontend else ()
    found = claims.named(arguments.claim) if arguments.claim else found
    if found and (arguments.url or arguments.only):
        raise Broken(f"{option} has pages and layouts of its own: leave --url and --only out.")
    return found


def _page(path: str) -> tuple[Workload, Stack]:
    stack = visitors.own_stack()
    if not path.startswith("/"):
        raise Broken(f"--url {path}: expected a path in this buildout's Zope, such as /Plone/page")
    if stack is None:
        raise Broken(f"--url {path}: a path is one of this buildout's site; run bin/buildout.")
    return Workload("site", (path,), f"the page {path} of the user's site"), stack


def _compared(wanted: tuple[Claim, ...], missing: Mapping[str, str]) -> dict[str, Layout]:
    """The layouts that these claims compare.

    :raises Broken: where this machine does not have one of them.
    """
    for claim in wanted:
        if claim.that.name in missing:
            how = missing[claim.that.name]
            raise Broken(f"--claim {claim.name}: needs {claim.that.name}: {how}")
    return {side.name: side for claim in wanted for side in (claim.this, claim.that)}


def _layouts(arguments: argparse.Namespace, missing: Mapping[str, str]) -> dict[str, Layout]:
    known = layouts.layouts(arguments.instances)
    found = {name: x for name, x in known.items() if name not in missing}
    words = arguments.only.split(",") if arguments.only else found
    return {name: found[name] for name in (_named(word.strip(), found) for word in words)}


def _named(word: str, known: Mapping[str, Layout]) -> str:
    """The layout of this name, or the first one whose name begins with this word."""
    found = [name for name in known if word in (name, name.split()[0])]
    if found:
        return word if word in found else found[0]
    raise Broken(f"--only {word}: there is no such layout; known are {', '.join(known)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Run layouts of the same Zope side by side, interleaved round by round, "
        "and write a report with the ratios, their spread, and plots.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="everything, a second each time")
    extent.add_argument(
        "--frontend", action="store_true", help="what the front end's parts promise, cost and bring"
    )
    extent.add_argument(
        "--memory", action="store_true", help="memory of 1 to 8 instances, shared and not"
    )
    names = ", ".join(claim.name for claim in claims.PROMISES)
    extent.add_argument(
        "--claim", metavar="NAMES", help=f"promises, each until it is sure: all, or some of {names}"
    )
    parser.add_argument(
        "--url", metavar="PATH", help="a page of your own site, by its path in Zope"
    )
    parser.add_argument("--only", metavar="LAYOUTS", help="names separated by commas")
    parser.add_argument(
        "--instances", type=int, metavar="N", default=cpus.usable(), help="N, default: the cores"
    )
    parser.add_argument(
        "--minutes",
        type=minutes,
        help=f"start included (default {FULL}, with --quick {QUICK}); --claim and --frontend end "
        "when all is sure",
    )
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
