"""Instances outside the balancer: what they are made of, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from zc.buildout import UserError

from tests.support import describe
from zopestack.buildout.parts import names as part_names
from zopestack.buildout.parts import parts
from zopestack.config import names, overrides
from zopestack.features.address import Address
from zopestack.features.instances import OUTSIDE, Instance
from zopestack.features.option import Refused
from zopestack.model import Stack
from zopestack.render.files import render
from zopestack.render.programs import programs

Sections = dict[str, dict[str, str]]

EXTRAS = "worker\ndebug manual"

WORKER = {"threads": "2", "http-address": "127.0.0.1:8090", "agent-address": "9090"}


def read(home: Path, sections: Sections | None = None, **options: str) -> Stack:
    named = {name.replace("_", "-"): text for name, text in options.items()}
    return describe.read(home, {"instances": "2", "extra-instances": EXTRAS, **named}, sections)


def extras(stack: Stack) -> dict[str, Instance]:
    return {each.name: each for each in stack.instances if not each.balanced}


def test_they_come_after_the_others_with_ports_that_stay(home: Path) -> None:
    two, four = read(home), read(home, instances="4", callback_instances="1")
    assert [each.name for each in two.instances] == ["instance1", "instance2", "worker", "debug"]
    assert extras(two) == extras(four)
    assert [(each.address.port, each.agent.port) for each in extras(two).values()] == [
        (8081 + 256, 9081 + 256),
        (8081 + 257, 9081 + 257),
    ]


def test_each_takes_what_all_have_and_then_its_own_section(home: Path) -> None:
    sections = {"instance": {"threads": "1", "zodb-cache-size": "7"}, "worker": WORKER}
    found = describe.described(
        home, {"instances": "2", "extra-instances": EXTRAS}, {**sections, "debug": {}}
    )
    worker, debug = extras(found.stack).values()
    assert (worker.threads, debug.threads) == (2, 1)
    assert (worker.address, worker.agent) == (
        Address("127.0.0.1", 8090),
        Address("127.0.0.1", 9090),
    )
    made = parts(found.stack, found.overrides)
    assert made["worker"]["zodb-cache-size"] == made["debug"]["zodb-cache-size"] == "7"
    assert made["worker"]["http-address"] == "127.0.0.1:8090"
    assert "agent-address" not in made["worker"]


def test_haproxy_knows_nothing_of_them(home: Path) -> None:
    stack = read(home, {"worker": {"threads": "64"}})
    plain = describe.read(home, {"instances": "2"})
    for path in stack.balancer_files:
        assert render(stack)[path] == render(plain)[path]
    assert (stack.threads, stack.descriptors) == (plain.threads, plain.descriptors)


def test_a_manual_one_is_made_and_does_not_start(home: Path) -> None:
    stack = read(home)
    started = {each.name: each.autostart for each in programs(stack, {})}
    assert (started["worker"], started["debug"]) == (True, False)
    assert "worker" in stack.programs
    assert "debug" not in stack.programs


def test_the_guard_watches_them(home: Path) -> None:
    (guard,) = (each for each in programs(read(home), {}) if each.name == "guard")
    assert "worker=127.0.0.1:9337" in guard.command.split()


def test_they_share_memory_as_the_others_do(home: Path) -> None:
    stack = read(home, {"worker": WORKER, "debug": {"zcml": "five"}}, share_memory="on")
    assert {name: each.alone for name, each in extras(stack).items()} == {
        "worker": "",
        "debug": "other zcml",
    }


def test_every_network_is_an_address_and_zope_trusts_this_machine(home: Path) -> None:
    found = describe.described(
        home, {"extra-instances": "worker"}, {"worker": {"http-address": "*:8090"}}
    )
    made = parts(found.stack, found.overrides)["worker"]
    assert made["http-address"] == "*:8090"
    assert "trusted-proxy 127.0.0.1" in made["zope-conf-additional"]


def test_a_port_alone_is_on_loopback(home: Path) -> None:
    found = describe.described(
        home, {"extra-instances": "worker"}, {"worker": {"http-address": "8090"}}
    )
    assert parts(found.stack, found.overrides)["worker"]["http-address"] == "127.0.0.1:8090"


NOTHING_ELSE = "expected a name that nothing else has, not "


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Worker", "expected a name such as worker a line, or debug manual; not Worker"),
        ("worker debug", "not worker debug"),
        ("worker Manual", "not worker Manual"),
        ("worker manual now", "not worker manual now"),
        ("w" * 32, "expected a name such as worker a line"),
        ("wor/ker", "not wor/ker"),
        ("../worker", "not ../worker"),
        ("worker;rm", "not worker;rm"),
        ("1worker", "not 1worker"),
        ("worker\nworker manual", "expected each name once, not worker again"),
        ("instance3", NOTHING_ELSE + "instance3"),
        ("instance", NOTHING_ELSE + "instance"),
        ("zeo", NOTHING_ELSE + "zeo"),
        ("all", NOTHING_ELSE + "all"),
        ("\n".join(f"w{number}" for number in range(257)), "expected at most 256 names"),
    ],
)
def test_a_wrong_line_is_refused(home: Path, text: str, says: str) -> None:
    with pytest.raises(UserError) as refused:
        read(home, extra_instances=text)
    assert str(refused.value).startswith("[stack] extra-instances = ")
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("option", "text", "says"),
    [
        ("threads", "0", "expected a whole number from 1 to 64"),
        ("threads", "two", "expected a whole number from 1 to 64"),
        ("http-address", "worker:8090", "the host is an IP address, * or localhost"),
        ("http-address", "127.0.0.1:0", "the port is a whole number"),
        ("http-address", "127.0.0.1:8090 127.0.0.1:8091", "expected an address like"),
        ("agent-address", "*:9090", "expected an address on loopback"),
        ("switch-interval", "5", "expected a time like 0.5ms"),
        ("recipe", "plone.recipe.zope2instance", "delete this line: zopestack makes this part"),
        ("zeo-address", "8400", "change [stack] zeo-address"),
        ("ftp-address", "8021", "has no effect; delete this line"),
    ],
)
def test_a_wrong_option_is_refused(home: Path, option: str, text: str, says: str) -> None:
    with pytest.raises(UserError) as refused:
        read(home, {"worker": {option: text}})
    assert str(refused.value).startswith(f"[worker] {option} = {text}")
    assert says in str(refused.value)


def test_an_instance_behind_the_balancer_has_no_address_of_its_own(home: Path) -> None:
    for option in overrides.ADDRESSES:
        with pytest.raises(UserError, match="follows from"):
            read(home, {"instance1": {option: "127.0.0.1:8090"}})


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"http-address": "127.0.0.1:8081"}, "instance1 and worker would both listen on port 8081"),
        ({"http-address": "127.0.0.1:8338"}, "worker and debug would both listen on port 8338"),
        ({"http-address": "8090", "agent-address": "8090"}, "worker and worker's agent would both"),
        ({"http-address": "*:8080"}, "haproxy and worker would both listen on port 8080"),
    ],
)
def test_two_on_one_port_are_refused(home: Path, section: dict[str, str], says: str) -> None:
    with pytest.raises(UserError) as refused:
        read(home, {"worker": section})
    assert says in str(refused.value)


def test_ports_past_the_last_are_refused(home: Path) -> None:
    assert read(home, base_port="64000", extra_instances="", agent_base_port="9000")
    with pytest.raises(UserError, match="at most 65278 with 2 instances and 2 more from the 257th"):
        read(home, base_port="65300", agent_base_port="9000")


#: Each kind of storage, with what it needs.
KINDS: list[tuple[dict[str, str], dict[str, dict[str, str]]]] = [
    ({"backup": "hourly keep 1"}, {"supervisor": {"plugins": "superlance"}}),
    ({"storage": "external"}, {}),
    ({"storage": "relstorage"}, {"relstorage": {"type": "sqlite3"}}),
]


@pytest.mark.parametrize(("options", "sections"), KINDS)
def test_no_name_of_anything_else_is_taken(
    home: Path, options: dict[str, str], sections: dict[str, dict[str, str]]
) -> None:
    """Whatever a stack has programs, parts and scripts for."""
    given = {"instances": "1", "share-memory": "on", "extra-instances": "worker", **options}
    found = describe.described(home, given, sections)
    every = parts(found.stack, found.overrides)
    taken = {*names.of_programs(found.stack), *part_names(found.stack, found.overrides)}
    made = {*every} | {p.name for p in programs(found.stack, {})}
    made |= {script for part in every.values() for script in part.get("scripts", "").split()}
    assert made - taken == {"worker"}
    for option, text in (("extra-instances", "{}"), ("groups", "{} = /x")):
        for name in taken - {"instance1"}:
            with pytest.raises((UserError, Refused)) as refused:
                other = describe.described(home, {**given, option: text.format(name)}, sections)
                names.check(other.named, part_names(other.stack, other.overrides))
            assert f"a name that nothing else has, not {name}" in str(refused.value)


def test_the_stack_itself_is_no_instance(home: Path) -> None:
    with pytest.raises(UserError, match="a name that nothing else has"):
        describe.configuration(
            "mysite", {"extra-instances": "mysite"}, {}, describe.directories(home)
        )


def test_a_lane_of_haproxy_is_not_theirs() -> None:
    assert OUTSIDE not in ("zope", "callback")


def test_their_sections_are_the_users() -> None:
    names = ["buildout", "instance", "instance2", "worker", "other", "zeo"]
    assert [*overrides.own(names, {"extra-instances": EXTRAS})] == [
        "instance",
        "instance2",
        "worker",
        "zeo",
    ]
