"""Programs beside Zope: what the lines of [supervisor] mean, and what is made of them."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest
from zc.buildout import UserError

from tests.support import describe
from zopestack import stack_file
from zopestack.buildout import digests, parsed
from zopestack.buildout.parts import PLUGINS, distributions, parts
from zopestack.config import overrides
from zopestack.features.address import Address
from zopestack.features.program_lines import OwnProgram
from zopestack.model import SUPERVISOR_OPTIONS, Stack
from zopestack.render.files import render
from zopestack.render.programs import programs
from zopestack.render.units import units

#: The example of collective.recipe.supervisor's README, less what zopestack makes.
EXAMPLE = {
    "port": "9001",
    "user": "johndoe",
    "password": "secret",
    "plugins": "superlance",
    "programs": """
          40 maildrophost /home/bin/maildropctl true
          50 other /home/bin/other [-n 100] /tmp
          60 other2 /home/bin/other2 [-n 100] true
          70 other3 (startsecs=10) /home/bin/other3 [-n -h -v --no-detach] /tmp3 true root
          80 web (autostart=false environment=PORT="1",A="b,c") bin/web""",
    "eventlisteners": """
          Memmon TICK_60 /home/bin/memmon [-p other=200MB]
          HttpOk (startsecs=20 priority=7) TICK_60,PROCESS_STATE /home/bin/httpok [-p web x]""",
    "groups": "20 others other,other2,other3",
}


def read(home: Path, **options: str) -> Stack:
    return describe.read(home, {"instances": "2"}, {"supervisor": options})


@pytest.fixture
def stack(home: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    # Only root starts programs as somebody else.
    monkeypatch.setattr("os.getuid", lambda: 0)
    return read(home, **EXAMPLE)


def written(stack: Stack) -> configparser.RawConfigParser:
    """supervisord.conf as supervisord reads it."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(render(stack)[stack.supervisord_conf])
    return parser


def test_lines_mean_what_they_mean_to_the_recipe(stack: Stack) -> None:
    maildrophost, other, other2, other3, web = stack.own.programs
    assert maildrophost == OwnProgram("maildrophost", 40, "/home/bin/maildropctl", redirect=True)
    assert other == OwnProgram("other", 50, "/home/bin/other", "-n 100", Path("/tmp"))
    assert (other2.directory, other2.redirect) == (None, True)
    assert (other3.startsecs, other3.directory, other3.user) == (10, Path("/tmp3"), "root")
    assert not web.autostart
    memmon, httpok = stack.own.eventlisteners
    assert (memmon.events, memmon.arguments) == ("TICK_60", "-p other=200MB")
    assert (httpok.priority, httpok.startsecs) == (7, 20)
    assert stack.control.port == Address("127.0.0.1", 9001)


def test_supervisord_conf_has_them(stack: Stack, home: Path) -> None:
    parsed.check(stack)
    conf = written(stack)
    other = dict(conf["program:other"])
    assert other["command"] == "/home/bin/other -n 100"
    assert (other["directory"], other["priority"]) == ("/tmp", "50")
    # supervisord's own defaults, not those of an instance.
    assert (other["autorestart"], other["stopwaitsecs"]) == ("unexpected", "10")
    assert other["stdout_logfile"] == str(home / "var/log/other.out.log")
    assert other["stderr_logfile"] == str(home / "var/log/other.err.log")
    assert "PYTHON=" not in other["environment"]
    assert "stderr_logfile" not in conf["program:other2"]
    assert conf["program:other2"]["directory"] == "/home/bin"
    assert conf["program:other3"]["user"] == "root"
    web = conf["program:web"]
    assert (web["command"], web["autostart"]) == (f"{home}/bin/web", "false")
    assert web["environment"].endswith(',PORT="1",A="b,c"')
    listener = conf["eventlistener:HttpOk"]
    assert (listener["events"], listener["priority"]) == ("TICK_60,PROCESS_STATE", "7")
    assert listener["stdout_logfile"] == "NONE"
    assert dict(conf["group:others"]) == {"programs": "other,other2,other3", "priority": "20"}
    assert conf["inet_http_server"]["port"] == "127.0.0.1:9001"


