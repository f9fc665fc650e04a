"""Where the data is, and what a stack would not find."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.adopting import INSTANCE, ZEO, adopt, example, notes, stack
from zopestack.adopt.notes import Fate
from zopestack.config.overrides import ALIASES
from zopestack.features.option import Option
from zopestack.model import OPTIONS


def test_a_database_that_is_not_zeo_is_not_lost_in_silence() -> None:
    found = example("desk")
    if "storage" in OPTIONS:
        assert stack(found)["storage"] == "relstorage"
        assert "rel-storage" in found.sections["instance"]
    else:
        assert "zodbconvert" in notes(found, Fate.MISSING)["instance rel-storage"]


def test_a_database_that_an_option_knows_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPTIONS, "storage", Option("storage", str, "zeo", "What keeps the data."))
    found = adopt(
        home, f"[buildout]\nparts = instance\n{INSTANCE}rel-storage =\n    type sqlite3\n"
    )
    assert stack(found)["storage"] == "relstorage"
    assert found.sections["instance"] == {"rel-storage": "type sqlite3"}


@pytest.mark.parametrize(
    ("options", "var", "missing"),
    [
        ("", "", set()),
        ("var = data\n", "data", set()),
        ("file-storage = data/filestorage/Data.fs\n", "data", set()),
        ("file-storage = data/filestorage/Main.fs\n", "data", {"zeoserver file-storage"}),
        ("blob-storage = /mnt/blobs\n", "", {"zeoserver blob-storage"}),
        ("zeo-address = 192.0.2.1:8100\n", "", {"zeoserver zeo-address"}),
    ],
)
def test_data_that_a_stack_would_not_find_is_named(
    home: Path, options: str, var: str, missing: set[str]
) -> None:
    found = adopt(home, f"[buildout]\nparts = zeoserver instance\n{INSTANCE}{ZEO}{options}")
    assert stack(found).get("var", "") == var
    said = {what.rpartition(" /")[0] or what for what in notes(found, Fate.MISSING)}
    said = {" ".join(what.split()[:2]) for what in said}
    assert said - {"instance http-address", "instance"} == missing


def test_databases_beside_the_main_one_are_mounted_where_they_were() -> None:
    found = example("agency")
    lines = [line for line in found.sections["stack"]["databases"].splitlines() if line]
    assert lines == ["archive = /archive", "intranet = /staff"]
    assert "filestorage" in notes(found, Fate.BECOMES)
    assert not {"filestorage", "filestorage_intranet"} & found.sections.keys()
    assert not any("move it" in why for why in notes(found, Fate.MISSING).values())


@pytest.mark.parametrize(
    ("options", "line", "moved"),
    [
        ("", "a = /a", {"filestorage"}),  # the recipe gives it a directory of its own
        ("location = var/filestorage/a.fs\n", "a = /a", set()),
        ("location = /mnt/a.fs\nblob-storage = /mnt/a\n", "a = /a", {"filestorage"}),
        ("location = var/filestorage/b.fs\nzodb-name = b\n", "b = /a", set()),
    ],
)
def test_a_database_in_another_place_is_named(
    home: Path, options: str, line: str, moved: set[str]
) -> None:
    found = adopt(
        home,
        f"[buildout]\nparts = filestorage zeoserver instance\n{INSTANCE}{ZEO}"
        f"[filestorage]\nrecipe = collective.recipe.filestorage\nparts = a\n{options}",
    )
    assert stack(found)["databases"] == line
    missing = notes(found, Fate.MISSING)
    assert {what.split()[0] for what, why in missing.items() if "move it" in why} == moved


def test_a_zeo_of_another_name_is_zeo(home: Path) -> None:
    text = ZEO.replace("zeoserver]", "database]")
    found = adopt(
        home,
        f"[buildout]\nparts = database instance x\n{INSTANCE}{text}pack-days = 3\n"
        "[x]\nrecipe = zc.recipe.egg\neggs = ${database:location}\n",
    )
    assert found.sections["zeo"] == {"pack-days": "3"}
    assert found.sections["x"]["eggs"] == "${zeo:location}"
    assert "zeo" not in ALIASES
