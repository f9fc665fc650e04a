"""Groups of instances: what they are made of, where HAProxy finds them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from zc.buildout import UserError

from tests.support import describe
from zopestack.buildout.parts import agent, parts
from zopestack.config import overrides
from zopestack.config.lanes import check_sections
from zopestack.features.lanes import is_lane
from zopestack.model import OPTIONS, Stack
from zopestack.render import maps
from zopestack.render.files import render
from zopestack.render.lanes import lines
from zopestack.supervisor.rotation import Rotation
from zopestack.supervisor.stopped import Stopped

Sections = dict[str, dict[str, str]]

GROUPS = "rest = /++api++ /@@api\ncrawlers = agent bot Spider"

REST = {"instances": "2", "threads": "2"}


def read(home: Path, sections: Sections | None = None, **options: str) -> Stack:
    named = {name.replace("_", "-"): text for name, text in options.items()}
    return describe.read(home, {"instances": "2", "groups": GROUPS, **named}, sections)


def cfg(stack: Stack) -> str:
    return render(stack)[stack.haproxy_conf]


def backend(stack: Stack, name: str) -> str:
    """The section of one backend, without comments."""
    section = cfg(stack).partition(f"\nbackend {name}\n")[2].partition("\n\n")[0]
    return "\n".join(x.strip() for x in section.splitlines() if not x.strip().startswith("#"))


def test_they_are_numbered_on_after_the_others(home: Path) -> None:
    stack = read(home, {"rest": REST}, callback_instances="1", extra_instances="worker")
    assert [(each.name, each.lane, each.threads) for each in stack.instances] == [
        ("instance1", "zope", 1),
        ("instance2", "zope", 1),
        ("instance3", "callback", 1),
        ("instance4", "zope-rest", 2),
        ("instance5", "zope-rest", 2),
        ("instance6", "zope-crawlers", 1),
        ("worker", "outside", 1),
    ]
    for lane in stack.lanes:
        servers = [x.split()[1] for x in backend(stack, lane.name).splitlines() if "server i" in x]
        assert servers == [each.name for each in stack.lane(lane.name)]
        assert len(servers) == lane.instances


def test_an_instance_takes_what_all_have_then_its_groups_then_its_own(home: Path) -> None:
    sections = {
        "instance": {"zodb-cache-size": "1", "debug-mode": "on", "verbose-security": "on"},
        "rest": {**REST, "zodb-cache-size": "2", "debug-mode": "off", "timeout-queue": "5s"},
        "instance4": {"zodb-cache-size": "3", "threads": "4"},
    }
    found = describe.described(home, {"instances": "2", "groups": GROUPS}, sections)
    made = parts(found.stack, found.overrides)
    caches = [made[f"instance{number}"]["zodb-cache-size"] for number in range(1, 6)]
    assert caches == ["1", "1", "2", "3", "1"]
    assert [each.threads for each in found.stack.instances] == [1, 1, 2, 4, 1]
    assert made["instance4"]["debug-mode"] == "off"
    assert made["instance4"]["verbose-security"] == "on"
    # What is the group's own reaches no recipe.
    assert not {*overrides.OF_A_GROUP} & {*made["instance3"]}
    wheres = [found.written["instance4", x].section for x in sections["instance"]]
    assert wheres == ["instance4", "rest", "instance"]


def test_the_queue_and_the_times_of_a_group_are_its_own(home: Path) -> None:
    own = {"timeout-queue": "5s", "queue-limit": "7", "request-timeout": "1h"}
    stack = read(home, {"rest": own}, queue_limit="9")
    rest, zope, crawlers = (backend(stack, f"zope{name}") for name in ("-rest", "", "-crawlers"))
    assert "timeout queue 5s\ntimeout server 3660s\n" in rest
    assert "lua.outcome_unknown 3660000 " in rest
    assert "if { queue gt 7 }" in rest
    for other in (zope, crawlers):
        assert "timeout" not in other.replace("timeout check", "")
        assert "lua.outcome_unknown 660000 " in other
        assert "if { queue gt 9 }" in other
    told = {each.lane: agent(stack, each) for each in stack.instances}
    assert (told["zope-rest"].request_timeout, told["zope-rest"].hung_after) == (3600, 3660)
    assert (told["zope"].request_timeout, told["zope"].hung_after) == (600, 660)
    # A reload cuts no request of the group; the guard's comment tells both times.
    assert stack.hard_stop_seconds == 3660
    assert "over 660 or 3660 s" in render(stack)[stack.supervisord_conf]


def test_every_option_that_a_group_may_have_is_one_of_stack_or_its_size() -> None:
    known = {each.name for each in OPTIONS.values() if each.per_group}
    assert {*overrides.OF_A_GROUP} == known | {overrides.SIZE}
    assert not {*overrides.OF_A_GROUP} & {*overrides.OF_AN_INSTANCE}


def test_the_shares_of_one_client_are_those_of_the_lane(home: Path) -> None:
    stack = read(
        home,
        {"rest": {"instances": "4", "threads": "4"}},
        instances="4",
        queue_priorities="on",
        concurrent_uploads_per_address="100MB",
    )
    text = cfg(stack)
    for lane, fair, first, share in (("zope-rest", 32, 8, 25), ("zope-crawlers", 6, 1, 100)):
        chosen = f"{{ var(txn.lane) -m str {lane} }}"
        assert f"int(2) if {chosen} {{ sc1_conn_cur gt {fair} }}" in text
        assert f"int(-1) if logged_in {chosen} !{{ sc1_conn_cur gt {first} }}" in text
        assert f'Zopestack-Uploads "%[sc2_conn_cur] {share << 20} ' in backend(stack, lane)
    assert "int(2) if !placed { sc1_conn_cur gt 8 }" in text


def test_a_preferred_server_is_one_of_the_lane(home: Path) -> None:
    stack = read(home, {"rest": REST}, affinity="path")
    entries = {int(entry.pattern): entry.value for entry in maps.preferred(stack)}
    assert len(entries) == 3 * maps.BUCKETS == max(entries) + 1
    for number, lane in enumerate(stack.visited):
        first = maps.BUCKETS * number
        found = {entries[key] for key in range(first, first + maps.BUCKETS)}
        assert found == {each.name for each in stack.lane(lane.name)}
        added = f",add({first})" if first else ""
        assert f"path,crc32(1),mod(1024){added},map_int" in backend(stack, lane.name)
    alone = describe.read(home, {"instances": "2", "affinity": "path"})
    assert maps.preferred(stack)[: maps.BUCKETS] == maps.preferred(alone)


def test_without_groups_nothing_tells_lanes_apart(home: Path) -> None:
    text = cfg(describe.read(home, {"instances": "2"}))
    assert "line1" not in text
    assert "if { sc1_conn_cur gt 6 }" in text


def batches(stack: Stack, at_once: int) -> list[list[str]]:
    found = Rotation(stack, print)._batches(stack.instances, at_once)
    return [[each.name.removeprefix("instance") for each in batch] for batch in found]


def test_a_roll_never_takes_all_of_a_group(home: Path) -> None:
    stack = read(home, {"rest": REST}, extra_instances="worker", instances="3")
    assert batches(stack, 1) == [["1"], ["2"], ["3"], ["4"], ["5"], ["6"], ["worker"]]
    assert batches(stack, 2) == [["1", "2"], ["3", "4"], ["5", "6"], ["worker"]]
    assert batches(stack, 9) == [["1", "2", "3", "4"], ["5", "6", "worker"]]


def test_a_group_stands_for_its_instances(home: Path) -> None:
    rotation = Rotation(read(home, {"rest": REST}), print)
    named = rotation.named(["rest", "instance1", "instance4"])
    assert [each.name for each in named] == ["instance3", "instance4", "instance1"]
    with pytest.raises(Stopped, match="did you mean crawlers"):
        rotation.named(["crawler"])


@pytest.mark.parametrize(
    ("line", "conditions"),
    [
        ("a = /x /y/", ["path -m str /x /y", "path -m beg /x/ /y/"]),
        ("a = path /x", ["path -m str /x", "path -m beg /x/"]),
        ("a = host In.Example.org", ["var(txn.host),host_only -m str -- in.example.org"]),
        ("a = method POST PUT", ["method POST PUT"]),
        (
            "a = cookie __ac auth_token",
            ["req.cook(__ac) -m found", "req.cook(auth_token) -m found"],
        ),
        ("a = agent bot Spider", ["req.hdr(user-agent) -i -m sub -- bot Spider"]),
        ("a = header Accept json", ["req.hdr(accept) -i -m sub -- json"]),
        ("a = header Authorization", ["req.fhdr(authorization) -m found"]),
    ],
)
def test_the_conditions_of_a_rule(home: Path, line: str, conditions: list[str]) -> None:
    (found,) = lines(read(home, groups=line))
    assert [*found.conditions[: len(conditions)]] == conditions
    assert (found.number, found.lane) == (1, "zope-a")
    # A line reads as it may be written again.
    assert [*lines(read(home, groups=found.text))] == [found]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rest", "'rest' is not one"),
        ("rest =", "'rest =' is not one"),
        ("rest = ++api++", "is not one"),
        ("rest = agent", "is not one"),
        ("rest = header", "is not one"),
        ("rest = cookie", "is not one"),
        ("rest = path a", "a is not a path"),
        ("Rest = /a", "'Rest' is not a name"),
        ("= /a", "'' is not a name"),
        ("instance9 = /a", "a name that nothing else has, not instance9"),
        ("rest = /", "/ is not a path"),
        ("rest = /a b", "b is not a path"),
        ("rest = /a//b", "is not a path"),
        ("rest = /VirtualHostRoot", "is not a path"),
        ("rest = /a/..", "is not a path"),
        ("rest = host example.org:80", "is not a host name"),
        ("rest = method post", "is not a request method"),
        ("rest = cookie a=b", "is not the name of a cookie"),
        ("rest = header X_Y a", "'x_y' is not a header's name"),
        ("rest = agent bot#1", "is not a part of a header"),
        ("rest = agent $x", "is not a part of a header"),
        ("rest = /a\nrest = /a/b", "rest = /a takes /a/b before"),
        ("rest = /a/b\nother = /a /a/b/c", "takes /a/b/c before"),
        ("rest = agent Bot\nother = agent googlebot", "takes googlebot before"),
        ("rest = header X-A\nother = header x-a b", "takes x-a before"),
        ("rest = method POST\nother = method PUT POST", "takes POST before"),
    ],
)
def test_a_wrong_line_is_refused(home: Path, text: str, says: str) -> None:
    with pytest.raises(UserError) as refused:
        read(home, groups=text)
    assert str(refused.value).startswith("[stack] groups = ")
    assert says in str(refused.value)


def test_the_narrower_line_may_come_first(home: Path) -> None:
    stack = read(home, groups="search = /a/b\nrest = /a\nrest = cookie x\nsearch = cookie y")
    assert [lane.name for lane in stack.lanes] == ["zope", "zope-search", "zope-rest"]
    assert [each.lane.removeprefix("zope-") for each in lines(stack)] == [
        "search",
        "rest",
        "rest",
        "search",
    ]


def test_hosts_may_be_any_where_sites_or_proxies_say_so(home: Path) -> None:
    line = "a = host in.example.org"
    for more in (
        {},
        {"sites": "* = /Plone"},
        {"sites": "in.example.org/x = /Plone"},
        {"sites": "www.example.org = /Plone", "trusted_proxies": "10.0.0.0/8"},
    ):
        assert read(home, groups=line, **more).groups.names == ("a",)


def test_a_section_of_no_group_is_refused(home: Path) -> None:
    groups = read(home).groups
    with pytest.raises(UserError, match=r"\[crawler\] instances = 2\n.*did you mean crawlers\?"):
        check_sections(groups, {"crawler": {"instances": "2"}}, ())
    with pytest.raises(UserError, match="there is no group uploads; add uploads = /path to"):
        check_sections(groups, {"uploads": {"instances": "2"}}, ())
    # Any other section is nobody's business.
    fine = {
        "crawler": {"x": "2"},
        "rset": {"instances": "2", "recipe": "x"},
        "crawlers": {"instances": "2"},
        "numbers": {"instances": "2"},
        "base": {"instances": "2"},
        "mine": {"<": "base", "x": "${numbers:instances}"},
    }
    check_sections(groups, fine, ("crawlers",))


def test_their_sections_are_the_users() -> None:
    names = ["buildout", "instance", "rest", "crawlers", "other"]
    given = {"groups": "rest=/a\n\ncrawlers = agent bot"}
    assert [*overrides.own(names, given)] == ["instance", "rest", "crawlers"]


def test_no_backend_of_another_kind_is_taken_for_a_lane(home: Path) -> None:
    stack = read(home, callback_instances="1", acme_challenge="8888")
    backends = {x.split()[1] for x in cfg(stack).splitlines() if x.startswith("backend ")}
    assert {each for each in backends if is_lane(each)} == {lane.name for lane in stack.lanes}
    assert {"clients", "requests", "acme", "written"} <= backends
