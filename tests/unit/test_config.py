from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from zc.buildout import UserError

from tests.integration.frontend.test_bad_input import CASES
from tests.support import describe
from tests.support.bad_input import BAD, Bad
from zopestack.config.read import Buildout, read
from zopestack.features.address import Address
from zopestack.features.unknown_name import nearest
from zopestack.model import OPTIONS, SUPERVISOR_OPTIONS, Stack
from zopestack.render.files import render


def shown(value: str) -> str:
    """As much of a value as every message has to show."""
    return (value if value.isprintable() else repr(value))[:80]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_bad_input_is_named_with_its_remedy(case: Bad, furnished: Path) -> None:
    with pytest.raises(UserError) as caught:
        describe.read(furnished, case.stack, case.sections)
    message = str(caught.value)
    lines = message.split("\n")
    assert message.startswith(f"[{case.section}]")
    assert f"{case.option} = {shown(case.value)}" in message
    assert case.says in message
    assert len(lines) <= 3
    assert all(line.isprintable() and len(line) < 500 for line in lines)


def test_the_table_names_every_option() -> None:
    assert set(OPTIONS) <= {case.option for case in (*BAD, *CASES)}
    wrong = {case.option for case in BAD if case.section == "supervisor"}
    # The value of a password is not shown (test_own_programs.py).
    assert set(SUPERVISOR_OPTIONS) - wrong == {"password"}
    assert len({case.name for case in BAD}) == len(BAD)


def test_defaults(home: Path) -> None:
    stack = describe.read(home, {"instances": "2"})
    assert stack.balancer.http_address == (Address("127.0.0.1", 8080),)
    assert [str(instance.address) for instance in stack.instances] == [
        "127.0.0.1:8081",
        "127.0.0.1:8082",
    ]
    assert [instance.threads for instance in stack.instances] == [1, 1]
    assert (stack.zope.user, stack.zope.eggs, stack.directories.templates) == (
        "admin",
        ("Zope",),
        None,
    )
    assert stack.var == home / "var"


def test_defaults_leave_room_for_the_most_instances(home: Path) -> None:
    assert len(describe.read(home, {"instances": "256"}).instances) == 256


def test_auto_is_one_instance_a_core(home: Path) -> None:
    assert len(describe.read(home, {}).instances) >= 1


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("8080", "127.0.0.1:8080"),
        ("localhost:8080", "127.0.0.1:8080"),
        ("*:80", "*:80"),
        ("0.0.0.0:80", "0.0.0.0:80"),
        ("[::1]:8080", "[::1]:8080"),
        ("[0:0:0:0:0:0:0:1]:8080", "[::1]:8080"),
        ("[2001:DB8::1]:8080", "[2001:db8::1]:8080"),
        ("[::ffff:192.0.2.1]:8080", "192.0.2.1:8080"),
        (" 127.0.0.1:8080\t", "127.0.0.1:8080"),
        ("127.0.0.1:008080", "127.0.0.1:8080"),
        ("8080 [::1]:8080", "127.0.0.1:8080 [::1]:8080"),
        ("192.0.2.1:80\n192.0.2.1:81", "192.0.2.1:80 192.0.2.1:81"),
        ("0.0.0.0:80 [2001:db8::1]:80", "0.0.0.0:80 [2001:db8::1]:80"),
        ("0.0.0.0:80 [::]:80", "0.0.0.0:80 [::]:80"),
    ],
)
def test_addresses(home: Path, typed: str, means: str) -> None:
    read = describe.read(home, {"http-address": typed}).balancer.http_address
    assert " ".join(map(str, read)) == means


def test_same_port_on_another_address_is_no_collision(home: Path) -> None:
    stack = describe.read(home, {"http-address": "127.0.0.2:8081", "instances": "1"})
    assert stack.balancer.local_address.port == stack.instances[0].address.port


@pytest.mark.parametrize(
    ("sections", "threads"),
    [
        ({}, [1, 1, 1]),
        ({"instance": {"threads": "2"}}, [2, 2, 2]),
        ({"instance2": {"threads": "2"}}, [1, 2, 1]),
        ({"instance": {"threads": "2"}, "instance3": {"threads": " 1 "}}, [2, 2, 1]),
        ({"zeo": {"threads": "9"}}, [1, 1, 1]),
    ],
    ids=["none", "all", "one", "one over all", "not an instance"],
)
def test_threads_of_all_and_of_one(
    home: Path, sections: dict[str, dict[str, str]], threads: list[int]
) -> None:
    stack = describe.read(home, {"instances": "3"}, sections)
    assert [instance.threads for instance in stack.instances] == threads
    assert [instance.maxconn for instance in stack.instances] == threads


@pytest.mark.parametrize(
    ("own", "sections", "intervals"),
    [
        ("", {}, [None, None]),
        ("5ms", {}, [0.005, 0.005]),
        ("0.5ms", {"instance2": {"switch-interval": "50ms"}}, [0.0005, 0.05]),
        ("0.5ms", {"instance2": {"switch-interval": " "}}, [0.0005, None]),
        ("", {"instance": {"switch-interval": "10ms"}, "instance1": {"threads": "2"}}, [0.01] * 2),
    ],
    ids=["none", "all", "one over all", "none in one", "instance"],
)
def test_switch_intervals_of_all_and_of_one(
    home: Path, own: str, sections: dict[str, dict[str, str]], intervals: list[float | None]
) -> None:
    stack = describe.read(home, {"instances": "2", "switch-interval": own}, sections)
    assert [instance.switch_interval for instance in stack.instances] == intervals


