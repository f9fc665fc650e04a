"""Other parts: what stays, what goes, and what they refer to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.adopting import INSTANCE, adopt, notes
from zopestack.adopt import recipes
from zopestack.adopt.notes import Fate
from zopestack.adopt.original import Unreadable
from zopestack.model import OPTIONS


@pytest.mark.parametrize("option", sorted(OPTIONS)[:2])
def test_a_part_goes_when_an_option_does_its_work(
    home: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    text = f"[buildout]\nparts = instance nightly\n{INSTANCE}[nightly]\nrecipe = nightly.recipe\n"
    assert "nightly" in notes(adopt(home, text), Fate.STAYS)
    monkeypatch.setitem(recipes.BY_OPTION, "nightly.recipe", option)
    found = adopt(home, text)
    said = notes(found, Fate.MISSING)["nightly"]
    assert said == f"option {option} of [stack] does this: set it"
    assert "nightly" not in found.sections["buildout"]["parts"].split()


def test_a_section_takes_from_what_instances_have_in_common(home: Path) -> None:
    base = "recipe = plone.recipe.zope2instance\neggs = Zope\n"
    found = adopt(
        home,
        f"[buildout]\nparts = one two py\n[one]\n{base}[two]\n{base}"
        "[py]\n<=\n    one\n    more\nrecipe = zc.recipe.egg\n[more]\ninterpreter = py\n",
    )
    assert found.sections["py"]["<"].split() == ["instance", "more"]
    assert not any("refuse" in why for why in notes(found, Fate.MISSING).values())


@pytest.mark.parametrize(("name", "fate"), [("zeo", Fate.MISSING), ("repozo", Fate.STAYS)])
def test_a_part_of_the_name_of_one_of_the_stacks_is_named(
    home: Path, name: str, fate: Fate
) -> None:
    found = adopt(
        home,
        f"[buildout]\nparts = instance {name}\n{INSTANCE}"
        f"[{name}]\nrecipe = zc.recipe.egg\neggs = ZODB\n",
    )
    assert name in notes(found, fate)


def test_a_reference_to_what_goes_is_named(home: Path) -> None:
    found = adopt(
        home,
        f"[buildout]\nparts = instance conf x\n{INSTANCE}"
        "[conf]\nrecipe = collective.recipe.template\noutput = etc/haproxy.cfg\n"
        "[x]\nrecipe = zc.recipe.egg\neggs = ${conf:output}\nmine = ${instance:location}\n",
    )
    said = {what: why for what, why in notes(found, Fate.MISSING).items() if "refers" in why}
    assert said == {"x eggs": "it refers to [conf], which goes"}


def test_scripts_in_bin_are_called_by_their_new_names(home: Path) -> None:
    found = adopt(
        home,
        "[buildout]\nparts = zc1 cron\n[zc1]\nrecipe = plone.recipe.zope2instance\n"
        "[cron]\nrecipe = z3c.recipe.usercrontab\n"
        "command = ${buildout:bin-directory}/zc1 run x.py; ${buildout:directory}/bin/zc1.sh\n",
    )
    assert found.sections["cron"]["command"] == (
        "${buildout:bin-directory}/instance1 run x.py; ${buildout:directory}/bin/zc1.sh"
    )


def test_an_option_that_two_files_add_to_is_whole(home: Path) -> None:
    (home / "base.cfg").write_text(f"[buildout]\nparts = instance\n{INSTANCE}[more]\nlist = one\n")
    (home / "sub").mkdir()
    (home / "more.cfg").write_text("[more]\nlist += two\nother = three\n")
    found = adopt(home, "[buildout]\nextends =\n    base.cfg\n    sub/../more.cfg\n")
    assert found.sections["buildout"]["extends"].split() == ["more.cfg"]
    assert found.sections["more"] == {"list": "one\ntwo"}


def texts() -> Iterator[tuple[str, str]]:
    yield "[buildout]\nparts =\n", "has no part with recipe = plone.recipe.zope2instance"
    yield f"[buildout]\nparts = instance\n{INSTANCE}[stack]\n", "has a section [stack]"
    yield "[buildout]\nparts = instance\nextends = nowhere.cfg\n", "nowhere.cfg"
    yield "[buildout]\nextends = buildout.cfg\n", "Recursive file include"
    yield "parts = instance\n", "no section headers"
    yield "[buildout]\nversions = pins\n", "no section [pins]"
    yield f"[buildout]\nparts = instance\n{INSTANCE}<= nowhere\n", "No section named 'nowhere'"
    yield "[buildout]\nextends = http://127.0.0.1:9/base.cfg\n", "http://127.0.0.1:9/base.cfg"


@pytest.mark.parametrize(("text", "says"), list(texts()))
def test_what_cannot_be_adopted_is_one_sentence(home: Path, text: str, says: str) -> None:
    with pytest.raises(Unreadable) as refused:
        adopt(home, text)
    assert str(refused.value).startswith((str(home), f"[instance] of {home}"))
    assert says in str(refused.value)
