"""A real nginx in front, by the configuration of docs/howto/proxy.rst and by others in use."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.test_documentation import PAGES, blocks
from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.fetch import Response, fetch
from tests.support.polling import until
from zopestack.features.address import Address

#: nginx's own address, and a visitor's.
PROXY, VISITOR = "127.0.0.8", "127.0.0.2"

SITE = "/VirtualHostBase/https/www.example.com:443/Plone"

(DOCUMENTED,) = blocks(PAGES["docs/howto/proxy.rst"], "nginx")

#: As many configurations for Volto have it: a slash too many, and the port left out.
DOUBLED = """
location / {
    rewrite ^(.*)$ /VirtualHostBase/https/$host:443/Plone/VirtualHostRoot/$1 break;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_pass http://127.0.0.1:8080;
}
"""

#: nginx decodes and encodes each path anew.
REPLACED = f"""
location / {{
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_pass http://127.0.0.1:8080{SITE}/VirtualHostRoot/;
}}
"""

CONFIGURATION = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen {port};
        proxy_bind {PROXY};
        {locations}
    }}
}}
"""

#: What a visitor asks for, and what Zope is given: paths as WSGI has them, decoded.
PATHS = [
    ("/", "/"),
    ("/a/b", "/a/b"),
    ("/a%20b/%C3%A4", "/a b/\xc3\xa4"),
    ("/a/?q=100%25&r=%2F", "/a/"),
    ("/++resource++x/y.js", "/++resource++x/y.js"),
    ("/@@images/f3-1.jpeg", "/@@images/f3-1.jpeg"),
]


@pytest.fixture(scope="module")
def door(farm: Farm) -> Iterator[Door]:
    with farm.door(instances=1, trusted_proxies=PROXY) as running:
        yield running


@contextmanager
def nginx(directory: Path, door: Door, locations: str) -> Iterator[Address]:
    """nginx with these locations in front of the door; where it listens."""
    address = Address("127.0.0.1", door.ports.spare)
    own = locations.replace("127.0.0.1:8080", f"127.0.0.1:{door.ports.http}")
    file = directory / "nginx.conf"
    text = CONFIGURATION.format(port=address, PROXY=PROXY, locations=own)
    file.write_text(text, encoding="utf-8")
    # -e: what it says before it has read its file, it says in /var/log else.
    process = subprocess.Popen(
        ["/usr/sbin/nginx", "-p", directory, "-c", file, "-e", "stderr"],
        stderr=subprocess.PIPE,
    )
    try:
        until("nginx", lambda: asked(address, "/client") or process.poll() is not None)
        yield address
    finally:
        process.terminate()
        _, said = process.communicate()
    assert process.returncode == 0, said


def asked(address: Address, path: str) -> Response | None:
    """A visitor's request through nginx; None while it does not listen."""
    try:
        return fetch(address, path, headers={"Host": "www.example.com"}, source=VISITOR)
    except ConnectionRefusedError:
        return None


@pytest.mark.parametrize(
    ("locations", "root"),
    [
        pytest.param(DOCUMENTED, "VirtualHostRoot", id="documented"),
        pytest.param(DOUBLED, "VirtualHostRoot/", id="doubled"),
        pytest.param(REPLACED, "VirtualHostRoot", id="replaced"),
    ],
)
def test_paths_of_visitors(locations: str, root: str, door: Door, tmp_path: Path) -> None:
    with nginx(tmp_path, door, locations) as address:
        assert asked(address, "/VirtualHostRoot/client").status == 400
        door.seen()
        for path, given in PATHS:
            asked(address, path)
            (request,) = door.seen()
            assert request.path == f"{SITE}/{root}{given}"
            assert request.query == path.partition("?")[2]
            assert request.headers["x-forwarded-for"] == VISITOR


def test_volto_asks_for_its_data(door: Door, tmp_path: Path) -> None:
    with nginx(tmp_path, door, DOCUMENTED) as address:
        door.seen()
        for path, given in (("", ""), ("/", "/"), ("/news/@search?x=1", "/news/@search")):
            asked(address, f"/++api++{path}")
            (request,) = door.seen()
            assert request.path == f"{SITE}/++api++/VirtualHostRoot{given}"


def test_zope_knows_the_visitor(door: Door, tmp_path: Path) -> None:
    """At the root of Zope: the farm has no site."""
    with nginx(tmp_path, door, DOCUMENTED.replace("/Plone", "")) as address:
        assert asked(address, "/client").text == VISITOR
        moved = asked(address, "/_moved/../moved")
        assert moved.headers["location"] == "https://www.example.com"
