"""What trusted proxies say of a client is believed: rewritten paths, headers, logins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.frontend.test_logs import lines
from tests.integration.frontend.test_proxies import line
from tests.support.door import Door, statuses
from tests.support.farm import Farm
from tests.support.polling import until

PROXY, STRANGER = "127.0.0.8", "127.0.0.2"
OUTSIDE, INSIDE = {"X-Forwarded-For": "192.0.2.66"}, {"X-Forwarded-For": "192.0.2.7"}

SITE = "/VirtualHostBase/https/www.example.com:443/Plone/VirtualHostRoot"

#: As the documentation of Volto, of Plone and of VirtualHostMonster has proxies write them.
REWRITTEN = [
    SITE,
    f"{SITE}/",
    f"{SITE}/a/b",
    f"{SITE}/_vh_intranet/a",
    f"{SITE}/_vh_in/_vh_tra/net",
    "/VirtualHostBase/https/www.example.com:443/Plone/++api++/VirtualHostRoot/@site",
    "/VirtualHostBase/http/localhost/Plone/++api++/VirtualHostRoot/@search",
    "/VirtualHostBase/http/[2001:db8::1]:8080/VirtualHostRoot/a",
]

#: What a client may add to its path, in the hope that the proxy is taken for its author.
FORGED = [
    "/VirtualHostRoot/x",
    "/VirtualHostBase/http/evil.example:80/VirtualHostRoot/x",
    "/VirtualHostBase/http/evil.example:80/x",
    "/%56irtualHostRoot/x",
    "/VirtualHost%2552oot/x",
    "/virtualhostroot/x",
    "/a/_vh_evil/x",
    "/%5fvh_evil/x",
    "/../x",
    "/%2e%2e/x",
]


@pytest.fixture(scope="module")
def door(farm: Farm, program: Path) -> Iterator[Door]:
    """Without sites: the proxy says all."""
    with farm.door(instances=1, haproxy=program, trusted_proxies=PROXY) as running:
        yield running


@pytest.fixture(scope="module")
def strict(farm: Farm, program: Path) -> Iterator[Door]:
    """With sites, https only, and a restricted management interface."""
    made = farm.door(
        instances=1,
        haproxy=program,
        trusted_proxies=PROXY,
        sites="other.example = /other\nexample.com -> other.example",
        tls_certificate="self-signed",
        admin_networks="192.0.2.7",
    )
    made.set(https_address=f"127.0.0.1:{made.https}")
    with made:
        yield made


@pytest.mark.parametrize("host", ["backend:8080", "other.example", "example.com", ""])
@pytest.mark.parametrize("path", REWRITTEN)
def test_a_path_that_a_proxy_has_rewritten_is_left_alone(
    door: Door, strict: Door, path: str, host: str
) -> None:
    for each in (door, strict):
        request = each.reach(path, {"Host": host}, source=PROXY)
        assert request.path == path
        assert request.headers["x-forwarded-proto"] == path.split("/")[2]


def test_zope_makes_its_urls(door: Door, strict: Door) -> None:
    for each in (door, strict):
        answer = each.get(f"{SITE}/_vh_in/moved", {"Host": "backend"}, source=PROXY)
        assert answer.headers["location"] == "https://www.example.com/in"
    logged = until("the line", lambda: [one for one in lines(strict) if "moved" in one["request"]])
    assert logged[-1]["host"] == "www.example.com:443"


@pytest.mark.parametrize("source", [STRANGER, "127.0.0.1"])
@pytest.mark.parametrize("path", REWRITTEN)
def test_nobody_else_rewrites(door: Door, strict: Door, path: str, source: str) -> None:
    for each in (door, strict):
        before = each.handed()
        assert each.get(path, OUTSIDE, source=source).status == 400
        assert each.handed() == before


@pytest.mark.parametrize("forged", FORGED)
def test_a_client_adds_nothing_to_what_the_proxy_writes(door: Door, forged: str) -> None:
    before = door.handed()
    assert door.get(f"{SITE}{forged}", source=PROXY).status == 400
    assert door.handed() == before


def test_management_is_restricted_behind_a_rewriting_proxy(strict: Door) -> None:
    path = f"{SITE}/manage_main"
    assert strict.get(path, OUTSIDE, source=PROXY).status == 403
    assert strict.get(path, INSIDE, source=PROXY).status == 401


#: Headers of a proxy, and where Zope then believes to be.
TOLD = [
    ({"X-Forwarded-Host": "www.example.com"}, "http://www.example.com"),
    ({"X-Forwarded-Host": "www.example.com:8080"}, "http://www.example.com:8080"),
    ({"X-Forwarded-Host": "a.example, www.example.com"}, "http://www.example.com"),
    (
        {"X-Forwarded-Host": "www.example.com", "X-Forwarded-Proto": "https"},
        "https://www.example.com",
    ),
    ({"Host": "www.example.com", "X-Forwarded-Port": "8080"}, "http://www.example.com:8080"),
    ({"Host": "www.example.com:81", "X-Forwarded-Port": "80"}, "http://www.example.com"),
    (
        {
            "X-Forwarded-Host": "www.example.com",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Port": "8443",
        },
        "https://www.example.com:8443",
    ),
    ({"X-Forwarded-Port": "x", "Host": "www.example.com:81"}, "http://www.example.com:81"),
    (
        {"Forwarded": "for=192.0.2.66;proto=https;host=www.example.com"},
        "https://www.example.com",
    ),
    (
        {"Forwarded": 'for=198.51.100.1;proto=http, Host="www.example.com:8443";Proto=HTTPS;by=x'},
        "https://www.example.com:8443",
    ),
    (
        {"Forwarded": "host=a.example;proto=http", "X-Forwarded-Host": "www.example.com"},
        "http://www.example.com",
    ),
]


@pytest.mark.parametrize(("told", "origin"), TOLD, ids=str)
def test_the_site_is_where_the_proxy_says(door: Door, told: dict[str, str], origin: str) -> None:
    headers = {"Host": "backend.example:8080", **told}
    assert door.get("/moved", headers, source=PROXY).headers["location"] == origin
    elsewhere = door.get("/moved", headers, source=STRANGER).headers["location"]
    assert elsewhere == f"http://{headers['Host']}"


def test_sites_are_found_by_what_the_proxy_says(farm: Farm, program: Path) -> None:
    told = {"X-Forwarded-Host": "www.example.com", "X-Forwarded-Port": "8443", "Host": "backend"}
    with farm.door(
        instances=1, haproxy=program, trusted_proxies=PROXY, sites="www.example.com = /Plone"
    ) as door:
        path = door.reach("/a", told, source=PROXY).path
        assert path == "/VirtualHostBase/http/www.example.com:8443/Plone/VirtualHostRoot/a"
        assert door.get("/a", told, source=STRANGER).status == 421
        assert door.get("/a", {**told, "X-Forwarded-Host": "a/b"}, source=PROXY).status == 400


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("for=192.0.2.66", "192.0.2.66"),
        ('For="192.0.2.66:4711";proto=https', "192.0.2.66"),
        ('proto=https; for="[2001:db8::1]:4711"', "2001:db8::1"),
        (f"for=198.51.100.1, for=192.0.2.66, for={PROXY}", "192.0.2.66"),
        ("for=198.51.100.1, for=_hidden", PROXY),
        ("for=unknown", PROXY),
        ("by=192.0.2.66", PROXY),
    ],
)
def test_the_client_is_whom_forwarded_names(door: Door, told: str, address: str) -> None:
    request = door.reach("/", {"Forwarded": told}, source=PROXY)
    assert request.headers["x-forwarded-for"] == address
    assert request.headers["forwarded"] == told.rpartition(",")[2].strip()
    both = {"Forwarded": told, "X-Forwarded-For": "198.51.100.9"}
    assert door.reach("/", both, source=PROXY).headers["x-forwarded-for"] == "198.51.100.9"
    assert "forwarded" not in door.reach("/", both, source=STRANGER).headers


def test_a_proxy_numbers_requests(door: Door) -> None:
    given = {"X-Request-ID": "abc-123"}
    assert door.reach("/?mine", given, source=PROXY).headers["x-request-id"] == "abc-123"
    logged = until("the line", lambda: [one for one in lines(door) if "?mine" in one["request"]])
    assert logged[0]["id"] == "abc-123"
    for headers, source in (
        (given, STRANGER),
        ({"X-Request-ID": 'a"b'}, PROXY),
        ({"X-Request-ID": "a" * 65}, PROXY),
        ({}, PROXY),
    ):
        assert len(door.reach("/", headers, source=source).headers["x-request-id"]) == 36


#: Headers that add-ons, or the proxies that they are made for, use for a login.
LOGINS = """
    X-Remote-User Remote-User Remote-Groups Remote-Email Remote-Name X-Remote-Group X-Forwarded-User
    X-Forwarded-Email X-Forwarded-Groups X-Forwarded-Preferred-Username X-Proxy-User X-Auth-User
    X-Auth-Request-User X-Auth-Request-Email X-Authenticated-User X-WebAuth-User X-User X-UserName
    X-Userinfo X-User-Id X-Email X-Groups X-Logged-In-User Shib-Session-ID X-Shib-User
    SSL-Client-S-DN X-SSL-Client-Verify X-SSL-Client-Cert X-Client-Cert X-ARR-ClientCert
    X-MS-Client-Principal-Name X-Goog-Authenticated-User-Email X-Amzn-Oidc-Identity
    X-Authentik-Username X-Vouch-User X-Pomerium-Claim-Email X-Token-Subject
    Cf-Access-Authenticated-User-Email Tailscale-User-Login OIDC-Claim-Sub eppn
