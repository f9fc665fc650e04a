"""The figures of a stack as Debian's munin-node asks for them."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ledger
from tests.support.harness import Site
from zopestack.supervisor.munin.graphs import GRAPHS


class Node:
    """What munin-node runs plugins with, and the plugin installed in directories of the test's."""

    def __init__(self, home: Path, site: Site) -> None:
        self.plugins, self.configuration = home / "plugins", home / "plugin-conf.d"
        self.plugins.mkdir()
        given = ("--plugins", self.plugins, "--configuration", self.configuration)
        self.installed = site.run("bin/munin-plugin", "install", *given).stdout

    def ask(self, *question: str) -> str:
        """What a plugin answers."""
        where = ("--servicedir", self.plugins, "--sconfdir", self.configuration)
        done = subprocess.run(
            ["munin-run", *where, *question], check=True, capture_output=True, text=True
        )
        return done.stdout


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(ledger.SECTIONS, instances=2) as running:
        running.start()
        ledger.create(running, visitors=1)
        yield running


@pytest.fixture(scope="module")
def node(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Node:
    return Node(tmp_path_factory.mktemp("munin"), site)


def name(site: Site) -> str:
    return f"zope_{re.sub('[^A-Za-z0-9_]', '_', site.directory.name)}"


def values(told: str) -> dict[str, dict[str, str]]:
    """By graph and field."""
    found: dict[str, dict[str, str]] = {}
    for line in told.splitlines():
        word, _, rest = line.partition(" ")
        if word == "multigraph":
            graph = found.setdefault(rest, {})
        elif word.endswith(".value"):
            graph[word.removesuffix(".value")] = rest
    return found


def test_it_is_installed_for_the_user_of_the_stack(site: Site, node: Node) -> None:
    link, section = node.plugins / name(site), node.configuration / name(site)
    assert f"{link} and {section} are there" in node.installed
    assert link.resolve() == site.stack.bin / "munin-plugin"
    user = pwd.getpwuid(os.getuid()).pw_name
    assert section.read_text("utf-8") == f"[{name(site)}]\nuser {user}\n"
    assert node.ask(name(site), "autoconf") == "yes\n"
    assert "#%# family=auto" in (site.stack.bin / "munin-plugin").read_text("utf-8")


def test_every_graph_is_described_and_has_values(site: Site, node: Node) -> None:
    for number in range(20):
        at = f"instance{number % 2 + 1}"
        assert site.post("/ledger/record", {"visitor": "0", "number": "1"}, at=at).status == 200
    described = node.ask(name(site), "config")
    told = values(node.ask(name(site)))
    assert {*told} == {f"{name(site)}_{graph.name}" for graph in GRAPHS}
    labels = set(re.findall(r"^(\S+)\.label ", described, re.MULTILINE))
    fields = {field for graph in told.values() for field in graph}
    assert fields <= labels
    # Munin changes any other name, by which two could become one.
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", field) for field in fields)
    assert site.get("/nowhere").status == 404
    statuses = values(node.ask(name(site)))[f"{name(site)}_statuses"]
    assert {"_200", "_404"} <= statuses.keys()
    requests = told[f"{name(site)}_requests"]
    assert requests.keys() == {"instance1", "instance2"}
    assert all(int(count) >= 10 for count in requests.values())
    assert int(told[f"{name(site)}_memory"]["instance1"]) > 10 << 20
    assert int(told[f"{name(site)}_switches"]["context_switches"]) > 0
    # A counter has whole numbers only.
    numbers = [value for graph in told.values() for value in graph.values()]
    assert all(re.fullmatch(r"\d+|U", number) for number in numbers)


def test_an_instance_that_is_away_keeps_its_line(site: Site, node: Node) -> None:
    site.supervisorctl("stop", "instance2", check=True)
    try:
        told = values(node.ask(name(site)))
    finally:
        site.supervisorctl("start", "instance2", check=True)
    assert told[f"{name(site)}_busy"] == {"instance1": "0", "instance2": "U"}
    site.wait_ready()


def test_where_it_cannot_be_installed(site: Site, tmp_path: Path) -> None:
    done = site.run("bin/munin-plugin", "install", "--plugins", tmp_path / "nowhere", check=False)
    assert done.returncode == 1
    assert "munin-plugin: cannot install: " in done.stdout
