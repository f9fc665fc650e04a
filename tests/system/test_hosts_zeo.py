"""One stack on two hosts, of which one has ZEO."""

from __future__ import annotations

import pytest

from tests.support import network
from tests.support.deployment import Deployment
from tests.support.fetch import fetch
from tests.support.harness import CHECKOUT, COMMANDS
from tests.support.network import Network
from tests.support.polling import until
from zopestack.features.address import Address

pytestmark = pytest.mark.skipif(
    not network.available(), reason="makes network namespaces, which needs root"
)

ADDRESSES = {"web": "10.9.0.1", "db": "10.9.0.21"}

BUILDOUT = f"""\
[buildout]
extends = {CHECKOUT / "versions.cfg"}
parts = stack

[stack]
recipe = zopestack
http-address = *:8080
timeout-queue = 2m
hosts =
    web  {ADDRESSES["web"]}   balancer instances=1
    db   {ADDRESSES["db"]}  storage
"""


def test_a_host_with_zeo_answers_the_others_only() -> None:
    with (
        Deployment() as where,
        Network(where.directory, ADDRESSES, where.environment) as hosts,
    ):
        for name in ("db", "web"):
            host = hosts.hosts[name]
            host.write(BUILDOUT)
            host.run(COMMANDS / "buildout", "-U")
            host.run("bin/supervisord")
        assert set(hosts.hosts["db"].pids()) == {"zeo"}
        with hosts.outside():
            site = Address(ADDRESSES["web"], 8080)
            until("the site to listen", lambda: answers(site))
        zeo = (ADDRESSES["db"], 8400)
        assert hosts.keeps_open(hosts.hosts["web"], zeo)
        assert not hosts.keeps_open(None, zeo)


def answers(site: Address) -> bool:
    try:
        return fetch(site, "/").status == 200
    except OSError:
        return False
