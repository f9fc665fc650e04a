"""Whatever is set, every HAProxy of this machine accepts the file without a word."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import describe
from tests.support.door import checked
from zopestack.buildout import certificates
from zopestack.features.backups import Backups
from zopestack.features.balancer import Balancer
from zopestack.features.certificates import CHAIN, KEY
from zopestack.features.databases import Databases
from zopestack.features.directories import Directories
from zopestack.features.hosts import Hosts
from zopestack.features.instances import Instances
from zopestack.features.lifecycle import Lifecycle
from zopestack.features.memory import Memory
from zopestack.features.metrics import Metrics
from zopestack.features.option import options
from zopestack.features.rotation import Rotation
from zopestack.features.storage import Storage
from zopestack.features.varnish import BALANCER, BESIDE, BESIDE_BALANCER, FRONT
from zopestack.features.zope import Zope
from zopestack.model import OPTIONS

SITES = """
www.example.com = /Plone
example.com -> www.example.com
example.org = /
example.org/in.tra+net = /intranet
odd.example:9999 = /odd"""

#: One line of each kind, and a group with two.
GROUPS = """
rest = /++api++ /~a.b@c
editors = cookie __ac auth_token
crawlers = agent bot Spider/1.0
reads = method GET
intranet = host www.example.com
rest = header Accept application/json
signed = header Authorization"""

#: One with one role, and one with each.
HOSTS = """
lb1 127.0.0.2 balancer
all 127.0.0.3 balancer storage instances=2
app ::1 instances=3"""

#: Values of each option other than its default; paths are in :func:`buildout`.
VALUES = {
    "sites": (SITES, "* = /", f"{SITES}\n* = /other"),
    "health-path": ("/health", "/-/health.txt"),
    "https-address": ("8443", "*:443", "127.0.0.1:8443 [::1]:8443"),
    "tls-certificate": ("self-signed", "own.pem", "certificates", "certbot"),
    "http-redirect": ("off",),
    "hsts": ("off", "30d"),
    "acme-challenge": ("challenges", "8888"),
    "trusted-proxies": ("127.0.0.8 10.0.0.0/8 2001:db8::/32",),
    "proxy-protocol": ("on",),
    "admin-networks": ("10.0.0.0/8 2001:db8::1",),
    "methods": ("GET", "GET HEAD POST PROPFIND"),
    "max-body-size": ("1kB", "999999GB"),
    "form-memory-limit": ("1kB", "1GB"),
    "form-part-limit": ("1", "1000000"),
    "connections-per-address": ("off", "1"),
    "requests-per-address": ("off", "1"),
    "concurrent-requests-per-address": ("off", "1"),
    "concurrent-uploads-per-address": ("off", "1kB", "2GB"),
    "timeout-http-request": ("1s", "10m"),
    "request-timeout": ("1s",),
    "long-request": ("1s", "1h"),
    "timeout-client": ("1s", "1h"),
    "timeout-server": ("1s", "1h"),
    "hard-stop-after": ("1h", "24h"),
    "hung-after": ("1s", "1h"),
    "timeout-queue": ("1s", "10m"),
    "queue-limit": ("off", "1"),
    "queue-priorities": ("on",),
    "affinity": ("cookie", "authenticated", "path"),
    "volto-address": ("3000", "127.0.0.1:3000 192.0.2.1:3000 [::1]:3000"),
    "callback-instances": ("1", "3"),
    "discover": ("zope.example.internal:8081 up-to=20", "_z._tcp.a.b up-to=1 agent=9081"),
    "resolvers": ("127.0.0.1:53 [::1]:53",),
    "groups": (GROUPS, "a = /a"),
    "static-cache": ("1MB", "4095MB"),
    "varnish": ("front", "balancer"),
    "varnish-memory": ("16MB",),
    "varnish-address": ("127.0.0.1:6082",),
    "varnish-cookies": ("consent other_1",),
    "varnishd": ("auto",),
    "compression": ("on", "text/html image/svg+xml"),
    "access-log": ("off",),
    "log-format": ("json",),
    "frontend-extra": ("lines",),
    "backend-extra": ("lines",),
}

#: What an option means nothing, or is an error, without.
WITH = {
    "https-address": {"tls-certificate": "self-signed"},
    "tls-certificate": {"https-address": "8443"},
    "http-redirect": {"https-address": "8443", "tls-certificate": "self-signed"},
    "hsts": {"https-address": "8443", "tls-certificate": "own.pem"},
    "resolvers": {"discover": "zope.example.internal:8081 up-to=20"},
    "volto-address": {"sites": SITES},
    "proxy-protocol": {"trusted-proxies": "127.0.0.8"},
}

SINGLE = [{**WITH.get(name, {}), name: value} for name, given in VALUES.items() for value in given]

DRAWN = st.fixed_dictionaries(
    {"instances": st.sampled_from(["1", "3"]), "threads": st.sampled_from(["1", "4"])},
    optional={name: st.sampled_from(given) for name, given in VALUES.items()},
)


@pytest.fixture(scope="module")
def buildout() -> Iterator[Path]:
    """A buildout's directory with what the values name."""
    with tempfile.TemporaryDirectory(prefix="zs-") as directory:
        furnish(Path(directory))
        yield Path(directory)


