"""Whether people can read the text of a page."""

from __future__ import annotations

from tests.system.browser.chromium import Browser

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


def illegible(browser: Browser, least: int) -> list[str]:
    """The texts of a page that are too small, or too like what is behind them.

    :param least: texts that there must be, so that not nothing was looked at.
    """
    texts = browser.run(TEXTS)
    assert len(texts) >= least
    return [
        text
        for text, size, ink, ground in texts
        if size < SMALLEST or contrast(ink, ground) < CONTRAST
    ]


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
