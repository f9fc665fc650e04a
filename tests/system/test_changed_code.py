"""New code for instances that share memory: loaded beside the old, or not at all."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import psutil
import pytest

from tests.support.harness import Site, until
from tests.support.sharing import change_code, giving, loaders
from tests.support.started import Started
from zopestack.features.memory import LOADERS
from zopestack.supervisor import group

SECTIONS = """
[instance]
extra-paths = ${buildout:directory}/code
zcml = changing
environment-vars = zope_i18n_allowed_languages de
"""

#: What marks every response with the version of its code, and what it does when an instance starts.
CODE = """\
from chameleon.config import CACHE_DIRECTORY
from zope.i18n.config import ALLOWED_LANGUAGES

def mark(event):
    event.request.response.setHeader("X-Code", {version!r})
    event.request.response.setHeader("X-Read", f"{{CACHE_DIRECTORY}} {{[*ALLOWED_LANGUAGES]}}")

def started(event):
    {started}
"""

ZCML = """\
<configure xmlns="http://namespaces.zope.org/zope">
  <subscriber for="ZPublisher.interfaces.IPubBeforeCommit" handler="changing.mark" />
  <subscriber for="zope.processlifetime.IDatabaseOpenedWithRoot" handler="changing.started" />
</configure>
"""

NAMES = ("instance1", "instance2")


def write(site: Site, version: str, started: str = "pass") -> None:
    """Change the code of the site."""
    package = site.directory / "code" / "changing"
    package.mkdir(parents=True, exist_ok=True)
    (package / "configure.zcml").write_text(ZCML, encoding="utf-8")
    text = CODE.format(version=version, started=started)
    (package / "__init__.py").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    with Site(SECTIONS, instances=2, share_memory="on", warm_up="/", stop_grace="5s") as site:
        write(site, "1")
        site.start()
        yield site


@pytest.fixture
def site(running: Site) -> Site:
    """With the first version of its code in every instance."""
    write(running, "1")
    if {*versions(running)} != {"1"}:
        running.supervisorctl("roll", "all", check=True)
    return running


def versions(site: Site) -> list[str]:
    """The code that each instance serves with."""
    return [site.get("/", at=name).headers["X-Code"] for name in NAMES]


def parents(site: Site) -> set[int]:
    """Of which loader the instances are forks."""
    pids = site.pids()
    forks = [group.members(pids[name])[1] for name in NAMES]
    return {psutil.Process(fork).ppid() for fork in forks}


def test_packages_have_read_the_environment_of_an_instance_while_they_were_imported(
    site: Site,
) -> None:
    read = {site.get("/", at=name).headers["X-Read"] for name in NAMES}
    assert read == {f"{site.directory}/var/cache ['de']"}


def test_it_is_loaded_beside_the_old_one(site: Site) -> None:
    before = giving(site)
    write(site, "2")
    assert versions(site) == ["1", "1"]
    done = site.supervisorctl("roll", "all", check=True)
    assert versions(site) == ["2", "2"]
    now = giving(site)
    assert now != before
    assert {*loaders(site)} == {now}
    assert parents(site) == {*loaders(site).values()}
    # Loaded before any instance stops.
    assert done.stdout.index(f"{now}: loaded") < done.stdout.index("instance1: draining")
    # A restart of one instance has the same code, from the loader that is left.
    site.supervisorctl("restart", "instance1", check=True)
    site.wait_ready()
    assert versions(site) == ["2", "2"]


def test_code_that_has_not_changed_is_not_loaded_again(site: Site) -> None:
    site.supervisorctl("roll", "all", check=True)
    before = loaders(site), site.pids()
    said = site.supervisorctl("roll", "all", check=True).stdout
    assert f"{giving(site)}: code has not changed since it was loaded" in said
    assert "loads Zope anew" not in said
    assert loaders(site) == before[0]
    assert all(site.pids()[name] != before[1][name] for name in NAMES)
    assert parents(site) == {*loaders(site).values()}
    change_code(site)
    assert "loads Zope anew" in site.supervisorctl("roll", "all", check=True).stdout


def test_what_cannot_be_loaded_changes_nothing(site: Site) -> None:
    before = site.pids(), giving(site)
    write(site, "2", "this is no Python")
    done = site.supervisorctl("roll", "all")
    assert done.returncode != 0
    (other,) = {*LOADERS} - {giving(site)}
    assert f"{other} cannot load Zope, so nothing was changed. See `tail {other}`" in done.stdout
    assert "draining" not in done.stdout
    assert "SyntaxError" in site.log(f"{other}.out.log")
    assert (site.pids(), giving(site)) == before
    # What is restarted is a fork of the old one, whose code is not that of the files.
    site.supervisorctl("restart", "instance1", check=True)
    site.wait_ready()
    assert versions(site) == ["1", "1"]


def test_an_instance_that_does_not_start_comes_back_with_the_code_of_before(site: Site) -> None:
    before = loaders(site), site.pids()["instance2"]
    write(site, "2", "raise SystemExit('no start')")
    done = site.supervisorctl("roll", "all")
    assert done.returncode != 0
    assert "instance1 did not start" in done.stdout
    assert "instance1: starting again, with the code that was loaded before" in done.stdout
    assert "instance1: in rotation" in done.stdout
    assert (loaders(site), site.pids()["instance2"]) == before
    assert versions(site) == ["1", "1"]
    assert parents(site) == {*loaders(site).values()}


def test_start_all_leaves_one_loader(site: Site) -> None:
    site.supervisorctl("stop", "all", check=True)
    site.supervisorctl("start", "all", check=True)
    site.wait_ready()
    assert [*loaders(site)] == [giving(site)]
    until("forks of it", lambda: parents(site), lambda found: found == {*loaders(site).values()})


def test_up_starts_no_second_loader(site: Site) -> None:
    before = loaders(site)
    site.up()
    assert loaders(site) == before


def test_a_roll_that_is_killed_leaves_one_loader_at_the_next_command(site: Site) -> None:
    write(site, "2")
    command = [site.stack.bin / "supervisorctl", "roll", "all"]
    with Started(
        command, cwd=site.directory, env=site.environment, stdout=subprocess.PIPE, text=True
    ) as roll:
        assert roll.stdout
        for line in roll.stdout:
            if "instance1: draining" in line:
                break
        roll.kill()
    assert len(loaders(site)) == 2
    # It is put back first, and then there is nothing to do.
    site.supervisorctl("ready", "instance2", check=True)
    assert [*loaders(site)] == [giving(site)]
    site.wait_ready()
