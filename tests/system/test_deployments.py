"""The six deployments of docs/explanation/deployments.rst, adopted and run: pages, what each has
beside its instances, a roll that no visitor notices, a backup, the loss of all data, a restore.
"""

from __future__ import annotations

import shutil
import socket
from base64 import b64decode
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support import packages, plone
from tests.support.adopted_site import AdoptedSite
from tests.support.adopting import NAMES
from tests.support.fetch import fetch
from tests.support.polling import PATIENCE, until
from tests.support.postgres import Postgres
from tests.support.visitor import Visitors
from zopestack.features.instances import Instance
from zopestack.supervisor import daemon
from zopestack.supervisor.health import ask

#: The first of them installs Plone.
pytestmark = pytest.mark.timeout(900)

#: What some of them have beside the stack.
RECIPES = ("collective.recipe.template", "plone.recipe.varnish")

TEXT = "Written before all was lost"

#: What desk's rel-storage asks for, of a server that libpq finds by PGHOST.
ROLE = "CREATE ROLE admin SUPERUSER LOGIN PASSWORD 'change-me'"
DATABASE = "clinic"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of an environment for all of them, into which Plone and a recipe are installed once."""
    wanted = ("Plone", "RelStorage", "psycopg2-binary", *RECIPES)
    return packages.installed(tmp_path_factory.mktemp("env"), *wanted) / "python"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    server.psql(ROLE)
    server.create(DATABASE)
    yield server
    server.stop()


@pytest.fixture(scope="module", params=NAMES)
def site(request: pytest.FixtureRequest, python: Path) -> Iterator[AdoptedSite]:
    with AdoptedSite(request.param, python) as running:
        if running.name == "desk":
            running.environment["PGHOST"] = str(request.getfixturevalue("postgres").home)
        running.start()
        fill(running)
        yield running


def fill(site: AdoptedSite) -> None:
    """Write what is to be there after a restore: a page in each database, and a blob."""
    if site.has_plone:
        plone.create(site)
        plone.tell(site, plone.PATH, plone.document("written", TEXT), 201)
        plone.tell(site, f"{plone.PATH}/written/@workflow/publish", {}, 200)
        plone.tell(site, plone.PATH, plone.image("picture"), 201)
        return
    for place in places(site):
        fields = {"id": "written", "file": TEXT}
        add = f"{place}/manage_addProduct/OFSP/manage_addDTMLMethod"
        assert site.post(add, fields, login=site.admin).status < 400


def places(site: AdoptedSite) -> list[str]:
    """The root of the site, and of each database beside the main one."""
    root = plone.PATH if site.has_plone else ""
    return [root, *(each.mount_point for each in site.stack.databases.databases)]


def check(site: AdoptedSite) -> None:
    """Everything that :func:`fill` has written is served by HAProxy."""
    for place in places(site):
        page = site.get(f"{place}/written")
        assert page.status == 200
        assert TEXT in page.text
    if site.has_plone:
        assert site.get(PICTURE).body == b64decode(plone.PIXEL)


#: A page that costs Plone little, for a visitor who asks all the time.
PICTURE = f"{plone.PATH}/picture/@@images/image"


def extras(site: AdoptedSite) -> list[Instance]:
    return [each for each in site.stack.instances if not each.balanced]


def test_its_pages_are_served(site: AdoptedSite) -> None:
    check(site)
    balanced = {each.name for each in site.stack.instances if each.balanced}
    assert {name for name, server in site.servers().items() if server.up} == balanced


def test_what_it_has_beside_them_runs(site: AdoptedSite) -> None:
    states = site.states()
    for program in (*site.stack.own.programs, *extras(site)):
        assert states[program.name] == ("RUNNING" if program.autostart else "STOPPED")
    for instance in extras(site):
        if not instance.autostart:
            site.supervisorctl("start", instance.name, check=True)
        # supervisord regards one as started that is still loading Plone.
        until(instance.name, partial(ask, instance), lambda report: report and report.healthy)
        assert fetch(instance.address, f"{places(site)[0]}/written").status == 200
        if not instance.autostart:
            site.supervisorctl("stop", instance.name, check=True)
    CHECKS[site.name](site)


def zope_conf(site: AdoptedSite, name: str) -> str:
    return (site.stack.parts / name / "etc/zope.conf").read_text("utf-8").replace("\t", " ")


def check_press(site: AdoptedSite) -> None:
    """A worker, an instance for robots, a search server, and a script of Zope's."""
    assert {each.name: each.threads for each in extras(site)} == {"worker": 1, "instancebots": 4}
    assert f"QUEUE {site.directory}/var/worker-uuid.txt" in zope_conf(site, "worker")
    made = "/d/table_create?name=Pages&flags=TABLE_PAT_KEY&key_type=ShortText"
    assert fetch(site.beside, made).text.endswith("true]")
    assert (site.stack.bin / "mkwsgiinstance").exists()


