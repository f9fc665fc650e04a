"""What ``supervisorctl update`` applies: it restarts a program whose section has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import describe
from zopestack.buildout.digests import digests
from zopestack.buildout.parts import parts
from zopestack.render.files import balancer
from zopestack.render.program import Program
from zopestack.render.programs import programs

Sections = Mapping[str, Mapping[str, str]]


def made(
    home: Path,
    options: Mapping[str, str],
    sections: Sections | None = None,
    distributions: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[str, Program]:
    """Each program by name, without its comment, which supervisord does not read."""
    found = describe.described(home, {"instances": "2", **options}, sections)
    stack = found.stack
    known = digests(stack, parts(stack, found.overrides), distributions or {}, balancer(stack))
    return {program.name: replace(program, comment="") for program in programs(stack, known)}


def changed(before: Mapping[str, Program], after: Mapping[str, Program]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


INSTANCES = {"instance1", "instance2"}
GUARD = {"guard"}
RELOAD = {"haproxy-reload"}


@pytest.mark.parametrize(
    ("option", "value", "restarted"),
    [
        ("threads", "2", INSTANCES | RELOAD),
        ("base-port", "7081", INSTANCES | GUARD | RELOAD),
        ("warm-up", "/", INSTANCES),
        ("eggs", "Zope\nProducts.PythonScripts", INSTANCES),
        ("zeo-address", "127.0.0.1:9100", {"zeo"} | INSTANCES),
        ("switch-interval", "50ms", INSTANCES),
        ("timeout-http-request", "5s", INSTANCES | RELOAD),
        ("max-body-size", "5MB", INSTANCES | RELOAD),
        ("form-memory-limit", "5MB", INSTANCES),
        ("form-part-limit", "5", INSTANCES),
        ("stop-grace", "5s", INSTANCES | {"haproxy"}),
        ("instances", "4", GUARD | RELOAD),
        ("memory-limit", "1GB", GUARD),
        ("callback-instances", "1", INSTANCES | GUARD | RELOAD),
        ("extra-instances", "worker", GUARD),
        ("groups", "rest = /++api++", GUARD | RELOAD),
        ("nbthread", "2", RELOAD),
        ("stats-address", "127.0.0.1:9404", RELOAD),
        ("metrics-address", "9404", set()),
        ("haproxy", "other-haproxy", RELOAD),
        ("sites", "* = /Plone", RELOAD),
    ],
)
def test_a_changed_option_restarts_what_was_started_with_it(
    home: Path, option: str, value: str, restarted: set[str]
) -> None:
    describe.program(home / "other-haproxy", "HAProxy version 2.8.0")
    assert changed(made(home, {}), made(home, {option: value})) == restarted


@pytest.mark.parametrize(
    ("section", "option", "value", "restarted"),
    [
        ("instance", "zodb-cache-size", "7", INSTANCES),
        ("instance2", "zodb-cache-size", "7", {"instance2"}),
        ("instance2", "threads", "2", {"instance2"} | RELOAD),
        ("instance2", "switch-interval", "1ms", {"instance2"}),
        ("instance2", "environment-vars", "TZ UTC", {"instance2"}),
        ("zeo", "invalidation-queue-size", "7", {"zeo"}),
    ],
)
def test_an_option_of_a_part_restarts_its_program(
    home: Path, section: str, option: str, value: str, restarted: set[str]
) -> None:
    assert changed(made(home, {}), made(home, {}, {section: {option: value}})) == restarted


@pytest.mark.parametrize(
    ("option", "value", "restarted"),
    [
        ("zodb-cache-size", "7", {"instance3"}),
        ("threads", "2", {"instance3"} | RELOAD),
        ("request-timeout", "5m", {"instance3"} | RELOAD),
        ("timeout-queue", "5s", RELOAD),
        ("timeout-queue", "5m", {"instance3"} | RELOAD),
        ("queue-limit", "5", RELOAD),
        ("instances", "2", GUARD | RELOAD),
    ],
)
def test_an_option_of_a_group_restarts_its_instances(
    home: Path, option: str, value: str, restarted: set[str]
) -> None:
    groups = {"groups": "rest = /++api++"}
    before, after = made(home, groups), made(home, groups, {"rest": {option: value}})
    assert changed(before, after) == restarted


def test_a_file_that_a_recipe_has_made_restarts_its_program(home: Path) -> None:
    before = made(home, {})
    for path in ("parts/instance1/etc/zope.conf", "bin/instance2", "parts/zeo/etc/zeo.conf"):
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text("new")
    assert changed(before, made(home, {})) == {"zeo", *INSTANCES}


def test_a_new_version_of_a_distribution_restarts_who_imports_it(home: Path) -> None:
    one, two = (made(home, {}, None, {"instance1": (f"Zope {x}",)}) for x in ("6.1", "6.2"))
    assert changed(one, two) == {"instance1"}


def test_nothing_changed_restarts_nothing(home: Path) -> None:
    assert changed(made(home, {}), made(home, {})) == set()


def test_eggs_of_an_instance_keep_the_package_that_has_the_agent(home: Path) -> None:
    found = describe.described(home, {"instances": "1"}, {"instance": {"eggs": "Zope\nmy.site"}})
    own = parts(found.stack, found.overrides)["instance1"]
    assert own["eggs"].split() == ["Zope", "my.site", "zopestack"]
