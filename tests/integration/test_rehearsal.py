"""What a recipe of a part, Zope or ZEO refuses: one message, and nothing is uninstalled before."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.test_recipe import check_refused, check_succeeded, configure, snapshot
from tests.support.forked import Buildout

INSTANCES = {"instances": "2"}

AGENTLESS_INI = """\
[server:main]
paste.server_factory = plone.recipe.zope2instance:main
use = egg:plone.recipe.zope2instance#main
listen = %(http_address)s
threads = %(threads)s

[app:zope]
use = egg:Zope#main
zope_conf = %(location)s/etc/zope.conf

[pipeline:main]
pipeline = egg:Zope#httpexceptions zope
"""


@dataclass(frozen=True)
class Refused:
    """An option that cannot work, and what the message says beside it."""

    section: str
    option: str
    value: str
    says: str


CASES = [
    # By a recipe, for all instances or for one.
    Refused("instance", "demo-storage", "on", "Both blob and demo storage cannot be used"),
    Refused("instance2", "zlib-storage", "fast", "instance2 could not run: plone.recipe.zope2inst"),
    Refused("supervisor", "entry-points", "?", "zc.recipe.egg:scripts says: Invalid entry point"),
    # By what an instance's interpreter says of its files (test_inspection has all that).
    Refused("instance1", "wsgi-ini-template", "agentless.ini", "leaves the agent out"),
    # By ZEO, or by what asks it.
    Refused("zeo", "invalidation-queue-size", "some", "ZEO does not accept"),
    Refused("zeo", "zeo-conf", "zeo.conf", "listens on 127.0.0.1:9999, but instances ask"),
    # By nobody, and so useless.
    Refused("instance2", "zodb-cachesize", "5", "did you mean zodb-cache-size?"),
    Refused("supervisor", "minfds", "4096", "zc.recipe.egg:scripts does not read it"),
]


@pytest.fixture(scope="module")
def forked() -> Iterator[Buildout]:
    with Buildout() as running:
        yield running


@pytest.fixture(scope="module")
def site(forked: Buildout) -> Iterator[Path]:
    """A directory where a good buildout has run, with files that the cases name."""
    with tempfile.TemporaryDirectory(prefix="zs-") as name:
        directory = Path(name)
        (directory / "agentless.ini").write_text(AGENTLESS_INI)
        (directory / "zeo.conf").write_text(
            "<zeo>\naddress 127.0.0.1:9999\n</zeo>\n<mappingstorage 1>\n</mappingstorage>\n"
        )
        configure(directory, INSTANCES)
        check_succeeded(forked.run(directory))
        yield directory


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.section}-{case.option}")
def test_what_cannot_run_changes_nothing(case: Refused, site: Path, forked: Buildout) -> None:
    before = snapshot(site)
    configure(site, INSTANCES, {case.section: {case.option: case.value}})
    written = f"[{case.section}] {case.option} = {case.value}\n"
    check_refused(forked.run(site), written, case.says)
    assert snapshot(site) == before


def test_the_option_to_blame_is_the_one_that_is_named(site: Path, forked: Buildout) -> None:
    own = {"zodb-cache-size": "many", "zeo-client-cache-size": "64MB", "verbose-security": "on"}
    configure(site, INSTANCES, {"instance": own})
    done = forked.run(site)
    check_refused(done, "[instance] zodb-cache-size = many\n  is not accepted")
    assert "verbose-security" not in done.stderr


def test_an_option_that_another_refers_to_is_of_use(site: Path, forked: Buildout) -> None:
    own = {"size": "4000", "zodb-cache-size": "${:size}"}
    configure(site, INSTANCES, {"instance": own})
    check_succeeded(forked.run(site))
    assert "cache-size 4000\n" in (site / "parts/instance2/etc/zope.conf").read_text()
    configure(site, INSTANCES)
    check_succeeded(forked.run(site))


def test_a_rehearsal_leaves_no_file_in_its_own_place(site: Path, forked: Buildout) -> None:
    """Refused for one option, with others that make a directory elsewhere."""
    before = snapshot(site)
    own = {"client-home": "${buildout:directory}/home", "import-directory": "${:client-home}/i"}
    configure(site, INSTANCES, {"instance": {**own, "zodb-cache-size": "many"}})
    check_refused(forked.run(site), "zodb-cache-size = many")
    assert snapshot(site) == before
    assert not (site / "home").exists()
    assert not (site / "i").exists()


def test_every_leftover_of_an_adopted_buildout_is_in_one_message(home: Path) -> None:
    """With the place where it is written: a section, and a file, of which others take it."""
    (home / "base.cfg").write_text("[zope]\nhttp-address = 8080\neffective-user = zope\n")
    (home / "buildout.cfg").write_text(
        "[buildout]\nextends = base.cfg\nparts = stack\n"
        "[stack]\nrecipe = zopestack\n"
        "[zope]\nuser = admin:admin\n"
        "[instance]\n<= zope\nzserver-threads = 2\n"
        "[instance1]\n<= zope\nftp-address = 8021\n"
        "[zeo]\nzeo-address = 8100\n"
    )
    with Buildout() as buildout:
        done = buildout.run(home)
    check_refused(
        done,
        "[zope] http-address = 8080 (base.cfg)\n  follows from [stack]",
        "[zope] effective-user = zope (base.cfg)\n  has no effect",
        "[zope] user = admin:admin\n  follows",
        "[instance] zserver-threads = 2\n  follows",
        "[instance1] ftp-address = 8021\n  has no effect",
        "[zeo] zeo-address = 8100\n  follows",
    )
    assert done.stderr.count("base.cfg") == 2


def test_every_unknown_option_of_the_stack_is_in_one_message(home: Path) -> None:
    configure(home, {"instnaces": "2", "theads": "2"})
    with Buildout() as buildout:
        done = buildout.run(home)
    check_refused(done, "[stack] instnaces = 2\n", "[stack] theads = 2\n", "did you mean threads?")
