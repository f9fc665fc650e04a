"""What ``${section:option}`` and ``<=`` find of a stack, from sections of the user's own."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from zc.buildout import configparser

from tests.support import describe
from tests.support.forked import Buildout

#: A part that makes nothing; its options are in .installed.cfg.
PART = {"recipe": "zc.recipe.egg:eggs", "eggs": "supervisor"}

Sections = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def forked() -> Iterator[Buildout]:
    with Buildout() as running:
        yield running


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="zs-") as name:
        yield Path(name)


def configured(directory: Path, sections: Sections, **options: str) -> None:
    named = {name.replace("_", "-"): text for name, text in options.items()}
    text = describe.buildout_cfg({"instances": "2", **named}, sections)
    (directory / "buildout.cfg").write_text(text, encoding="utf-8")


def installed(directory: Path) -> Sections:
    """The options of every part that was made."""
    text = (directory / ".installed.cfg").read_text(encoding="utf-8")
    return {n: dict(s) for n, s in configparser.parse(io.StringIO(text), "installed").items()}


@pytest.fixture(scope="module")
def parts(place: Path, forked: Buildout) -> Sections:
    """Of a buildout whose sections have the names that those of others have."""
    configured(
        place,
        {
            "buildout": {"parts": "before stack after"},
            "base": {"zodb-cache-size": "777", "eggs": "${stack:eggs}"},
            "instance": {"mine": "the user's"},
            "instance2": {"<": "instance1", "threads": "2"},
            "instance1": {"zodb-cache-size": "778"},
            "zeoserver": {
                "eggs": "ZEO\n${instance2:eggs}",
                "pack-days": "3",
                "mine": "${instance2:location}",
            },
            "ports": {"worker": "8090"},
            "worker": {"http-address": "${ports:worker}"},
            "before": {**PART, "found": "${stack:var} ${stack:threads} ${stack:haproxy-conf}"},
            "after": {
                **PART,
                "<": "instance1",
                "database": "${zeoserver:file-storage} ${zeo:location} ${zeoserver:pack-days}",
                "all": "${base:zodb-cache-size} ${base:location} ${base:http-address}",
                "one": "${instance2:location} ${instance2:threads} ${instance:mine} ${zeo:mine}",
            },
        },
        instance_section="base",
        extra_instances="worker",
    )
    done = forked.run(place)
    assert done.returncode == 0, done.stderr
    return installed(place)


def test_a_part_before_the_stack_finds_what_stack_says(parts: Sections, place: Path) -> None:
    conf = place / "parts/stack-files/haproxy.cfg"
    assert parts["before"]["found"] == f"{place / 'var'} 1 {conf}"


def test_a_section_of_another_name_is_that_of_all_instances(parts: Sections) -> None:
    assert parts["instance2"]["zodb-cache-size"] == "778"
    assert parts["instance1"]["zodb-cache-size"] == "778"
    assert parts["instance1"]["eggs"].split() == ["Zope", "zopestack"]
    assert "mine" not in parts["instance1"]


def test_what_it_does_not_say_is_that_of_the_first_instance(parts: Sections, place: Path) -> None:
    said = f"777 {place / 'parts/instance1'} 127.0.0.1:8081"
    assert parts["after"]["all"] == said


def test_zeoserver_is_zeo(parts: Sections, place: Path) -> None:
    data = place / "var/filestorage/Data.fs"
    assert parts["zeo"]["pack-days"] == "3"
    assert parts["after"]["database"] == f"{data} {place / 'parts/zeo'} 3"
    assert "zeoserver" not in parts


def test_a_part_may_refer_to_one_that_is_made_after_it(parts: Sections, place: Path) -> None:
    assert parts["zeo"]["eggs"].split()[:2] == ["ZEO", "Zope"]
    assert parts["zeo"]["mine"] == str(place / "parts/instance2")


def test_parts_are_found_by_their_own_names(parts: Sections, place: Path) -> None:
    assert (
        parts["after"]["one"]
        == f"{place / 'parts/instance2'} 2 the user's {place / 'parts/instance2'}"
    )


def test_an_address_may_be_a_reference(parts: Sections) -> None:
    assert parts["worker"]["http-address"] == "127.0.0.1:8090"


def test_a_section_takes_what_the_user_has_written_and_not_the_part(parts: Sections) -> None:
    assert parts["after"]["zodb-cache-size"] == "778"
    assert "http-address" not in parts["after"]


def test_the_order_of_parts_does_not_matter_with_the_extension(
    home: Path, forked: Buildout
) -> None:
    configured(
        home,
        {
            "buildout": {"parts": "first stack", "extensions": "zopestack"},
            "first": {**PART, "where": "${instance:location} ${zeo:location}"},
        },
    )
    done = forked.run(home)
    assert done.returncode == 0, done.stderr
    where = f"{home / 'parts/instance1'} {home / 'parts/zeo'}"
    assert installed(home)["first"]["where"] == where


@pytest.mark.parametrize(
    ("sections", "options", "says"),
    [
        (
            {"mine": {**PART, "<": "instance1"}},
            {},
            "[mine] <= instance1\n  is not accepted: zopestack makes [instance1]; write "
            "<= instance; if [mine] is an instance",
        ),
        (
            {"mine": {"<": "instance1"}, "base": {}},
            {"instance-section": "base"},
            "write <= base; if [mine] is an instance, delete this line and name it under "
            "extra-instances in [stack]",
        ),
        (
            {"worker": {"<": "instance2"}},
            {"extra-instances": "worker"},
            "delete this line: [worker] takes the options of [instance] anyway",
        ),
        (
            {"mine": {"<": "zeoserver"}},
            {},
            "zopestack makes [zeoserver]; write out the options that it needs",
        ),
        (
            {"zeo": {}, "zeoserver": {}},
            {},
            "[zeoserver] and [zeo]\n  are one section",
        ),
        (
            {"zeoclient-base": {}},
            {"instance-section": "zeoclientbase"},
            "[stack] instance-section = zeoclientbase\n  is not accepted: expected a section that "
            "is there (did you mean zeoclient-base?).",
        ),
        (
            {"base": {"http-address": "8080"}},
            {"instance-section": "base"},
            "[base] http-address = 8080\n  follows from [stack]",
        ),
        (
            {"zeoserver": {"var": "/srv"}},
            {},
            "[zeoserver] var = /srv\n  follows from [stack]",
        ),
        (
            {"base": {"zodb-cache-sise": "5"}},
            {"instance-section": "base"},
            "[base] zodb-cache-sise = 5\n",
        ),
    ],
)
def test_what_cannot_work_is_named_as_it_is_written(
    home: Path, forked: Buildout, sections: Sections, options: dict[str, str], says: str
) -> None:
    configured(home, sections, **options)
    done = forked.run(home)
    assert done.returncode
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "parts").exists() or not any((home / "parts").iterdir())
