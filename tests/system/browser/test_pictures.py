"""The pictures of the documentation that show a running stack can be made: here in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from tests.support import figures, ledger
from tests.support.harness import Site
from tests.system import pictures
from tests.system.browser.picture import photograph


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A stack with its figures at one address, and visitors all the time."""
    with Site(instances=2) as site:
        own = f"127.0.0.1:{site.ports.spare}"
        site.configure(ledger.SECTIONS, metrics_address=own, requests_per_address="off")
        site.start()
        ledger.create(site, visitors=1)
        with pictures.visitors(site):
            yield site


def test_the_terminal(site: Site) -> None:
    svg = pictures.watched(site)
    drawn = "".join(ElementTree.fromstring(svg).itertext()).replace("\xa0", " ")
    assert "2 of 2 serve" in drawn
    assert pictures.BUSY in drawn


def test_the_status_page(site: Site, tmp_path: Path) -> None:
    address = site.stack.metrics.metrics_address
    assert address
    figures.listening(address)
    file = tmp_path / "status.png"
    photograph(f"http://{address}/", file)
    # A blank page has one colour.
    assert len(Image.open(file).convert("RGB").getcolors() or ()) > 5
