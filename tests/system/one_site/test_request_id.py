"""One number for a request, in HAProxy's log and in Zope's."""

from __future__ import annotations

import gzip
import re

from tests.support.harness import Site, until

BROKEN = {
    "id": "broken",
    "title": "",
    "text": "<p tal:content='python: 1 / 0' />",
    "submit": "Add",
}


def test_an_error_in_the_event_log_is_found_in_the_access_log(site: Site) -> None:
    made = site.post(
        "/manage_addProduct/PageTemplates/manage_addPageTemplate", BROKEN, login=site.admin
    )
    assert made.status < 400
    assert site.get("/broken?x=1").status == 500

    def served_by() -> re.Match[str] | None:
        return re.search(
            r'^(instance\d) status=500 .* id=(\S+) .*"GET /broken\?x=1 HTTP/1.1" 500 ',
            site.log("access.log"),
            re.MULTILINE,
        )

    line = until("the request in HAProxy's log", served_by)
    assert line
    instance, number = line.groups()
    errors = [
        text
        for text in site.log(f"{instance}.log").splitlines()
        if " ERROR " in text and number in text
    ]
    assert len(errors) == 1, "one error, which names the request"
    assert re.search(rf"\[(waitress-\d+|MainThread) id={number}\]", errors[0])

    # All of it at once, also when a log was rotated and packed.
    log = site.stack.logs / f"{instance}.log"
    packed = log.with_name(f"{log.name}.1.gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    log.write_text("")
    told = site.supervisorctl("trace", number[:8], check=True).stdout
    for said in (
        f"request {number}\n",
        "asked      GET /broken?x=1 HTTP/1.1\n",
        f"instance   {instance}\n",
        "status     500\n",
        f"logged by {instance}\n",
        "ZeroDivisionError: division by zero",
    ):
        assert said in told


def test_a_number_in_no_log(site: Site) -> None:
    for number, said in (
        ("00000000-0000-0000-0000-000000000000", "is in no log in"),
        ("short", "expected at least 8 characters of a request's number, not 'short'"),
        ("../../../x", "expected at least 8 characters"),
    ):
        done = site.supervisorctl("trace", number)
        assert done.returncode == 1
        assert said in done.stdout
