"""What becomes of the programs that supervisord ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.adopting import RECIPE, adopt, example, notes, stack
from zopestack.adopt.notes import Fate


def test_programs_of_the_stack_go_and_others_are_named() -> None:
    found = example("desk")
    gone, missing = notes(found, Fate.GOES), notes(found, Fate.MISSING)
    for name in ("instance", "instance2", "haproxy"):
        assert gone[f"supervisor programs {name}"] == "supervisord runs it anyway"
    lines = found.sections.get("supervisor", {}).get("programs", "")
    for name in ("memcached", "cache"):
        assert name in lines or f"supervisor programs {name}" in missing


@pytest.mark.parametrize(
    ("arguments", "limit"),
    [
        ("-p a=800MB -p b=800MB", "800MB"),
        ("-p a=800MB -p b=1GB", ""),
        ("-a ${buildout:limit} -m me@example.com", "2GB"),
        ("-a 2000 -m me@example.com", ""),
        ("-p worker=1GB", ""),
        ("-m me@example.com", ""),
    ],
)
def test_memmon_becomes_the_guards_limit(home: Path, arguments: str, limit: str) -> None:
    found = adopt(
        home,
        f"[buildout]\nparts = a b worker supervisor\nlimit = 2GB\n[a]\n{RECIPE}[b]\n{RECIPE}"
        f"[worker]\n{RECIPE}zcml = work\n[supervisor]\nrecipe = collective.recipe.supervisor\n"
        f"eventlisteners = mem TICK_60 bin/memmon [{arguments}]\n",
    )
    assert stack(found).get("memory-limit", "") == limit
    assert "supervisor eventlisteners mem" in notes(found, Fate.GOES)


def test_programs_that_a_stack_does_not_run_are_taken_over_where_it_reads_them(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        f"[buildout]\nparts = zc1 supervisor\n[zc1]\n{RECIPE}[supervisor]\n"
        "recipe = collective.recipe.supervisor\nport = 9001\nplugins = superlance\n"
        "programs =\n    10 zc1 bin/zc1 [console] true\n"
        "    20 redis /usr/bin/redis [${zc1:location}]\n"
        "groups = 30 all redis\n"
    )
    reads = frozenset({"programs", "eventlisteners", "groups", "plugins", "port"})
    monkeypatch.setattr("zopestack.adopt.adopted.READ", reads)
    assert adopt(home, text).sections["supervisor"] == {
        "programs": "\n20 redis /usr/bin/redis [${instance1:location}]",
        "groups": "30 all redis",
    }
    monkeypatch.setattr("zopestack.adopt.adopted.READ", frozenset())
    found = adopt(home, text)
    assert "supervisor" not in found.sections
    assert "supervisor programs redis" in notes(found, Fate.MISSING)
