"""Which of some layouts serves best? All are measured in the same rounds, and what seems better
than what is in use once more beside that alone: of many equal ones, one is the best by chance.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from zopestack.columns import columns
from zopestack_bench.layouts import Layout
from zopestack_bench.ratios import ENOUGH
from zopestack_bench.record import Experiment, Outcome

#: The figure by which layouts are judged.
SCORE = "requests/s"

#: A smaller gain is worth neither memory nor an option.
WORTH = 1.03

#: Share of the time in which what was better is measured once more.
AGAIN = 0.3


@dataclass
class Search:
    """A search for the layout that serves best.

    :param measure: adds a round with this number to an outcome.
    :param experiment: its workload and load are used.
    :param layouts: what is tried; those with settings differ from the current one in these only.
    :param current: the one in use.
    :param memory: bytes that each without settings takes, by name, as far as known before.
    :param budget: bytes that a layout may take.
    """

    measure: Callable[[Outcome, int], None]
    experiment: Experiment
    layouts: Sequence[Layout]
    current: Layout
    memory: dict[str, float]
    budget: float
    say: Callable[[str], None] = print
    clock: Callable[[], float] = time.monotonic

    def run(self, seconds: float) -> Layout:
        """The layout to recommend, after about so many seconds.

        Of those that are about as good as the best, the one that takes the least memory. The
        current one stays where it keeps to the memory, and the other one neither takes less nor is
        better twice.
        """
        tried = [each for each in self.layouts if self.fits(each) or each is self.current]
        self.scan = self._compared(tried, seconds * (1 - AGAIN))
        for name, known in self.memory.items():
            # What is known comes first: nothing is more than a figure that is missing (NaN).
            self.memory[name] = max(known, 1e6 * self.scan.median(name, "memory MB"))
        self.found = self._cheapest(tried)
        if self.found is not self.current and not self._sure(seconds * AGAIN):
            self.say(f"{self.found.name} was better by chance: no difference")
            self.found = self.current
        return self.found

    def fits(self, layout: Layout) -> bool:
        """Whether a layout keeps to the memory."""
        return self._size(layout) <= self.budget

    def changes(self) -> dict[str, str]:
        """The options of [stack] to set, with their values; none if there is no difference."""
        found = self.found
        if found is self.current and self.fits(found):
            return {}
        counts = {"instances": str(found.instances), "threads": str(found.threads)}
        return {**counts, **found.settings}

    def report(self) -> list[str]:
        """What was found, in lines for a person: the figures, and the [stack] lines that follow."""
        found, current, budget = self.found, self.current, self.budget
        lines = ["", *self._table(), ""]
        if not self.changes():
            return [*lines, "no difference: nothing is better than what is in use; keep it."]
        used = self._size(found)
        more = used - self._size(current)
        word = "more" if more > 0 else "less"
        cost = f", {abs(more) / 1e6:.0f} MB {word} than {current.name}" if more else ""
        lines += [
            f"Recommended; it takes {used / 1e6:.0f} MB of memory under this load{cost}, of "
            f"{budget / 1e6:.0f} MB given:",
            "",
            "[stack]",
            *(f"{option} = {value}" for option, value in self.changes().items()),
        ]
        if not self.fits(found):
            lines += ["", "Nothing that was tried keeps to the memory given."]
        return lines

    def _compared(self, layouts: Sequence[Layout], seconds: float, fewest: int = 1) -> Outcome:
        """Rounds of these layouts for about so many seconds, but so many rounds at least."""
        names = tuple(each.name for each in layouts)
        self.say(f"in turn: {', '.join(names)}")
        outcome = Outcome(replace(self.experiment, layouts=names), [])
        began, number, passed = self.clock(), 0, 0.0
        while number < fewest or passed * (number + 1) / number <= seconds:
            number += 1
            self.measure(outcome, number)
            passed = self.clock() - began
        return outcome

    def _cheapest(self, tried: Sequence[Layout]) -> Layout:
        """Of the best that keep to the memory, the one that takes the least."""
        fitting = [each for each in tried if self.fits(each)] or [self.current]
        best = max(fitting, key=lambda each: self._over(each, self.current))
        close = [each for each in fitting if each is best or self._over(best, each) < WORTH]
        return min(close, key=lambda each: (self._size(each), each is not self.current))

    def _sure(self, seconds: float) -> bool:
        """Whether what was found is worth giving up the current layout for."""
        pair = (self.found, self.current)
        saves = self._size(self.found) < self._size(self.current)
        if not self.fits(self.current) or (saves and self._over(self.current, self.found) < WORTH):
            return True
        return self._better(self.scan) and self._better(self._compared(pair, seconds, ENOUGH))

    def _better(self, outcome: Outcome) -> bool:
        ratio = outcome.ratio(self.found.name, self.current.name, SCORE)
        return ratio.differs and ratio.median >= WORTH

    def _over(self, this: Layout, that: Layout) -> float:
        return self.scan.ratio(this.name, that.name, SCORE).median

    def _size(self, layout: Layout) -> float:
        return self.memory[self.current.name if layout.settings else layout.name]

    def _table(self) -> list[str]:
        said = f"times the {SCORE} of {self.current.name} (spread)"
        rows = [("layout", SCORE, "p99 ms", "memory", said)]
        for each in self.layouts:
            figures, remarks = ("", ""), []
            if each.name in self.scan.experiment.layouts:
                rate, p99 = (self.scan.median(each.name, figure) for figure in (SCORE, "p99 ms"))
                figures = f"{rate:.1f}", f"{p99:.0f}"
                ratio = self.scan.ratio(each.name, self.current.name, SCORE)
                remarks = ["in use" if each is self.current else ratio.verdict]
            remarks += [] if self.fits(each) else ["more than the memory given"]
            remarks += ["<- recommended"] if each is self.found else []
            memory = f"{self._size(each) / 1e6:.0f} MB"
            rows.append((each.name, *figures, memory, ", ".join(remarks)))
        return columns(rows, numbers=(1, 2, 3))
