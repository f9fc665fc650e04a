"""Instances that a scheduler starts: what HAProxy's machine has of them, and what they are told."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.support import describe
from tests.support.describe import CHECKOUT
from zopestack import stack_file
from zopestack.buildout.parts import agent, parts
from zopestack.model import Stack
from zopestack.render.contract import missing
from zopestack.render.files import render
from zopestack.render.programs import programs
from zopestack.supervisor import up

RECIPE = CHECKOUT / "docs/howto/scheduler"

FOUND = {"discover": "zope.default.svc.cluster.local:8081 up-to=3"}

OUTSIDE = {
    "instances": "1",
    "outside-balancers": "10.0.0.5 10.0.0.6",
    "storage": "external",
    "zeo-address": "zeo.example.internal:8400",
}


def servers(stack: Stack) -> list[str]:
    lines = map(str.strip, render(stack)[stack.haproxy_conf].splitlines())
    return [each for each in lines if each.startswith("server") and "maxconn" in each]


def test_they_are_beside_the_stacks_own(home: Path) -> None:
    own, found = servers(describe.read(home, {"instances": "1", "threads": "2", **FOUND}))
    assert own == "server instance1 127.0.0.1:8081 maxconn 2 port 9081"
    assert found.startswith(
        "server-template discovered 1-3 zope.default.svc.cluster.local:8081 maxconn 2 port 9081 "
    )


def test_they_are_in_place_of_these(home: Path) -> None:
    found = describe.described(home, {"instances": "0", "share-memory": "on", **FOUND})
    stack = found.stack
    (line,) = servers(stack)
    assert line.startswith("server-template")
    names = {each.name for each in programs(stack, {})}
    assert names == {"zeo", "access-log", "haproxy", "haproxy-reload"}
    # For scripts; nobody starts it.
    assert "instance1" in parts(stack, found.overrides)
    assert stack.threads == stack.lanes[0].instances == 3
    assert "up to 3 instances of zope.default.svc.cluster.local:8081" in up.summary(stack)


def test_the_port_is_not_written_where_the_records_tell_it(home: Path) -> None:
    stack = describe.read(home, {"instances": "0", "discover": "_z._tcp.a up-to=2 agent=9000"})
    (line,) = servers(stack)
    assert line.startswith("server-template discovered 1-2 _z._tcp.a maxconn 1 port 9000 ")


def test_both_survive_their_file(home: Path) -> None:
    for given in ({"instances": "0", **FOUND}, OUTSIDE):
        stack = describe.read(home, given)
        (home / "stack.json").write_text(stack_file.dumps(stack))
        assert stack_file.load(home / "stack.json") == stack


def test_a_machine_that_goes_without_a_word_is_noticed(home: Path) -> None:
    for given, noticed in (({}, False), (FOUND, True)):
        stack = describe.read(home, given)
        assert ("option srvtcpka\n" in render(stack)[stack.haproxy_conf]) is noticed


def test_a_users_own_template_has_to_have_them(home: Path) -> None:
    stack = describe.read(home, FOUND)
    text = render(stack)[stack.haproxy_conf]
    assert missing(stack, text) == ""
    assert "server-template discovered 1-3" in missing(stack, text.replace("1-3 zope", "1-2 zope"))


def test_what_an_instance_outside_is_told(home: Path) -> None:
    found = describe.described(home, OUTSIDE)
    stack = found.stack
    (instance,) = stack.instances
    told = agent(stack, instance)
    assert told.hosts == told.balancers == ("10.0.0.5", "10.0.0.6")
    assert (told.host, told.http_host) == ("0.0.0.0", "127.0.0.1")
    assert {str(each.address) for each in stack.listeners()} == {"0.0.0.0:8081", "0.0.0.0:9081"}
    assert {each.name for each in programs(stack, {})} == {"instance1", "guard"}
    assert not {*stack.balancer_files} & {*render(stack)}
    made = parts(stack, found.overrides)["instance1"]
    assert made["http-address"] == "0.0.0.0:8081"
    trusted = [x for x in made["zope-conf-additional"].splitlines() if x.startswith("trusted")]
    assert trusted == ["trusted-proxy 10.0.0.5", "trusted-proxy 10.0.0.6"]


def test_an_instance_outside_may_be_reached_by_ipv6(home: Path) -> None:
    stack = describe.read(home, {**OUTSIDE, "outside-balancers": "2001:db8::5"})
    assert str(stack.instances[0].agent) == "[::]:9081"


def test_one_buildout_cfg_is_for_both(home: Path) -> None:
    """What only HAProxy reads is not looked for in the image."""
    of_balancer = {"tls-certificate": "nowhere.pem", "https-address": "8443", "varnish": "front"}
    assert not describe.read(home, {**OUTSIDE, **of_balancer}).balances


MANIFESTS = list(yaml.safe_load_all((RECIPE / "kubernetes.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda each: each["kind"])
def test_kubernetes_takes_the_manifests(manifest: dict[str, object]) -> None:
    latest = kubernetes_validate.latest_version()
    kubernetes_validate.validate(manifest, latest, strict=True)


def test_the_manifests_fit_the_stack(home: Path) -> None:
    stack = describe.read(home, OUTSIDE)
    (instance,) = stack.instances
    service, deployment = (each["spec"] for each in MANIFESTS)
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["terminationGracePeriodSeconds"] == stack.stop_seconds
    assert [each["port"] for each in service["ports"]] == [instance.address.port]
    ports = [instance.address.port, instance.agent.port]
    assert [each["containerPort"] for each in container["ports"]] == ports
    recipe = (RECIPE / "Containerfile").read_text(encoding="utf-8")
    assert f"\nEXPOSE {ports[0]} {ports[1]}\n" in recipe
    assert f"\nUSER {pod['securityContext']['runAsUser']}\n" in recipe
    asked = {
        name: container[name]["exec"]["command"][-1] for name in container if name.endswith("Probe")
    }
    at = f"http://127.0.0.1:{instance.agent.port}"
    assert asked == {
        "readinessProbe": f"{at}/health",
        "startupProbe": f"{at}/alive",
        "livenessProbe": f"{at}/alive",
    }
    starts = container["startupProbe"]
    assert starts["periodSeconds"] * starts["failureThreshold"] == stack.timings.start


def test_the_page_says_how_long_a_stop_takes(home: Path) -> None:
    stack = describe.read(home, OUTSIDE)
    page = (CHECKOUT / "docs/howto/scheduler.rst").read_text(encoding="utf-8")
    assert f"``docker stop --time {stack.stop_seconds:g}``" in page
    assert f"{stack.stop_seconds - stack.lifecycle.stop_grace:g} s more" in page
