"""The storages that a stack has had, as bin/buildout notes them."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.support import describe
from zopestack.buildout.parts import parts
from zopestack.buildout.storages import COPY
from zopestack.buildout.whereabouts import databases
from zopestack.copying import known
from zopestack.copying.known import Known
from zopestack.render.files import storages


def described(home: Path, **options: str) -> str:
    """What bin/buildout notes of a stack with these options of [stack], and of [relstorage]."""
    sections = {}
    if options.get("storage") == "relstorage":
        sections = {"relstorage": {"dsn": f"dbname={options.pop('dbname')} password=$ecret"}}
        if "databases" in options:
            sections["relstorage-other"] = {"dbname": "other"}
    texts = {name.replace("_", "-"): text for name, text in options.items()}
    stack = describe.read(home, texts, sections)
    return storages(stack, databases(stack, {}))


def note(home: Path, **options: str) -> Known | None:
    return known.note(home / "storages", described(home, **options))


def test_each_kind_says_where_its_databases_are(home: Path) -> None:
    other = "other = /other"
    assert known.places(described(home, databases=other)) == {
        "main": f"file {home}/var/filestorage/Data.fs",
        "other": f"file {home}/var/filestorage/other.fs",
    }
    external = {"storage": "external", "zeo_address": "zeo:8100", "databases": other}
    assert known.places(described(home, **external)) == {
        "main": "ZEO zeo:8100 storage 1",
        "other": "ZEO zeo:8100 storage other",
    }
    assert known.places(described(home, storage="relstorage", dbname="a", databases=other)) == {
        "main": "postgresql port=5432 dbname=a",
        "other": "postgresql port=5432 dbname=other",
    }


def test_a_storage_of_the_users_is_named_as_he_says(home: Path) -> None:
    stack = describe.read(home, {"storage": "external", "zeo-address": "zeo:8100"})
    (main,) = databases(stack, {"zeo-storage": "plone"})
    assert "  storage plone" in main.lines


def test_only_the_owner_may_read_it(home: Path) -> None:
    note(home, storage="relstorage", dbname="a")
    (found,) = known.found(home / "storages")
    assert "$$ecret" in found.text
    assert stat.S_IMODE(found.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(found.path.parent.stat().st_mode) == 0o700


def test_one_that_is_elsewhere_is_added_and_the_one_before_is_told(home: Path) -> None:
    assert note(home) is None
    assert note(home) is None
    before = note(home, storage="relstorage", dbname="a")
    assert before
    assert before.number == 1
    assert note(home, storage="relstorage", dbname="b")
    every = known.found(home / "storages")
    assert [each.number for each in every] == [1, 2, 3]
    found = known.before(every)
    assert found
    assert found.number == 2


def test_one_that_comes_into_use_again_is_there_once(home: Path) -> None:
    note(home)
    note(home, storage="relstorage", dbname="a")
    note(home)
    every = known.found(home / "storages")
    assert [each.number for each in every] == [2, 3]
    assert "file" in every[-1].places["main"]


def test_another_database_is_no_other_place(home: Path) -> None:
    note(home, storage="relstorage", dbname="a")
    assert note(home, databases="other = /other")
    assert note(home) is None
    found = known.before(known.found(home / "storages"))
    assert found
    assert found.places["main"] == "postgresql port=5432 dbname=a"


def test_another_password_replaces_the_one_before(home: Path) -> None:
    note(home, storage="relstorage", dbname="a")
    text = described(home, storage="relstorage", dbname="a").replace("ecret", "other")
    assert known.note(home / "storages", text) is None
    (found,) = known.found(home / "storages")
    assert "$$other" in found.text


def test_relstorage_is_there_as_long_as_a_storage_needs_it(home: Path) -> None:
    found = describe.described(home)
    for relational in (False, True):
        eggs = parts(found.stack, found.overrides, relational)[COPY]["eggs"].split()
        assert ("RelStorage" in eggs) == relational
        assert {"Zope", "ZEO", "zopestack"} <= {*eggs}
    note(home, storage="relstorage", dbname="a")
    assert any(map(known.relational, known.found(home / "storages")))
    assert not known.relational(Known(1, home, described(home)))
