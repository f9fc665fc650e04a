"""The access log: one line a request, with the number that Zope is told."""

from __future__ import annotations

import re

from tests.frontend.door import Door
from tests.frontend.farm import Farm
from tests.stack.fetch import fetch
from tests.stack.polling import until

LINE = re.compile(
    r'(?P<client>\S+) - - \[(?P<time>\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000)\] '
    r'"(?P<request>[^"]*)" (?P<status>\d{3}) (?P<bytes>\d+) "(?P<referer>[^"]*)" '
    r'"(?P<agent>[^"]*)" (?P<instance>\S+) queue=(?P<queue>-?\d+) response=(?P<response>-?\d+) '
    r'total=\d+ \S{4} id=(?P<id>\S+) host=(?P<host>\S+)'
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
        assert "instance1" in fetch(door.stack.balancer.stats, "/").text
        assert door.get("/?last").status == 200
        (line,) = until("the line", lambda: lines(door))
        assert line["request"] == "GET /?last HTTP/1.1"
