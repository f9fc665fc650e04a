"""Challenges of a certificate authority: key authorizations are shown, and nothing else is."""

from __future__ import annotations

import http.server
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import describe
from tests.support.door import Door
from tests.support.farm import Farm

#: A thumbprint is the base64url of a SHA-256 (RFC 8555, 8.1).
THUMBPRINT = "nP1qzpXGymHBrUEepNY9HCsQk7K8KhOypzEt62jcerQ"[:43]

PATH = "/.well-known/acme-challenge/"

TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA"

#: A user and group that neither the tests nor the system have.
STRANGER = 54321


def authorization(token: str = TOKEN) -> str:
    return f"{token}.{THUMBPRINT}"


@pytest.fixture(scope="module")
def webroot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("webroot")
    (directory / ".well-known/acme-challenge").mkdir(parents=True)
    return directory


@pytest.fixture(scope="module")
def door(farm: Farm, program: Path, webroot: Path) -> Iterator[Door]:
    options = {"haproxy": program, "acme_challenge": webroot, "sites": "www.example.com = /Plone"}
    with farm.door(instances=1, **options) as running:
        yield running


@pytest.fixture
def challenge(webroot: Path) -> Iterator[Path]:
    """The file of the token; whatever a test puts there is gone afterwards."""
    path = webroot / PATH[1:] / TOKEN
    yield path
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def ask(door: Door, token: str = TOKEN) -> tuple[int, str]:
    answer = door.get(PATH + token, {"Host": "new.example"})
    return answer.status, answer.text


def test_a_key_authorization_is_shown(door: Door, challenge: Path) -> None:
    assert ask(door) == (404, "")
    for space in ("", "\n", "\r\n", " \n\n"):
        challenge.write_text(authorization() + space)
        assert ask(door) == (200, authorization())
    assert door.seen() == []


@pytest.mark.parametrize("token", ["token_1-2", "-", "x" * 128])
def test_tokens_of_every_kind(door: Door, challenge: Path, token: str) -> None:
    path = challenge.with_name(token)
    path.write_text(authorization(token))
    assert ask(door, token) == (200, authorization(token))
    path.unlink()


def test_a_link_to_one_is_as_good(door: Door, challenge: Path, tmp_path: Path) -> None:
    """As where the webroot itself is behind one; it shows nothing that was not asked for."""
    (tmp_path / "elsewhere").write_text(authorization())
    challenge.symlink_to(tmp_path / "elsewhere")
    assert ask(door) == (200, authorization())


CONTENTS = {
    "nothing": "",
    "a secret": "secret\n",
    "another token's": authorization("x" * 43),
    "without a thumbprint": f"{TOKEN}.",
    "only the thumbprint": THUMBPRINT,
    "too short a thumbprint": authorization()[:-1],
    "too long a thumbprint": f"{authorization()}x",
    "another letter": f"{authorization()[:-1]}+",
    "a secret after it": f"{authorization()}\nsecret",
    "a secret before it": f"secret\n{authorization()}",
    "twice": f"{authorization()}\n{authorization()}",
    "more than is read": authorization() + " " * 4096 + "secret",
    "a NUL behind it": f"{authorization()}\0",
}


