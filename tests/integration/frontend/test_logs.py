"""The access log: one line a request, with the number that Zope is told."""

from __future__ import annotations

import re
import urllib.parse

import pytest

from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.fetch import fetch
from tests.support.polling import until

LINE = re.compile(
    r'(?P<instance>\S+) status=(?P<status>\d{3}) queue=(?P<queue>-?\d+) '
    r'response=(?P<response>-?\d+) total=\d+ \S{4} id=(?P<id>\S+) '
    r'(?P<client>\S+) - - \[(?P<time>\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000)\] '
    r'"(?P<request>[^"]*)" (?P=status) (?P<bytes>\d+) "(?P<referer>[^"]*)" '
    r'"(?P<agent>[^"]*)" host=(?P<host>\S+)'
)  # fmt: skip


def lines(door: Door) -> list[dict[str, str]]:
    """The access log, parsed."""
    found = (LINE.fullmatch(line) for line in door.log.read_text().splitlines())
    return [line.groupdict() for line in found if line]


def test_a_request_is_one_line(farm: Farm) -> None:
    with farm.door(instances=1, sites="www.example.com = /Plone") as door:
        sent = {"Host": "www.example.com", "User-Agent": "me", "Referer": "http://a.example/"}
        told = door.reach("/?b=c", sent, source="127.0.0.2")
        (line,) = until("the line", lambda: lines(door))
        assert line["client"] == "127.0.0.2"
        assert line["request"] == "GET /?b=c HTTP/1.1"
        assert (line["status"], line["instance"]) == ("200", "instance1")
        assert (line["referer"], line["agent"]) == ("http://a.example/", "me")
        assert line["id"] == told.headers["x-request-id"]
        assert line["host"] == "www.example.com"


def test_a_long_request_is_logged_to_its_end(farm: Farm) -> None:
    """HAProxy cuts lines at 1,024 bytes by itself; escaped characters take three each."""
    path = f"/?q={'x' * 9000}end"
    agent = "\xe9" * 2000
    with farm.door(instances=1) as door:
        door.get(path, {"User-Agent": agent, "Host": "www.example.com"})
        (line,) = until("the line", lambda: lines(door))
        assert line["request"] == f"GET {path} HTTP/1.1"
        assert line["host"] == "www.example.com"


def test_what_never_reached_an_instance_is_logged_too(farm: Farm) -> None:
    with farm.door(instances=1) as door:
        assert door.get("/%zz").status == 400
        (line,) = until("the line", lambda: lines(door))
        assert (line["status"], line["instance"], line["host"]) == ("400", "<NOSRV>", "-")


def test_a_visitor_cannot_write_lines_of_its_own(farm: Farm) -> None:
    with farm.door(instances=1) as door:
        door.get('/"%20200', {"User-Agent": 'x" 200 0 "\t\x1b[31m'})
        (line,) = until("the line", lambda: lines(door))
        # waitress takes no escape character in a header.
        assert line["status"] == "400"
        assert "\x1b" not in door.log.read_text()


def test_the_log_can_be_turned_off(farm: Farm) -> None:
    with farm.door(instances=1, access_log="off") as door:
        assert door.get().status == 200
        assert "GET" not in door.log.read_text()


def test_the_status_page_is_not_logged(farm: Farm) -> None:
    with farm.door(instances=1) as door:
        assert "instance1" in fetch(door.stack.balancer.stats_address, "/").text
        assert door.get("/?last").status == 200
        (line,) = until("the line", lambda: lines(door))
        assert line["request"] == "GET /?last HTTP/1.1"


FORGED = "2026-11-26 12:00:00,000 ERROR [Zope:1][MainThread] forged"

#: A line of each idea of what ends one, and orders to a terminal.
EVIL = f"\x1b[2K\x1b[1A\n{FORGED}\r\n{FORGED}\r{FORGED}\x85{FORGED}\u2028{FORGED}\x9b2J\u202e\0"

#: What an instance writes of itself.
EVENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ +\[\S+:\d+\]\[[^]]+\] ")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_visitor_cannot_write_lines_into_an_instances_log(farm: Farm, method: str) -> None:
    """Neither by the text of an error, nor by that of a message, in either file."""
    form = urllib.parse.urlencode({"text": EVIL, "log": EVIL})
    names = ("instance1.log", "instance1.out.log")
    before = {name: len(farm.log(name)) for name in names}
    with farm.door(instances=1) as door:
        if method == "GET":
            answer = door.get(f"/fail?{form}")
        else:
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = door.get("/fail", kind, "POST", body=form.encode())
        assert answer.status == 500
    for name in names:
        check(farm.log(name)[before[name] :])


def test_a_visitor_of_an_instance_cannot_either(farm: Farm) -> None:
    """HAProxy refuses escaped control characters in a path; an instance itself does not."""
    before = len(farm.log("instance1.log"))
    path = urllib.parse.quote(f"/fail/{EVIL}")
    assert fetch(farm.stack.instances[0].address, f"{path}/fail?text=x").status in (404, 500)
    form = urllib.parse.urlencode({"text": EVIL, "log": EVIL})
    assert fetch(farm.stack.instances[0].address, f"/fail?{form}").status == 500
    check(farm.log("instance1.log")[before:])


def check(said: str) -> None:
    """Lines are the instance's own: records, and tracebacks behind them."""
    assert said.count("ValueError: ") >= 1
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]", said)
    for line in said.splitlines():
        assert not line.startswith(FORGED)
        assert EVENT.match(line) or re.match(r"\s|$|Traceback \(|[\w.]+Error: ", line)
