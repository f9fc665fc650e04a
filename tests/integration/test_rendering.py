from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from supervisor.options import ServerOptions
from zc.buildout import UserError

from tests.support import describe
from zopestack import stack_file
from zopestack.buildout import trial
from zopestack.features.parsers import UNSAFE_IN_PATH
from zopestack.features.zope import USER_NAME
from zopestack.haproxy import program as haproxy
from zopestack.model import Stack
from zopestack.render.files import TemplateProblem, packaged_templates, render

PORTS = st.integers(1, 65535)
IPV4 = st.ip_addresses(v=4).map(str)
IPV6 = st.ip_addresses(v=6).map("[{}]".format)
HOSTS = st.one_of(st.sampled_from(["*", "localhost", "0.0.0.0", "[::]"]), IPV4, IPV6)
LOOPBACK_HOSTS = st.one_of(st.just("[::1]"), st.ip_addresses(network="127.0.0.0/8").map(str))

#: All that a path may hold, in the hope that something breaks.
NAMES = st.text(
    st.characters(codec="utf-8").filter(lambda c: not UNSAFE_IN_PATH.search(c)), max_size=8
).filter(lambda name: ".." not in name)


def addresses(hosts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        PORTS.map(str),
        st.builds("{}:{}".format, hosts, PORTS),
        st.builds(" {}:{} ".format, hosts, PORTS),
    )


#: The texts of a [stack] section; most of them make a valid Stack.
SECTIONS = st.fixed_dictionaries(
    {
        "instances": st.one_of(
            st.integers(1, 6).map(str), st.sampled_from(["auto", "1", "20", "100"])
        ),
        "threads": st.integers(1, 64).map(str),
        "http-address": addresses(HOSTS) | st.just("8080 [::1]:8080 [2001:db8::1]:80"),
        "base-port": PORTS.map(str),
        "zeo-address": addresses(LOOPBACK_HOSTS),
        "stats-address": addresses(LOOPBACK_HOSTS),
    },
    optional={
        "user": st.from_regex(USER_NAME, fullmatch=True),
        "eggs": st.sampled_from(["Zope", "Plone", "Zope>=6,<7 my.site[test]"]),
        "var": NAMES.map("v{}/data".format),
    },
)

OVERRIDES = st.dictionaries(
    st.sampled_from(["instance", "instance1"]),
    st.fixed_dictionaries({"threads": PORTS.map(lambda n: str(n % 64 + 1))}),
)


def parsed(stack: Stack, text: str) -> ServerOptions:
    """What supervisord itself reads from its file; fails where supervisord would."""
    stack.logs.mkdir(parents=True, exist_ok=True)
    stack.supervisord_conf.parent.mkdir(parents=True, exist_ok=True)
    stack.supervisord_conf.write_text(text, encoding="utf-8")
    options = ServerOptions()
    options.realize(["-c", str(stack.supervisord_conf)], doc="supervisord")
    return options


def listened(haproxy_cfg: str) -> list[str]:
    """The TCP addresses of every ``bind`` and ``server`` line."""
    return re.findall(r"^    (?:bind|server \S+) (?!unix@)(\S+)", haproxy_cfg, re.MULTILINE)


