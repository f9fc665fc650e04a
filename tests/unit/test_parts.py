from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support import describe
from zopestack.buildout.parts import distributions, parts

Parts = dict[str, dict[str, str]]


def made(
    home: Path, sections: Mapping[str, Mapping[str, str]] | None = None, **options: str
) -> Parts:
    texts = {"instances": "2", **{name.replace("_", "-"): text for name, text in options.items()}}
    found = describe.described(home, texts, sections)
    return parts(found.stack, found.overrides)


def test_order_of_the_parts(home: Path) -> None:
    assert list(made(home)) == [
        "stack-files",
        "zeo",
        "stack-guards",
        "supervisor",
        "instance1",
        "instance2",
    ]


def test_instances_share_what_zeo_serves(home: Path) -> None:
    all_parts = made(home, zeo_address="127.0.0.1:9100", var="data")
    zeo = all_parts["zeo"]
    for name in ("instance1", "instance2"):
        for option in ("zeo-address", "blob-storage", "var"):
            assert all_parts[name][option] == zeo[option]
    assert zeo["zeo-address"] == "127.0.0.1:9100"
    assert zeo["file-storage"] == str(home / "data/filestorage/Data.fs")


def test_each_instance_has_a_port_of_its_own(home: Path) -> None:
    all_parts = made(home, base_port="9001")
    assert all_parts["instance1"]["http-address"] == "127.0.0.1:9001"
    assert all_parts["instance2"]["http-address"] == "127.0.0.1:9002"


def test_instances_import_the_users_eggs_and_zopestack(home: Path) -> None:
    assert made(home, eggs="Plone my.site")["instance1"]["eggs"] == "Plone\nmy.site\nzopestack"


def test_no_part_has_a_password(home: Path) -> None:
    assert made(home, user="root")["instance1"]["user"] == "root:"


@pytest.mark.parametrize(
    ("sections", "first", "second"),
    [
        ({}, None, None),
        ({"instance": {"zodb-cache-size": "1"}}, "1", "1"),
        ({"instance2": {"zodb-cache-size": "2"}}, None, "2"),
        ({"instance": {"zodb-cache-size": "1"}, "instance2": {"zodb-cache-size": "2"}}, "1", "2"),
    ],
    ids=["none", "all", "one", "one over all"],
)
def test_options_of_all_instances_and_of_one(
    home: Path, sections: Mapping[str, Mapping[str, str]], first: str | None, second: str | None
) -> None:
    all_parts = made(home, sections)
    assert all_parts["instance1"].get("zodb-cache-size") == first
    assert all_parts["instance2"].get("zodb-cache-size") == second
    assert "zodb-cache-size" not in all_parts["zeo"]


def test_threads_reach_the_instance_as_they_were_read(home: Path) -> None:
    all_parts = made(home, {"instance2": {"threads": " 02 "}}, threads="1")
    assert all_parts["instance1"]["threads"] == "1"
    assert all_parts["instance2"]["threads"] == "2"


def test_the_switch_interval_is_the_agents_and_not_the_recipes(home: Path) -> None:
    all_parts = made(home, {"instance2": {"switch-interval": "0.5ms"}}, switch_interval="50ms")
    for name, seconds in (("instance1", "0.05"), ("instance2", "0.0005")):
        told = all_parts[name]["environment-vars"].splitlines()
        assert f"ZOPESTACK_SWITCH_INTERVAL {seconds}" in told
        assert "switch-interval" not in all_parts[name]
    assert "SWITCH_INTERVAL" not in made(home)["instance1"]["environment-vars"]


def test_zope_believes_haproxy_beside_what_the_user_adds(home: Path) -> None:
    own = {"instance": {"zope-conf-additional": "enable-xmlrpc on\ntrusted-proxy 192.0.2.1"}}
    told = "trusted-proxy 127.0.0.1"
    assert made(home)["instance1"]["zope-conf-additional"] == told
    assert made(home, own)["instance1"]["zope-conf-additional"].splitlines() == [
        told,
        "enable-xmlrpc on",
        "trusted-proxy 192.0.2.1",
    ]


@pytest.mark.parametrize("own", [{}, {"access-log": "disable"}, {"access-log": " Disable "}])
def test_an_instance_has_no_access_log_and_nothing_that_would_rotate_it(
    home: Path, own: dict[str, str]
) -> None:
    """A null handler, which the recipe has for none, refuses what a rotating one takes."""
    options = access_log(home, own)
    assert options == {"access-log": own.get("access-log", "disable")}


def test_an_access_log_that_the_user_names_is_rotated(home: Path) -> None:
    options = access_log(home, {"access-log": "/logs/access.log"})
    assert options["access-log"] == "/logs/access.log"
    assert options["access-log-handler"].endswith("RotatingFileHandler")
    assert "maxBytes" in options["access-log-kwargs"]


def test_a_handler_of_the_users_own_wins(home: Path) -> None:
    own = {"access-log": "a.log", "access-log-handler": "FileHandler", "access-log-kwargs": "{}"}
    assert access_log(home, own) == own


def access_log(home: Path, own: dict[str, str]) -> dict[str, str]:
    options = made(home, {"instance": own})["instance1"]
    return {name: text for name, text in options.items() if name.startswith("access-log")}


@pytest.mark.parametrize("part", ["zeo", "supervisor"])
def test_options_of_zeo_and_supervisor(home: Path, part: str) -> None:
    before = made(home)[part]
    assert made(home, {part: {"extra": "x"}})[part] == {**before, "extra": "x"}


def test_supervisors_commands_know_their_configuration(home: Path) -> None:
    initialization = made(home)["supervisor"]["initialization"]
    arguments = ["supervisorctl", "status"]
    conf = home / "parts/stack-files/supervisord.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("[supervisord]\n[supervisorctl]\n")
    exec(initialization, {"sys": type("sys", (), {"argv": arguments})})
    assert arguments == [
        "supervisorctl",
        "-c",
        str(conf),
        "status",
    ]


def test_other_instances_keep_their_options_when_the_count_changes(home: Path) -> None:
    two, four = made(home), made(home, instances="4")
    assert {name: four[name] for name in two} == two


def test_distributions_are_asked_for_once(home: Path) -> None:
    asked = distributions(made(home, eggs="Zope my.site"))
    assert len(set(asked)) == len(asked)
    assert {"Zope", "my.site", "ZEO", "supervisor", "plone.recipe.zope2instance"} <= set(asked)
    assert "zopestack:files" not in asked
