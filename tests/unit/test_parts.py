from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support import describe
from zopestack.buildout.parts import distributions, parts
from zopestack.render.files import render

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
        "supervisor",
        "instance1",
        "instance2",
        "stack-pack",
        "stack-copy",
        "stack-guards",
        "stack-backups",
        "stack-munin",
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


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("TUS_TMP_FILE_DIR", "tus-uploads"),
        ("COLLECTIVE_EXPORTIMPORT_CENTRAL_DIRECTORY", "exportimport"),
    ],
)
def test_instances_share_what_add_ons_keep_in_files(home: Path, variable: str, name: str) -> None:
    own = {"instance2": {"environment-vars": f"{variable} /mnt/uploads"}}
    all_parts = made(home, own)
    for part, directory in (("instance1", f"{home}/var/{name}"), ("instance2", "/mnt/uploads")):
        told = all_parts[part]["environment-vars"].splitlines()
        assert [each for each in told if variable in each] == [f"{variable} {directory}"]


def test_the_switch_interval_is_the_agents_and_not_the_recipes(home: Path) -> None:
    all_parts = made(home, {"instance2": {"switch-interval": "0.5ms"}}, switch_interval="50ms")
    for name, seconds in (("instance1", "0.05"), ("instance2", "0.0005")):
        told = all_parts[name]["environment-vars"].splitlines()
        assert f"ZOPESTACK_SWITCH_INTERVAL {seconds}" in told
        assert "switch-interval" not in all_parts[name]
    assert "SWITCH_INTERVAL" not in made(home)["instance1"]["environment-vars"]


def test_an_add_on_does_not_take_the_port_of_an_instance_unless_asked_to(home: Path) -> None:
    variable = "PLONE_OBSERVABILITY_HEALTH_PORT"
    all_parts = made(home, {"instance2": {"environment-vars": f"{variable} 9999"}}, instances="2")
    for part, port in (("instance1", "0"), ("instance2", "9999")):
        told = all_parts[part]["environment-vars"].splitlines()
        assert [line for line in told if line.startswith(variable)] == [f"{variable} {port}"]


def test_zope_believes_haproxy_beside_what_the_user_adds(home: Path) -> None:
    own = {"instance": {"zope-conf-additional": "enable-xmlrpc on\ntrusted-proxy 192.0.2.1"}}
    told = "trusted-proxy 127.0.0.1"
    assert told in made(home)["instance1"]["zope-conf-additional"].splitlines()
    first, *_, last_but_one, last = made(home, own)["instance1"]["zope-conf-additional"].split("\n")
    assert first == told
    assert (last_but_one, last) == ("enable-xmlrpc on", "trusted-proxy 192.0.2.1")


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
    assert options["access-log-handler"] == "zopestack.log_file.LogFile"
    assert "maxBytes" in options["access-log-kwargs"]


def test_a_handler_of_the_users_own_wins(home: Path) -> None:
    own = {"access-log": "a.log", "access-log-handler": "FileHandler", "access-log-kwargs": "{}"}
    assert access_log(home, own) == own


@pytest.mark.parametrize("log", ["event-log", "access-log"])
def test_a_handler_of_the_users_own_gets_no_arguments_of_ours(home: Path, log: str) -> None:
    """Of those that rotate by themselves, none takes the arguments of another."""
    own = {f"{log}-handler": "logging.handlers.WatchedFileHandler"}
    options = made(home, {"instance": own})["instance1"]
    assert options[f"{log}-handler"] == own[f"{log}-handler"]
    assert f"{log}-kwargs" not in options


def test_a_setting_of_the_access_log_asks_for_one(home: Path) -> None:
    options = access_log(home, {"access-log-level": "WARN"})
    assert options["access-log-handler"] == "zopestack.log_file.LogFile"
    assert "access-log" not in options


def test_an_access_log_that_is_disabled_has_no_arguments(home: Path) -> None:
    own = {"access-log": "disable", "access-log-kwargs": "{'maxBytes': 1}"}
    assert access_log(home, own) == {"access-log": "disable"}


def test_every_log_is_kept_as_long_as_asked(home: Path) -> None:
    options = {"log-size": "1MB", "log-files": "7"}
    all_parts = made(home, log_size="1MB", log_files="7")
    size = 1024 * 1024
    assert all_parts["instance1"]["event-log-kwargs"] == str({"maxBytes": size, "backupCount": 7})
    assert all_parts["zeo"]["zeo-log-max-size"] == str(size)
    assert all_parts["zeo"]["zeo-log-old-files"] == "7"
    stack = describe.read(home, {"instances": "2", **options})
    text = render(stack)[stack.supervisord_conf]
    assert set(re.findall(r"_maxbytes = (.*)", text)) == {str(size)}
    assert set(re.findall(r"_backups = (.*)", text)) == {"7"}
    assert f"access.log {size} 7\n" in text


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
