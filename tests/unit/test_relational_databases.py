"""Databases beside the main one in a stack whose databases are relational."""

from __future__ import annotations

from pathlib import Path

import pytest
from zc.buildout import UserError

from tests.support import describe
from zopestack.buildout.parts import parts
from zopestack.features import dsn
from zopestack.features.relstorage import Relstorage
from zopestack.model import Stack
from zopestack.render.files import render

Sections = dict[str, dict[str, str]]

TWO = "intranet = /intranet\narchive = /a/b.c~d"

SECRET = "it's $ecret"
MAIN = {"dsn": f"host=db dbname=zope user=z password='{SECRET}'".replace("it's", r"it\'s")}
PARTS = {"host": "db", "dbname": "zope", "user": "z", "password": SECRET}


def read(home: Path, sections: Sections, databases: str = "intranet = /intranet") -> Stack:
    return describe.read(home, {"storage": "relstorage", "databases": databases}, sections)


def second(home: Path, sections: Sections) -> Relstorage:
    return read(home, sections).relstorages[1]


def refused(home: Path, sections: Sections, **options: str) -> str:
    given = {"storage": "relstorage", "databases": "intranet = /intranet", **options}
    with pytest.raises(UserError) as caught:
        describe.read(home, given, sections)
    assert "ecret" not in str(caught.value)
    return str(caught.value)


def test_sqlite_needs_no_other_section(home: Path) -> None:
    stack = read(home, {"relstorage": {"type": "sqlite3", "cache-prefix": "x"}}, TWO)
    assert [(each.name, each.place) for each in stack.relstorages] == [
        ("main", f"sqlite3 data-dir={home}/var/relstorage"),
        ("intranet", f"sqlite3 data-dir={home}/var/relstorage-intranet"),
        ("archive", f"sqlite3 data-dir={home}/var/relstorage-archive"),
    ]
    assert [dict(each.generic) for each in stack.relstorages[:2]] == [
        {
            "blob-dir": f"{home}/var/blobstorage",
            "shared-blob-dir": "true",
            "cache-prefix": "x",
        },
        {
            "blob-dir": f"{home}/var/blobstorage-intranet",
            "shared-blob-dir": "true",
            "cache-prefix": "x-intranet",
        },
    ]


def test_directories_of_the_users_are_not_shared(home: Path) -> None:
    own = {"type": "sqlite3", "data-dir": "d", "blob-dir": "b", "cache-local-dir": "c"}
    found = second(home, {"relstorage": own})
    assert set(found.directories) == {
        f"{home}/d-intranet",
        f"{home}/b-intranet",
        f"{home}/c-intranet",
    }


@pytest.mark.parametrize(
    ("main", "own", "place"),
    [
        (MAIN, {"dbname": "two"}, "postgresql host=db port=5432 dbname=two"),
        (MAIN, {"dsn": "dbname=two"}, "postgresql port=5432 dbname=two"),
        (PARTS, {"dbname": "two"}, "postgresql host=db port=5432 dbname=two"),
        (PARTS, {"dsn": "dbname=two"}, "postgresql port=5432 dbname=two"),
        (MAIN, {"type": "sqlite3"}, "sqlite3 data-dir={home}/var/relstorage-intranet"),
        ({"type": "mysql", "db": "one"}, {"db": "two"}, "mysql db=two"),
    ],
)
def test_what_it_says_itself_comes_first(
    home: Path, main: dict[str, str], own: dict[str, str], place: str
) -> None:
    given = {"relstorage": {**main, "keep-history": "false"}, "relstorage-intranet": own}
    found = second(home, given)
    assert found.place == place.format(home=home)
    assert dict(found.generic)["keep-history"] == "false"
    blobs = "blobstorage" if "type" in own else "blobcache"
    assert dict(found.generic)["blob-dir"] == f"{home}/var/{blobs}-intranet"
    if "dbname" in own:
        (text,) = (text for name, text in found.specific if name == "dsn")
        assert r"it\'s $ecret" in text


