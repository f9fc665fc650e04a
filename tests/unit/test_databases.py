"""Databases beside the main one: what ZEO, the instances and bin/zeopack are made with."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path

import pytest

from tests.support import describe
from zopestack.agent.configuration import Configuration
from zopestack.buildout.parts import agent, parts
from zopestack.buildout.storages import PACK
from zopestack.features.databases import Database
from zopestack.render.programs import programs

Sections = dict[str, dict[str, str]]

TWO = "intranet = /intranet\narchive = /a/b.c~d"


def made(home: Path, sections: Sections | None = None, databases: str = TWO) -> Sections:
    """The parts."""
    found = describe.described(home, {"instances": "2", "databases": databases}, sections)
    return parts(found.stack, found.overrides)


def section(text: str, kind: str, name: str) -> list[str]:
    """The lines of a section of zope.conf or zeo.conf."""
    lines = [line.strip() for line in text.splitlines()]
    return lines[lines.index(f"<{kind} {name}>") + 1 : lines.index(f"</{kind}>")]


def test_each_has_a_name_and_a_path(home: Path) -> None:
    stack = describe.read(home, {"databases": TWO})
    assert stack.databases.databases == (
        Database("intranet", "/intranet"),
        Database("archive", "/a/b.c~d"),
    )


def test_one_path_may_begin_like_another(home: Path) -> None:
    stack = describe.read(home, {"databases": "one = /a\ntwo = /ab\nthree = /b/a"})
    assert stack.databases.mount_points == ("/a", "/ab", "/b/a")


def test_zeo_serves_each_with_blobs_of_its_own(home: Path) -> None:
    zeo = {"zeo": {"pack-gc": "false", "zeo-conf-additional": "# mine"}}
    conf = made(home, zeo)["zeo"]["zeo-conf-additional"]
    assert section(conf, "filestorage", "intranet") == [
        f"path {home}/var/filestorage/intranet.fs",
        f"blob-dir {home}/var/blobstorage-intranet",
        "pack-gc false",
    ]
    assert "<filestorage archive>" in conf
    assert conf.endswith("\n# mine")


@pytest.mark.parametrize("name", ["instance1", "instance2", "worker", "loader"])
def test_every_instance_mounts_each(home: Path, name: str) -> None:
    options = {"databases": TWO, "extra-instances": "worker", "share-memory": "on"}
    own = {"zodb-cache-size": "7", "zeo-client-cache-size": "9MB", "zeo-client-client": "x"}
    found = describe.described(
        home, {**options, "instances": "2"}, {"instance": {**own, "eggs": "Zope"}}
    )
    part = parts(found.stack, found.overrides)[name]
    assert section(part["zope-conf-additional"], "zodb_db", "intranet") == [
        "cache-size 7",
        "<zeoclient>",
        "server 127.0.0.1:8400",
        "storage intranet",
        "name intranet",
        f"blob-dir {home}/var/blobstorage-intranet",
        "shared-blob-dir on",
        "cache-size 9MB",
        "client x",
        "var $(ZEO_TMP)",
        "</zeoclient>",
        "mount-point /intranet",
    ]
    assert "Products.ZODBMountPoint" in part["eggs"].split()
    assert {each.alone for each in found.stack.instances} == {""}


def test_the_agent_is_told_where_they_are(home: Path) -> None:
    stack = describe.read(home, {"databases": TWO})
    told = agent(stack, stack.instances[0])
    assert told.mount_points == ("/intranet", "/a/b.c~d")
    assert Configuration.read(told.environment()) == told


def test_the_empty_files_are_made_before_zeo_listens(home: Path) -> None:
    found = describe.described(home, {"databases": TWO})
    (zeo,) = (each for each in programs(found.stack, {}) if each.name == "zeo")
    words = shlex.split(zeo.command)
    files = words[words.index(str(found.stack.database)) : words.index("--")]
    assert [Path(file).name for file in files] == ["Data.fs", "intranet.fs", "archive.fs"]


def test_zeopack_knows_every_storage(home: Path) -> None:
    parted = made(home, {"zeo": {"storage-number": "2", "pack-days": "7"}})
    assert [*parted].index(PACK) > [*parted].index("zeo")
    given = ast.literal_eval(f"({parted[PACK]['arguments']})")
    assert given == (f"{home}/parts/stack-files/stack.json", "2", "7")
    stack = describe.read(home, {"databases": TWO})
    assert [(each.name, each.path.name, each.blobs.name) for each in stack.filestorages] == [
        ("main", "Data.fs", "blobstorage"),
        ("intranet", "intranet.fs", "blobstorage-intranet"),
        ("archive", "archive.fs", "blobstorage-archive"),
    ]


def test_without_other_databases_nothing_changes(home: Path) -> None:
    parted = made(home, databases="")
    assert "zeo-conf-additional" not in parted["zeo"]
    assert "zodb_db" not in parted["instance1"]["zope-conf-additional"]
    assert "Products.ZODBMountPoint" not in parted["instance1"]["eggs"]


def test_a_zeopack_of_the_users_stays(home: Path) -> None:
    assert made(home, {"zeo": {"zeopack": "mine.py"}})[PACK]["scripts"] == "pack"
    assert made(home)[PACK]["scripts"].split() == ["pack", "zeopack"]
