"""Reading requests are found in HAProxy's access logs."""

from __future__ import annotations

import pytest

from zopestack.bench import accesslog
from zopestack.bench.farm import Broken

HTTPLOG = (
    "10.0.0.1:51234 [23/Nov/2026:22:05:52.123] site zope/instance1 0/0/0/21/21 200 1234 - - "
    '---- 1/1/0/0/0 0/0 "{}"\n'
)


def test_reading_requests_in_their_order(tmp_path):
    log = tmp_path / "haproxy.log"
    requests = [
        "GET / HTTP/1.1",
        "POST /login HTTP/1.1",
        "GET /news?page=2 HTTP/2.0",
        "HEAD /feed HTTP/1.0",
        "<BADREQ>",
        "GET http://site.example/absolute HTTP/1.1",
        "GET / HTTP/1.1",
    ]
    log.write_text("".join(HTTPLOG.format(r) for r in requests) + "a notice\n", encoding="utf-8")
    assert accesslog.paths(log) == ("/", "/news?page=2", "/feed", "/absolute", "/")


def test_only_the_last_ones_are_replayed(tmp_path, monkeypatch):
    monkeypatch.setattr(accesslog, "LAST", 2)
    log = tmp_path / "haproxy.log"
    log.write_text("".join(HTTPLOG.format(f"GET /{i} HTTP/1.1") for i in range(5)))
    assert accesslog.paths(log) == ("/3", "/4")


def test_a_log_without_requests_is_refused(tmp_path):
    log = tmp_path / "haproxy.log"
    log.write_text("Proxy zope started.\n")
    with pytest.raises(Broken, match="holds no GET request"):
        accesslog.paths(log)
    with pytest.raises(Broken, match="No such file"):
        accesslog.paths(tmp_path / "none")