def test_a_check_interval_warns_that_nothing_reads_it(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        describe.read(home, {"instances": "2"}, {"instance": {"python-check-interval": "1000"}})
    assert "[instance] python-check-interval" in caplog.text
    assert "switch-interval" in caplog.text
    caplog.clear()
    describe.read(home, {"instances": "2", "switch-interval": "5ms"})
    assert caplog.text == ""


@pytest.mark.parametrize(("threads", "warned"), [("1", False), ("2", False), ("3", True)])
def test_more_than_two_threads_warn_and_say_why(
    home: Path, caplog: pytest.LogCaptureFixture, threads: str, warned: bool
) -> None:
    with caplog.at_level(logging.WARNING):
        describe.read(home, {"instances": "2"}, {"instance2": {"threads": threads}})
    assert ("instance2 has 3 threads" in caplog.text) == warned
    assert ("interpreter lock" in caplog.text) == warned
    assert "instance1 has" not in caplog.text


def test_what_buildout_keeps_in_a_section_is_no_option(home: Path) -> None:
    describe.read(home, {"recipe": "zopestack", "<part-dependencies>": "other"})


@pytest.mark.parametrize("option", ["directory", "bin", "parts"])
def test_directories_of_the_buildout_are_checked(home: Path, option: str) -> None:
    directories = vars(describe.directories(home)) | {option: home / "my site"}
    with pytest.raises(UserError, match=r"\[buildout\] .*directory = .*my site\n.*without ' '"):
        read("stack", {}, {}, Buildout(**directories))


def test_home_with_a_space_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/some body")
    with pytest.raises(UserError, match=r"\[stack\] var = ~/var\n.*without ' '"):
        describe.read(home, {"var": "~/var"})


def test_haproxy_that_auto_finds_is_checked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "my tools").mkdir()
    describe.program(home / "my tools" / "haproxy", "HAProxy version 2.8.0")
    monkeypatch.setenv("PATH", str(home / "my tools"))
    with pytest.raises(UserError, match=r"\[stack\] haproxy = auto\n.*without ' '"):
        describe.read(home, {})


def test_var_that_cannot_be_written(home: Path) -> None:
    (home / "var").symlink_to(home / "nowhere")
    with pytest.raises(UserError, match="a directory you can write to"):
        describe.read(home, {})


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("instnaces", "did you mean instances?"),
        ("port", "did you mean base-port?"),
        ("qqq", "known are base-port, instances"),
    ],
)
def test_nearest(word: str, answer: str) -> None:
    assert nearest(word, iter(["instances", "base-port"])) == answer


def test_nearest_of_many_shows_the_most_like_and_where_all_are() -> None:
    many = [f"word{number}" for number in range(40)]
    assert nearest("7", many, "in a book").endswith("and 37 more, in a book")
    assert "word7" in nearest("7", many)


#: What breaks out of one file or another, and much else.
HOSTILE = st.text(
    st.one_of(st.sampled_from("\n\r\t '\"%$#;\\{}[]:,*/.~0189azAZ"), st.characters()),
    max_size=30,
)


#: Options that have lines of their own, each with a harmless value that has the same lines.
WITH_LINES = {
    "acme-challenge": lambda text: "8888" if text.isdigit() else ".",
    "admin-networks": lambda _: "10.0.0.0/8",
    "compression": lambda text: "off" if text == "off" else "on",
    "trusted-proxies": lambda _: "10.0.0.0/8",
}


def lines(stack: Stack) -> list[int]:
    return [text.count("\n") for text in render(stack).values()]


# HAProxy is left out: what is typed there would be run.
@given(option=st.sampled_from([name for name in OPTIONS if name != "haproxy"]), text=HOSTILE)
@example(option="acme-challenge", text="1")
@example(option="acme-challenge", text=".")
@example(option="callback-instances", text="1")
@example(option="admin-networks", text="::")
@example(option="compression", text="a/0")
@example(option="trusted-proxies", text="::1")
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, haproxy_program: Path, option: str, text: str
) -> None:
    """Nothing but a UserError, and what is accepted adds no line of its own to any file."""
    home = tmp_path_factory.getbasetemp()
    usual = {"instances": "2", "haproxy": str(haproxy_program)}
    try:
        stack = describe.read(home, {**usual, option: text})
    except UserError as refused:
        assert str(refused).startswith("[stack] ")
        return
    files = render(stack)
    assert not any("\r" in text or "\0" in text for text in files.values())
    if option not in ("instances", "callback-instances"):
        if option in WITH_LINES and text.strip():
            usual[option] = WITH_LINES[option](text.strip())
        expected = lines(describe.read(home, usual))
        assert lines(stack)[:2] == expected[:2]
