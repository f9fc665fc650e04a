"""A buildout of separate parts, adopted and running."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.support.adopting import PLACE
from tests.support.fetch import fetch
from tests.support.harness import COMMANDS, PATIENCE, Site

#: One instance for visitors, one that a person starts, and two databases beside the main one.
ADOPTED = PLACE / "agency"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as running:
        shutil.copytree(ADOPTED, running.directory, dirs_exist_ok=True)
        running.run(COMMANDS / "adopt", "buildout.cfg", "--write")
        # On ports that are free here.
        options = {name: text for name, text in running.options.items() if name != "instances"}
        stack = "\n".join(f"{name} = {text}" for name, text in options.items())
        extra = f"http-address = {running.ports.spare}\nagent-address = {running.ports.spare + 1}"
        running.write(
            "[buildout]\nextends = stack.cfg", f"[stack]\n{stack}", f"[extra-instance0]\n{extra}"
        )
        running.buildout("-o")
        running.launch(PATIENCE)
        yield running


def test_the_instance_for_visitors_is_behind_haproxy(site: Site) -> None:
    assert site.get("/").status == 200
    assert {*site.servers()} == {"instance1"}


@pytest.mark.parametrize("mount_point", ["/archive", "/staff"])
def test_its_databases_are_mounted_where_they_were(site: Site, mount_point: str) -> None:
    assert site.get(mount_point).status == 200
    assert {path.name for path in (site.stack.var / "filestorage").glob("*.fs")} == {
        "Data.fs",
        "archive.fs",
        "intranet.fs",
    }


def test_the_other_one_waits_for_a_person(site: Site) -> None:
    assert site.states()["extra-instance0"] == "STOPPED"
    site.supervisorctl("start", "extra-instance0", check=True)
    (address,) = (each.address for each in site.stack.instances if not each.balanced)
    assert fetch(address, "/").status == 200
