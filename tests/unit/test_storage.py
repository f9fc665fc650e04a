"""What keeps the database: ZEO, a relational database, or a ZEO elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from zc.buildout import UserError

from tests.support import describe
from zopestack import stack_file
from zopestack.buildout.digests import digests
from zopestack.buildout.parts import BACKUPS, parts
from zopestack.buildout.storages import PACK
from zopestack.config import zeo
from zopestack.features.relstorage import Relstorage
from zopestack.model import Stack
from zopestack.render.files import render
from zopestack.render.programs import programs

Sections = dict[str, dict[str, str]]

SECRET = "it's $ecret"
DSN = f"dbname='zope' password='{SECRET}'"


def relational(home: Path, sections: Sections | None = None, **options: str) -> Stack:
    own = {"relstorage": {"dsn": DSN}} if sections is None else sections
    return describe.read(home, {"instances": "2", "storage": "relstorage", **options}, own)


def external(home: Path, address: str = "zeo.example.com:8100", **options: str) -> Stack:
    return describe.read(
        home, {"instances": "2", "storage": "external", "zeo-address": address, **options}
    )


def refused(home: Path, options: dict[str, str], sections: Sections | None = None) -> str:
    with pytest.raises(UserError) as caught:
        describe.read(home, options, sections)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "history", "blobs"),
    [
        ({"dsn": DSN}, True, None),
        ({"dsn": DSN, "keep-history": "False", "shared-blob-dir": "on"}, False, "blobstorage"),
        ({"type": "sqlite3", "keep-history": "no"}, False, "blobstorage"),
    ],
)
def test_what_a_copy_of_it_has(
    home: Path, given: dict[str, str], history: bool, blobs: str | None
) -> None:
    (found,) = relational(home, {"relstorage": given}).relstorages
    assert found.keep_history == history
    assert found.shared_blobs == (home / "var" / blobs if blobs else None)


def test_options_are_sorted_into_relstorages_sections() -> None:
    given = {"type": "sqlite3", "keep-history": "no", "name": "n", "data-dir": "/d", "driver": "x"}
    assert Relstorage.of("main", {**given, "pragmas-cache_size": "8MB"}) == Relstorage(
        "main",
        "sqlite3",
        (("keep-history", "no"), ("name", "n")),
        (("data-dir", "/d"), ("driver", "x")),
        (("cache_size", "8MB"),),
    )


def test_a_dsn_is_made_of_its_parts_as_the_recipe_does() -> None:
    given = {"dbname": "zope", "user": "z", "host": "/tmp/it's", "password": "a\\b"}
    found = Relstorage.of("main", given)
    assert found.kind == "postgresql"
    assert found.specific == (("dsn", r"dbname='zope' user='z' host='/tmp/it\'s' password='a\\b'"),)
    # Of another kind of database they are options of their own.
    assert Relstorage.of("main", {"type": "mysql", "user": "z", "passwd": "p"}).specific == (
        ("passwd", "p"),
        ("user", "z"),
    )


@pytest.mark.parametrize(
    ("given", "blobs", "shared"),
    [
        ({"dsn": DSN}, "var/blobcache", "false"),
        ({"dsn": DSN, "shared-blob-dir": "true"}, "var/blobstorage", "true"),
        ({"type": "sqlite3"}, "var/blobstorage", "true"),
        ({"type": "sqlite3", "shared-blob-dir": "off"}, "var/blobcache", "off"),
        ({"dsn": DSN, "blob-dir": "mine"}, "mine", "false"),
    ],
)
def test_blobs_are_shared_or_cached(
    home: Path, given: dict[str, str], blobs: str, shared: str
) -> None:
    (found,) = relational(home, {"relstorage": given}).relstorages
    assert dict(found.generic) == {"blob-dir": str(home / blobs), "shared-blob-dir": shared}
    lite = given.get("type") == "sqlite3"
    assert found.directories[1:] == ((str(home / "var/relstorage"),) if lite else ())


def test_rel_storage_says_the_same(home: Path) -> None:
    lines = f"type postgresql\ndsn   {DSN}\n\nkeep-history false"
    own = {"instance": {"rel-storage": lines}}
    assert (
        relational(home, own).relstorages
        == relational(home, {"relstorage": {"dsn": DSN, "keep-history": "false"}}).relstorages
    )


def test_instances_include_the_file_and_their_parts_know_no_secret(home: Path) -> None:
    own = {"instance": {"rel-storage": f"dsn {DSN}", "eggs": "Zope\npsycopg2"}}
    found = describe.described(home, {"storage": "relstorage", "share-memory": "on"}, own)
    made = parts(found.stack, found.overrides)
    assert "ecret" not in str(made)
    assert "zeo" not in made
    for name in ("instance1", "loader"):
        assert made[name]["storage-wrapper"] % "nothing" == (
            f"%include {home}/parts/stack-files/database.conf\n"
        )
        assert made[name]["eggs"].split() == ["Zope", "psycopg2", "RelStorage", "zopestack"]
    assert made[PACK]["scripts"].split() == ["zodbpack", "zodbconvert"]
    # What opens the database has the driver.
    assert made[BACKUPS]["scripts"].split() == ["backup", "restore", "run-schedule", "pack"]
    assert made[BACKUPS]["eggs"] == made["instance1"]["eggs"]
    assert "run-zeo" not in made["stack-guards"]["scripts"]


def test_a_wrapper_of_the_users_stays_around_it(home: Path) -> None:
    wrapper = "%%import zc.zlibstorage\n<zlibstorage>\n%s\n</zlibstorage>"
    own = {"relstorage": {"dsn": DSN}, "instance": {"storage-wrapper": wrapper}}
    found = describe.described(home, {"storage": "relstorage"}, own)
    text = parts(found.stack, found.overrides)["instance1"]["storage-wrapper"] % "nothing"
    assert text.startswith("%import zc.zlibstorage\n<zlibstorage>\n%include /")


def test_the_file_has_what_zconfig_would_take_for_its_own(home: Path) -> None:
    stack = relational(home)
    text = render(stack)[stack.database_conf]
    assert "dsn dbname='zope' password='it's $$ecret'" in text
    assert stack_file.load(written(stack)) == stack
    others = [t for path, t in render(stack).items() if path not in stack.private]
    assert not [text for text in others if "ecret" in text]


def written(stack: Stack) -> Path:
    stack.stack_file.parent.mkdir(parents=True)
    stack.stack_file.write_text(stack_file.dumps(stack), encoding="utf-8")
    return stack.stack_file


def test_a_stack_with_zeo_has_no_such_file(home: Path) -> None:
    stack = describe.read(home)
    assert stack.database_conf not in render(stack)


def test_another_password_restarts_the_instances(home: Path) -> None:
    one, other = (
        digests(stack, {"instance1": {}}, {}, {}, {stack.database_conf: text})
        for stack, text in ((relational(home), "a"), (relational(home), "b"))
    )
    assert one["instance1"] != other["instance1"]
    assert one["haproxy-reload"] == other["haproxy-reload"]


@pytest.mark.parametrize("made", [relational, external])
def test_there_is_no_server_of_this_stack(home: Path, made: type) -> None:
    stack = made(home)
    assert "zeo" not in {each.name for each in programs(stack, {})}
    assert "zeo" not in stack.programs
    assert "zeo" not in {each.process for each in stack.listeners()}


def test_an_external_server_has_the_blobs(home: Path) -> None:
    found = describe.described(home, {"storage": "external", "zeo-address": "192.0.2.1:8100"})
    made = parts(found.stack, found.overrides)["instance1"]
    assert made["zeo-address"] == "192.0.2.1:8100"
    assert made["shared-blob"] == "off"
    assert made["blob-storage"] == str(home / "var/blobcache")
    assert made["storage-wrapper"] % "<zeoclient>\n</zeoclient>" == (
        f"%import zopestack.initial\n<set-up-once>\n  user admin\n"
        f"  password-file {home}/var/admin-password\n  lock {home}/var/initial.lock\n"
        "<zeoclient>\n</zeoclient>\n</set-up-once>"
    )


def test_its_other_databases_are_set_up_once_too(home: Path) -> None:
    options = {"storage": "external", "zeo-address": "zeo:8100", "databases": "other = /other"}
    found = describe.described(home, options)
    conf = parts(found.stack, found.overrides)["instance1"]["zope-conf-additional"]
    assert "<set-up-once>" in conf
    assert "user" not in conf.partition("<zodb_db other>")[2].partition("<zeoclient>")[0]
    assert "shared-blob-dir off" in conf
    assert "server zeo:8100" in conf


def with_tls(stack: Stack, **more: object) -> Stack:
    """The same, as if the files were there."""
    files = {"zeo_certificate": Path("/tls/own.pem"), "zeo_authenticate": Path("/tls/ca.pem")}
    return replace(stack, storage=replace(stack.storage, **{**files, **more}))


def test_with_tls_zope_conf_has_zeos_own_section(home: Path) -> None:
    own = {"zeo-client-cache-size": "9MB", "zeo-client-client": "x", "min-disconnect-poll": "3"}
    found = describe.described(
        home, {"storage": "external", "zeo-address": "zeo:1"}, {"instance": own}
    )
    more = {"zeo_server_hostname": "zeo.example.com", "zeo_check_hostname": False}
    made = parts(with_tls(found.stack, **more), found.overrides)["instance1"]
    assert made["zeo-client"] == "on"
    section = f"""%import ZEO
