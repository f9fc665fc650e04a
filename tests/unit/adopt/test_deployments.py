"""What bin/adopt makes of buildouts modelled on public ones."""

from __future__ import annotations

import io
import re
from importlib import metadata
from pathlib import Path

import pytest
from zc.buildout import configparser

from tests.support.adopting import INSTANCE, NAMES, PLACE, adopt, example, notes, stack
from zopestack.adopt import instances, recipes
from zopestack.adopt.adopted import Adopted
from zopestack.adopt.cli import adopted
from zopestack.adopt.notes import Fate, report
from zopestack.adopt.original import Original
from zopestack.config.overrides import ADDRESSES


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("press", "4 instances; worker instancebots; instance-settings"),
        ("council", "3 instances; instance-async instance-debug; instance"),
        ("agency", "1 instances; extra-instance0 manual; instance"),
        ("campus", "4 instances; zcdebug; zope-common"),
        ("studio", "2 instances; zeoclient_debug manual; instance-base"),
        ("desk", "2 instances; debug-instance manual; instance"),
    ],
)
def test_who_is_behind_haproxy(name: str, expected: str) -> None:
    found = stack(example(name))
    common = found.get("instance-section", "instance")
    assert f"{found['instances']} instances; {found['extra-instances']}; {common}" == expected


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_passed_over(name: str) -> None:
    """Every part has a fate, and every option of an instance is written or spoken of."""
    original = Original(PLACE / name / "buildout.cfg")
    found = Adopted(original)
    said = {note.place.section for note in found.notes}
    bases = {base for part in original.parts for base in instances.bases(original, part)}
    assert {*original.parts} - bases <= said
    for part in original.parts:
        if original.recipe(part) != recipes.INSTANCE or part in bases:
            continue
        taken = {option for section in found.sections.values() for option in section}
        spoken = {note.place.option for note in found.notes}
        left = {*original.options(part)} - taken - spoken - {"recipe", "threads"}
        assert left <= {instances.OLD_THREADS, *ADDRESSES}


@pytest.mark.parametrize("name", NAMES)
def test_every_place_is_where_it_says(name: str) -> None:
    for note in example(name).notes:
        lines = (PLACE / name / note.place.file).read_text(encoding="utf-8").splitlines()
        line = lines[note.place.line - 1]
        expected = note.place.option or f"[{note.place.section}]"
        assert line.startswith(expected), note


@pytest.mark.parametrize("name", NAMES)
def test_what_is_made_is_accepted_and_needs_nothing_that_is_gone(name: str) -> None:
    found = example(name)
    objections = ("bin/buildout would refuse", "it refers to")
    assert [why for why in notes(found, Fate.MISSING).values() if why.startswith(objections)] == []


def test_the_version_is_pinned_where_the_others_are(home: Path) -> None:
    for name in NAMES:
        assert example(name).sections["versions"]["zopestack"] == metadata.version("zopestack")
    found = adopt(home, f"[buildout]\nparts = instance\nversions = pins\n{INSTANCE}[pins]\na = 1\n")
    assert found.sections["pins"] == {"a": "1", "zopestack": metadata.version("zopestack")}


#: Where one stays: council's is in its file of ports, and desk's database asks for its.
WITH_PASSWORD = ("council", "desk")


def test_no_password_is_taken_over() -> None:
    for name in NAMES:
        if name not in WITH_PASSWORD:
            assert "change-me" not in adopted(PLACE / name / "buildout.cfg"), name


def test_files_that_say_nothing_of_a_stack_are_extended_as_before() -> None:
    extends = {name: example(name).sections["buildout"].get("extends", "") for name in NAMES}
    assert {name: text.split() for name, text in extends.items() if text} == {
        "council": ["port.cfg"],
        "press": ["versions.cfg"],
        "studio": ["linkto/pinned_versions.cfg"],
    }


def test_addresses_and_directories_stay_where_they_are() -> None:
    assert {name: stack(example(name)).get("http-address", "") for name in NAMES} == {
        "agency": "",
        "campus": "127.0.0.1:8080",
        "council": "",
        "desk": "127.0.0.1:18881",
        "press": "",
        "studio": "127.0.0.1:8081",
    }
    studio = stack(example("studio"))
    assert (studio["base-port"], studio["zeo-address"]) == ("8082", "127.0.0.1:8100")
    assert studio["var"] == "data/var"
    # HAProxy has the port of the first instance.
    assert "base-port" not in stack(example("press"))


def test_references_follow_the_new_names() -> None:
    assert example("campus").sections["checkinterval"]["eggs"] == "${instance1:eggs}"
    assert example("agency").sections["zopepy"]["eggs"] == "${extra-instance0:eggs}"
    assert example("desk").sections["zopepy"]["eggs"] == "${instance:eggs}"


def test_what_one_instance_has_alone_is_in_its_section() -> None:
    sections = example("campus").sections
    numbers = [
        re.findall("zeo ([0-9])", sections[f"instance{n}"]["zope-conf-additional"])
        for n in range(1, 5)
    ]
    assert numbers == [["1"], ["2"], ["3"], ["4"]]
    assert sections["zcdebug"] == {"http-address": "${ports:zcdebug}"}


def test_a_file_that_is_called_after_an_instance_keeps_its_name() -> None:
    worker = example("press").sections["worker"]
    assert worker["environment-vars"] == "QUEUE ${buildout:directory}/var/worker-uuid.txt"
    of_all = example("press").sections["instance-settings"]["environment-vars"]
    assert "var/${:_buildout_section_name_}" in of_all


@pytest.mark.parametrize("name", NAMES)
def test_the_report_stands_in_the_comments_of_a_buildout(name: str) -> None:
    text = adopted(PLACE / name / "buildout.cfg")
    found = example(name)
    parsed = {n: dict(s) for n, s in configparser.parse(io.StringIO(text), name).items()}
    assert parsed.keys() == found.sections.keys()
    for line in report(found.notes):
        assert f"# {line}".rstrip() in text.splitlines()
    headings = [heading for heading in text.splitlines() if heading[2:] in {f.value for f in Fate}]
    assert headings == sorted(headings, key=[f"# {fate.value}" for fate in Fate].index)
