"""``scripts/bench``: measure, and write a report."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from zopestack.features import cpus
from zopestack_bench import (
    Broken,
    claims,
    fronts,
    layouts,
    narrow,
    peers,
    plan,
    proc,
    record,
    report,
    rounds,
    series,
    site,
)
from zopestack_bench.claims import Claim
from zopestack_bench.farm import Farm
from zopestack_bench.layouts import Layout
from zopestack_bench.probe import fetch
from zopestack_bench.record import Closed
from zopestack_bench.terminal import Progress, exits, minutes
from zopestack_bench.workloads import KNOWN, WORKLOADS

#: The default directory of the report.
OUT = Path("var/bench")

EPILOG = """\
examples:
  scripts/bench --quick                      the built-in pages, within 5 minutes
  scripts/bench                              the same with rounds enough to be sure, about 30
  scripts/bench --frontend                   what the front end promises: slow clients beside
                                             others, affinity, the cost of its parts; about 6
  scripts/bench --claim all --minutes 30     every promise, in CPU a request where that is
                                             possible, until the ratios are sure
  scripts/bench --claim gunicorn,uwsgi       two of them
  scripts/bench --url /Plone/front-page      a page of your own site: layouts of it serve a
                                             copy of the database of this buildout
  scripts/bench --url http://host/page       a site that runs somewhere, as it is
  scripts/bench --only 1x4,2x1,gunicorn      some layouts
  scripts/bench --out /somewhere             where report.html goes (default var/bench)
