"""Several hosts: what each of them is, and what the others know of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from zc.buildout import UserError

from tests.support import describe
from zopestack import stack_file
from zopestack.buildout.parts import agent, parts
from zopestack.features.memory import LOADER
from zopestack.features.storage import Kind
from zopestack.model import Stack
from zopestack.peers import Peers
from zopestack.render.files import render
from zopestack.render.programs import programs
from zopestack.supervisor.rotation import Rotation

#: Any address of 127.0.0.0/8 is one of this machine.
HOSTS = """
lb1 127.0.0.2 balancer
lb2 127.0.0.3 balancer
app1 127.0.0.11 instances=3
app2 127.0.0.12 instances=1
db 127.0.0.21 storage"""

NAMES = ("lb1", "lb2", "app1", "app2", "db")

ALONE = "one 127.0.0.2 balancer instances=2 storage"


def read(
    home: Path,
    host: str,
    sections: dict[str, dict[str, str]] | None = None,
    hosts: str = HOSTS,
    **options: str,
) -> Stack:
    named = {name.replace("_", "-"): text for name, text in options.items()}
    return describe.read(home, {"hosts": hosts, "host": host, **named}, sections)


def backend(stack: Stack) -> list[str]:
    lines = render(stack)[stack.haproxy_conf].splitlines()
    return [line.strip() for line in lines if line.startswith("    server ") and "maxconn" in line]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("lb1", {"access-log", "haproxy", "haproxy-reload"}),
        ("app1", {"instance1", "instance2", "instance3", "guard"}),
        ("app2", {"instance1", "guard"}),
        ("db", {"zeo", "schedule"}),
    ],
)
def test_each_host_has_its_own_programs(home: Path, host: str, expected: set[str]) -> None:
    stack = read(home, host, backup="daily 02:30 keep 14", share_memory="off")
    assert {each.name for each in programs(stack, {})} == expected
    assert stack.storage.storage == (Kind.ZEO if host == "db" else Kind.EXTERNAL)
    assert str(stack.storage.zeo_address) == "127.0.0.21:8400"


def test_the_loader_is_where_instances_are(home: Path) -> None:
    for name in NAMES:
        stack = read(home, name, share_memory="on")
        here = LOADER in {each.name for each in programs(stack, {})}
        assert here == (LOADER in parts(stack, everything(home, name))) == name.startswith("app")


def everything(home: Path, host: str) -> dict[str, dict[str, str]]:
    given = {"hosts": HOSTS, "host": host, "share-memory": "on"}
    return dict(describe.described(home, given).overrides)  # type: ignore[arg-type]


def test_both_balancers_know_every_instance_alike(home: Path) -> None:
    one, two = (backend(read(home, name)) for name in ("lb1", "lb2"))
    assert one == two
    assert one == [
        "server app1.instance1 127.0.0.11:8081 maxconn 1 port 9081",
        "server app1.instance2 127.0.0.11:8082 maxconn 1 port 9082",
        "server app1.instance3 127.0.0.11:8083 maxconn 1 port 9083",
        "server app2.instance1 127.0.0.12:8081 maxconn 1 port 9081",
    ]


def test_the_servers_of_a_host_stay_when_another_one_grows(home: Path) -> None:
    before = backend(read(home, "lb1"))
    after = backend(read(home, "lb1", hosts=HOSTS.replace("instances=3", "instances=5")))
    assert set(before) < set(after)
    assert len(after) == len(before) + 2


def test_the_stack_of_each_host_describes_the_same_deployment(home: Path) -> None:
    stacks = [read(home, name, groups="rest = /++api++", threads="2") for name in NAMES]
    assert len({each.balanced for each in stacks}) == 1
    assert len({each.lanes for each in stacks}) == 1
    # One of the group on each of the two.
    assert stacks[0].threads == 2 * (3 + 1 + 2)
    assert [lane.instances for lane in stacks[0].lanes] == [4, 2]


def test_it_survives_its_file(home: Path) -> None:
    for name in NAMES:
        stack = read(home, name)
        (home / "stack.json").write_text(stack_file.dumps(stack))
        assert stack_file.load(home / "stack.json") == stack


def test_a_section_of_an_instance_concerns_it_on_every_host(home: Path) -> None:
    stack = read(home, "lb1", {"instance1": {"threads": "2"}, "instance3": {"threads": "3"}})
    threads = {each.server: each.threads for each in stack.balanced}
    assert threads == {
        "app1.instance1": 2,
        "app1.instance2": 1,
        "app1.instance3": 3,
        "app2.instance1": 2,
    }


def test_a_section_that_concerns_no_host_is_refused(home: Path) -> None:
    with pytest.raises(UserError, match=r"\[instance4\]: there is no such instance"):
        read(home, "app2", {"instance4": {"threads": "2"}})


def test_an_extra_instance_is_on_the_first_host_with_instances(home: Path) -> None:
    section = {"worker": {"http-address": "9100"}}
    found = {name: read(home, name, section, extra_instances="worker") for name in NAMES}
    with_worker = [n for n, x in found.items() if "worker" in {each.name for each in x.instances}]
    assert with_worker == ["app1"]
    assert str(found["app1"].instances[-1].address) == "127.0.0.1:9100"


def test_the_files_of_a_balancer_are_not_needed_elsewhere(home: Path) -> None:
    given = {"https_address": "8443", "tls_certificate": "nowhere.pem", "frontend_extra": "nowhere"}
    for name in ("app1", "db"):
        stack = read(home, name, None, HOSTS, **given)
        assert not {*stack.balancer_files} & {*render(stack)}
    with pytest.raises(UserError, match="tls-certificate"):
        read(home, "lb1", None, HOSTS, **given)


def test_only_the_hosts_of_the_stack_are_answered(home: Path) -> None:
    stack = read(home, "app1")
    own = agent(stack, stack.instances[0])
    assert own.hosts == ("127.0.0.2", "127.0.0.3", "127.0.0.11", "127.0.0.12", "127.0.0.21")
    assert own.balancers == ("127.0.0.2", "127.0.0.3")
    assert (own.host, own.http_host) == ("127.0.0.11", "127.0.0.11")
    database = read(home, "db")
    (zeo,) = (each for each in programs(database, {}) if each.name == "zeo")
    assert f"/run-zeo --only {','.join(own.hosts)} -C " in zeo.command


def test_everything_on_one_host_stays_on_loopback(home: Path) -> None:
    stack = read(home, "one", hosts=ALONE)
    assert {each.address.host for each in stack.listeners()} == {"127.0.0.1"}
    assert agent(stack, stack.instances[0]).hosts == ()


def test_one_host_has_the_files_of_a_stack_without_hosts(home: Path) -> None:
    """Whatever differs with several hosts depends on there being several."""

    def files(stack: Stack) -> dict[Path, str]:
        made = {**render(stack), Path("parts"): str(parts(stack, of.overrides))}
        del made[stack.stack_file]
        return {path: text.replace("one.instance", "instance") for path, text in made.items()}

    of = describe.described(home, {"instances": "2", "affinity": "path"})
    with_hosts = read(home, "one", hosts=ALONE, affinity="path")
    # Which instance a path prefers depends on their names.
    one, other = files(with_hosts), files(of.stack)
    del one[with_hosts.preferred_map], other[with_hosts.preferred_map]
    assert one == other


def test_a_host_rolls_its_own_and_never_all_at_once(home: Path) -> None:
    rotation = Rotation(read(home, "app1"), print)
    batches = rotation._batches(rotation.named(["all"]), at_once=9)
    names = [[each.name for each in batch] for batch in batches]
    assert names == [["instance1", "instance2"], ["instance3"]]


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("10.0.0.1", True),
        ("127.0.0.1", True),
        ("2001:db8::1", True),
        ("2001:0db8:0::1", True),
        ("10.0.0.2", False),
        ("::ffff:10.0.0.2", False),
        ("2001:db8::2", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_peers(address: str, may: bool) -> None:
    assert Peers(["10.0.0.1", "2001:db8::1"]).may(address) is may
    assert Peers().may(address)
