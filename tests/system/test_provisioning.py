"""What bin/buildout writes for a [stack], and that it writes nothing without need."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.harness import CHECKOUT, Site
from zopestack.render.files import packaged_templates

#: Where a connection is refused at once: a program that asks the network fails.
NOWHERE = "http://127.0.0.1:9"

SECTIONS = """\
[instance]
zodb-cache-size = 4321
threads = 2
environment-vars = COLOUR blue

[instance2]
zodb-cache-size = 1234
threads = 1
"""


@pytest.fixture(scope="module")
def provisioned() -> Iterator[Site]:
    """Two instances, provisioned and not started."""
    with Site(SECTIONS, instances=2) as site:
        site.buildout()
        yield site


def test_instance_sections_reach_zope_and_haproxy(provisioned: Site) -> None:
    def conf(name: str, file: str) -> str:
        return (provisioned.stack.parts / name / "etc" / file).read_text(encoding="utf-8")

    assert "cache-size 4321" in conf("instance1", "zope.conf")
    assert "cache-size 1234" in conf("instance2", "zope.conf")
    assert "COLOUR blue" in conf("instance1", "zope.conf")
    assert "COLOUR blue" in conf("instance2", "zope.conf")
    assert "threads = 2" in conf("instance1", "wsgi.ini")
    assert "threads = 1" in conf("instance2", "wsgi.ini")
    haproxy = provisioned.stack.haproxy_conf.read_text(encoding="utf-8")
    assert f"instance1 127.0.0.1:{provisioned.ports.base} maxconn 2 " in haproxy
    assert f"instance2 127.0.0.1:{provisioned.ports.base + 1} maxconn 1 " in haproxy


@pytest.mark.parametrize("option", ["-N", "-o"])
def test_unchanged_buildout_changes_nothing_and_asks_no_network(
    provisioned: Site, option: str
) -> None:
    before = digest(provisioned.directory)
    times = modified(provisioned.stack.configuration)
    provisioned.environment |= dict.fromkeys(("http_proxy", "https_proxy", "ALL_PROXY"), NOWHERE)
    said = provisioned.buildout(option).stdout
    assert "Installing" not in said
    assert "Uninstalling" not in said
    assert digest(provisioned.directory) == before
    assert modified(provisioned.stack.configuration) == times


def test_own_template_wins_and_the_others_stay(make_site: Callable[..., Site]) -> None:
    site = make_site(templates="mine")
    mine = site.directory / "mine"
    mine.mkdir()
    packaged = packaged_templates().joinpath("haproxy.cfg.j2").read_text(encoding="utf-8")
    mine.joinpath("haproxy.cfg.j2").write_text(f"# mine\n{packaged}", encoding="utf-8")
    site.buildout()
    assert "# mine" in site.stack.haproxy_conf.read_text(encoding="utf-8")
    assert "[program:instance2]" in site.stack.supervisord_conf.read_text(encoding="utf-8")


def test_configuration_haproxy_rejects_replaces_nothing(provisioned: Site) -> None:
    before = digest(provisioned.directory)
    broken = provisioned.directory / "broken"
    broken.mkdir()
    packaged = (CHECKOUT / "templates" / "haproxy.cfg.j2").read_text(encoding="utf-8")
    broken.joinpath("haproxy.cfg.j2").write_text(f"{packaged}\nnonsense\n", encoding="utf-8")
    provisioned.configure(SECTIONS, templates="broken")
    done = provisioned.buildout(check=False)
    assert done.returncode == 1
    assert "nothing was changed" in done.stdout
    assert "unknown keyword 'nonsense'" in done.stdout
    del provisioned.options["templates"]
    provisioned.configure(SECTIONS)
    broken.joinpath("haproxy.cfg.j2").unlink()
    broken.rmdir()
    assert digest(provisioned.directory) == before


def digest(directory: Path) -> dict[str, str]:
    """Every file below a directory and a digest of its bytes.

    Without Python's cache of what it compiled, and without buildout's own notes: it adds
    to them at every run.
    """
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.suffix != ".pyc" and path.name != ".installed.cfg"
    }


def modified(directory: Path) -> dict[Path, int]:
    """When each file below a directory was written."""
    return {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
