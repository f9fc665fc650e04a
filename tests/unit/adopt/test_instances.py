"""Which instances are behind HAProxy, what they are called, and what each takes over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.adopting import INSTANCE, RECIPE, adopt, notes, stack
from zopestack.adopt import instances, recipes
from zopestack.adopt.notes import Fate
from zopestack.config.overrides import ADDRESSES, DERIVED, USELESS
from zopestack.model import OPTIONS

#: Options that are taken over in another form, which other tests show.
TAKEN_OVER = {"recipe", *ADDRESSES, instances.OLD_THREADS, "user", "var"}


@pytest.mark.parametrize("option", sorted({*DERIVED, *USELESS} - TAKEN_OVER))
def test_what_bin_buildout_refuses_is_left_out_with_its_remedy(home: Path, option: str) -> None:
    found = adopt(home, f"[buildout]\nparts = instance\n{INSTANCE}{option} = on\n")
    written = [section for name, section in found.sections.items() if name != "stack"]
    assert not any(option in section for section in written)
    said = notes(found, Fate.GOES) | notes(found, Fate.MISSING)
    assert said[f"instance {option}"] in (
        {**DERIVED, **USELESS}[option],
        instances.LOST.get(option),
    )


def test_the_tables_name_what_there_is() -> None:
    known = {*DERIVED, *instances.WITH}
    assert {*instances.LOST, *instances.ONCE, instances.OLD_THREADS} - {"threads"} <= known
    known = {recipes.INSTANCE, *recipes.ZEO, recipes.SUPERVISOR}
    assert not known & {*recipes.INSTEAD, *recipes.BY_OPTION, *recipes.WITHOUT_EQUIVALENT}


def test_haproxy_says_who_is_balanced_even_by_port_alone(home: Path) -> None:
    (home / "haproxy.in").write_text("listen site\n bind *:80\n server a 10.0.0.1:${ports:b}\n")
    found = adopt(
        home,
        "[buildout]\nparts = one other conf\n[ports]\na = 8001\nb = 8002\n"
        "[one]\nrecipe = plone.recipe.zope2instance\nhttp-address = ${ports:a}\n"
        "[other]\n<= one\nhttp-address = ${ports:b}\n"
        "[conf]\nrecipe = collective.recipe.template\ninput = haproxy.in\noutput = haproxy.cfg\n",
    )
    assert stack(found)["instances"] == "1"
    assert stack(found)["extra-instances"] == "one"
    assert stack(found)["http-address"] == "*:80"
    assert notes(found, Fate.BECOMES)["other"] == "[instance1], behind HAProxy: [conf] names it"


def test_an_instance_of_the_same_number_is_one_of_them_though_it_has_more(home: Path) -> None:
    """Such as the first one, which a clock server visits."""
    found = adopt(
        home,
        f"[buildout]\nparts = client1 client2 client3\n[client1]\n{RECIPE}zcml = clock\n"
        f"[client2]\n{RECIPE}[client3]\n{RECIPE}",
    )
    assert stack(found) == {"recipe": "zopestack", "instances": "3"}
    assert found.sections["instance1"] == {"zcml": "clock"}


def test_what_an_extra_instance_has_not_is_not_inherited(home: Path) -> None:
    found = adopt(
        home,
        f"[buildout]\nparts = a b worker\n[a]\n{RECIPE}zcml = site\n[b]\n{RECIPE}zcml = site\n"
        f"[worker]\n{RECIPE}http-address = 8099\n",
    )
    assert found.sections["worker"] == {"zcml": "", "http-address": "8099"}


@pytest.mark.parametrize("name", ["Worker", "instance0", "zeo", "1st", "w" * 40, "my.worker"])
def test_an_instance_gets_a_name_that_a_stack_can_have(home: Path, name: str) -> None:
    found = adopt(
        home,
        f"[buildout]\nparts = a b {name}\n[a]\n{RECIPE}[b]\n{RECIPE}"
        f"[{name}]\n{RECIPE}zcml = work\n",
    )
    OPTIONS["extra-instances"].parse(stack(found)["extra-instances"])


def test_what_would_collide_is_said_before_bin_buildout_says_it(home: Path) -> None:
    found = adopt(
        home,
        f"[buildout]\nparts = a b c\n[a]\n{RECIPE}[b]\n{RECIPE}"
        f"[c]\n{RECIPE}zcml = x\nhttp-address = 8080\n",
    )
    (why,) = (w for w in notes(found, Fate.MISSING).values() if "refuse" in w)
    assert "collide" in why
