"""Run the scenarios on a site of their own and say what visitors noticed.

scripts/chaos             the whole list, as often as README.rst says
scripts/chaos --short     each once, as the tests do
scripts/chaos --share-memory      on a site whose instances share memory, and what that adds
scripts/chaos --json figures.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from scripts.bootstrap import say
from tests.support import ledger
from tests.support.harness import Site
from tests.system.chaos.scenarios import SHARING, Scenario, scenarios
from tests.system.chaos.slow import SlowClients
from tests.system.chaos.visitors import Crowd
from zopestack.columns import columns

#: Connections kept busy.
VISITORS = 8

#: What they read: in the long form as many pages as the machine can make. In the short form a page
#: that keeps its thread and no core, so that every thread has a request at any time, others wait in
#: the queue, and the tests beside it have the machine.
PAGE, THREAD = "/ledger/page", "/ledger/slow?seconds=0.1"


#: What there is to say of a database in which ZODB's own checkers find nothing.
SOUND = "fstest and fsrefs find nothing wrong"

#: Options of a site whose instances share memory. One may be killed while another is restarted.
SHARED = {"instances": 3, "share_memory": "on", "warm_up": "/ledger/page"}


@dataclass(frozen=True)
class Figure:
    """What one scenario showed.

    :param lost: failures of a kind that is not allowed.
    :param allowed: failures of a kind that is.
    :param worst_gap: seconds one visitor went without a good answer, at most.
    :param whole: seconds until the site was whole again.
    :param limit: seconds promised for that, if any.
    """

    scenario: str
    requests: int
    lost: dict[str, int]
    allowed: dict[str, int]
    worst_gap: float
    whole: float
    limit: float | None

    @property
    def late(self) -> bool:
        """Whether the promise was missed."""
        return self.limit is not None and self.whole > self.limit


@dataclass(frozen=True)
class Outcome:
    """A whole run.

    :param wrong: acknowledged records that are missing, and records applied twice, in words.
    :param storage: what ZODB's own checkers say of the database, where they can.
    """

    figures: list[Figure]
    records: int
    wrong: list[str]
    storage: str = ""

    @property
    def lost(self) -> bool:
        """Whether anything was lost."""
        unsound = self.storage not in ("", SOUND)
        return bool(self.wrong or unsound or any(figure.lost for figure in self.figures))

    @property
    def late(self) -> bool:
        """Whether a promised time was missed."""
        return any(figure.late for figure in self.figures)


def run(todo: Sequence[Scenario], page: str, **options: object) -> Outcome:
    """Make a site, hurt it in every way, and look into its database at the end.

    :param page: what visitors read.
    :param options: of [stack].
    """
    with Site(ledger.SECTIONS, **options) as site:
        site.start()
        outcome = hurt(site, todo, page)
        site.supervisorctl("shutdown")
        return replace(outcome, storage=_check_storage(site))


def hurt(site: Site, todo: Sequence[Scenario], page: str = THREAD) -> Outcome:
    """Hurt a running site that has no ledger yet."""
    ledger.create(site, VISITORS)
    with SlowClients(site), Crowd(site.address("haproxy"), VISITORS, page) as crowd:
        figures = [_figure(site, crowd, scenario) for scenario in todo]
        crowd.until_written()
    site.wait_ready()
    return Outcome(figures, *compare(site, crowd.acknowledged))


def _figure(site: Site, crowd: Crowd, scenario: Scenario) -> Figure:
    say(scenario.name)
    crowd.until_written()
    crowd.take()
    whole = scenario.act(site)
    seen = crowd.take()
    kinds = seen.failures.items()
    return Figure(
        scenario=scenario.name,
        requests=seen.requests,
        lost={kind: count for kind, count in kinds if not scenario.allowed.match(kind)},
        allowed={kind: count for kind, count in kinds if scenario.allowed.match(kind)},
        worst_gap=round(seen.worst_gap, 2),
        whole=round(whole, 2),
        limit=scenario.limit,
    )


def compare(site: Site, acknowledged: dict[str, set[int]]) -> tuple[int, list[str]]:
    """How many records were acknowledged, and what is wrong with the ledger.

    :param acknowledged: by visitor, the numbers of the records.
    """
    wrong = []
    for visitor, book in ledger.read(site).items():
        missing = acknowledged[visitor] - set(book)
        twice = [number for number, times in book.items() if times != 1]
        if missing:
            wrong.append(f"visitor {visitor}: acknowledged and not there: {sorted(missing)}")
        if twice:
            wrong.append(f"visitor {visitor}: applied twice: {twice}")
    return sum(len(numbers) for numbers in acknowledged.values()), wrong


def _check_storage(site: Site) -> str:
    """What ZODB's own checkers say of the database."""
    found = []
    for module in ("ZODB.scripts.fstest", "ZODB.scripts.fsrefs"):
        interpreter = site.stack.parts / "instance1" / "bin" / "interpreter"
        done = site.run(interpreter, "-m", module, site.stack.database, check=False)
        if done.returncode or done.stdout.strip():
            found.append(f"{module}: {done.stdout.strip() or done.returncode}")
    return "\n".join(found) or SOUND


def table(outcome: Outcome) -> str:
    """The figures as a table."""
    rows = [("scenario", "requests", "lost", "allowed", "worst gap", "whole after", "promised")]
    for figure in outcome.figures:
        rows.append(
            (
                figure.scenario,
                str(figure.requests),
                _counts(figure.lost),
                _counts(figure.allowed),
                f"{figure.worst_gap:.2f} s",
                f"{figure.whole:.1f} s",
                f"{figure.limit:g} s" if figure.limit else "",
            )
        )
    wrong = "; ".join(outcome.wrong) or "each is there exactly once"
    return "\n".join(
        [
            *columns(rows),
            f"\n{outcome.records} acknowledged records: {wrong}",
            *filter(None, (outcome.storage,)),
        ]
    )


def _counts(kinds: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "0"


def main() -> int:
    """``scripts/chaos``; 1 where anything was lost or a promised time was missed."""
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Hurt a busy site in every way an operator or a crash can, and count what "
        "its visitors lose.",
        epilog=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--short", action="store_true", help="each scenario once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--share-memory", action="store_true", help="instances share memory; further scenarios"
    )
    arguments = parser.parse_args()
    todo, page = scenarios(not arguments.short), THREAD if arguments.short else PAGE
    if arguments.share_memory:
        outcome = run([*SHARING, *todo], page, **SHARED)
    else:
        outcome = run(todo, page, instances=2)
    print(table(outcome))
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(outcome), indent=1), encoding="utf-8")
    return int(outcome.lost or outcome.late)


if __name__ == "__main__":
    sys.exit(main())
