from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import describe
from zopestack.parts import distributions, parts

Parts = dict[str, dict[str, str]]


def made(
    home: Path, sections: Mapping[str, Mapping[str, str]] | None = None, **options: str
) -> Parts:
    texts = {"instances": "2", **{name.replace("_", "-"): text for name, text in options.items()}}
    return parts(describe.read(home, texts, sections), sections or {})


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


@pytest.mark.parametrize("part", ["zeo", "supervisor"])
def test_options_of_zeo_and_supervisor(home: Path, part: str) -> None:
    before = made(home)[part]
    assert made(home, {part: {"extra": "x"}})[part] == {**before, "extra": "x"}


def test_supervisors_commands_know_their_configuration(home: Path) -> None:
    initialization = made(home)["supervisor"]["initialization"]
    arguments = ["supervisorctl", "status"]
    exec(initialization, {"sys": type("sys", (), {"argv": arguments})})
    assert arguments == [
        "supervisorctl",
        "-c",
        str(home / "parts/stack-files/supervisord.conf"),
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