def test_every_instance_includes_each(home: Path) -> None:
    given = {"relstorage": MAIN, "relstorage-intranet": {"dbname": "two"}}
    options = {"storage": "relstorage", "databases": "intranet = /intranet", "instances": "2"}
    found = describe.described(home, options, given)
    made = parts(found.stack, found.overrides)
    assert "ecret" not in str(made)
    lines = [line.strip() for line in made["instance2"]["zope-conf-additional"].splitlines()]
    start = lines.index("<zodb_db intranet>")
    assert lines[start + 2 : start + 5] == [
        f"%include {home}/parts/stack-files/database-intranet.conf",
        "mount-point /intranet",
        "</zodb_db>",
    ]
    assert "Products.ZODBMountPoint" in made["instance2"]["eggs"].split()


def test_only_the_main_one_has_an_administrator(home: Path) -> None:
    stack = read(home, {"relstorage": MAIN, "relstorage-intranet": {"dbname": "two"}})
    texts = render(stack)
    main, other = (texts[stack.database_conf_of(each.name)] for each in stack.relstorages)
    assert "  user admin\n" in main
    assert "  user" not in other
    assert "dbname='two'" in other
    assert {path for path, text in texts.items() if "ecret" in text} <= {*stack.private}


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        (
            {"relstorage": MAIN},
            "[relstorage-intranet]\n  is not accepted: expected another database than that of "
            "[relstorage], such as dbname = intranet.",
        ),
        (
            {"relstorage": {"type": "mysql", "db": "one"}},
            "[relstorage-intranet]\n  is not accepted: expected another database than that of "
            "[relstorage], such as db = intranet.",
        ),
        (
            {"relstorage": PARTS, "relstorage-intranet": {"dsn": "postgresql://x:$ecret@db/zope"}},
            "[relstorage-intranet]\n  is not accepted: expected another database",
        ),
        (
            {
                "relstorage": {"dsn": "postgresql://z:$ecret@db/zope"},
                "relstorage-intranet": {"dbname": "two"},
            },
            "[relstorage-intranet] dbname\n  is not accepted beside the dsn of [relstorage]: "
            "expected a dsn that is no URL there, or one here.",
        ),
        (
            {"relstorage": MAIN, "relstorage-intranet": {"dsn": "dbname=two\n<oracle> $ecret"}},
            "[relstorage-intranet] dsn\n  is not accepted: expected one line.",
        ),
        (
            {"relstorage": {"type": "sqlite3"}, "relstorage-archive": {"data-dir": "x"}},
            "[relstorage-archive]\n  has no effect: [stack] databases has no archive; delete the "
            "section, or add a line such as archive = /archive.",
        ),
    ],
)
def test_what_is_refused(home: Path, sections: Sections, says: str) -> None:
    assert refused(home, sections).startswith(says)


def test_without_relstorage_such_a_section_is_refused(home: Path) -> None:
    said = refused(home, {"relstorage-intranet": {"dsn": SECRET}}, storage="zeo")
    assert said.startswith("[relstorage-intranet]\n  has no effect with [stack] storage = zeo")
    assert describe.read(home, {}, {"relstorage-x": {"recipe": "zc.recipe.egg"}})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", {"port": "5432"}),
        ("user=z", {"port": "5432", "dbname": "z"}),
        ("dbname = 'a b' password='x dbname=y'", {"port": "5432", "dbname": "a b"}),
        (r"dbname='it\'s' host=h port=1", {"host": "h", "port": "1", "dbname": "it's"}),
        ("dbname=a dbname=b", {"port": "5432", "dbname": "b"}),
        ("service=x options='-c a=b'", {"service": "x", "port": "5432", "options": "-c a=b"}),
        ("postgresql://u:p@h:1/d?sslmode=off", {"host": "h", "port": "1", "dbname": "d"}),
        ("postgres://u@[::1]/", {"host": "[::1]", "port": "5432", "dbname": "u"}),
        ("postgresql:///d?host=/tmp", {"host": "/tmp", "port": "5432", "dbname": "d"}),
    ],
)
def test_which_database_a_connection_string_leads_to(text: str, place: dict[str, str]) -> None:
    assert dsn.place(text) == place
