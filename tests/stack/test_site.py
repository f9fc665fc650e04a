"""What a visitor and an administrator get from a running stack."""

from __future__ import annotations

from tests.stack.harness import Site


def test_first_page_comes_through_haproxy(site: Site) -> None:
    before = site.servers()
    answer = site.get("/")
    assert answer.status == 200
    assert "Zope" in answer.text
    after = site.servers()
    assert sum(s.total for s in after.values()) > sum(s.total for s in before.values())
