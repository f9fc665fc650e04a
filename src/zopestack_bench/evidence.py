"""What tune has found, in lines for a person."""

from __future__ import annotations

from zopestack_bench.halving import SCORE, Search
from zopestack_bench.layouts import Layout
from zopestack_bench.record import Outcome
from zopestack_bench.refine import Refined


def lines(search: Search, best: Layout, refined: Refined, budget: float) -> list[str]:
    """The figures, and the [stack] lines that follow from them."""
    return [
        *_layouts(search, best),
        *_settings(refined, best),
        *_recommended(search, best, refined, budget),
    ]


def check(outcome: Outcome, recommended: str) -> list[str]:
    """How the recommended layout compares with the best of an experiment with all."""
    names = outcome.experiment.layouts
    ratios = {name: outcome.ratio(recommended, name, SCORE) for name in names}
    best = min(names, key=lambda name: ratios[name].median)
    said = "is the best" if best == recommended else f"over {best}, the best: {ratios[best]}"
    return [
        "",
        f"check, {len(names)} layouts in {outcome.experiment.rounds} rounds each:",
        *(f"  {recommended} over {name:10} {ratios[name]}" for name in names),
        f"{recommended} {said}",
    ]


def _layouts(search: Search, best: Layout) -> list[str]:
    found = [
        "",
        f"{'layout':10} {'requests/s':>10} {'p99 ms':>8} {'memory':>8}  times the requests/s of "
        f"{search.current} (spread)",
    ]
    for name in search.memory:
        memory = f"{search.memory[name] / 1e6:5.0f} MB"
        if name not in search.names:
            found.append(f"{name:10} {'':10} {'':8} {memory}  more than the memory given")
            continue
        outcome = search.outcome((name,))
        verdict = search.against(name, search.current).verdict
        remarks = ["in use" if name == search.current else verdict]
        remarks += [] if search.fits(name) else ["more than the memory given"]
        remarks += ["<- recommended"] if name == best.name else []
        found.append(
            f"{name:10} {outcome.median(name, SCORE):10.1f} "
            f"{outcome.median(name, 'p99 ms'):8.0f} {memory}  {', '.join(remarks)}"
        )
    return found


def _settings(refined: Refined, best: Layout) -> list[str]:
    found = [""]
    if refined.tried:
        found.append(f"settings of {best.name}, times its requests/s without (spread):")
        found += [f"  {name:24} {ratio.verdict}" for name, ratio in refined.tried.items()]
    if refined.left_out:
        found.append(f"not tried, for lack of --minutes: {'; '.join(refined.left_out)}")
    if refined.again:
        found.append("what was better, measured again:")
        found += [f"  {name:24} {ratio.verdict}" for name, ratio in refined.again.items()]
    return found


def _recommended(search: Search, best: Layout, refined: Refined, budget: float) -> list[str]:
    if best.name == search.current and not refined.settings and search.fits(best.name):
        return ["", "no difference: nothing is better than what is in use; keep it."]
    more = search.memory[best.name] - search.memory[search.current]
    cost = f"{abs(more) / 1e6:.0f} MB {'more' if more > 0 else 'less'} than {search.current}, "
    found = [
        "",
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