@given(section=SECTIONS, overrides=OVERRIDES)
@example(section={"instances": "256", "threads": "64"}, overrides={})
@example(
    section={"instances": "1", "http-address": "[::]:80", "zeo-address": "[::1]:1"}, overrides={}
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_valid_stack(
    haproxy_program: Path, section: dict[str, str], overrides: dict[str, dict[str, str]]
) -> None:
    with tempfile.TemporaryDirectory(prefix="zs-") as directory:
        home = Path(directory)
        try:
            stack = describe.read(home, section, overrides)
        except UserError as refused:
            # Ports are drawn freely; nothing else here may be refused.
            assert "collide" in str(refused) or "last port" in str(refused)
            assume(False)
        files = render(stack)
        haproxy_cfg = files[stack.haproxy_conf]

        verdict = trial.tried(stack, {})
        assert verdict == haproxy.Verdict(accepted=True, said="")
        options = parsed(stack, files[stack.supervisord_conf])
        check_programs(stack, options)
        check_nothing_twice(stack, haproxy_cfg, options)

        assert render(describe.read(home, section, overrides)) == files
        stack.stack_file.write_text(files[stack.stack_file], encoding="utf-8")
        assert stack_file.load(stack.stack_file) == stack


def check_programs(stack: Stack, options: ServerOptions) -> None:
    groups = {group.name: group for group in options.process_group_configs}
    assert set(groups) == {*stack.programs, "access-log", "haproxy-reload", "guard"}
    assert [warning for warning in options.parse_warnings if "root" not in warning] == []
    by_start = sorted(groups.values(), key=lambda group: group.priority)
    assert by_start[0].name == "zeo"
    assert [group.name for group in by_start if group.name in stack.programs][-1] == "haproxy"
    for name in stack.programs:
        group = groups[name]
        (process,) = group.process_configs
        assert process.name == name
        assert process.directory == str(stack.directory)
        assert process.stdout_logfile == str(stack.logs / f"{name}.out.log")
        assert process.autorestart
        assert process.stopwaitsecs > 0
    for instance in stack.instances:
        command = groups[instance.name].process_configs[0].command
        assert command == f"{stack.bin / instance.name} console"
    (server,) = options.server_configs
    assert (server["section"], server["file"]) == ("unix_http_server", str(stack.supervisor_socket))
    assert server["chmod"] == 0o600


def check_nothing_twice(stack: Stack, haproxy_cfg: str, options: ServerOptions) -> None:
    addresses = [*listened(haproxy_cfg), str(stack.storage.zeo_address)]
    assert len(addresses) == len(stack.instances) + len(stack.balancer.bindings) + 2
    # On one loopback address, a port; the balancer's may be the same on another one.
    assert max(Counter(addresses).values()) == 1
    names = re.findall(r"^    server (\S+)", haproxy_cfg, re.MULTILINE)
    assert names == ["this", *(instance.name for instance in stack.instances)]
    processes = [group.process_configs[0] for group in options.process_group_configs]
    logs = [p.stderr_logfile if p.name == "guard" else p.stdout_logfile for p in processes]
    assert len(set(logs)) == len(logs)


@pytest.fixture
def stack(home: Path) -> Stack:
    return describe.read(home, {"instances": "2"}, {"instance2": {"threads": "2"}})


def test_every_file_says_what_made_it(stack: Stack) -> None:
    for path, text in render(stack).items():
        # JSON has no comments; Grafana shows a description.
        if path == stack.grafana_dashboard:
            assert json.loads(text)["description"].startswith("Made by bin/buildout from [stack]")
        elif path != stack.stack_file:
            first = text.partition("\n")[0]
            assert first[:2] in ("# ", "; ", "<!", "--")
            assert "Made by bin/buildout from [stack] in buildout.cfg" in first


def test_a_server_gets_as_many_requests_as_it_has_threads(stack: Stack) -> None:
    text = render(stack)[stack.haproxy_conf]
    assert re.findall(r"server (\S+) \S+ maxconn (\d+)", text) == [
        ("instance1", "1"),
        ("instance2", "2"),
    ]
    assert "nbthread 1\n" in text


@pytest.mark.parametrize(
    ("instances", "threads", "connections"),
    [("1", "1", 2000), ("10", "1", 2000), ("10", "2", 4000), ("256", "64", 8000)],
)
def test_connections_grow_with_the_threads_up_to_what_systems_grant(
    home: Path, instances: str, threads: str, connections: int
) -> None:
    stack = describe.read(home, {"instances": instances, "threads": threads})
    assert stack.connections == connections
    assert f"maxconn {connections}\n" in render(stack)[stack.haproxy_conf]


def test_same_bytes_in_every_process(stack: Stack, home: Path) -> None:
    """Whatever order sets and dictionaries have."""
    (home / "stack.json").write_text(stack_file.dumps(stack))
    code = (
        "import hashlib, pathlib, sys; from zopestack import stack_file; "
        "from zopestack.render.files import render; "
        "stack = stack_file.load(pathlib.Path(sys.argv[1])); "
        "print(hashlib.sha256(repr(render(stack)).encode()).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code, str(home / "stack.json")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_own_templates_win_file_by_file(home: Path) -> None:
    describe.template(home, "mine", "haproxy.cfg.j2", "mode http\n", "mode http # mine\n")
    usual = render(describe.read(home))
    stack = describe.read(home, {"templates": "mine"})
    own = render(stack)
    assert "mode http # mine\n" in own[stack.haproxy_conf]
    assert "mode http\n" in usual[stack.haproxy_conf]

    assert own[stack.supervisord_conf] == usual[stack.supervisord_conf]


def test_own_templates_may_include_and_extend(home: Path) -> None:
    describe.template(home, "mine", "haproxy.cfg.j2", "mode http\n", "{% include 'mode' %}\n")
    (home / "mine" / "mode").write_text("mode http # mine\n")
    stack = describe.read(home, {"templates": "mine"})
    assert "mode http # mine\n" in render(stack)[stack.haproxy_conf]


@pytest.mark.parametrize(
    ("added", "says"),
    [
        ("{% for %}", "Expected"),
        ("{{ stack.instnaces }}", "no attribute 'instnaces'"),
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{{ nothing.more }}", "'nothing' is undefined"),
        ("{% include 'more.j2' %}", "'more.j2' not found"),
        ("{% extends 'base.j2' %}", "'base.j2' not found"),
        ("{{ 1 // 0 }}", "ZeroDivisionError: "),
        ("{{ 1 + 'a' }}", "TypeError: unsupported operand"),
        ("{{ 'x'.index('y') }}", "ValueError: substring"),
        ("{{ stack|colour }}", "No filter named 'colour'"),
        ("{{ stack() }}", "TypeError: 'Stack' object is not callable"),
        ("{% raw %}", "Missing end of raw directive"),
    ],
)
def test_a_broken_template_is_told_with_file_and_line(home: Path, added: str, says: str) -> None:
    mode = "mode http\n"
    describe.template(home, "mine", "haproxy.cfg.j2", mode, f"{mode}\n{added}\n")
    text = (home / "mine" / "haproxy.cfg.j2").read_text()
    line = text[: text.index(added)].count("\n") + 1
    with pytest.raises(TemplateProblem) as caught:
        render(describe.read(home, {"templates": "mine"}))
    assert str(caught.value).startswith(f"{home}/mine/haproxy.cfg.j2, line {line}: ")
    assert says in str(caught.value)


def test_a_broken_include_is_told_with_its_own_line(home: Path) -> None:
    describe.template(home, "mine", "haproxy.cfg.j2", "mode http\n", "{% include 'm.j2' %}\n")
    (home / "mine" / "m.j2").write_text("\n\n{{ 1 // 0 }}\n")
    with pytest.raises(TemplateProblem, match=f"^{home}/mine/m.j2, line 3: ZeroDivision"):
        render(describe.read(home, {"templates": "mine"}))


def test_a_template_that_includes_itself(home: Path) -> None:
    describe.template(
        home, "mine", "haproxy.cfg.j2", "mode http\n", "{% include 'haproxy.cfg.j2' %}\n"
    )
    with pytest.raises(TemplateProblem, match=r"haproxy\.cfg\.j2, line \d+: Recursion"):
        render(describe.read(home, {"templates": "mine"}))


def test_a_template_that_is_no_text(home: Path) -> None:
    (home / "mine").mkdir()
    (home / "mine" / "supervisord.conf.j2").write_bytes(b"; caf\xe9\n")
    with pytest.raises(TemplateProblem, match=r"^supervisord\.conf\.j2: UnicodeDecodeError"):
        render(describe.read(home, {"templates": "mine"}))


def test_packaged_templates_are_those_of_the_checkout() -> None:
    assert packaged_templates() == describe.TEMPLATES
    assert {path.name for path in describe.TEMPLATES.iterdir()} >= {
        "haproxy.cfg.j2",
        "supervisord.conf.j2",
    }


@pytest.mark.parametrize("part", ["connections", "hardening", "limits", "admin", "logs"])
def test_a_part_of_the_front_end_is_turned_off_by_an_empty_template(
    home: Path, haproxy_program: Path, part: str
) -> None:
    """HAProxy has nothing to say of what is left."""
    options = {
        "templates": "mine",
        "trusted-proxies": "10.0.0.0/8",
        "admin-networks": "192.0.2.0/24",
        "affinity": "cookie",
        "static-cache": "1MB",
        "callback-instances": "1",
    }
    (home / "mine").mkdir()
    usual = render(describe.read(home, options))
    (home / "mine" / f"haproxy-{part}.cfg.j2").touch()
    stack = describe.read(home, options)
    files = render(stack)
    assert len(files[stack.haproxy_conf]) < len(usual[stack.haproxy_conf])
    verdict = trial.tried(stack, {})
    assert verdict == haproxy.Verdict(accepted=True, said="")


@pytest.mark.parametrize(
    ("options", "rewrites", "asks_for_scheme"),
    [
        ({}, False, False),
        ({"sites": "* = /Plone"}, True, False),
        ({"trusted-proxies": "127.0.0.8"}, True, True),
        ({"trusted-proxies": "127.0.0.8", "proxy-protocol": "on"}, False, False),
        ({"https-address": "8443", "tls-certificate": "self-signed"}, True, True),
    ],
    ids=str,
)
def test_rules_that_never_apply_are_not_there(
    home: Path, options: dict[str, str], rewrites: bool, asks_for_scheme: bool
) -> None:
    """Each would cost every request something (docs/explanation/measured.rst)."""
    stack = describe.read(home, options)
    text = render(stack)[stack.haproxy_conf]
    assert ("set-path /VirtualHostBase" in text) == rewrites
    assert ("map_regm(sites.map)" in text) == rewrites
    assert ("var(txn.scheme)" in text) == asks_for_scheme
    assert ("txn.own_path" in text) == stack.proxies.believes_headers