def test_what_the_user_says_of_logs_wins(home: Path) -> None:
    line = f"10 redis (stdout_logfile={home}/r.log stderr_logfile_backups=1) redis-server"
    redis = written(read(home, programs=line))["program:redis"]
    assert redis["stdout_logfile"] == f"{home}/r.log"
    assert redis["stderr_logfile_backups"] == "1"
    assert redis["directory"] == str(home)


def test_order_is_by_priority(stack: Stack) -> None:
    names = [each.name for each in programs(stack, {})]
    assert names[:4] == ["Memmon", "HttpOk", "maildrophost", "other"]
    assert names.index("web") < names.index("zeo") < names.index("instance1")
    late = read(stack.directory, programs="250 web bin/web\n299 mail bin/mail")
    names = [each.name for each in programs(late, {})]
    assert names.index("instance2") < names.index("web") < names.index("access-log")
    assert names.index("mail") < names.index("haproxy")


def test_a_service_of_systemd_waits_for_them(home: Path) -> None:
    def seconds(line: str) -> int:
        found = read(home, programs=line)
        return units(found, programs(found, {}))[found.system_unit].stop

    assert seconds("10 redis (stopwaitsecs=500) redis-server") == 490 + seconds("10 r r")


def test_without_them_nothing_is_there(home: Path) -> None:
    conf = written(read(home))
    assert not [name for name in conf.sections() if name.startswith("group:")]
    assert "inet_http_server" not in conf
    assert PLUGINS not in parts(read(home), describe.described(home).overrides)


def test_what_is_read_here_does_not_go_to_the_recipe(home: Path) -> None:
    given = {"port": "9001", "user": "johndoe", "password": "secret", "programs": "1 a a"}
    found = describe.described(home, {}, {"supervisor": {**given, "extra-paths": "src"}})
    made = parts(found.stack, found.overrides)
    assert not SUPERVISOR_OPTIONS.keys() & made["supervisor"].keys()
    assert made["supervisor"]["extra-paths"] == "src"
    assert "secret" not in repr((made, found.stack))


def test_plugins_are_installed_with_their_scripts(stack: Stack, home: Path) -> None:
    made = parts(stack, describe.described(home).overrides)
    assert made[PLUGINS] == {"recipe": "zc.recipe.egg:scripts", "eggs": "superlance"}
    assert "superlance" in distributions(made)


def test_stack_json_holds_them(stack: Stack, home: Path) -> None:
    (home / "stack.json").write_text(stack_file.dumps(stack), "utf-8")
    assert stack_file.load(home / "stack.json") == stack
    assert {"stack.json", "supervisord.conf"} <= {path.name for path in stack.private}


def test_a_digest_changes_with_the_files_that_are_named(home: Path) -> None:
    made = parts(describe.read(home), describe.described(home).overrides)

    def digest(line: str) -> str:
        return digests.digests(read(home, programs=line), made, {}, {})["redis"]

    line = f"10 redis redis-server [redis.conf --pidfile var/redis.pid] {home}"
    nothing = digest(line)
    (home / "redis.conf").write_text("save ''\n", "utf-8")
    there = digest(line)
    assert there != nothing
    # What a program itself writes into var does not.
    (home / "var").mkdir()
    (home / "var/redis.pid").write_text("7\n", "utf-8")
    assert digest(line) == there
    (home / "redis.conf").write_text("save 60 1\n", "utf-8")
    assert digest(line) != there
    (home / "bin").mkdir()
    (home / "bin/redis").write_text("#!/bin/sh\n", "utf-8")
    own = digest("10 redis bin/redis")
    (home / "bin/redis").write_text("#!/bin/sh -e\n", "utf-8")
    assert digest("10 redis bin/redis") != own


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("10 redis r [%(port)s]", "names ('port') which cannot be expanded."),
        ("10 redis r [100%]", "is badly formatted"),
        ("10 redis (umask=9) r", "9 can not be converted to an octal type"),
        ("10 redis (environment=A) r", "Unexpected end of key/value pairs"),
        ("10 redis (stdout_logfile=/nowhere/r.log) r", "/nowhere/r.log does not exist"),
        ("10 redis (stopasgroup=true killasgroup=false) r", "Cannot set stopasgroup=true"),
    ],
)
def test_what_supervisord_refuses_is_named(home: Path, line: str, says: str) -> None:
    with pytest.raises(UserError) as refused:
        parsed.check(read(home, programs=f"5 fine f\n{line}"))
    message = str(refused.value)
    assert message.startswith("[supervisor] programs = redis\n")
    assert says in message
    assert "Available names" not in message


