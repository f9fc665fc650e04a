"""Databases of RelStorage in real stacks: a PostgreSQL server, and SQLite without any server."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from zc.buildout import UserError

from tests.support import describe, ledger
from tests.support.figures import total
from tests.support.harness import Site, until
from tests.support.postgres import PASSWORD, Postgres
from tests.system.chaos import servers
from tests.system.chaos.run import VISITORS, hurt, table
from tests.system.chaos.scenarios import POST_IN_FLIGHT, Scenario, kill_instance
from tests.system.chaos.servers import reasons
from zopestack.buildout import relational

SECTIONS = f"""
[instance]
extra-paths = {ledger.CODE}
eggs =
    Zope
    psycopg2-binary
"""

#: As plone.recipe.zope2instance takes them.
LINES = """rel-storage =
    type postgresql
    dbname {name}
    user zope
    host {host}
    password {password}
    keep-history {history}
"""

#: A database beside the main one.
MOUNTED = "\n    intranet = /intranet"

#: What is different of it.
OWN = "[relstorage-intranet]\ndbname = intranet\n"

#: What was recorded in it.
BOOK = "print('BOOK', dict(app.intranet.ledger.books['0']))"

#: What both instances say.
GONE = ["storage unreachable: main, intranet"] * 2

BLOB = """
import transaction
from ZODB.blob import Blob
app.file = Blob(b"x" * 5000)
transaction.commit()
"""

#: A ledger and a file in the other database.
FILL = """
import transaction
from ledgerproduct import Ledger
from ZODB.blob import Blob
app.intranet._setObject("ledger", Ledger(1))
app.intranet.file = Blob(b"y" * 3000)
transaction.commit()
"""


def usual(server: Postgres) -> dict[str, str]:
    return {"name": "main", "host": str(server.home), "password": PASSWORD, "history": "false"}


def lines(server: Postgres, **other: str) -> str:
    return f"{OWN}{SECTIONS}" + LINES.format(**{**usual(server), **other})


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    running = Postgres()
    running.create("main")
    running.create("intranet")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def site(server: Postgres) -> Iterator[Site]:
    options = {"storage": "relstorage", "databases": MOUNTED}
    with Site(lines(server), instances=2, **options) as running:
        running.start()
        ledger.create(running, VISITORS)
        running.run_in_zope(FILL)
        yield running


@pytest.fixture(scope="module")
def lite() -> Iterator[Site]:
    sections = f"{ledger.SECTIONS}\n[relstorage]\ntype = sqlite3\npragmas-cache_size = 8MB\n"
    options = {"storage": "relstorage", "share_memory": "on", "databases": MOUNTED}
    with Site(sections, instances=2, **options) as running:
        running.start()
        ledger.create(running, VISITORS)
        running.run_in_zope(FILL)
        yield running


def starts(site: Site) -> dict[str, int]:
    """How often each instance was started."""
    log = site.log("supervisord.log")
    return {each.name: log.count(f"spawned: '{each.name}'") for each in site.stack.instances}


def record(site: Site, number: int, at: str, path: str = "/ledger/record") -> bytes:
    answer = site.post(path, {"visitor": "0", "number": str(number)}, at=at)
    assert answer.status == 200
    return answer.body


def test_one_process_sets_it_up_and_nobody_dies(site: Site, server: Postgres) -> None:
    assert starts(site) == {"instance1": 1, "instance2": 1}
    assert "zeo" not in site.pids()
    # History-free, with one object a row.
    assert int(server.psql("SELECT count(*) FROM object_state", "main").stdout) > 10
    assert site.get("/acl_users/manage_main", login=site.admin).status == 200
    name, password = site.admin
    assert site.get("/acl_users/manage_main", login=(name, f"{password}x")).status == 401


def test_what_is_saved_at_one_is_seen_at_the_other(site: Site) -> None:
    for number in range(20):
        record(site, number, "instance1")
        record(site, number, "instance2")
    assert ledger.read(site)["0"] == dict.fromkeys(range(20), 2)


def test_the_password_is_in_no_file_that_others_read(site: Site) -> None:
    found = {
        path: stat.S_IMODE(path.stat().st_mode)
        for path in site.directory.rglob("*")
        if path.is_file() and b"$ecret" in path.read_bytes()
    }
    assert found.pop(site.directory / "buildout.cfg")
    private = (
        site.stack.database_conf,
        site.stack.database_conf_of("intranet"),
        site.stack.stack_file,
        site.stack.storages / "1.conf",
    )
    assert found == dict.fromkeys(private, 0o600)
    running = [process.cmdline() for process in site.processes()]
    assert running
    assert not [words for words in running if "$ecret" in " ".join(words)]


def test_blobs_are_in_the_database_and_copies_in_a_cache(site: Site) -> None:
    site.run_in_zope(BLOB)
    cache = site.stack.blob_cache
    shutil.rmtree(cache)
    cache.mkdir()
    assert "LENGTH 5000" in site.run_in_zope("print('LENGTH', len(app.file.open().read()))")
    assert [path.stat().st_size for path in cache.rglob("*.blob")] == [5000]


def test_another_database_is_one_of_its_own(site: Site, server: Postgres) -> None:
    before = objects(server, "main"), objects(server, "intranet")
    for number in range(20):
        record(site, number, "instance1", "/intranet/ledger/record")
        record(site, number, "instance2", "/intranet/ledger/record")
    assert site.run_in_zope(BOOK).splitlines()[-1] == f"BOOK {dict.fromkeys(range(20), 2)}"
    assert objects(server, "main") == before[0]
    # Its tree has grown.
    assert objects(server, "intranet") >= before[1] > 0
    assert int(server.psql("SELECT count(*) FROM blob_chunk", "intranet").stdout) == 1
    cache = site.stack.blobs_of(site.stack.databases.databases[0])
    assert [path.stat().st_size for path in cache.rglob("*.blob")] == [3000]


def test_two_names_for_one_database_are_refused(site: Site, server: Postgres, home: Path) -> None:
    """Whatever they look like: only the server knows."""
    main = {"dbname": "main", "user": "zope", "host": str(server.home), "password": PASSWORD}
    main["keep-history"] = "false"
    sections = {"relstorage": main, "relstorage-intranet": {"host": f"{server.home}/."}}
    options = {"storage": "relstorage", "databases": "intranet = /intranet"}
    stack = describe.read(home, options, sections)
    with pytest.raises(UserError, match="the same database as main: name another") as why:
        relational.check(stack, sys.path)
    assert str(why.value).startswith("[relstorage-intranet]\n  is not accepted: ")


def objects(server: Postgres, database: str) -> int:
    return int(server.psql("SELECT count(*) FROM object_state", database).stdout)


def test_each_is_packed_with_the_file_that_the_instances_have(site: Site) -> None:
    for name in ("main", "intranet"):
        done = site.run("bin/zodbpack", "-d", "-1", site.stack.database_conf_of(name))
        assert "Packed" in done.stdout
        assert PASSWORD not in done.stdout
    assert site.get("/intranet/ledger/light").body == b"light"
    assert site.get("/ledger/light").body == b"light"


def test_whatever_happens_to_the_server_nothing_is_lost(site: Site, server: Postgres) -> None:
    forget_ledger(site)
    ways = [("others have its connections", server.exhausted("main"))]
    outcome = hurt(site, servers.scenarios(server, *ways, allowed=servers.UNKNOWN))
    print(table(outcome))
    assert outcome.records >= 20 * (len(outcome.figures) + 1)
    assert not outcome.lost, table(outcome)
    assert starts(site) == {"instance1": 1, "instance2": 1}


def forget_ledger(site: Site) -> None:
    """Have the next one be of a test's own."""
    site.run_in_zope("import transaction; app._delObject('ledger'); transaction.commit()")


