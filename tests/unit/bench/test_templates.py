"""The benchmark's own templates, where no program on this machine may read what they make."""

from __future__ import annotations

from pathlib import Path

from tests.support import describe
from zopestack_bench.farm import rendered


def test_varnish_is_given_every_instance(home: Path) -> None:
    stack = describe.read(home, {"instances": "2", "base-port": "8081"})
    lines = rendered("default.vcl.j2", instances=stack.instances).splitlines()
    assert [line for line in lines if line.startswith("backend ")] == [
        'backend instance1 { .host = "127.0.0.1"; .port = "8081"; }',
        'backend instance2 { .host = "127.0.0.1"; .port = "8082"; }',
    ]
    assert [line.strip() for line in lines if "add_backend" in line] == [
        "zope.add_backend(instance1);",
        "zope.add_backend(instance2);",
    ]
