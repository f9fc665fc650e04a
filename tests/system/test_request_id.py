"""One number for a request, in HAProxy's log and in Zope's."""

from __future__ import annotations

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