def test_a_server_that_hangs_is_noticed(site: Site, server: Postgres) -> None:
    workers = [server.process, *psutil.Process(server.process.pid).children(recursive=True)]
    for each in workers:
        os.kill(each.pid, signal.SIGSTOP)
    try:
        until("the agents to notice", lambda: reasons(site), GONE.__eq__)
    finally:
        for each in workers:
            os.kill(each.pid, signal.SIGCONT)
    until("the agents", lambda: reasons(site), lambda found: found == ["serving"] * 2)


def test_instances_that_start_before_it_wait(site: Site, server: Postgres) -> None:
    before = starts(site)
    names = [each.name for each in site.stack.instances]
    site.supervisorctl("stop", *names, check=True)
    server.kill()
    for name in names:
        site.run("bin/supervisorctl", "start", name, check=False)
    until("an instance to wait", lambda: "waiting for the database" in waiting(site))
    server.start()
    site.wait_ready()
    assert starts(site) == {name: times + 1 for name, times in before.items()}


def waiting(site: Site) -> str:
    """What the instances say before they have their logs."""
    return "".join(
        site.log(f"{each.name}{log}")
        for each in site.stack.instances
        for log in (".out.log", ".log")
    )


def test_a_changed_option_restarts_the_instances(site: Site, server: Postgres) -> None:
    before = site.pids()
    site.configure(lines(server) + "    commit-lock-timeout 20\n")
    site.buildout()
    site.supervisorctl("update", check=True)
    site.wait_ready()
    after = site.pids()
    assert {name for name in before if before[name] != after[name]} == {"instance1", "instance2"}


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"name": "nowhere"}, r'FATAL: database "nowhere" does not exist'),
        ({"history": "true"}, "a history-preserving adapter can not connect to a history-free"),
        ({"history": "perhaps"}, "'perhaps'"),
    ],
)
def test_what_the_database_refuses(
    site: Site, server: Postgres, home: Path, other: dict[str, str], says: str
) -> None:
    given = LINES.format(**{**usual(server), **other}).removeprefix("rel-storage =\n")
    stack = describe.read(home, {"storage": "relstorage"}, {"instance": {"rel-storage": given}})
    with pytest.raises(UserError, match=rf"^\[relstorage\]\n  is not accepted: .*{says}") as why:
        relational.check(stack, sys.path)
    assert "ecret" not in str(why.value)