"""


def main() -> None:
    """Run ``scripts/bench``; exits with 1 and one message where something is wrong."""
    arguments = _arguments()
    with exits("stopped"), Progress() as progress:
        Bench(arguments, progress).run()


class Bench:
    """One run."""

    def __init__(self, arguments: argparse.Namespace, progress: Progress) -> None:
        self.arguments, self.progress, self.say = arguments, progress, progress.say
        self.frontend: bool = arguments.frontend
        self.claims = claims.named(arguments.claim) if arguments.claim else ()
        if (self.frontend or self.claims) and (arguments.url or arguments.only):
            option = "--frontend" if self.frontend else "--claim"
            raise Broken(f"{option} has pages and layouts of its own: leave --url and --only out.")
        self.plan = plan.QUICK if arguments.quick else plan.FULL
        self.site = site.find(arguments.url)
        missing = peers.missing()
        if self.claims:
            self.layouts = _compared(self.claims, missing)
        elif self.frontend:
            self.layouts = fronts.layouts()
        else:
            self.layouts = _layouts(arguments, self.site)
        series_seconds = self.plan.series(self.layouts)
        self.limit = fronts.LIMIT if self.frontend else self.plan.limit - series_seconds
        self.record = record.Run(
            command=shlex.join(["scripts/bench", *sys.argv[1:]]),
            started=datetime.now().astimezone().isoformat(timespec="seconds"),
            machine=proc.machine(),
            layouts={layout.name: layout.help for layout in self.layouts.values()},
            notes=[
                f"{name} is left out: {how}"
                for name, how in missing.items()
                if not (self.frontend or self.claims)
            ],
        )

    def run(self) -> None:
        """Measure everything, write the report, and say what came out."""
        for note in self.record.notes:
            self.say(note)
        with tempfile.TemporaryDirectory(prefix="zopestack-bench-") as directory:
            farm = Farm(Path(directory), layouts.counts(self.layouts), self.site.stack)
            with ExitStack() as lasting:
                if not self.site.target:
                    lasting.callback(farm.stop)
                    farm.start(self.say)
                    if self.site.workload:
                        # A page that does not answer is found before minutes of load.
                        fetch(farm.stack.instances[0].address, self.site.workload.paths[0])
                track = rounds.Track(farm, self.layouts, lasting)
                if self.claims:
                    self._measure_claims(track)
                elif self.frontend:
                    self._measure_frontend(track)
                else:
                    self._measure(track)
        written = report.write(self.record, self.arguments.out)
        self.progress.show(report.summary(self.record))
        self.say(f"done; open {written}")

    def _measure_claims(self, track: rounds.Track) -> None:
        end = self.arguments.minutes * 60 - plan.END
        narrow.measure(
            track, self.record, self.claims, lambda: end - self.progress.passed, self.say
        )

    def _measure_frontend(self, track: rounds.Track) -> None:
        fronts.prepare(track.farm)
        experiments = fronts.experiments()
        self._experiments(track, experiments, plan.duration(experiments) + fronts.UNANSWERED)

    def _measure(self, track: rounds.Track) -> None:
        own = self.site.workload
        workload = own or WORKLOADS["cpu"]
        closed = self.plan.closed(self.layouts, own)
        self._experiments(track, closed, self.plan.total(self.layouts, own))
        base = self.record.find(workload.name, Closed(8))
        rate = base.median(next(iter(self.layouts)), "requests/s") if base else 0
        self._experiments(track, self.plan.open(self.layouts, workload.name, rate))
        self.record.moments, self.record.rates = series.record(
            track, plan.main_layouts(self.layouts), workload, self.plan.phase, self.say
        )
        if not self.site.target:
            self.record.memory = _memory(track.farm)

    def _experiments(
        self, track: rounds.Track, experiments: list[record.Experiment], seconds: float = 0
    ) -> None:
        """Make experiments as long as there is time; say how many seconds are to go, if any."""
        if seconds:
            self.say(f"measuring; about {seconds / 60:.0f} minutes to go")
        for each in experiments:
            if not plan.fits(each, self.limit - self.progress.passed):
                note = f"{each.workload}, {each.load}, is left out: the machine is too busy"
                self.record.notes.append(note)
                self.say(note)
                continue
            workload = KNOWN.get(each.workload) or self.site.workload
            assert workload  # noqa: S101
            self.record.outcomes.append(rounds.run(track, each, workload, self.say))


def _memory(farm: Farm) -> dict[int, dict[str, int]]:
    """Bytes (PSS) of the first n instances and of ZEO, by n, at the end of a run: with warm caches.
    Pages that processes share are divided among them, so one instance alone has more."""
    zeo = proc.pss(farm.pid("zeo"))
    sizes = [proc.pss(farm.pid(instance.name)) for instance in farm.stack.instances]
    return {n: {"zope": sum(sizes[:n]), "zeo": zeo} for n in range(1, 1 + len(sizes))}


def _compared(wanted: tuple[Claim, ...], missing: Mapping[str, str]) -> dict[str, Layout]:
    """The layouts that these claims compare.

    :raises Broken: where this machine does not have one of them.
    """
    for claim in wanted:
        if claim.that in missing:
            raise Broken(f"--claim {claim.name}: needs {claim.that}: {missing[claim.that]}")
    known = {**layouts.layouts(2), **peers.peers(2), **fronts.layouts()}
    known["waitress"] = peers.stock_waitress()
    names = dict.fromkeys(name for claim in wanted for name in (claim.this, claim.that))
    return {name: known[name] for name in names}


def _layouts(arguments: argparse.Namespace, where: site.Site) -> dict[str, Layout]:
    if where.target:
        return where.as_it_is()
    known = {**layouts.layouts(arguments.instances), **peers.peers(arguments.instances)}
    found = {name: x for name, x in known.items() if name not in peers.missing()}
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
    extent.add_argument("--quick", action="store_true", help="everything within 5 minutes")
    extent.add_argument("--frontend", action="store_true", help="what the front end promises")
    names = ", ".join(claim.name for claim in claims.PROMISES)
    extent.add_argument(
        "--claim", metavar="NAMES", help=f"promises, each until it is sure: all, or some of {names}"
    )
    parser.add_argument("--url", metavar="URL", help="a page of your own site")
    parser.add_argument("--only", metavar="LAYOUTS", help="names separated by commas")
    parser.add_argument(
        "--instances", type=int, metavar="N", default=cpus.usable(), help="N, default: the cores"
    )
    parser.add_argument(
        "--minutes", type=minutes, default=20, help="for --claim, start included (default 20)"
    )
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
