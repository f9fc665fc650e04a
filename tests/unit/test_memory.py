"""Which instances share memory, and what that makes of the programs and parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from plone.recipe.zope2instance import recipe
from zc.buildout import UserError

from tests.support import describe
from zopestack.buildout.parts import parts
from zopestack.config.overrides import UNKNOWN_TO_RECIPE
from zopestack.features import memory
from zopestack.loader import client
from zopestack.model import Stack
from zopestack.render.files import render
from zopestack.render.program import Program
from zopestack.render.programs import programs
from zopestack.supervisor import loaders

Sections = dict[str, dict[str, str]]


def shared(home: Path, sections: Sections | None = None, **options: str) -> Stack:
    given = {"instances": "2", "share-memory": "on", **options}
    return describe.read(home, given, sections)


def made(stack: Stack) -> dict[str, Program]:
    return {each.name: each for each in programs(stack, {})}


def test_off_leaves_no_trace(home: Path) -> None:
    stack = describe.read(home, {"instances": "2"})
    assert memory.LOADER not in made(stack)
    texts = [text for path, text in render(stack).items() if path != stack.stack_file]
    assert not [text for text in texts if "loader" in text]
    assert not {*map(stack.loader_socket, memory.LOADERS)} & {*stack.sockets}


def test_the_loader_starts_between_zeo_and_the_instances(home: Path) -> None:
    found = made(shared(home))
    assert [*found][:5] == ["zeo", "loader", "loader-2", "instance1", "instance2"]
    assert found["zeo"].priority < found["loader"].priority < found["instance1"].priority


def test_one_loader_starts_and_both_change_with_their_part(home: Path) -> None:
    stack = shared(home)
    first, second = (
        each for each in programs(stack, {"loader": "digest"}) if each.name in memory.LOADERS
    )
    assert (first.autostart, second.autostart) == (True, False)
    assert first.digest == second.digest == "digest"
    assert first.command.replace("loader.sock", "loader-2.sock") == second.command


def test_an_instance_asks_for_a_fork_and_knows_how_to_start_alone(home: Path) -> None:
    stack = shared(home)
    words = made(stack)["instance2"].command.split()
    assert words[:2] == [str(stack.fork_client), str(stack.forks_socket)]
    assert words[3:] == [
        f"{home}/parts/instance2/etc/wsgi.ini",
        f"{home}/bin/instance2",
        "console",
    ]


@pytest.mark.parametrize(
    ("sections", "why"),
    [
        ({"instance2": {"zcml": "five"}}, "other zcml"),
        ({"instance2": {"eggs": "Zope\nOther", "zcml": "five"}}, "other eggs, zcml"),
        ({"instance2": {"environment-vars": "A b"}}, "other environment-vars"),
        ({"instance": {"zcml": "five"}, "instance2": {"zcml": "six"}}, "other zcml"),
        ({"instance": {"zcml": "five"}, "instance2": {"zcml": "five"}}, ""),
        ({"instance": {"zcml": "five"}}, ""),
        ({"instance2": {"threads": "2", "zodb-cache-size": "7"}}, ""),
        ({"instance": {"wsgi": "own.ini"}}, "other wsgi"),
        ({"instance": {"wsgi": "on"}}, ""),
        ({}, ""),
    ],
)
def test_what_differs_before_the_fork_starts_alone(
    home: Path, sections: Sections, why: str
) -> None:
    stack = shared(home, sections)
    assert stack.instances[1].alone == why
    assert stack.forked(stack.instances[1]) is (not why)
    alone = f"{home}/bin/instance2 console"
    assert (made(stack)["instance2"].command == alone) is bool(why)


def test_zope_is_loaded_with_what_the_instances_have_in_common(home: Path) -> None:
    given = {"instances": "2", "share-memory": "on"}
    sections = {"instance": {"zcml": "five"}, "instance1": {"zodb-cache-size": "7"}}
    found = describe.described(home, given, sections)
    all_parts = parts(found.stack, found.overrides)
    assert [*all_parts].index("loader") < [*all_parts].index("instance1")
    assert all_parts["loader"]["zcml"] == "five"
    assert "zodb-cache-size" not in all_parts["loader"]
    assert all_parts["loader"]["zeo-address"] == all_parts["instance1"]["zeo-address"]


def test_options_that_a_fork_reads_are_the_recipes_or_ours() -> None:
    text = Path(recipe.__file__).read_text(encoding="utf-8")
    assert [n for n in memory.OWN if f'"{n}"' not in text and n not in UNKNOWN_TO_RECIPE] == []


def test_a_path_too_long_for_the_socket_is_refused(home: Path) -> None:
    # With room for the socket of HAProxy, but not for the loader's.
    room = 87 - len(f"{home}//peers.sock")
    with pytest.raises(UserError, match="a shorter path: the unix socket"):
        shared(home, var="v" * (room + 5))


def test_client_and_supervisor_name_the_refusal_alike(home: Path) -> None:
    stack = shared(home)
    for name in memory.LOADERS:
        refused = f"{stack.loader_socket(name)}{client.REFUSAL}"
        assert str(loaders._refusal(stack, name)) == refused
