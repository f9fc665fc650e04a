"""What becomes of the programs that supervisord ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.adopting import RECIPE, adopt, example, notes, stack
from zopestack.adopt.adopted import Adopted
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


CONF = """
[supervisord]
logfile = log
[program:zc1]
command = ${buildout:bin-directory}/zc1 console
[program:redis]
command = /usr/bin/redis-server --port ${buildout:port}  ; its own
priority = 20
startsecs = 5
stopsignal=INT
directory = /tmp
user = nobody
[program:varnish]
command = bin/varnish
redirect_stderr = true
# [program:old]
# command = bin/old
"""


def made_from(home: Path, conf: str) -> Adopted:
    (home / "supervisord.conf.in").write_text(conf, encoding="utf-8")
    return adopt(
        home,
        f"[buildout]\nparts = zc1 debug conf\nport = 6379\n[zc1]\n{RECIPE}[debug]\n{RECIPE}"
        "debug-mode = on\n[conf]\nrecipe = collective.recipe.template\n"
        "input = supervisord.conf.in\noutput = etc/supervisord.conf\n",
    )


def test_programs_of_a_supervisord_conf_from_a_template_are_taken_over(home: Path) -> None:
    found = made_from(home, CONF)
    assert found.sections["supervisor"]["programs"].split("\n") == [
        "",
        "20 redis (startsecs=5 stopsignal=INT) /usr/bin/redis-server [--port ${buildout:port}] "
        "/tmp false nobody",
        "999 varnish bin/varnish true",
    ]
    assert found.sections["buildout"]["port"] == "6379"
    assert notes(found, Fate.GOES)["conf zc1"] == "supervisord runs it anyway"
    # It is not started there.
    assert stack(found)["extra-instances"] == "debug manual"


@pytest.mark.parametrize(
    "options",
    [
        "command = redis-server --pidfile %(here)s/redis.pid",
        "command = sh -c '[ -e x ]'",
        "command = node server.js\nenvironment = A='1', B='2'",
        "directory = /tmp",
    ],
)
def test_a_program_that_is_no_line_is_named(home: Path, options: str) -> None:
    found = made_from(home, f"[program:zc1]\ncommand = bin/zc1\n[program:x]\n{options}\n")
    assert "supervisor" not in found.sections
    assert "a line of programs" in notes(found, Fate.MISSING)["conf x"]


def test_a_supervisord_conf_that_cannot_be_read_has_no_programs(home: Path) -> None:
    assert "supervisor" not in made_from(home, "command = x\n").sections


def test_what_makes_a_program_comes_before_the_stack(home: Path) -> None:
    found = adopt(
        home,
        f"[buildout]\nparts = zc1 py cache tool supervisor\n[zc1]\n{RECIPE}"
        "[py]\nrecipe = zc.recipe.egg\neggs = ${zc1:eggs}\n"
        "[cache]\nrecipe = plone.recipe.varnish:script\n"
        "[tool]\nrecipe = zc.recipe.egg\nscripts = serve=server\n"
        "[supervisor]\nrecipe = collective.recipe.supervisor\nprograms =\n"
        "    20 varnish bin/cache\n    30 tool ${buildout:bin-directory}/server [-v]\n",
    )
    assert found.sections["buildout"]["parts"].split() == ["cache", "tool", "stack", "py"]