def test_a_wrong_password_is_told_before_anything_is_changed(site: Site, server: Postgres) -> None:
    before = site.stack.database_conf.read_bytes()
    site.configure(lines(server, password="wrong"))
    done = site.buildout(check=False)
    assert done.returncode == 1
    assert 'FATAL: password authentication failed for user "zope".' in done.stdout
    assert site.stack.database_conf.read_bytes() == before


def test_without_a_server_there_is_a_warning(site: Site, server: Postgres) -> None:
    """Last of this site."""
    site.configure(lines(server, host="/nowhere"))
    assert "[relstorage]: the database does not answer" in site.buildout().stdout


def test_sqlite_needs_no_server(lite: Site) -> None:
    assert starts(lite) == {"instance1": 1, "instance2": 1}
    # As forks of the loader, which has nothing open.
    assert "ready to be forked" in lite.log("loader.out.log")
    for number in range(10):
        record(lite, number, "instance1")
        record(lite, number, "instance2")
    assert ledger.read(lite)["0"] == dict.fromkeys(range(10), 2)
    lite.run_in_zope(BLOB)
    assert [path.stat().st_size for path in lite.stack.blobs.rglob("*.blob")] == [5000]


def test_another_sqlite_is_derived(lite: Site) -> None:
    for number in range(10):
        record(lite, number, "instance1", "/intranet/ledger/record")
        record(lite, number, "instance2", "/intranet/ledger/record")
    assert lite.run_in_zope(BOOK).splitlines()[-1] == f"BOOK {dict.fromkeys(range(10), 2)}"
    assert (lite.stack.var / "relstorage-intranet/main.sqlite3").is_file()
    blobs = lite.stack.var / "blobstorage-intranet"
    assert [path.stat().st_size for path in blobs.rglob("*.blob")] == [3000]


def test_it_loses_nothing_when_instances_are_killed(lite: Site) -> None:
    forget_ledger(lite)
    kill = Scenario("kill -9 an instance", kill_instance, POST_IN_FLIGHT)
    outcome = hurt(lite, [kill, kill])
    print(table(outcome))
    assert outcome.records >= 60
    assert not outcome.lost, table(outcome)
    assert "Packed" in lite.run("bin/zodbpack", lite.stack.database_conf).stdout
    assert Path(lite.stack.var / "relstorage/main.sqlite3").is_file()


def test_its_loads_hits_commits_and_conflicts_are_counted(lite: Site) -> None:
    agents = [each.agent for each in lite.stack.instances]

    def counts() -> list[float]:
        names = ("commits", "conflicts", "loads", "cache_hits")
        return [
            sum(total(each, f"zopestack_zodb_{name}_total") for each in agents) for name in names
        ]

    before = counts()
    assert lite.get("/ledger/overtaken?visitor=0&number=77").status == 200
    commits, conflicts, *_ = (b - a for a, b in zip(before, counts(), strict=True))
    assert (commits, conflicts) == (2, 1)
    assert min(counts()) > 0
