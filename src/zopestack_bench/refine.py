"""The settings of a layout: which of them serve it better than what it has?

Each is tried alone, interleaved with the layout as it is. What beats that in spite of the spread is
measured again, alone and all together: of many that are no better, one will seem so by chance, and
two that help alone may not help together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from zopestack_bench.halving import FEWEST_ROUNDS, SCORE
from zopestack_bench.layouts import Layout, generated_layout
from zopestack_bench.ratios import Ratio
from zopestack_bench.record import Experiment, Outcome

#: Share of the time for trying each setting; the rest confirms what was found.
TRYING = 0.6

#: A smaller gain is not worth an option, as it is not worth an instance (``halving``).
WORTH = 1.03

#: Intervals that are tried: a tenth of Python's own, Python's own, and four and ten times that.
INTERVALS = ("0.5ms", "5ms", "20ms", "50ms")

#: Measures an experiment with these layouts.
Measure = Callable[[Experiment, Mapping[str, Layout]], Outcome]


@dataclass(frozen=True)
class Refined:
    """What came out.

    :param settings: options of [stack] to recommend, beside the layout.
    :param tried: by setting, how it compares with the layout as it is.
    :param left_out: settings for which there was no time.
    :param again: how those that were better compare in rounds of their own, alone and together.
    """

    settings: Mapping[str, str]
    tried: Mapping[str, Ratio]
    left_out: tuple[str, ...] = ()
    again: Mapping[str, Ratio] = field(default_factory=dict)


def alternatives(
    layout: Layout, in_use: Mapping[str, str], paths: Sequence[str], cores: int
) -> list[dict[str, str]]:
    """The settings that may serve a layout better; each is one option of [stack].

    Of affinity, ``path`` only: replayed requests have no cookie and no login.

    :param in_use: the options and values of the layout as it is.
    """
    values = {"switch-interval": INTERVALS, "nbthread": ("1", "2")[:cores], "affinity": ()}
    if layout.instances > 1 and len(set(paths)) > 1 and in_use["affinity"] in ("none", "path"):
        values["affinity"] = ("none", "path")
    return [{name: x} for name, texts in values.items() for x in texts if x != in_use[name]]


def refine(
    layout: Layout,
    settings: Sequence[Mapping[str, str]],
    measure: Measure,
    experiment: Experiment,
    seconds: float,
    cost: float,
) -> Refined:
    """Try settings for about so many seconds, as many as there is time for.

    :param experiment: its workload and load are used.
    :param cost: seconds that one measurement takes, all in all.
    """

    def compare(
        variants: Sequence[Layout], share: float, fewest: int = 0
    ) -> tuple[Outcome, dict[str, Ratio]]:
        """Each variant's score over that of the layout as it is, by its settings."""
        rounds = max(fewest, int(seconds * share / cost / (1 + len(variants))))
        known = {each.name: each for each in (layout, *variants)}
        outcome = measure(replace(experiment, layouts=tuple(known), rounds=rounds), known)
        over = {_text(each): outcome.ratio(each.name, layout.name, SCORE) for each in variants}
        return outcome, over

    affordable = max(0, int(seconds * TRYING / (FEWEST_ROUNDS * cost)) - 1)
    known = [generated_layout(layout.instances, layout.threads, each) for each in settings]
    variants, late = known[:affordable], tuple(map(_text, known[affordable:]))
    if not variants:
        return Refined({}, {}, late)
    _, tried = compare(variants, TRYING)
    winners = _best_of_each_option(variants, tried)
    if not winners:
        return Refined({}, tried, late)
    if len(winners) > 1:
        both = dict(option for each in winners for option in each.settings.items())
        winners.append(generated_layout(layout.instances, layout.threads, both))
    outcome, again = compare(winners, 1 - TRYING, FEWEST_ROUNDS)
    return Refined(_confirmed(layout, winners, outcome).settings, tried, late, again)


def _best_of_each_option(variants: Sequence[Layout], tried: Mapping[str, Ratio]) -> list[Layout]:
    """Of the variants that are better in spite of the spread, the best one of each option."""
    ranked = sorted(variants, key=lambda each: tried[_text(each)].median)
    better = [each for each in ranked if _better(tried[_text(each)])]
    return list({" ".join(each.settings): each for each in better}.values())


def _confirmed(layout: Layout, winners: Sequence[Layout], outcome: Outcome) -> Layout:
    """The layout to recommend: all winners together where that is better than the best of them
    alone, that one where it is better than the layout as it is, or the layout as it is."""

    def over(this: Layout, that: Layout) -> Ratio:
        return outcome.ratio(this.name, that.name, SCORE)

    alone = [each for each in winners if len(each.settings) == 1]
    best = max(alone, key=lambda each: over(each, layout).median)
    together = winners[-1]
    if together is not best and _better(over(together, best)) and _better(over(together, layout)):
        return together
    return best if _better(over(best, layout)) else layout


def _better(ratio: Ratio) -> bool:
    return ratio.differs and ratio.median >= WORTH


def _text(variant: Layout) -> str:
    return ", ".join(f"{option} = {value}" for option, value in variant.settings.items())
