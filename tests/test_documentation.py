"""What README.rst, CHANGES.rst and buildout.cfg say is what the package does."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import docutils.core
import docutils.nodes
import docutils.utils
import pytest
from supervisor.supervisorctl import DefaultControllerPlugin
from zc.buildout import configparser

from zopestack import settings, up
from zopestack.ctl.plugin import Plugin
from zopestack.frontend import tls
from zopestack.frontend.options import FRONTEND
from zopestack.model import Stack
from zopestack.options import OPTIONS, Option
from zopestack.parts import parts
from zopestack_bench import cli

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.rst").read_text(encoding="utf-8")
CHANGES = (CHECKOUT / "CHANGES.rst").read_text(encoding="utf-8")
BUILDOUT = (CHECKOUT / "buildout.cfg").read_text(encoding="utf-8")

#: What the parts of a stack put into bin/ under names that are in no option.
SCRIPTS_OF_RECIPES = {"repozo", "zeopack"}

#: Commands of a shell that README may use besides the project's own.
SHELL = {"cp", "mkdir", "python3"}

Sections = dict[str, dict[str, str]]


def table(options: Iterable[Option]) -> str:
    """A table of options in README.rst."""
    rows = [("Option", "Default", "Meaning")]
    rows += [
        (f"``{option.name}``", f"``{option.default}``" if option.default else "", option.help)
        for option in options
    ]
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 18 22 60", ""]
    for name, default, meaning in rows:
        lines += [f"   * - {name}", f"     - {default}".rstrip(), f"     - {meaning}"]
    return "\n".join(lines) + "\n"


def blocks(language: str) -> list[str]:
    """The code blocks of README.rst in a language."""
    found = re.findall(rf"^\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)", README, re.MULTILINE)
    return [re.sub(r"^   ", "", block, flags=re.MULTILINE).strip() + "\n" for block in found]


def commands() -> list[str]:
    """What README.rst has a person type."""
    lines = "".join(blocks("console")).splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def comments() -> Iterator[tuple[str, str, str]]:
    """Each option of buildout.cfg: its name, its value, and the comment above it."""
    comment: list[str] = []
    for line in BUILDOUT.splitlines():
        if line.startswith("#"):
            comment.append(line.removeprefix("#").strip())
            continue
        if " = " in line:
            name, value = line.split(" = ")
            yield name, value, " ".join(comment)
        comment = []


def parse(text: str) -> Sections:
    """The sections of a buildout configuration."""
    parsed = configparser.parse(io.StringIO(text), "README.rst")
    return {name: dict(section) for name, section in parsed.items()}


def furnish(sections: Sections, home: Path) -> None:
    """Have what an example names on the machine of its reader, below ``home``."""
    section = sections.get("stack", {})
    for option in {"tls-certificate", "acme-challenge"} & section.keys():
        section[option] = f"{home}{section[option]}"
        Path(section[option]).mkdir(parents=True)
    if certificate := section.get("tls-certificate"):
        tls.make_self_signed(home / "made.pem", ["www.example.com", "example.com"])
        (home / "made.pem").rename(Path(certificate) / tls.CHAIN)
        (home / "made.pem.key").rename(Path(certificate) / tls.KEY)


def stack(sections: Sections, home: Path) -> Stack:
    """The Stack of a configuration; of one without [stack], that of four instances."""
    furnish(sections, home)
    where = settings.Directories(buildout=home, bin=home / "bin", parts=home / "parts")
    section = sections.get("stack", {"instances": "4"})
    (home / section.get("templates", "")).mkdir(exist_ok=True)
    own = {name: sections[name] for name in sections if name.startswith("instance")}
    return settings.read("stack", section, own, where)


def without_markup(text: str) -> str:
    """A sentence of the table of options as a comment has it."""
    return text.replace("``", "").replace("*i*", "i")


@pytest.mark.parametrize(
    "options", [[x for x in OPTIONS.values() if x not in FRONTEND], FRONTEND], ids=["", "front end"]
)
def test_readme_has_the_tables_of_options(options: Iterable[Option]) -> None:
    expected = table(options)
    assert f"{expected}\n" in README, f"Put this in place of the table in README.rst:\n\n{expected}"


def test_every_defence_is_held_by_a_test_that_exists() -> None:
    rows = README.partition("What is kept out\n---")[2].partition("\n\n\n")[0]
    held = re.findall(r"^     - (``\w+\.py``.*)$", rows, re.MULTILINE)
    assert len(held) == rows.count("   * - ") - 1
    for cell in held:
        for file, names in re.findall(r"``(\w+\.py)``((?: ``[A-Z]+``)*)", cell):
            text = (CHECKOUT / "tests/frontend" / file).read_text(encoding="utf-8")
            for name in re.findall(r"[A-Z]+", names):
                assert f"\n{name} = (" in text, (file, name)


def test_readme_and_changes_are_valid_where_they_are_published() -> None:
    """setup.py joins them into the long description; a package index renders no warnings."""
    warnings = io.StringIO()
    document = docutils.core.publish_doctree(
        f"{README}\n\n{CHANGES}",
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


def test_images_exist_and_are_small() -> None:
    images = re.findall(r"^\.\. image:: (\S+)", README, re.MULTILINE)
    assert images
    for image in images:
        assert 0 < (CHECKOUT / image).stat().st_size < 100_000, image


def test_the_diagram_shows_the_default_ports(tmp_path: Path) -> None:
    shown = set(re.findall(r":(\d{4})<", (CHECKOUT / "docs/stack.svg").read_text("utf-8")))
    of = stack({"stack": {"instances": "2"}}, tmp_path)
    assert shown <= {str(listener.address.port) for listener in of.listeners()}
    assert shown >= {str(address.port) for address in (of.balancer.http, of.balancer.stats, of.zeo)}


@pytest.mark.parametrize("block", blocks("ini"), ids=lambda block: block.splitlines()[-1])
def test_every_configuration_in_readme_is_accepted(block: str, tmp_path: Path) -> None:
    sections = parse(block)
    described = stack(sections, tmp_path)
    assert set(sections) <= {"buildout", "versions", "stack", *parts(described, {}), "instance"}


def test_readme_pins_the_version_that_setup_py_has() -> None:
    version = re.search(r'version="([^"]+)"', (CHECKOUT / "setup.py").read_text("utf-8"))
    assert version
    assert f"zopestack = {version[1]}\n" in README


@pytest.mark.parametrize("command", commands())
def test_every_command_in_readme_exists(command: str, tmp_path: Path) -> None:
    program, *arguments = command.split()
    place, _, name = program.rpartition("/")
    described = stack({}, tmp_path)
    if place == "scripts":
        assert (CHECKOUT / program).exists()
    elif place == "bin":
        made = parts(described, {})
        scripts = made["supervisor"]["scripts"].split()
        assert name in {"buildout", *scripts, *made, *SCRIPTS_OF_RECIPES}
    elif place:
        assert place in ("env/bin", ".venv/bin")
        assert name in {"pip", "buildout"}
    else:
        assert name in SHELL
    if name == "supervisorctl":
        action, *names = (word for word in arguments if not word.startswith("-"))
        assert any(hasattr(kind, f"do_{action}") for kind in (DefaultControllerPlugin, Plugin))
        assert set(names) <= {*described.programs, "haproxy-reload", "all"}
    for argument in arguments:
        if argument.startswith(("tests/", "templates/")):
            assert (CHECKOUT / argument).exists()
        if argument.startswith("var/"):
            assert tmp_path / argument in (described.database, described.blobs)


def test_the_help_of_up_knows_every_option_that_is_shown() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", up.__name__, "--help"], capture_output=True, text=True, check=True
    )
    options, _, rest = answer.stdout.partition("examples:")
    used = re.findall(r"scripts/up (--[a-z-]+)", README + rest)
    assert used
    assert all(option in options for option in used)


def test_readme_knows_where_things_lie(tmp_path: Path) -> None:
    of = stack({}, tmp_path)
    known = {of.database, of.blobs, of.logs, of.access_log, of.password_file}
    known |= {of.haproxy_conf, of.supervisord_conf}
    named = {tmp_path / path for path in re.findall(r"``((?:var|parts)/[^`]+)``", README)}
    assert named == known | {of.database.parent, tmp_path / cli.OUT}


def test_readme_shows_the_default_addresses(tmp_path: Path) -> None:
    described = stack({}, tmp_path)
    shown = set(re.findall(r"127\.0\.0\.1:\d+", README))
    listed = {str(listener.address) for listener in described.listeners()}
    assert shown <= listed
    assert f"http://{described.balancer.stats}/" in README


def test_buildout_cfg_comments_every_line() -> None:
    assert [name for name, _, comment in comments() if not comment] == []


@pytest.mark.parametrize(
    "option", [option for option in OPTIONS.values() if f"\n{option.name} = " in BUILDOUT]
)
def test_buildout_cfg_says_what_the_table_says(option: Option) -> None:
    shown = {name: (value, comment) for name, value, comment in comments()}
    assert shown[option.name] == (option.default, without_markup(option.help))


def test_buildout_cfg_has_few_options_and_all_are_known() -> None:
    section = parse(BUILDOUT)["stack"]
    assert section.pop("recipe") == "zopestack"
    assert section.keys() <= OPTIONS.keys()
    assert {"instances", "threads"} <= section.keys()
    assert len(section) <= 5


def test_generated_files_point_at_sections_of_readme() -> None:
    for template in (CHECKOUT / "templates").iterdir():
        for title in re.findall(r'README\.rst, "([^"]+)"', template.read_text(encoding="utf-8")):
            assert re.search(rf"^{re.escape(title)}\n[=-]+$", README, re.MULTILINE), title