def furnish(where: Path) -> None:
    for name in ("challenges", "certificates", "certbot"):
        (where / name).mkdir()
    (where / "lines").write_text("http-request set-header X-Own yes\n")
    own = where / "own.pem"
    certificates.make_self_signed(own, ["www.example.com"])
    key = own.with_name("own.pem.key")
    (where / "certificates/one.pem").write_text(own.read_text() + key.read_text())
    (where / "certbot" / CHAIN).write_text(own.read_text())
    (where / "certbot" / KEY).write_text(key.read_text())


def test_every_option_of_the_front_end_has_a_variant() -> None:
    elsewhere = (Instances, Zope, Balancer, Storage, Databases, Lifecycle, Directories, Memory)
    elsewhere += (Rotation, Backups, Metrics, Hosts)
    known = {option.name for feature in elsewhere for option in options(feature)}
    assert set(VALUES) | known == set(OPTIONS)


@pytest.mark.parametrize(
    "options", SINGLE, ids=lambda options: " = ".join(list(options.items())[-1])
)
def test_each_value_alone(buildout: Path, program: Path, options: dict[str, str]) -> None:
    check(buildout, program, options)


@pytest.mark.parametrize("name", ["lb1", "all"])
@pytest.mark.parametrize("options", [{}, *({"affinity": each} for each in VALUES["affinity"])])
def test_hosts(buildout: Path, program: Path, options: dict[str, str], name: str) -> None:
    check(buildout, program, {"hosts": HOSTS, "host": name, "groups": GROUPS, **options})


def test_a_thousand_instances_of_fifty_hosts(buildout: Path, program: Path) -> None:
    """The largest stack of docs/explanation/scale.rst."""
    lines = [f"app{number} 127.0.1.{number} instances=20" for number in range(1, 51)]
    hosts = "\n".join(("lb1 127.0.0.2 balancer", "db 127.0.0.3 storage", *lines))
    check(buildout, program, {"hosts": hosts, "host": "lb1"})


@given(options=DRAWN)
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_values_together(buildout: Path, program: Path, options: dict[str, str]) -> None:
    refused = {*{FRONT: BESIDE, BALANCER: BESIDE_BALANCER}.get(options.get("varnish", ""), {})}
    if options.get("sites") == "* = /":
        # Volto shows no site that is Zope's root.
        refused.add("volto-address")
    needed = {}
    for name in list(options):
        if refused & {name, *WITH.get(name, {})}:
            del options[name]
        else:
            needed |= WITH.get(name, {})
    check(buildout, program, {**needed, **options})


def check(buildout: Path, program: Path, options: dict[str, str]) -> None:
    """HAProxy accepts the file and says nothing."""
    checked(describe.read(buildout, {"haproxy": str(program), **options}))