def check_council(site: AdoptedSite) -> None:
    """A worker and an instance for debugging with options of their own."""
    assert {each.name: each.threads for each in extras(site)} == {
        "instance-async": 4,
        "instance-debug": 2,
    }
    assert f"ASYNC_UUID {site.directory}/var/async-uuid.txt" in zope_conf(site, "instance-async")
    assert "debug-mode on" in zope_conf(site, "instance-debug")
    assert "debug-mode off" in zope_conf(site, "instance1")
    assert (site.stack.bin / "repozo").exists()


def check_agency(site: AdoptedSite) -> None:
    """Two databases beside the main one, and an instance that a person starts."""
    assert places(site) == ["", "/archive", "/staff"]
    assert [each.name for each in extras(site) if not each.autostart] == ["extra-instance0"]
    databases = {path.name for path in (site.stack.var / "filestorage").glob("*.fs")}
    assert databases == {"Data.fs", "archive.fs", "intranet.fs"}


def check_campus(site: AdoptedSite) -> None:
    """Four instances that differ."""
    numbers = [f"zeo {number}\n" in zope_conf(site, f"instance{number}") for number in range(1, 5)]
    assert numbers == [True] * 4


def check_desk(site: AdoptedSite) -> None:
    """PostgreSQL, memcached, and Varnish in front of HAProxy."""
    assert site.stack.relstorages
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(site.directory / "var/memcached.sock"))
        connection.sendall(b"version\r\n")
        assert connection.recv(1000).startswith(b"VERSION ")
    check_varnish(site)


def check_studio(site: AdoptedSite) -> None:
    """Varnish in front of HAProxy, data in a directory of its own, a backup every night."""
    assert site.stack.var == site.directory / "data/var"
    assert site.stack.database.exists()
    assert "next 20" in site.supervisorctl("stack", check=True).stdout.splitlines()[-1]
    check_varnish(site)


def check_varnish(site: AdoptedSite) -> None:
    page = fetch(site.beside, f"{plone.PATH}/written")
    assert TEXT in page.text
    assert "varnish" in page.headers["via"]


CHECKS = {
    "press": check_press,
    "council": check_council,
    "agency": check_agency,
    "campus": check_campus,
    "desk": check_desk,
    "studio": check_studio,
}


def test_a_second_buildout_changes_nothing(site: AdoptedSite) -> None:
    before = site.pids()
    site.buildout("-N")
    assert site.supervisorctl("update", check=True).stdout == "nothing has changed\n"
    assert site.pids() == before


def test_no_visitor_notices_a_roll(site: AdoptedSite) -> None:
    if len(site.servers()) == 1:
        raise_number(site)
    before = site.pids()
    path = PICTURE if site.has_plone else "/written"
    with Visitors(site.address("haproxy"), path=path) as visitors:
        site.supervisorctl("roll", "all", check=True)
    site.wait_ready()
    assert visitors.failures == []
    assert visitors.served > 0
    after = site.pids()
    rolled = {each.name for each in site.stack.instances if each.autostart}
    assert {name for name in before if before[name] != after[name]} == rolled


def raise_number(site: AdoptedSite) -> None:
    """Give a site with one instance another one, without which a roll is an interruption."""
    done = site.supervisorctl("roll", "all")
    assert done.returncode != 0
    assert "Raise instances" in done.stdout
    site.configure(instances=2)
    site.buildout("-N")
    site.supervisorctl("update", check=True)
    site.wait_ready()


def test_all_is_lost_and_restored(site: AdoptedSite, request: pytest.FixtureRequest) -> None:
    """Last."""
    site.run("bin/backup")
    stack = site.stack
    site.supervisorctl("shutdown", check=True)
    until("the end", lambda: daemon.pid(stack.supervisor_socket), lambda pid: pid is None)
    shutil.rmtree(stack.var)
    if stack.relstorages:
        server: Postgres = request.getfixturevalue("postgres")
        assert server.psql(f"DROP DATABASE {DATABASE}").returncode == 0
        server.create(DATABASE)
    site.buildout("-N")
    site.run("bin/restore")
    site.launch(PATIENCE)
    check(site)
    states = site.states()
    assert {states[each.name] for each in stack.own.programs} <= {"RUNNING"}
