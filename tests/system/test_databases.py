"""Databases beside the main one, in a real stack: two forks of the loader, and a worker alone."""

from __future__ import annotations

import getpass
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected

from tests.support import ledger
from tests.support.authority import Authority
from tests.support.figures import samples, total
from tests.support.harness import Site, until
from zopestack.supervisor.health import ask

#: Puts a ledger and a file into a mounted database.
FILL = """
import transaction
from ledgerproduct import Ledger
from ZODB.blob import Blob
app.intranet._setObject("ledger", Ledger(1))
app.intranet.file = Blob(b"x" * 5000)
transaction.commit()
print("IN", app._p_jar.db().database_name, app.intranet.ledger._p_jar.db().database_name)
"""

FOLDER = """
import transaction
app.manage_addFolder("docs")
transaction.commit()
"""

#: What returns the password of the key.
FUNCTION = "getpass.getuser"

MOUNTED = "\n    intranet = /intranet"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    options = {"extra_instances": "worker", "share_memory": "on", "databases": MOUNTED}
    with Site(instances=2, **options) as running:
        first = running.ports.spare
        own = f"http-address = 127.0.0.1:{first}\nagent-address = 127.0.0.1:{first + 1}"
        running.configure(f"{ledger.SECTIONS}\n[worker]\n{own}\nverbose-security = on\n")
        running.start()
        running.run_in_zope(FILL)
        yield running


def reasons(site: Site) -> list[str]:
    """What each instance says of its health."""
    return [report.why if (report := ask(each)) else "" for each in site.stack.instances]


def size(site: Site, name: str) -> int:
    return (site.stack.database.parent / name).stat().st_size


def test_the_first_instance_mounts_it_and_all_serve_it(site: Site) -> None:
    for instance in site.stack.instances:
        assert site.get("/intranet/ledger/light", at=instance.name).body == b"light"
    logs = "".join(site.log(f"{each.name}.log") for each in site.stack.instances)
    assert logs.count("mounted /intranet") == 1
    assert reasons(site) == ["serving"] * 3
    assert site.run("bin/supervisorctl", "stack").stdout.count("serving") == 3
    # Two share the loader's memory, which has no database open.
    assert "ready to be forked" in site.log("loader.out.log")
    assert "instances start alone" not in site.log("loader.out.log")


def test_what_is_saved_in_it_is_in_files_of_its_own(site: Site) -> None:
    main, mounted = size(site, "Data.fs"), size(site, "intranet.fs")
    for number in range(5):
        for at in ("instance1", "instance2", "worker"):
            path = "/intranet/ledger/record"
            assert site.post(path, {"visitor": "0", "number": str(number)}, at=at).status == 200
    assert size(site, "Data.fs") == main
    assert size(site, "intranet.fs") > mounted
    books = site.run_in_zope("print('BOOK', dict(app.intranet.ledger.books['0']))")
    assert "BOOK {0: 3, 1: 3, 2: 3, 3: 3, 4: 3}" in books
    blobs = site.stack.blobs_of(site.stack.databases.databases[0])
    assert [file.stat().st_size for file in blobs.rglob("*.blob")] == [5000]
    assert not list(site.stack.blobs.rglob("*.blob"))


def test_each_has_figures_of_its_own(site: Site) -> None:
    agent = site.stack.instances[0].agent
    names = {each.labels["database"] for each in samples(agent) if "database" in each.labels}
    assert {"main", *(each.name for each in site.stack.databases.databases)} <= names
    for name in names:
        assert total(agent, "zopestack_zodb_connected", database=name) == 1


def test_zeopack_packs_each(site: Site) -> None:
    before = {name: size(site, name) for name in ("Data.fs", "intranet.fs")}
    only = site.run("bin/zeopack", "-D", "0", "-S", "1").stdout
    assert "main: " in only
    assert "intranet: " not in only
    assert size(site, "intranet.fs") == before["intranet.fs"]
    said = site.run("bin/zeopack", "-D", "0").stdout
    assert "main: " in said
    assert "intranet: " in said
    assert size(site, "intranet.fs") < before["intranet.fs"]
    assert site.get("/intranet/ledger/light").status == 200
    refused = site.run("bin/zeopack", "-S", "archive", check=False)
    assert refused.returncode == 1
    assert "-S archive: expected one of 1, intranet" in refused.stdout


def test_without_zeo_an_instance_names_every_database(site: Site) -> None:
    site.supervisorctl("stop", "zeo", check=True)
    gone = ["storage unreachable: main, intranet"] * 3
    until("the agents to notice", lambda: reasons(site), lambda found: found == gone)
    assert site.run("bin/zeopack", "-h").returncode == 0
    site.supervisorctl("start", "zeo", check=True)
    site.wait_ready()
    assert site.get("/intranet/ledger/light").status == 200


def issued(authority: Authority) -> Path:
    """A certificate whose key has a password: one that a function of Python returns."""
    return authority.issue("own", password=getpass.getuser())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_zeo_asks_for_certificates_and_all_still_works(site: Site, authority: Authority) -> None:
    """From here on."""
    given = {"zeo_certificate": issued(authority), "zeo_authenticate": authority.certificate}
    site.configure(site.sections, **given, zeo_password_function=FUNCTION)
    site.buildout()
    said = site.supervisorctl("update", check=True).stdout
    # Nobody waited for instances that speak another way with ZEO.
    assert said.index("zeo: ") < said.index("instance1: draining")
    site.wait_ready()
    assert reasons(site) == ["serving"] * 3
    assert site.get("/intranet/ledger/light").status == 200
    assert "main: " in site.run("bin/pack").stdout
    assert "ready to be forked" in site.log("loader.out.log")
    server = site.address("zeo").host, site.address("zeo").port
    anonymous = ssl.create_default_context(cafile=authority.certificate)
    for context in (None, anonymous):
        with pytest.raises(ClientDisconnected):
            ClientStorage(server, wait_timeout=2, ssl=context)


def test_a_new_certificate_is_taken_up_by_update(site: Site, authority: Authority) -> None:
    before = site.pids()
    issued(authority)
    site.buildout()
    site.supervisorctl("update", check=True)
    site.wait_ready()
    after = site.pids()
    changed = {name for name in before if before[name] != after[name]}
    assert {"zeo", "loader", "instance1", "instance2", "worker"} <= changed
    assert "haproxy" not in changed
    assert reasons(site) == ["serving"] * 3


def test_another_one_is_mounted_where_that_can_be(site: Site) -> None:
    """Last."""
    site.configure(
        site.sections, databases=f"{MOUNTED}\n    archive = /docs/archive\n    x = /index_html"
    )
    site.buildout()
    site.supervisorctl("update", check=True)
    site.wait_ready()
    missing = r"mount point /docs/archive: there is no /docs yet; restart an instance when there is"
    taken = r"mount point /index_html: the main database has an object there; export it"
    for why in reasons(site):
        assert re.fullmatch(f"serving; {missing}; {taken}.*", why)
    assert site.get("/intranet/ledger/light").status == 200
    site.run_in_zope(FOLDER)
    assert site.get("/docs/archive").status == 404
    site.supervisorctl("restart", "worker", check=True)
    site.wait_ready()
    # ZEO tells the others of a commit a little later.
    until("it at another", lambda: site.get("/docs/archive", at="instance1").status, (200).__eq__)
    found = site.run_in_zope("print('IN', app.docs.archive._p_jar.db().database_name)")
    assert "IN archive" in found
    assert Path(site.stack.database.with_name("archive.fs")).exists()
