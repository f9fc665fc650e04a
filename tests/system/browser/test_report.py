"""The benchmark's report, opened from disk as whoever got it by mail opens it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest

from tests.system.browser.chromium import Browser
from tests.unit.bench import records
from zopestack_bench import plots, report

#: The smallest text, in pixels of CSS.
SMALLEST = 12

#: The least contrast of text (WCAG 2.2, success criterion 1.4.3).
CONTRAST = 4.5

#: Every element with text of its own: the text, its size, its colour and that behind it.
TEXTS = """
return [...document.body.querySelectorAll('*')]
  .filter(e => [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()))
  .map(e => {
    let behind = e, colour = e => getComputedStyle(e).backgroundColor
    while (behind.parentElement && colour(behind) == 'rgba(0, 0, 0, 0)') {
      behind = behind.parentElement
    }
    const style = getComputedStyle(e)
    const numbers = colour => colour.match(/[0-9]+/g).slice(0, 3).map(Number)
    return [e.textContent, parseFloat(style.fontSize), numbers(style.color),
            numbers(colour(behind))]
  })
"""

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
    texts = reader.run(TEXTS)
    assert len(texts) > 100
    assert [text for text, size, *_ in texts if size < SMALLEST] == []
    assert [text for text, _, ink, ground in texts if contrast(ink, ground) < CONTRAST] == []
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


def contrast(one: list[int], other: list[int]) -> float:
    """How many times the lighter of two colours is as light as the darker."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: list[int]) -> float:
    parts = [value / 255 for value in colour]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