<clientstorage>
  server zeo:1
  storage 1
  name zeostorage
  blob-dir {home}/var/blobcache
  shared-blob-dir off
  cache-size 9MB
  cache-path $(ZEO_TMP)/x-1.zec
  <ssl>
    certificate /tls/own.pem
    authenticate /tls/ca.pem
    check-hostname off
    server-hostname zeo.example.com
  </ssl>
</clientstorage>
"""
    text = made["storage-wrapper"] % "<zeoclient>\n</zeoclient>"
    assert f"  lock {home}/var/initial.lock\n{section}\n</set-up-once>" in text
    assert "zeoclient" not in text


def test_with_tls_a_wrapper_of_the_users_stays_around_it(home: Path) -> None:
    wrapper = "%%import zc.zlibstorage\n<zlibstorage>\n%s\n</zlibstorage>"
    found = describe.described(home, {}, {"instance": {"storage-wrapper": wrapper}})
    text = parts(with_tls(found.stack), found.overrides)["instance1"]["storage-wrapper"] % "no"
    start = "%import zc.zlibstorage\n<zlibstorage>\n%import ZEO\n<clientstorage>\n  server 127"
    assert text.startswith(start)
    assert text.endswith("</clientstorage>\n\n</zlibstorage>")


def test_a_server_of_the_stack_shows_and_asks_for_certificates(home: Path) -> None:
    found = describe.described(home, {"databases": "other = /other"}, {"zeo": {"read-only": "on"}})
    made = parts(with_tls(found.stack, zeo_key=Path("/tls/own.key")), found.overrides)
    assert made["zeo"]["read-only"].split("\n") == [
        "on",
        "  <ssl>",
        "    certificate /tls/own.pem",
        "    key /tls/own.key",
        "    authenticate /tls/ca.pem",
        "  </ssl>",
    ]
    assert made["instance1"]["zope-conf-additional"].count("<clientstorage>") == 1
    assert "shared-blob-dir on" in made["instance1"]["zope-conf-additional"]


def test_without_tls_nothing_changes(home: Path) -> None:
    found = describe.described(home)
    made = parts(found.stack, found.overrides)
    assert "read-only" not in made["zeo"]
    assert "storage-wrapper" not in made["instance1"]


def test_another_certificate_restarts_zeo_and_the_instances(home: Path) -> None:
    stack = with_tls(
        describe.read(home), zeo_certificate=home / "own.pem", zeo_authenticate=home / "cas"
    )
    (home / "cas").mkdir()
    seen = set()
    for name, text in (("own.pem", "a"), ("own.pem", "b"), ("cas/0a.0", "c"), ("cas/0b.0", "c")):
        (home / name).write_text(text)
        found = digests(stack, {"instance1": {"a": "b"}, "zeo": {}}, {}, {})
        seen |= {found["instance1"], found["zeo"]}
    assert len(seen) == 8


def test_nothing_else_stands_in_its_place(home: Path) -> None:
    for option in ("demo-storage", "before-storage"):
        found = describe.described(home, {}, {"instance2": {option: "on"}})
        with pytest.raises(UserError, match=rf"\[instance2\] {option} = on\n.*storage-wrapper"):
            zeo.check(with_tls(found.stack), found.overrides, found.written)


def test_shared_blobs_are_the_servers(home: Path) -> None:
    for name in ("blobs", "blobs-other"):
        (home / name).mkdir()
        (home / name / ".layout").touch()
    options = {"shared-blob": "on", "blob-storage": "blobs", "databases": "other = /other"}
    found = describe.described(home, {"storage": "external", "zeo-address": "zeo:1", **options})
    made = parts(found.stack, found.overrides)["instance1"]
    assert (made["shared-blob"], made["blob-storage"]) == ("on", str(home / "blobs"))
    assert f"blob-dir {home}/blobs-other\n  shared-blob-dir on" in made["zope-conf-additional"]
    (home / "blobs-other/.layout").unlink()
    said = refused(home, {"storage": "external", "zeo-address": "zeo:1", **options})
    assert f"but {home}/blobs-other/.layout, which ZEO makes in it, is not there" in said


def test_copies_of_blobs_may_be_elsewhere(home: Path) -> None:
    found = describe.described(home, {"storage": "external", "blob-storage": "cache"})
    made = parts(found.stack, found.overrides)["instance1"]
    assert (made["shared-blob"], made["blob-storage"]) == ("off", str(home / "cache"))


@pytest.mark.parametrize(
    ("options", "sections", "says"),
    [
        (
            {"storage": "relstorage"},
            {},
            "[stack] storage = relstorage\n  is not accepted without [relstorage]: expected a sect",
        ),
        (
            {},
            {"relstorage": {"dsn": SECRET}},
            "[relstorage]\n  has no effect with [stack] storage = zeo; delete the section, or set "
            "[stack] storage = relstorage.",
        ),
        (
            {"storage": "external"},
            {"zeo": {"pack-days": "7"}},
            "[zeo]\n  has no effect with [stack] storage = external",
        ),
        (
            {"storage": "relstorage"},
            {"relstorage": {"dsn": DSN}, "instance": {"zeo-client-cache-size": "1MB"}},
            "[instance] zeo-client-cache-size\n  has no effect with [stack] storage = relstorage",
        ),
        (
            {},
            {"instance": {"rel-storage": f"dsn {SECRET}"}},
            "[instance] rel-storage\n  is not accepted: with [stack] storage = relstorage, write",
        ),
        (
            {},
            {"instance": {"zeo-username": "me", "zeo-password": SECRET, "zeo-realm": "ZEO"}},
            "[instance] zeo-username = me\n  has no effect; ZEO has no passwords since version 5. "
            "Set [stack] zeo-certificate.\n[instance] zeo-password = ...\n  has no effect",
        ),
        (
            {"storage": "relstorage"},
            {"relstorage": {"dsn": DSN}, "instance1": {"rel-storage": f"dsn {SECRET}"}},
            "[instance1] rel-storage\n  is not accepted",
        ),
        (
            {"storage": "relstorage"},
            {"relstorage": {"dsn": f"{SECRET}\n<oracle>"}},
            "[relstorage] dsn\n  is not accepted: expected one line.",
        ),
        (
            {"storage": "external", "zeo-address": "zeo:8100", "backup": "daily keep 3"},
            {},
            "[stack] backup = daily keep 3\n  is not accepted: expected nothing with storage = "
            "external, whose tools do that",
        ),
        (
            {"storage": "relstorage", "backup": "daily keep 3"},
            {"relstorage": {"type": "oracle", "user": "zope", "dsn": DSN}},
            "[stack] backup = daily keep 3\n  is not accepted: expected nothing with a database in "
            "oracle, whose tools do that",
        ),
    ],
)
def test_what_is_not_in_use_is_refused_and_no_secret_shown(
    home: Path, options: dict[str, str], sections: Sections, says: str
) -> None:
    message = refused(home, options, sections)
    assert message.startswith(says)
    assert "ecret" not in message


def test_a_part_of_that_name_is_the_users_own(home: Path) -> None:
    assert describe.read(home, {}, {"relstorage": {"recipe": "zc.recipe.egg"}})
