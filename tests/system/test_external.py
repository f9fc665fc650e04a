"""A ZEO server that the stack does not run, as on another machine: empty when it is first asked.

First without TLS, then with it, and behind a relay that can be cut.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import ledger
from tests.support.authority import Authority
from tests.support.elsewhere import Elsewhere
from tests.support.harness import Site, until
from tests.support.relay import Relay
from tests.system.chaos import servers
from tests.system.chaos.run import hurt, table
from tests.system.chaos.servers import reasons

BLOB = """
import transaction
from ZODB.blob import Blob
app.other.{name} = Blob(b"x" * 5000)
transaction.commit()
"""

READ = "print('LENGTH', len(app.other.{name}.open().read()))"


class World:
    """A site, its database server, and what is between them.

    :ivar authority: whom both trust.
    """

    def __init__(self, site: Site, server: Elsewhere, relay: Relay, authority: Authority) -> None:
        self.site = site
        self.server = server
        self.relay = relay
        self.authority = authority
        self.certificate = authority.issue("good")

    def restart(self, certificate: Path, authenticate: Path) -> None:
        """Have the server show another certificate, or ask for others."""
        self.server.end()
        self.server.configure(certificate, authenticate)
        self.server.start()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        options = {"storage": "external", "databases": "\n    other = /other"}
        site = stack.enter_context(Site(ledger.SECTIONS, instances=2, **options))
        server = Elsewhere(tmp_path_factory.mktemp("zeo"), site.ports.zeo)
        server.start()
        stack.callback(lambda: server.kill())
        relay = Relay((server.address.host, server.address.port))
        stack.callback(relay.close)
        site.configure(site.sections, zeo_address="{}:{}".format(*relay.address))
        site.start()
        authority = Authority(tmp_path_factory.mktemp("authority"))
        yield World(site, server, relay, authority)


def test_one_instance_sets_it_up_and_nobody_dies(world: World) -> None:
    site = world.site
    log = site.log("supervisord.log")
    assert [log.count(f"spawned: '{each.name}'") for each in site.stack.instances] == [1, 1]
    assert "zeo" not in site.pids()
    assert site.get("/acl_users/manage_main", login=site.admin).status == 200
    assert site.get("/other").status == 200
    assert not site.stack.database.exists()


def test_blobs_are_copies(world: World) -> None:
    stack = world.site.stack
    world.site.run_in_zope(BLOB.format(name="copied"))
    cache = stack.blobs_of(stack.databases.databases[0])
    shutil.rmtree(cache)
    cache.mkdir()
    assert "LENGTH 5000" in world.site.run_in_zope(READ.format(name="copied"))
    assert [path.stat().st_size for path in cache.rglob("*.blob")] == [5000]


def test_tls_and_the_blobs_of_the_server(world: World) -> None:
    """Both take a restart of the instances."""
    site, ca = world.site, world.authority.certificate
    world.restart(world.certificate, ca)
    tls = {"zeo_certificate": world.certificate, "zeo_authenticate": ca}
    # A server without TLS, or none that a certificate is for, would be told now.
    site.configure(site.sections, **tls, shared_blob="on", blob_storage=world.server.blobs)
    site.buildout()
    site.supervisorctl("update", check=True)
    site.wait_ready()
    assert site.get("/other").status == 200
    assert "LENGTH 5000" in world.site.run_in_zope(READ.format(name="copied"))
    before = blobs(world)
    world.site.run_in_zope(BLOB.format(name="shared"))
    assert len(blobs(world)) == len(before) + 1
    shutil.rmtree(site.stack.var / "blobcache-other")
    assert "LENGTH 5000" in world.site.run_in_zope(READ.format(name="shared"))
    assert not (site.stack.var / "blobcache-other").exists()


def blobs(world: World) -> list[Path]:
    """Those of the server, of the other database."""
    return [*world.server.blobs.with_name("blobs-other").rglob("*.blob")]


def test_whatever_happens_to_it_nothing_is_lost(world: World) -> None:
    ways = [("cut the network", world.relay.cut())]
    outcome = hurt(world.site, servers.scenarios(world.server, *ways))
    print(table(outcome))
    assert outcome.records >= 20 * (len(outcome.figures) + 1)
    assert not outcome.lost, table(outcome)


def test_health_says_why_tls_has_failed(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Last."""
    stranger = Authority(tmp_path_factory.mktemp("stranger"))
    world.restart(stranger.issue("good"), world.authority.certificate)
    expected = "storage unreachable: main, other; [SSL: CERTIFICATE_VERIFY_FAILED] certificate"
    until(
        "the reason",
        lambda: reasons(world.site),
        lambda found: all(why.startswith(expected) for why in found),
    )
    said = world.site.buildout(check=False)
    assert said.returncode == 1
    assert (
        f"[stack] zeo-authenticate = {world.authority.certificate}\n"
        "  is not accepted: expected authorities by which both sides trust each other"
    ) in said.stdout
    world.restart(world.certificate, world.authority.certificate)
    world.site.wait_ready()