"""

#: Headers that clients of a site send for themselves.
OWN = """
    Authorization Cookie Accept Accept-Language X-Requested-With X-CSRF-Token X-Auth-Token
    X-HTTP-Method-Override Lock-Token Upload-Offset Tus-Resumable User-Agent If-None-Match
    X-Client-Id X-Api-Key Content-Type Translate
"""


def test_a_login_is_told_by_a_trusted_proxy_only(door: Door) -> None:
    sent = dict.fromkeys(LOGINS.split(), "admin")
    wanted = {name.lower() for name in LOGINS.split()}
    assert wanted <= set(door.reach("/", sent, source=PROXY).headers)
    for source in (STRANGER, "127.0.0.1"):
        assert not wanted & set(door.reach("/", sent, source=source).headers)


@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-Host", *LOGINS.split()])
def test_one_told_header_among_others_is_removed(door: Door, name: str) -> None:
    """HAProxy looks at the list of all names, in which a name may stand anywhere."""
    for headers in ({name: "admin", "X-Last": "x"}, {"X-First": "x", name: "admin"}):
        assert name.lower() not in door.reach("/", headers, source=STRANGER).headers


def test_what_clients_send_for_themselves_stays(door: Door) -> None:
    sent = dict.fromkeys(OWN.split(), "x")
    assert {name.lower() for name in OWN.split()} <= set(
        door.reach("/", sent, source=STRANGER).headers
    )


def test_by_the_proxy_protocol_all_is_the_clients_own(farm: Farm, program: Path) -> None:
    with farm.door(
        instances=1, haproxy=program, trusted_proxies=PROXY, proxy_protocol="on"
    ) as door:
        end = b" HTTP/1.0\r\nX-Remote-User: admin\r\nX-Forwarded-Host: evil.example\r\n\r\n"
        forged = line("192.0.2.66") + b"GET " + SITE.encode() + end
        assert statuses(door.raw(forged, source=PROXY)) == (400,)
        door.seen()
        door.raw(line("192.0.2.66") + b"GET /" + end, source=PROXY)
        (request,) = door.seen()
        assert not {"x-remote-user", "x-forwarded-host"} & set(request.headers)