def test_only_root_runs_programs_as_somebody_else(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "10 redis redis-server /tmp true nobody-here"
    monkeypatch.setattr("os.getuid", lambda: 0)
    with pytest.raises(UserError, match="Invalid user name nobody-here"):
        parsed.check(read(home, programs=line))
    monkeypatch.setattr("os.getuid", lambda: 4711)
    with pytest.raises(UserError, match="no user nobody-here for redis: supervisord runs as 4711"):
        read(home, programs=line)


def test_what_is_not_there_is_said(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = (
        "1 typo /usr/bin/redis-serer [/x] /tmp",
        "2 lost /bin/sh [-c x] /no/where",
        "3 word no-such-program-here",
        # What a part makes, and what is there.
        "4 made bin/made var/made",
        "5 there sh /tmp",
    )
    read(home, programs="\n".join(lines))
    assert [record.getMessage() for record in caplog.records] == [
        "[supervisor] typo: there is no program /usr/bin/redis-serer; it will not start.",
        "[supervisor] lost: there is no directory /no/where; it will not start.",
        "[supervisor] word: there is no program no-such-program-here; it will not start.",
    ]


def test_listeners_may_watch_what_is_the_users(home: Path) -> None:
    lines = (
        "Memmon TICK_60 bin/memmon [-p web=200MB -g caches=1GB -n zeo]",
        "HttpOk TICK_60 bin/httpok [-p web -t 20 http://localhost:3000/]",
        "Mail PROCESS_STATE bin/crashmail [-p instance1 -m admin@example.com]",
    )
    assert len(read(home, eventlisteners="\n".join(lines)).own.eventlisteners) == 3


@pytest.mark.parametrize(
    ("old", "new", "left_out"),
    [
        ("for group in stack.own.groups", "for group in []", "group:caches"),
        ("if stack.control.port", "if false", "inet_http_server"),
        ("for program in programs", "for program in programs[1:]", "program:redis"),
    ],
)
def test_a_template_that_leaves_out_what_is_asked_for_is_refused(
    home: Path, old: str, new: str, left_out: str
) -> None:
    given = {"programs": "10 redis redis-server", "groups": "20 caches redis"}
    given |= {"port": "9001", "user": "operator", "password": "secret"}
    describe.template(home, "mine", "supervisord.conf.j2", old, new)
    own = describe.read(home, {"templates": "mine"}, {"supervisor": given})
    with pytest.raises(UserError) as refused:
        parsed.check(own)
    assert f"leaves out of supervisord.conf [{left_out}]" in str(refused.value)
    parsed.check(read(home, **given))


def test_an_event_listener_is_blamed_as_one(home: Path) -> None:
    with pytest.raises(UserError, match="eventlisteners = Mail"):
        parsed.check(read(home, eventlisteners="Mail (umask=9) TICK_60 mail"))


def test_logs_may_go_where_they_will_be_made(home: Path) -> None:
    parsed.check(read(home, programs=f"10 r (stdout_logfile={home}/var/log/r.log) r"))


@pytest.mark.parametrize("password", ["two words", ";comment", "#comment", "p\u00e4ss", "a\x07b"])
def test_a_wrong_password_is_not_shown(home: Path, password: str) -> None:
    with pytest.raises(UserError) as refused:
        read(home, port="9001", user="operator", password=password)
    assert str(refused.value).startswith("[supervisor] password = ...\n")
    assert password not in str(refused.value)
    assert "printable ASCII without spaces" in str(refused.value)


def test_a_port_that_something_else_has_is_refused(home: Path) -> None:
    with pytest.raises(UserError) as refused:
        read(home, port="8080", user="operator", password="secret")
    assert "[stack] http-address = 127.0.0.1:8080 and [supervisor] port = 8080" in str(
        refused.value
    )
    assert "haproxy and supervisord would both listen on port 8080" in str(refused.value)


def test_the_option_of_a_listener_is_named_in_its_section(stack: Stack) -> None:
    (own,) = (each for each in stack.listeners() if each.process == "supervisord")
    assert (own.section, own.option) == ("supervisor", "port")


def test_its_section_is_the_users(home: Path) -> None:
    assert "supervisor" in overrides.own(["buildout", "supervisor"], {})
