"""Sphinx builds the documentation without a warning, and everything it needs is there."""

from __future__ import annotations

import html
import io
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import docutils.core
import docutils.nodes
import docutils.utils
import pytest
from sphinx.util.inventory import InventoryFile

from tests.support.adopting import NAMES, PLACE, example
from zopestack.adopt.check import written
from zopestack.model import OPTIONS

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
PICTURES = sorted((DOCS / "pictures").iterdir())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages; a warning, such as a link to nowhere, is an error."""
    out = tmp_path_factory.mktemp("pages")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", DOCS, out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_the_reference_shows_every_option_once(built: Path) -> None:
    inventory = InventoryFile.loads((built / "objects.inv").read_bytes(), uri="")
    shown = inventory.data["std:confval"]
    assert set(shown) == set(OPTIONS)
    assert {item.uri.partition("#")[0] for item in shown.values()} == {"reference/options.html"}


def test_a_default_leads_to_its_reason(built: Path) -> None:
    page = (built / "reference/options.html").read_text(encoding="utf-8")
    assert 'href="../explanation/measured.html#measured-nbthread"' in page


def test_every_deployment_is_shown_before_and_after(built: Path) -> None:
    page = (built / "explanation/deployments.html").read_text(encoding="utf-8")
    text = html.unescape(re.sub("<[^>]+>", "", page))
    for name in NAMES:
        main = (PLACE / name / "buildout.cfg").read_text(encoding="utf-8")
        for shown in (main, written(example(name).sections)):
            assert shown.strip() in text, name


def test_readme_and_changes_are_valid_where_they_are_published() -> None:
    """setup.py joins them into the long description; a package index renders no warnings."""
    warnings = io.StringIO()
    texts = [
        (CHECKOUT / name).read_text(encoding="utf-8") for name in ("README.rst", "CHANGES.rst")
    ]
    document = docutils.core.publish_doctree(
        "\n\n".join(texts),
        settings_overrides={
            "report_level": docutils.utils.Reporter.INFO_LEVEL,
            "warning_stream": warnings,
            "file_insertion_enabled": False,
            "raw_enabled": False,
        },
    )
    assert warnings.getvalue() == ""
    sections = [node for node in document.children if isinstance(node, docutils.nodes.section)]
    assert sections[-1].next_node(docutils.nodes.title).astext() == "Changes"


def test_readme_is_short_and_its_links_lead_somewhere() -> None:
    readme = (CHECKOUT / "README.rst").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 150
    linked = re.findall(r"<([\w/.-]+)>`_", readme) + re.findall(
        r"^\.\. image:: (\S+)", readme, re.M
    )
    assert len(linked) > 10
    assert [name for name in linked if not (CHECKOUT / name).exists()] == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_pictures_are_small_and_described(picture: Path) -> None:
    assert 0 < picture.stat().st_size < 100_000
    if picture.suffix == ".svg":
        root = ElementTree.parse(picture).getroot()
        assert root.find("{http://www.w3.org/2000/svg}title") is not None
        # Nothing is fetched from elsewhere, such as a font.
        assert not re.search(r"(url\(|href=)[\"']?https?:|@import", picture.read_text("utf-8"))
    pages = "".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.rst"))
    assert f"pictures/{picture.name}\n   :alt: " in pages


def test_every_note_of_a_change_is_taken_up() -> None:
    """towncrier leaves out a file whose kind it does not know."""
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "0"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for note in (DOCS / "changes").glob("*.*.rst"):
        first = note.read_text(encoding="utf-8").split()[:5]
        assert " ".join(first) in done.stdout, note.name