@pytest.mark.parametrize("name", CONTENTS)
def test_other_contents_are_not_shown(
    door: Door, challenge: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").write_text(CONTENTS[name])
    challenge.symlink_to(tmp_path / "file")
    shown = ask(door)
    # What stands beyond the end of what is read is not shown either.
    assert shown == ((200, authorization()) if name == "more than is read" else (404, ""))


def socket_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


#: What a name may stand for. A pipe is for :mod:`zopestack.features.webroot`.
KINDS: dict[str, Callable[[Path], None]] = {
    "a directory": Path.mkdir,
    "a link to a directory": lambda path: path.symlink_to("/etc"),
    "a link to a file": lambda path: path.symlink_to("/etc/passwd"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to("/nothing/there"),
    "zeros without end": lambda path: path.symlink_to("/dev/zero"),
    "random bytes without end": lambda path: path.symlink_to("/dev/urandom"),
    "an empty device": lambda path: path.symlink_to("/dev/null"),
    "HAProxy's own memory": lambda path: path.symlink_to("/proc/self/mem"),
    "HAProxy's environment": lambda path: path.symlink_to("/proc/self/environ"),
    "a file of a terabyte": huge,
    "a file that nobody may read": lambda path: path.touch(mode=0),
    "a socket": lambda path: path.symlink_to("/dev/log"),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_is_no_file_is_not_shown(door: Door, challenge: Path, name: str) -> None:
    KINDS[name](challenge)
    assert ask(door) == (404, "")
    assert door.get("/", {"Host": "www.example.com"}).status == 200


def test_a_socket_is_not_shown(door: Door, challenge: Path, farm: Farm) -> None:
    challenge.symlink_to(farm.stack.haproxy_socket)
    assert ask(door) == (404, "")


@pytest.mark.parametrize("step", [".well-known", ".well-known/acme-challenge"])
def test_a_link_as_the_directory_shows_nothing_else(
    door: Door, challenge: Path, webroot: Path, tmp_path: Path, step: str
) -> None:
    elsewhere = tmp_path / "elsewhere" / Path(PATH[1:]).relative_to(step)
    elsewhere.mkdir(parents=True)
    (elsewhere / TOKEN).write_text(authorization())
    (elsewhere / "secret").write_text("secret")
    usual = webroot / "usual"
    (webroot / step).rename(usual)
    (webroot / step).symlink_to(tmp_path / "elsewhere")
    try:
        assert ask(door, "secret") == (404, "")
        assert ask(door) == (200, authorization())
    finally:
        (webroot / step).unlink()
        usual.rename(webroot / step)


def test_nothing_outside_is_ever_named(door: Door, webroot: Path, challenge: Path) -> None:
    challenge.write_text(authorization())
    (webroot / "secret").write_text(authorization("secret"))
    door.seen()
    assert ask(door, "..%2f..%2fsecret")[0] == 400
    assert ask(door, f"{TOKEN}/../../../secret")[0] == 400
    for token in ("", ".", f"{TOKEN}/", f"{TOKEN}/x", f"{TOKEN}.", f"%2f{TOKEN}", "x" * 5000):
        assert ask(door, token) == (404, "")
    assert door.seen() == []


def test_challenges_are_answered_at_a_port(farm: Farm) -> None:
    class Certbot(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"proof of " + self.path.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Certbot) as certbot:
        threading.Thread(target=certbot.serve_forever, daemon=True).start()
        with farm.door(acme_challenge=certbot.server_port, sites="a.example = /") as door:
            answer = door.get("/.well-known/acme-challenge/x", {"Host": "new.example"})
            assert answer.body == b"proof of /.well-known/acme-challenge/x"
            assert door.seen() == []
        certbot.shutdown()


def warnings(home: Path, webroot: Path, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What bin/buildout says of a webroot."""
    caplog.clear()
    describe.read(home, {"acme-challenge": str(webroot)})
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_a_webroot_of_ones_own_is_good(
    home: Path, webroot: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings(home, webroot, caplog) == []
    # As a umask of 002 makes them.
    (webroot / ".well-known").chmod(0o775)
    assert warnings(home, webroot, caplog) == []


@pytest.mark.parametrize("step", ["", "web", "web/.well-known", "web/.well-known/acme-challenge"])
def test_a_webroot_that_others_can_write_to_is_a_warning(
    home: Path, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    (home / "web/.well-known/acme-challenge").mkdir(parents=True)
    directory = home / step
    directory.chmod(0o757)
    (said,) = warnings(home, home / "web", caplog)
    assert said == (
        f"acme-challenge: {directory} can be written to by everybody. Whoever can write there "
        "can block HAProxy with a named pipe."
    )
    directory.chmod(0o1777)
    assert warnings(home, home / "web", caplog) == []
    directory.chmod(0o700)


def test_so_is_a_link_to_one(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    (home / "elsewhere").mkdir(mode=0o777)
    (home / "elsewhere").chmod(0o777)
    (home / "web").mkdir()
    (home / "web/.well-known").symlink_to(home / "elsewhere")
    (said,) = warnings(home, home / "web", caplog)
    assert f"{home}/elsewhere can be written to by everybody" in said


def test_so_is_one_of_somebody_else(
    home: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = home / "web"
    web.mkdir(mode=0o755)
    if os.geteuid() == 0:
        os.chown(web, STRANGER, STRANGER)
    else:  # only root gives files away; anybody else becomes the stranger
        monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    owner, group = web.stat().st_uid, web.stat().st_gid
    assert f"{web} belongs to another user (number {owner})" in warnings(home, web, caplog)[-1]
    monkeypatch.setattr(os, "geteuid", lambda: owner)
    monkeypatch.setattr(os, "getegid", lambda: group + 1)
    assert warnings(home, web, caplog) == []
    web.chmod(0o775)
    said = f"{web} can be written to by another group (number {group})"
    assert said in warnings(home, web, caplog)[-1]
