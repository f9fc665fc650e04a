"""What tune has found, in lines for a person."""

from __future__ import annotations

from collections.abc import Mapping

from zopestack.columns import columns
from zopestack_bench.halving import SCORE, Search
from zopestack_bench.layouts import Layout
from zopestack_bench.ratios import Ratio
from zopestack_bench.record import Outcome
from zopestack_bench.refine import Refined


def lines(search: Search, best: Layout, refined: Refined, budget: float) -> list[str]:
    """The figures, and the [stack] lines that follow from them.

    :param budget: bytes of memory given.
    """
    found = ["", *_layouts(search, best), ""]
    if refined.tried:
        found += [f"settings of {best.name}, times its requests/s without (spread):"]
        found += _compared(refined.tried)
    if refined.left_out:
        found.append(f"not tried, for lack of --minutes: {'; '.join(refined.left_out)}")
    if refined.again:
        found += ["what was better, measured again:", *_compared(refined.again)]
    return [*found, "", *_recommended(search, best, refined, budget)]


def check(outcome: Outcome, recommended: str) -> list[str]:
    """How the recommended layout compares with the best of an experiment with all."""
    names = outcome.experiment.layouts
    ratios = {name: outcome.ratio(recommended, name, SCORE) for name in names}
    best = min(names, key=lambda name: ratios[name].median)
    said = "is the best" if best == recommended else f"over {best}, the best: {ratios[best]}"
    return [
        "",
        f"check, {len(names)} layouts in {outcome.experiment.rounds} rounds each:",
        *_compared({f"{recommended} over {name}": ratio for name, ratio in ratios.items()}),
        f"{recommended} {said}",
    ]


def _compared(ratios: Mapping[str, Ratio]) -> list[str]:
    return [f"  {line}" for line in columns([(name, x.verdict) for name, x in ratios.items()])]


def _layouts(search: Search, best: Layout) -> list[str]:
    said = f"times the requests/s of {search.current} (spread)"
    rows = [("layout", "requests/s", "p99 ms", "memory", said)]
    for name, memory in search.memory.items():
        figures, remarks = ("", ""), []
        if name in search.experiment.layouts:
            rate, p99 = (search.outcome.median(name, figure) for figure in (SCORE, "p99 ms"))
            figures = f"{rate:.1f}", f"{p99:.0f}"
            verdict = search.against(name, search.current).verdict
            remarks = ["in use" if name == search.current else verdict]
        remarks += [] if search.fits(name) else ["more than the memory given"]
        remarks += ["<- recommended"] if name == best.name else []
        rows.append((name, *figures, f"{memory / 1e6:.0f} MB", ", ".join(remarks)))
    return columns(rows, numbers=(1, 2, 3))


def _recommended(search: Search, best: Layout, refined: Refined, budget: float) -> list[str]:
    if best.name == search.current and not refined.settings and search.fits(best.name):
        return ["no difference: nothing is better than what is in use; keep it."]
    more = search.memory[best.name] - search.memory[search.current]
    cost = f"{abs(more) / 1e6:.0f} MB {'more' if more > 0 else 'less'} than {search.current}, "
    found = [
        f"Recommended; it takes {search.memory[best.name] / 1e6:.0f} MB of memory under this "
        f"load, {cost if best.name != search.current else ''}of {budget / 1e6:.0f} MB given:",
        "",
        "[stack]",
        f"instances = {best.instances}",
        f"threads = {best.threads}",
        *(f"{option} = {value}" for option, value in refined.settings.items()),
    ]
    if not search.fits(best.name):
        found += ["", "Nothing that was tried keeps to the memory given."]
    return found
