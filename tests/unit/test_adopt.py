"""What bin/adopt makes of buildouts such as those of ``tests/support/adopted``."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from zc.buildout import configparser

from zopestack.adopt import instances, recipes
from zopestack.adopt.adopted import Adopted
from zopestack.adopt.cli import adopted
from zopestack.adopt.notes import Fate, report
from zopestack.adopt.original import Original, Unreadable
from zopestack.config.overrides import ADDRESSES, ALIASES, DERIVED, USELESS
from zopestack.model import OPTIONS

PLACE = Path(__file__).parents[1] / "support" / "adopted"

NAMES = sorted(path.name for path in PLACE.iterdir() if path.is_dir())

Sections = dict[str, dict[str, str]]

INSTANCE = "[instance]\nrecipe = plone.recipe.zope2instance\n"

ZEO = "[zeoserver]\nrecipe = plone.recipe.zeoserver\n"


@pytest.fixture(autouse=True)
def _no_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what the user who runs the tests has set for all buildouts."""
    monkeypatch.setenv("BUILDOUT_HOME", str(tmp_path / "none"))


def adopt(home: Path, text: str) -> Adopted:
    (home / "buildout.cfg").write_text(text, encoding="utf-8")
    return Adopted(Original(home / "buildout.cfg"))


@cache
def example(name: str) -> Adopted:
    return Adopted(Original(PLACE / name / "buildout.cfg"))


def notes(found: Adopted, fate: Fate) -> dict[str, str]:
    """What is said, by the section and the option that it is said of."""
    return {
        f"{note.place.section} {note.place.option} {note.what}".strip(): note.why
        for note in found.notes
        if note.fate is fate
    }


def stack(found: Adopted) -> dict[str, str]:
    return {name: " ".join(text.split()) for name, text in found.sections["stack"].items()}


# The six deployments.


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("press", "4 instances; worker instancebots; instance-settings"),
        ("council", "3 instances; instance-async instance-debug; instance"),
        ("agency", "1 instances; extra-instance0 manual; instance"),
        ("campus", "4 instances; zcdebug; zope-common"),
        ("studio", "2 instances; zeoclient_debug; instance-base"),
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


def test_no_password_is_taken_over() -> None:
    for name in NAMES:
        if name != "council":  # its file of ports stays as it is
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


def test_a_section_takes_from_what_instances_have_in_common(home: Path) -> None:
    base = "recipe = plone.recipe.zope2instance\neggs = Zope\n"
    found = adopt(
        home,
        f"[buildout]\nparts = one two py\n[one]\n{base}[two]\n{base}"
        "[py]\n<=\n    one\n    more\nrecipe = zc.recipe.egg\n[more]\ninterpreter = py\n",
    )
    assert found.sections["py"]["<"].split() == ["instance", "more"]
    assert not any("refuse" in why for why in notes(found, Fate.MISSING).values())


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


def test_a_reference_to_what_goes_is_named(home: Path) -> None:
    found = adopt(
        home,
        f"[buildout]\nparts = instance conf x\n{INSTANCE}"
        "[conf]\nrecipe = collective.recipe.template\noutput = etc/haproxy.cfg\n"
        "[x]\nrecipe = zc.recipe.egg\neggs = ${conf:output}\nmine = ${instance:location}\n",
    )
    said = {what: why for what, why in notes(found, Fate.MISSING).items() if "refers" in why}
    assert said == {"x eggs": "it refers to [conf], which goes"}


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
    base = "recipe = plone.recipe.zope2instance\n"
    found = adopt(
        home,
        f"[buildout]\nparts = a b worker supervisor\nlimit = 2GB\n[a]\n{base}[b]\n{base}"
        f"[worker]\n{base}zcml = work\n[supervisor]\nrecipe = collective.recipe.supervisor\n"
        f"eventlisteners = mem TICK_60 bin/memmon [{arguments}]\n",
    )
    assert stack(found).get("memory-limit", "") == limit
    assert "supervisor eventlisteners mem" in notes(found, Fate.GOES)


def test_a_database_that_is_not_zeo_is_not_lost_in_silence() -> None:
    assert "zodbconvert" in notes(example("desk"), Fate.MISSING)["instance rel-storage"]


# One thing at a time.


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
    assert {*instances.LOST, *instances.ONCE, instances.OLD_THREADS} - {"threads"} <= {*DERIVED}
    known = {recipes.INSTANCE, *recipes.ZEO, recipes.SUPERVISOR}
    assert not known & {*recipes.INSTEAD, *recipes.BY_OPTION, *recipes.WITHOUT_EQUIVALENT}


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
    base = "recipe = plone.recipe.zope2instance\n"
    found = adopt(
        home,
        f"[buildout]\nparts = client1 client2 client3\n[client1]\n{base}zcml = clock\n"
        f"[client2]\n{base}[client3]\n{base}",
    )
    assert stack(found) == {"recipe": "zopestack", "instances": "3"}
    assert found.sections["instance1"] == {"zcml": "clock"}


def test_what_an_extra_instance_has_not_is_not_inherited(home: Path) -> None:
    base = "recipe = plone.recipe.zope2instance\n"
    found = adopt(
        home,
        f"[buildout]\nparts = a b worker\n[a]\n{base}zcml = site\n[b]\n{base}zcml = site\n"
        f"[worker]\n{base}http-address = 8099\n",
    )
    assert found.sections["worker"] == {"zcml": "", "http-address": "8099"}


@pytest.mark.parametrize("name", ["Worker", "instance0", "zeo", "1st", "w" * 40, "my.worker"])
def test_an_instance_gets_a_name_that_a_stack_can_have(home: Path, name: str) -> None:
    base = "recipe = plone.recipe.zope2instance\n"
    found = adopt(
        home,
        f"[buildout]\nparts = a b {name}\n[a]\n{base}[b]\n{base}[{name}]\n{base}zcml = work\n",
    )
    OPTIONS["extra-instances"].parse(stack(found)["extra-instances"])


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


def test_what_would_collide_is_said_before_bin_buildout_says_it(home: Path) -> None:
    base = "recipe = plone.recipe.zope2instance\n"
    found = adopt(
        home,
        f"[buildout]\nparts = a b c\n[a]\n{base}[b]\n{base}"
        f"[c]\n{base}zcml = x\nhttp-address = 8080\n",
    )
    (why,) = (w for w in notes(found, Fate.MISSING).values() if "refuse" in w)
    assert "collide" in why


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
