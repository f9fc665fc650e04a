"""Reading requests are found in HAProxy's access logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from zopestack_bench import Broken, visitors
from zopestack_bench.visitors import Logged

#: As the generated haproxy.cfg writes them; tests/unit/bench/test_visitors.py reads real ones.
OURS = (
    "{server} status={status} queue=0 response=21 total=21 ---- id=0b7f 192.0.2.1 - - "
    '[23/Nov/2026:22:05:52 +0000] "{request}" {status} 1234 "{referer}" "me" host={host}\n'
)
HTTPLOG = (
    "10.0.0.1:51234 [23/Nov/2026:22:05:52.123] site zope/{server} 0/0/0/21/21 {status} 1234 "
    '- - ---- 1/1/0/0/0 0/0 "{request}"\n'
)


def line(request: str, form: str = OURS, **changed: str) -> str:
    usual = {"status": "200", "server": "instance1", "referer": "", "host": "www.example.com"}
    return form.format(request=request, **{**usual, **changed})


def read(tmp_path: Path, *lines: str) -> list[tuple[str, str]]:
    log = tmp_path / "haproxy.log"
    log.write_text("".join(lines) + "a notice\n", encoding="utf-8")
    return [(each.host, each.path) for each in visitors.logged(log)]


def test_answered_gets_with_their_hosts_in_their_order(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        line("GET / HTTP/1.1"),
        line("POST /login HTTP/1.1"),
        line("HEAD /feed HTTP/1.0"),
        line("GET /news?page=2 HTTP/2.0", host="example.org:8080", status="304"),
        line("GET https://site.example/absolute HTTP/2.0", host="site.example"),
        line("GET / HTTP/1.1", referer="http://x/#22 200 5 #22", host="WWW.Example.com"),
    )
    assert found == [
        ("www.example.com", "/"),
        ("example.org:8080", "/news?page=2"),
        ("site.example", "/absolute"),
        ("www.example.com", "/"),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        line("GET /gone HTTP/1.1", status="404"),
        line("GET /broken HTTP/1.1", status="500"),
        line("GET /gone HTTP/1.1", HTTPLOG, status="404"),
        line("GET /to-https HTTP/1.1", server="<NOSRV>", status="301"),
        line("GET /acme HTTP/1.1", server="<lua.acme>"),
        line("<BADREQ>", server="<NOSRV>", status="400", host="-"),
        line("GET /a#22b HTTP/1.1"),
        line("GET /cut-off-in-the-midd"),
    ],
)
def test_what_no_instance_answered_well_is_left_out(tmp_path: Path, bad: str) -> None:
    assert read(tmp_path, bad, line("GET /good HTTP/1.1")) == [("www.example.com", "/good")]


def test_what_the_cache_answered_counts(tmp_path: Path) -> None:
    assert read(tmp_path, line("GET /a.css HTTP/1.1", server="<CACHE>"))


def test_a_log_of_another_haproxy_has_no_hosts(tmp_path: Path) -> None:
    assert read(tmp_path, line("GET /a HTTP/1.1", HTTPLOG)) == [("", "/a")]


def test_only_the_last_ones_are_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "LAST", 2)
    lines = [line(f"GET /{i} HTTP/1.1") for i in range(5)]
    assert [path for _, path in read(tmp_path, *lines)] == ["/3", "/4"]


def test_a_log_without_requests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="holds no GET"):
        read(tmp_path, "Proxy zope started.\n")
    with pytest.raises(Broken, match="No such file"):
        visitors.logged(tmp_path / "none")


def test_a_request_is_what_it_is() -> None:
    assert Logged("a.example", "/") != Logged("", "/")
