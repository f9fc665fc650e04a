"""The benchmark's report, opened from disk as whoever got it by mail opens it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest

from tests.system.browser.chromium import Browser
from tests.system.browser.legible import SMALLEST, illegible
from tests.unit.bench import records
from zopestack_bench import plots, report

#: Every figure: its text, where it lies, and the pixels its file has.
FIGURES = """
return [...document.images].map(e => {
  const box = e.getBoundingClientRect()
  return [e.alt, box.left, box.right, box.height, e.naturalWidth]
})
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with every plot."""
    return report.write(records.run(), tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def reader() -> Iterator[Browser]:
    with Browser() as started:
        yield started


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "inches"), [(1280, plots.WIDE), (400, plots.NARROW)])
def test_it_can_be_read(
    page: Path, reader: Browser, width: int, inches: float, scheme: str
) -> None:
    reader.show(width, scheme)
    reader.open(page.as_uri())
    assert reader.run("return document.documentElement.scrollWidth") <= width
    assert illegible(reader, least=100) == []
    behind = reader.run("return getComputedStyle(document.body).backgroundColor")
    assert (behind == "rgb(255, 255, 255)") is (scheme == "light")
    figures = reader.run(FIGURES)
    assert len(figures) == len(plots.PLOTS)
    for title, left, right, height, pixels in figures:
        assert 0 <= left < right <= width, title
        assert height > 100, title
        assert pixels == inches * plots.RESOLUTION, title
        point = (right - left) / inches / 72
        assert matplotlib.rcParams["font.size"] * point >= SMALLEST, title


def test_it_asks_for_nothing_and_complains_of_nothing(page: Path, reader: Browser) -> None:
    reader.traffic()
    reader.open(page.as_uri())
    assert [one.url for one in reader.traffic()] == [page.as_uri()]
    assert reader.errors() == []


def test_it_leads_with_the_claim_and_the_graph(page: Path, reader: Browser) -> None:
    reader.show(1280, "light")
    reader.open(page.as_uri())
    assert "2.20 times\nthe requests/s" in reader.find(".lead").text
    assert reader.find("h2").text == "The fight for the interpreter lock"
    assert reader.run("return document.images[0].getBoundingClientRect().top") < 600
